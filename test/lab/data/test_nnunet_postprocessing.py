"""What nnU-Net 1 and 2 decided is read from postprocessing.json, or refused by name."""

import pytest

from challenge.refusal import Refusal
from lab.data.nnunet_postprocessing import (
    KEEP_LARGEST,
    KeepLargestSteps,
    is_nnunet_postprocessing,
    keep_largest_steps,
    postprocessing_files,
)


def version_2(*label_sets, **options):
    """What nnU-Net 2 writes, without its scores."""
    return {
        "postprocessing_fns": [KEEP_LARGEST] * len(label_sets),
        "postprocessing_kwargs": [{"labels_or_regions": s, **options} for s in label_sets],
    }


def test_a_step_is_a_label_a_region_or_the_foreground():
    steps = keep_largest_steps(version_2([1, 2, 3], 2, [1, 3], [[3, 1], 2]))
    assert steps == KeepLargestSteps(((1, 2, 3), (2,), (1, 3), (1, 2, 3)), 26)
    assert keep_largest_steps(version_2(2, background_label=0)).label_sets == ((2,),)
    assert keep_largest_steps(version_2()).label_sets == ()


@pytest.mark.parametrize("sizes", [{}, {"min_valid_object_sizes": "None"}])
def test_version_1_lists_sets_of_labels_whose_components_share_faces(sizes):
    content = {"for_which_classes": [[1, 2], 2], "num_samples": 5} | sizes
    assert is_nnunet_postprocessing(content)
    assert keep_largest_steps(content) == KeepLargestSteps(((1, 2), (2,)), 6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (version_2(0), "step 0: labels_or_regions: 0 is no label"),
        (version_2(1, True), "step 1: labels_or_regions: True"),
        (version_2([]), r"\[\] names no label"),
        (version_2("1"), "'1' is no label"),
        (version_2(1, background_label=2), "background_label: 2"),
        (version_2(1, smooth=2), "'smooth' is no option"),
        ({"postprocessing_fns": ["erode"], "postprocessing_kwargs": [{}]}, "step 0: 'erode'"),
        ({"postprocessing_fns": [KEEP_LARGEST], "postprocessing_kwargs": []}, "one length"),
        ({"postprocessing_fns": [KEEP_LARGEST], "postprocessing_kwargs": [{}]}, "no labels_or"),
        ({"for_which_classes": None}, "None is not a list"),
        ({"for_which_classes": [1], "min_valid_object_sizes": "{1: 30.0}"}, "30.0"),
    ],
)
def test_what_no_version_writes_is_refused_by_name(content, message):
    with pytest.raises(Refusal, match=message):
        keep_largest_steps(content)


def test_the_files_of_a_folder_lie_in_it_in_its_results_and_in_ensembles_that_name_it(tmp_path):
    trained = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    ensemble = f"ensembles/ensemble___nnUNetTrainer__nnUNetPlans__2d___{trained.name}___0_1"
    files = [trained / name for name in ("postprocessing.json", "crossval/postprocessing.json")]
    files += [tmp_path / ensemble / "postprocessing.json"]
    for path in [*files, tmp_path / "ensembles/of_others/postprocessing.json"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert postprocessing_files(trained) == files
