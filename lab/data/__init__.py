"""Challenge downloads become nnU-Net raw data sets."""

# verb -> (module of this room, what it does, example, whether it goes on where it stopped)
VERBS = {
    "prepare": (
        "prepare",
        "bring challenges' training data into nnU-Net's raw layout",
        "prepare --source brats-gli=downloads --dataset Dataset501_GLI --out nnUNet_raw",
        True,
    ),
}
