"""ISLES: stroke lesions in one T1-weighted MRI on grand-challenge."""

from pathlib import Path

from challenge.description import Scheme, Socket, TrainingLayout

CHALLENGES = (
    Scheme(
        name="isles-2026",
        labels={"lesion": 1},
        regions={"lesion": ("lesion",)},
        sequences=("t1w",),
        tumour="lesion",
        whole="lesion",
        written=("lesion",),
        # An empty mask of a patient without a lesion takes the best value of every metric.
        socket=Socket("t1-brain-mri", Path("images", "stroke-lesion-segmentation")),
        file_ending=".mha",
        time_limit_s=7 * 60.0,
        layouts={
            "isles-2026": TrainingLayout(
                "ISLES'26, nnU-Net's folders",
                {1: "lesion"},
                finder="paired",
                images_folder="imagesTr",
                labels_folders=("labelsTr",),
                case_names=r"sub-\w+",
            )
        },
    ),
)
