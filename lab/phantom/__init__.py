"""Synthetic patients, which anyone may have."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "phantom": (
        "phantom",
        "make a cohort of synthetic scans with labels",
        "phantom --kind brats-gli --cases 4 --seed 0 --out cohort",
    ),
}
