"""Faults and limits, made on purpose."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "stress": (
        "stress",
        "run the program on what is broken, killed and limited",
        "stress --only inputs",
    ),
    "robustness": (
        "robustness",
        "corrupt scans, and see whether the answer holds",
        "robustness --input in --weights weights",
    ),
}
