"""Folders of label maps become scores and rankings."""

# verb -> (module of this room, what it does, example, whether it goes on where it stopped)
VERBS = {
    "evaluate": (
        "evaluate",
        "score predictions against references",
        "evaluate --scorer 2025-gli --predictions out --references labels --out b.json",
        True,
    ),
    "rank": (
        "rank",
        "rank systems on the same cases, test their differences",
        "rank a.json b.json",
    ),
}
