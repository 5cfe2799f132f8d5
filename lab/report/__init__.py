"""Results become pages and pictures."""

# verb -> (module of this room, what it does, example)
VERBS = {
    "report": (
        "report",
        "turn results into a page: figures, worst cases, changes",
        "report b.json --compare a.json --images in --html report.html",
    ),
    "picture": (
        "case_picture",
        "draw a case: sequences, labels, reference",
        "picture --input in --labels out/ID.nii.gz --out case.png",
    ),
}
