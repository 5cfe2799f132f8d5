"""Experiments on cohorts whose best rules are known."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "study": (
        "study",
        "compare post-processing methods where the best rules are known",
        "study --html study.html",
        True,
    ),
}
