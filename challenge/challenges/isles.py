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
                "ISLES'26, ATLAS R3.0",
                {1: "lesion"},
                finder="bids",
                image_ending="_space-orig_desc-brain_T1w",
                mask_ending="_space-orig_label-lesion_desc-T1lesion_mask",
                # Masks come as float64, uint8 and uint16, one with 1.00000006 (participants' code).
                positive_label="lesion",
                resamples_masks=True,  # some lie on another grid than their image, they say
                case_names=r"sub-\w+",
            )
        },
    ),
)
