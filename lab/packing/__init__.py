"""Trained folders become model folders in weights/."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "pack": (
        "pack",
        "freeze nnU-Net folders or exported programs into weights/",
        "pack Dataset501_GLI/TRAINER__PLANS__3d_fullres --model my-gli --scheme brats-gli",
    ),
    "export": (
        "export",
        "write a packed member as a torch.export program with member.json",
        "export --model weights/my-gli --member 0 --out exported/my-gli",
    ),
    "verify": (
        "verify",
        "check hashes, checkpoints and a case of weights/",
        "verify",
    ),
}
