"""Which candidates make the ensemble, and with which weights: chosen and judged out of fold."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "out-of-fold": (
        "out_of_fold",
        "predict each case by the fold that never saw it",
        "out-of-fold --model weights/my-gli --cohort COHORT --splits splits_final.json --out oof",
    ),
    "select": (
        "select",
        "choose members and weights, judged out of fold",
        "select maps/a maps/b --cohort COHORT --out selection",
    ),
}
