"""Plans of tiny networks as real teams' plans.json spell them: each changes plans in place."""

import tiny


def by_modality(plans: dict) -> None:
    key = "foreground_intensity_properties_per_channel"
    plans["foreground_intensity_properties_by_modality"] = plans.pop(key)


def in_both_spellings(plans: dict) -> None:
    other = {str(i): {"mean": 1.0} for i in range(4)}
    plans["foreground_intensity_properties_by_modality"] = other


def without_label_manager(plans: dict) -> None:
    del plans["label_manager"]


def inherited(plans: dict) -> None:
    first = plans["configurations"].pop("3d_fullres")
    patch = first.pop("patch_size")
    plans["configurations"] |= {
        "base": first,
        "between": {"inherits_from": "base", "batch_size": 9},
        "3d_fullres": {"inherits_from": "between", "patch_size": patch},
    }


def keywords_left_out(plans: dict) -> None:
    settings = plans["configurations"]["3d_fullres"]
    settings["resampling_fn_data_kwargs"] = {"order": 1}
    settings["resampling_fn_probabilities_kwargs"] = {}


def with_threshold(plans: dict) -> None:
    keywords = plans["configurations"]["3d_fullres"]["resampling_fn_data_kwargs"]
    plans["configurations"]["3d_fullres"]["resampling_fn_data_kwargs"] = keywords | {
        "separate_z_anisotropy_threshold": 1.5
    }


def without_masks(plans: dict) -> None:
    plans["configurations"]["3d_fullres"]["use_mask_for_norm"] = [None, False, True, None]


def transposed(plans: dict) -> None:
    plans |= {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}


def resampled_in_torch(plans: dict) -> None:
    """As the plans of MultiTalent's pretrained networks: images in torch, logits by splines."""
    plans["configurations"]["3d_fullres"] |= {
        "resampling_fn_data": "resample_torch_fornnunet",
        "resampling_fn_data_kwargs": {
            "is_seg": False,
            "force_separate_z": False,
            "memefficient_seg_resampling": False,
            "num_threads": 8,
        },
    }


SPELLINGS = [
    by_modality,
    in_both_spellings,
    without_label_manager,
    tiny.before_2_4,
    inherited,
    keywords_left_out,
    with_threshold,
    without_masks,
    transposed,
    resampled_in_torch,
]
