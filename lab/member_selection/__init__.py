"""Which candidates make the ensemble, and with which weights, chosen on out-of-fold maps."""

# verb -> (module of this room, what it does, example, whether it goes on where it stopped)
VERBS = {
    "out-of-fold": (
        "out_of_fold",
        "predict each case by the fold that never saw it",
        "out-of-fold --model weights/my-gli --cohort COHORT --splits splits_final.json --out oof",
        True,
    ),
    "select": (
        "select",
        "choose members and weights on out-of-fold maps",
        "select maps/a maps/b --cohort COHORT --out selection",
        True,
    ),
}
