"""PANTHER: pancreatic tumours in MRI on grand-challenge, one socket a task."""

from pathlib import Path

from challenge.description import Scheme, Socket, TrainingLayout
from challenge.limits import TIME_LIMIT_S

_OUTPUT = Path("images", "pancreatic-tumor-segmentation")
_LABELS = {"tumour": 1, "pancreas": 2}  # MSD Task07 numbers them the other way round


def _layout(task: int) -> TrainingLayout:
    return TrainingLayout(
        f"PANTHER Task {task}",
        {1: "tumour", 2: "pancreas"},
        finder="paired",
        images_folder="ImagesTr",
        labels_folders=("LabelsTr",),
        case_names=r"\d{5}(_\d{4})?",
    )


_MSD = TrainingLayout(
    "MSD Task07, CT",
    {1: "pancreas", 2: "tumour"},
    finder="paired",
    images_folder="imagesTr",
    labels_folders=("labelsTr",),
    case_names=r"pancreas_\d+",
    channel="CT",
)
# 1 PDAC, 2 veins, 3 arteries, 4 parenchyma, 5 duct, 6 common bile duct; where both kinds of
# labels exist the manual ones count.
_PANORAMA = TrainingLayout(
    "PANORAMA, CT",
    {1: "tumour", 2: "", 3: "", 4: "pancreas", 5: "pancreas", 6: ""},
    finder="paired",
    images_folder="images",
    labels_folders=("automatic_labels", "manual_labels", "labels"),
    case_names=r"\d{6}_\d{5}",
    channel="CT",
)


def _panther(task: int, slug: str, *further: tuple[str, TrainingLayout]) -> Scheme:
    name, sequence = f"panther-t{task}", f"t{task}"
    return Scheme(
        name=name,
        labels=_LABELS,
        regions={"tumour": ("tumour",), "pancreas": ("tumour", "pancreas")},
        sequences=(sequence,),
        tumour="tumour",
        whole="pancreas",
        written=("tumour",),
        # PANTHER's evaluator gives an empty mask the worst value of every metric.
        when_empty=("before-rules", "half-of-maximum", "ball-at-maximum"),
        usual_share={"tumour": (0.0, 0.85)},
        socket=Socket(slug, _OUTPUT),
        file_ending=".mha",
        time_limit_s=TIME_LIMIT_S["grand-challenge"],
        default_scorer="panther",
        selection_objective="rank",
        training_regions=(("pancreas", "pancreas"), ("tumour", "tumour")),
        layouts={name: _layout(task), **dict(further)},
        median_share={"tumour": (0.0, 0.5)},
    )


CHALLENGES = (
    _panther(1, "abdominal-t1-mri", ("msd-pancreas", _MSD), ("panorama", _PANORAMA)),
    _panther(2, "abdominal-t2-mri"),
)
