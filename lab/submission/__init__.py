"""Checks before anything is uploaded."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "check": (
        "check",
        "check a container's output folder before it is submitted",
        "check --platform brats --input in --output out",
    ),
    "challenge": (
        "challenge",
        "print and check a challenge's description, or draft one",
        "challenge isles-2026",
    ),
}
