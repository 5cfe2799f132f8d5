"""Recipes: how the shipped weights were trained, one shell file an experiment."""

# verb -> (module of this room, what it does, example, whether it goes on where it stopped)
VERBS = {
    "train": (
        "train",
        "follow a training recipe: stages, folds, candidates, selection",
        "train lab/recipes/panther_multistage.sh --work work --dry-run",
        True,
    ),
}
