"""Each of nnU-Net's resampling functions is read with its keywords and defaults, and followed."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
from plan_spellings import inherited, keywords_left_out, resampled_in_torch, with_threshold

from ensemble.planned_resampling import (
    KEYWORDS,
    NONE,
    SPLINE,
    TORCH,
    Resampling,
    keywords_of,
    leads_back,
    read_resampling,
)
from ensemble.plans import read_plan
from ensemble.resampling import new_shape, resample

POSITIONAL = ("data", "new_shape", "current_spacing", "new_spacing")


@pytest.mark.parametrize("function", KEYWORDS)
def test_keywords_and_defaults_are_nnunets(function: str) -> None:
    from nnunetv2.preprocessing.resampling.utils import recursive_find_resampling_fn_by_name

    parameters = inspect.signature(recursive_find_resampling_fn_by_name(function)).parameters
    theirs = {
        name: str(parameter.default) if name == "device" else parameter.default
        for name, parameter in parameters.items()
        if name not in POSITIONAL
    }
    assert dict(KEYWORDS[function]) == theirs


def test_what_the_planners_write_is_read() -> None:
    """Of nnU-Net's default planner, its two `torchres` ones and `noResampling`."""
    default = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    assert read_resampling(SPLINE, default) == Resampling(3, 0, None)
    torchres = {"is_seg": False, "force_separate_z": False, "memefficient_seg_resampling": False}
    assert read_resampling(TORCH, torchres) == Resampling(1, 0, False, 3, TORCH)
    apart = torchres | {"force_separate_z": None, "separate_z_anisotropy_threshold": 4}
    assert read_resampling(TORCH, apart) == Resampling(1, 0, None, 4, TORCH)
    assert read_resampling(NONE, {}).is_none


@pytest.mark.parametrize(
    ("function", "keywords", "message"),
    [
        (SPLINE, {"mode": "linear"}, rf"\['mode'\]: {SPLINE} knows no such keyword"),
        (SPLINE, {"is_seg": True}, "is_seg true resamples labels"),
        (SPLINE, {"order": 7}, "order 7 cannot be followed"),
        (TORCH, {"order": 3}, rf"\['order'\]: {TORCH} knows no such keyword"),
        (TORCH, {"is_seg": True}, "is_seg true resamples labels"),
        (TORCH, {"mode": "area"}, "mode 'area' cannot be followed"),
        (TORCH, {"aniso_axis_mode": "nearest"}, "aniso_axis_mode 'nearest' cannot be followed"),
        (TORCH, {"force_separate_z": 1}, "force_separate_z 1 cannot be followed"),
        (TORCH, {"separate_z_anisotropy_threshold": 0}, "anisotropy_threshold 0 cannot be"),
        (NONE, {"order": 3}, rf"\['order'\]: {NONE} knows no such keyword"),
    ],
)
def test_what_cannot_be_followed_is_named(function: str, keywords: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_resampling(function, keywords)


@pytest.mark.parametrize(
    "how",
    [
        Resampling(3, 0, None),
        Resampling(1, 1, True, 1.5),
        Resampling(1, 0, None, 3, TORCH),
        Resampling(1, 1, False, 2, TORCH),
        Resampling(0, 0, False, 3, NONE),
    ],
)
def test_keywords_are_read_as_what_they_were_written_of(how: Resampling) -> None:
    keywords: dict[str, Any] = keywords_of(how)
    assert read_resampling(keywords.pop("function", SPLINE), keywords) == how


def test_logits_alone_cannot_stay_as_they_are() -> None:
    spline, none = Resampling(3, 0, None), Resampling(0, 0, False, 3, NONE)
    assert leads_back(none, none) and leads_back(none, spline) and leads_back(spline, spline)
    assert not leads_back(spline, none)


@pytest.mark.parametrize(
    "spelt", [keywords_left_out, with_threshold, inherited, resampled_in_torch]
)
@pytest.mark.parametrize("which", ["data", "probabilities"])
def test_resampling_as_plans_say_is_nnunets(spelt: Callable, which: str) -> None:
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = tiny.plans()
    spelt(plans)
    plan = read_plan(plans, "3d_fullres")
    how = plan.image_resampling if which == "data" else plan.logit_resampling
    theirs = PlansManager(plans).get_configuration("3d_fullres")
    resampled = theirs.resampling_fn_data if which == "data" else theirs.resampling_fn_probabilities
    volumes = np.random.default_rng(3).normal(size=(1, 9, 12, 10)).astype(np.float32)
    old, new = (2.0, 1.0, 1.0), (1.0, 1.3, 1.3)
    shape = new_shape(volumes.shape[1:], old, new)
    expected = resampled(volumes, shape, old, new)
    np.testing.assert_allclose(resample(volumes, shape, old, new, how), expected, atol=1e-4)
