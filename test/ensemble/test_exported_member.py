"""member.json becomes the plan, the channels and the head of a member, or is refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
from exported import description

from challenge.case import Case
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head
from ensemble.exported_member import read_description
from ensemble.planned_resampling import NONE, TORCH, Resampling
from ensemble.plans import read_plan
from ensemble.preprocess import find_nonzero_region, preprocess, preprocessed_shape, restore

GLI = SCHEMES["brats-gli"]
REGIONS = {
    "kind": "regions",
    "channels": [["NETC", "SNFH", "ET"], ["NETC", "ET"], ["ET"], ["RC"]],
    "paints": ["SNFH", "NETC", "ET", "RC"],
}


def changed(**changes: Any) -> dict[str, Any]:
    return description(GLI.sequences, **changes)


def channel(**changes: Any) -> list[dict[str, Any]]:
    first, *others = changed()["channels"]
    return [{**first, **changes}, *others]


def test_what_is_left_out_is_as_nnunet_plans_it() -> None:
    described = read_description(changed(), GLI, "home")
    planned = read_plan(tiny.plans(), "3d_fullres")
    for name in (
        *("spacing_mm", "patch", "transpose", "transpose_back", "normalisation", "inside_mask"),
        *("image_resampling", "logit_resampling", "orientation", "crops_to_nonzero", "clip"),
    ):
        assert getattr(described.plan, name) == getattr(planned, name), name
    assert described.sequences == GLI.sequences
    softmax = Head("softmax", ((), ("NETC",), ("SNFH",), ("ET",), ("RC",)), ("", *GLI.labels))
    assert set(described.head.paints) == set(softmax.paints)
    assert (described.plan.mirror_axes, described.step) == ((0, 1, 2), 0.5)


def test_of_slices_the_thickness_is_the_cases() -> None:
    content = changed(spacing_mm=[None, 1, 2], patch=[1, 16, 24])
    plan = read_description(content, GLI, "home").plan
    assert plan.sees_slices
    assert plan.grid_mm((5.0, 0.5, 0.6)) == (5, 1, 2)
    with pytest.raises(Refusal, match=r"spacing_mm \[None, 1, 2\] is not three numbers above 0"):
        read_description(changed(spacing_mm=[None, 1, 2]), GLI, "home")
    with pytest.raises(Refusal, match=r"spacing_mm \[1, None, 2\] is not three numbers above 0"):
        read_description(changed(spacing_mm=[1, None, 2], patch=[1, 16, 24]), GLI, "home")


def test_another_resampling_of_nnunets_by_its_name() -> None:
    content = changed(resampling={"image": {"function": NONE}, "logits": {"function": TORCH}})
    plan = read_description(content, GLI, "home").plan
    assert plan.image_resampling.is_none
    assert plan.logit_resampling == Resampling(1, 0, None, 3, TORCH)


def test_regions_and_what_they_paint() -> None:
    head = read_description(changed(head=REGIONS), GLI, "home").head
    assert head.kind == "regions"
    assert head.channels == (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",))
    assert head.paints == ("SNFH", "NETC", "ET", "RC")


def test_channels_in_another_order_and_by_other_names() -> None:
    names = ["T2f", "t1n", "t1c", "t2w"]
    content = description(names)
    assert read_description(content, GLI, "home").sequences == ("t2f", "t1n", "t1c", "t2w")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: changed(schema=2), "schema 2 is not 1"),
        (lambda: changed(head=None), "it lacks head"),
        (lambda: changed(code="x"), "'code', which is not among"),
        (lambda: changed(channels=channel(scale=2)), "'scale', which is not among"),
        (lambda: changed(channels=channel(sequence="dwi")), "channels dwi, t1c"),
        (lambda: changed(channels=channel()[1:]), "are not t1n, t1c, t2w, t2f of brats-gli"),
        (lambda: changed(channels=channel(normalisation="os.system")), "'os.system' is not one of"),
        (lambda: changed(channels=channel(normalisation="CTNormalization")), "percentile_00_5"),
        (lambda: changed(channels=channel(inside_mask="yes")), "neither true nor false"),
        (lambda: changed(channels=channel(clip=[5, 1])), "clip [5, 1]"),
        (lambda: changed(channels=channel(intensities={"mean": "x"})), "are no numbers"),
        (lambda: changed(channels=4), "member.json"),
        (lambda: changed(spacing_mm=[1, 1]), "spacing_mm [1, 1] is not three"),
        (lambda: changed(spacing_mm=[1, 1, float("inf")]), "is not three"),
        (lambda: changed(patch=[16, 16, 0]), "patch [16, 16, 0]"),
        (lambda: changed(patch=[16, 16, 16.5]), "patch [16, 16, 16.5]"),
        (lambda: changed(orientation="XYZ"), "XYZ"),
        (lambda: changed(transpose=[0, 0, 1]), "no order of three axes"),
        (lambda: changed(crop_to_nonzero=1), "neither true nor false"),
        (lambda: changed(resampling={"image": {"order": 9}}), "order 9 cannot be followed"),
        (lambda: changed(resampling={"labels": {}}), "'labels', which is not among"),
        (lambda: changed(resampling={"image": {"function": "mine"}}), "function 'mine' is not one"),
        (lambda: changed(resampling={"image": {"grid": 1}}), "knows no such keyword"),
        (lambda: changed(resampling={"logits": {"function": NONE}}), "is of the logits alone"),
        (lambda: changed(mirror_axes=[3]), "no axes of 0 to 2"),
        (lambda: changed(mirror_axes=[0, 0]), "no axes of 0 to 2"),
        (lambda: changed(step=0), "step 0 is not above 0"),
        (lambda: changed(head={"kind": "x", "channels": []}), "neither labels nor regions"),
        (lambda: changed(head={"kind": "labels", "channels": ["ET"]}), "is the background"),
        (
            lambda: changed(head={"kind": "labels", "channels": ["background", "WT"]}),
            "'WT' is no label of brats-gli",
        ),
        (lambda: changed(head={**REGIONS, "paints": ["ET"]}), "4 regions, 1 labels to paint"),
        (
            lambda: changed(
                head={
                    "kind": "regions",
                    "channels": [["NETC", "ET"], ["NETC", "SNFH", "ET"]],
                    "paints": ["NETC", "SNFH"],
                }
            ),
            "NETC + SNFH + ET is painted after NETC + ET inside of it and would overwrite it",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(
    content: Callable[[], dict[str, Any]], message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        read_description(content(), GLI, "home")
    assert message in str(caught.value)


def cube() -> Case:
    """4 x 6 x 10 voxels (z, y, x) of which the first slice is empty, and one voxel is bright."""
    image = np.full((4, 6, 10), 100.0, np.float32)
    image[0] = 0
    image[1, 0, 0] = 9000
    return Case("case", dict.fromkeys(GLI.sequences, image), (1.0, 1.0, 1.0))


def test_a_case_is_cropped_where_member_json_says_so() -> None:
    case = cube()
    nonzero = find_nonzero_region(case, GLI.sequences)
    for crops, shape in ((True, (3, 6, 10)), (False, (4, 6, 10))):
        described = read_description(changed(crop_to_nonzero=crops), GLI, "home")
        images = preprocess(case, GLI.sequences, described.plan, nonzero)
        assert preprocessed_shape(case, described.plan, nonzero) == shape
        assert images.data.shape == (4, *shape)
        # Of the mean over what is not zero in both.
        assert np.allclose(images.data[0, -1], images.data[0, -1, 0, 0])
        logits = np.zeros((5, *shape), np.float32)
        logits[3] = 20
        back = restore(logits, images, described.plan, described.head)
        assert back.shape == (5, 4, 6, 10)
        assert (back[3, 0] > 0.5).all() == (not crops)
        assert (back[3, 1:] > 0.5).all()


def test_a_channel_is_clipped_before_it_is_normalised() -> None:
    content = changed(
        channels=channel(normalisation="NoNormalization", clip=[50, 200]), crop_to_nonzero=False
    )
    case = cube()
    plan = read_description(content, GLI, "home").plan
    data = preprocess(case, GLI.sequences, plan, find_nonzero_region(case, GLI.sequences)).data
    assert sorted(np.unique(data[0])) == [50, 100, 200]
    assert case.images["t1n"].max() == 9000
