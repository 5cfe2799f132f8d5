"""The table of challenges: each row says what the program needs, and no two rows clash."""

from dataclasses import replace
from pathlib import Path

import files
import pytest

from challenge.challenges import (
    SCHEMES,
    folder_sequences,
    in_reading_order,
    scheme_of_ending,
    scheme_of_id,
)
from challenge.description import InputSocket, OutputSocket, Scheme
from challenge.platforms import find_cases, match_scan_name
from lab.data.sources import all_layouts
from lab.metrics.objective import OBJECTIVES
from lab.metrics.scorers import scorer_named
from postprocess.empty_prediction import STEPS


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_a_row_names_only_what_there_is(scheme: Scheme) -> None:
    values = list(scheme.labels.values())
    assert len(set(values)) == len(values) and all(1 <= value <= 255 for value in values)
    for names in (*scheme.regions.values(), scheme.written, scheme.usual_share):
        assert set(names) <= set(scheme.labels)
    assert {scheme.tumour, scheme.whole} <= set(scheme.regions)
    assert set(scheme.when_empty) <= set(STEPS)
    assert scheme.selection_objective in OBJECTIVES
    assert scorer_named(None, scheme).name == scheme.default_scorer
    for layout in scheme.layouts.values():
        assert set(layout.labels.values()) <= {*scheme.labels, ""}


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_every_label_is_painted_by_one_training_region(scheme: Scheme) -> None:
    if scheme.training_regions:
        regions, painted = zip(*scheme.training_regions, strict=True)
        assert sorted(painted) == sorted(scheme.labels)
        for region, label in scheme.training_regions:
            assert label in scheme.regions.get(region, (region,))
        assert len(set(regions)) == len(regions)


def test_rows_do_not_clash() -> None:
    for names in (
        [scheme.case_prefix for scheme in SCHEMES.values() if scheme.case_prefix],
        [s.inputs[0].slug for s in SCHEMES.values() if s.inputs],
        [name for scheme in SCHEMES.values() for name in scheme.layouts],
    ):
        assert len(set(names)) == len(names)
    assert len(all_layouts()) == 15


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("BraTS-GLI-00001-100", "brats-gli"),
        ("BraTS-MET-00001-000", "brats-met-2025"),
        ("BraTS-MEN-00001-000", "brats-men"),
        ("BraTS-MEN-RT-0001-1", "brats-men-rt"),
        ("BraTS-GoAT-00001", "brats-goat"),
        ("BraTS-GLI", None),
        ("BraTS-GLI-1-2-3", None),
        ("-00001-000", None),
        ("BraTS20_Training_001", None),
    ],
)
def test_a_name_speaks_of_its_challenge(id: str, name: str | None) -> None:
    scheme = scheme_of_id(id)
    assert (scheme.name if scheme else None) == name


def test_the_first_row_of_an_ending_is_assumed() -> None:
    assert scheme_of_ending(".nii.gz").name == "brats-gli"
    assert scheme_of_ending(".mha").name == "panther-t1"
    assert folder_sequences() == ("t1n", "t1c", "t2w", "t2f")


def test_a_new_row_is_recognised_on_both_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brats, panther = SCHEMES["brats-men-rt"], SCHEMES["panther-t1"]
    lung = replace(brats, name="lung", sequences=("ct",), case_prefix="LUNG", time_limit_s=600.0)
    liver = replace(
        panther,
        name="liver",
        sequences=("dwi",),
        inputs=(InputSocket("liver-mri", "dwi"),),
        outputs=(OutputSocket("liver-lesions"),),
        geometry_from="dwi",
        time_limit_s=60.0,
    )
    assert match_scan_name("LUNG-00001-000-ct.nii.gz") is None
    for scheme in (lung, liver):
        monkeypatch.setitem(SCHEMES, scheme.name, scheme)  # type: ignore[misc]
    files.write_brats_case(tmp_path / "lung", "LUNG-00001-000", sequences=("ct",))
    inputs = find_cases(tmp_path / "lung")
    (case,) = inputs.cases
    assert (case.scheme, case.missing_sequences, inputs.time_limit_s) == ("lung", (), 600)
    files.write_panther_case(tmp_path / "liver", "liver-mri")
    inputs = find_cases(tmp_path / "liver")
    (case,) = inputs.cases
    assert (case.scheme, list(case.images), inputs.time_limit_s) == ("liver", ["dwi"], 60)
    assert case.output == Path("images", "liver-lesions", "0a1b-scan.mha")


def test_a_folder_has_the_least_time_of_its_challenges(tmp_path: Path) -> None:
    files.write_brats_case(tmp_path / "a", "case-1")
    assert find_cases(tmp_path / "a").time_limit_s == 12 * 3600
    files.write_panther_case(tmp_path / "b")
    assert find_cases(tmp_path / "b").time_limit_s == 20 * 60


@pytest.mark.parametrize(
    ("regions", "ordered"),
    [
        ("ET NETC RC SNFH TC WT", "WT TC ET NETC SNFH RC"),
        ("ED CC NETC ET TC WT", "WT TC ET NETC CC ED"),
        ("pancreas tumour", "tumour pancreas"),
        ("vessel WT 2 1 WT", "WT vessel 2 1"),
    ],
)
def test_regions_are_read_from_the_whole_tumour_to_its_parts(regions: str, ordered: str) -> None:
    assert in_reading_order(regions.split()) == tuple(ordered.split())
