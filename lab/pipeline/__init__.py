"""From trained folders, or predictions alone, to what ships, in one command.

sources    results folders, their names, checkpoints and splits
steps      one call of a verb: its command, what it costs, what it writes
submission what a team hands in, and where everything that is made of it lies
plan       the steps of a submission, and in which order
run_steps  steps one after the other, with marks, logs and one bar
rehearsal  two cases through the program as the platform hands them out
summary    what ships, how much better on held-out cases, and where it lies
"""

# verb -> (module of this room, what it does, example)
VERBS = {
    "submit": (
        "submit",
        "trained folders -> a proven model that ships",
        "submit RESULTS --cohort nnUNet_raw/Dataset501_X --scheme brats-gli --name my --work work",
        True,
    ),
    "rehearse": (
        "rehearsal",
        "run cases through the program as their platform does",
        "rehearse --cohort nnUNet_raw/Dataset501_X --model weights/my-gli --out rehearsal",
    ),
}
