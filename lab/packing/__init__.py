"""Trained folders become model folders in weights/."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "pack": (
        "pack",
        "freeze a trained nnU-Net folder or export zip into weights/",
        "pack Dataset501_GLI/TRAINER__PLANS__3d_fullres --model my-gli --scheme brats-gli",
    ),
    "verify": (
        "verify",
        "check hashes, checkpoints and a case of weights/",
        "verify",
    ),
}
