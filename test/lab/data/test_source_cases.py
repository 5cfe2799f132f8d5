"""Whose cases a source holds: names that speak of another challenge are refused by case."""

from pathlib import Path

import pytest

from challenge.challenges import SCHEMES
from lab.data.raw_folders import LayoutError, RawCase
from lab.data.source_cases import Source, foreign_lines, list_entries, other_layout
from lab.data.sources import all_layouts

LAYOUTS = all_layouts()
# Every layout, and the ids of its cases as its organisers hand them out.
REAL_IDS = {
    "brats-gli": ("BraTS-GLI-00005-100", "BraTS-GLI-02062-101"),
    "brats-gli-2023": ("BraTS-GLI-00000-000",),
    "brats-2021": ("BraTS2021_00000", "BraTS20_Training_001", "Brats18_2013_0_1"),
    "brats-ssa": ("BraTS-SSA-00002-000",),
    "brats-met": ("BraTS-MET-00001-000",),
    "brats-met-2025": ("BraTS-MET-00630-001",),
    "brats-men": ("BraTS-MEN-00004-000",),
    "brats-goat": ("BraTS-GoAT-00001", "BraTS-GLI-00001-000", "BraTS-PED-00001-000", "UCSF-1"),
    "brats-men-rt": ("BraTS-MEN-RT-0001-1",),
    "brats-ped": ("BraTS-PED-00001-000",),
    "panther-t1": ("10000_0001",),
    "panther-t2": ("10303",),
    "msd-pancreas": ("pancreas_001",),
    "panorama": ("100000_00001",),
    "isles-2026": ("sub-r001s001", "sub-soop0468"),
}


def other(layout: str, id: str, folder: str = "/data/cases", home: str = "labels") -> str | None:
    source = Source(f"{layout}={folder}", LAYOUTS[layout], Path(folder))
    case = RawCase(id, (), Path(folder, home, f"{id}.nii.gz"))
    named = other_layout(case, source)
    return None if named is None else named.name


def test_every_layout_takes_the_cases_of_its_organisers() -> None:
    assert {n: [other(n, id) for id in ids] for n, ids in REAL_IDS.items()} == {
        name: [None] * len(ids) for name, ids in REAL_IDS.items()
    }
    assert REAL_IDS.keys() == LAYOUTS.keys()


@pytest.mark.parametrize(
    ("layout", "id", "named"),
    [
        ("brats-ped", "BraTS-GLI-00001-000", "brats-gli"),  # SNFH would become NETC
        ("brats-gli", "BraTS-PED-00001-000", "brats-ped"),
        ("brats-gli", "BraTS2021_00000", "brats-2021"),  # ET would become a cavity
        ("brats-gli", "BraTS-MEN-RT-0001-1", "brats-men-rt"),
        ("brats-ssa", "BraTS-GLI-00001-000", "brats-gli"),
        ("brats-men", "BraTS-MET-00001-000", "brats-met"),
        ("panther-t1", "pancreas_001", "msd-pancreas"),  # pancreas and tumour the other way round
        ("msd-pancreas", "10000_0001", "panther-t1"),
        ("panther-t1", "BraTS-GLI-00001-000", "brats-gli"),
        ("brats-ped", "patient-7", None),  # a name that says nothing
    ],
)
def test_the_name_of_a_case_counts(layout: str, id: str, named: str | None) -> None:
    assert other(layout, id) == named


def test_the_cases_folder_counts_where_the_id_says_nothing() -> None:
    assert other("brats-ped", "patient-7", home="BraTS-GLI-00001-000") == "brats-gli"
    assert other("brats-ped", "patient-7", home="BraTS-PED-00001-000") is None
    assert other("brats-ped", "BraTS-PED-00001-000", home="BraTS-GLI-00001-000") is None


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        ("/x/ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData", "brats-gli"),
        ("/x/BraTS2024-MEN-RT-TrainingData", "brats-men-rt"),
        ("/x/BraTS-PEDs2024_Training", None),  # PED's own
        ("/x/training_data1_v2", None),
        ("/x/GLI", None),
    ],
)
def test_the_downloads_name_counts_last(folder: str, named: str | None) -> None:
    assert other("brats-ped", "patient-7", folder=folder) == named
    assert other("brats-ped", "BraTS-PED-00001-000", folder=folder) is None


def write_cases(folder: Path, *ids: str) -> Source:
    for id in ids:
        (folder / id).mkdir(parents=True)
        for part in ("t1n", "t1c", "t2w", "t2f", "seg"):
            (folder / id / f"{id}-{part}.nii.gz").touch()
    return Source(f"brats-ped={folder}", LAYOUTS["brats-ped"], folder)


def test_one_case_of_another_challenge_is_refused_by_name(tmp_path: Path) -> None:
    source = write_cases(tmp_path, "BraTS-PED-00001-000", "BraTS-GLI-00001-000")
    entries, (failed,) = list_entries([source])
    assert [entry.id for entry in entries] == ["BraTS-PED-00001-000"]
    assert failed.failure.stops
    assert failed.reason == (
        f"{tmp_path / 'BraTS-GLI-00001-000'}: BraTS-GLI-00001-000 is named as of brats-gli (BraTS "
        "2024 and later: 1 NETC, 2 SNFH, 3 ET, 4 RC), not of brats-ped (BraTS pediatrics: 1 ET, 2 "
        f"NETC, 3 CC, 4 ED); --source brats-gli={tmp_path} prepares it, --foreign takes it for "
        "brats-ped"
    )


def test_what_is_broken_is_named_before_what_has_no_labels(tmp_path: Path) -> None:
    source = write_cases(tmp_path, "A-1", "BraTS-GLI-00001-000")
    (tmp_path / "A-1" / "A-1-seg.nii.gz").unlink()
    with pytest.raises(LayoutError, match=r"BraTS-GLI-00001-000 is named .* no case of 2 can be"):
        list_entries([source])


def test_foreign_takes_it_and_says_so(tmp_path: Path) -> None:
    source = write_cases(tmp_path, "BraTS-PED-00001-000", "BraTS-GLI-00001-000")
    entries, failed = list_entries([source], foreign=True)
    assert (len(entries), failed) == (2, [])
    assert list(foreign_lines(entries)) == [
        f"brats-ped={tmp_path}: 1 cases are named as of another challenge, and are read as "
        "brats-ped (BraTS-GLI-00001-000): --foreign"
    ]


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        ("brats-gli", "<ID>-t1n, <ID>-t1c, <ID>-t2w, <ID>-t2f and <ID>-seg, .nii.gz or .nii"),
        ("panther-t1", "LabelsTr/<case> with ImagesTr/<case>_0000"),
    ],
)
def test_no_case_says_what_was_looked_for_and_what_is_there(
    layout: str, wanted: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    source = Source(f"{layout}={tmp_path}", LAYOUTS[layout], tmp_path)
    with pytest.raises(LayoutError) as refusal:
        list_entries([source])
    assert f"no case (looked for {wanted}" in str(refusal.value)
    assert str(refusal.value).endswith("it holds 1 file (notes.txt)")


def test_every_shared_prefix_is_a_challenges() -> None:
    prefixes = {scheme.case_prefix for scheme in SCHEMES.values()} | {"*"}
    assert all(set(scheme.shared_prefixes) <= prefixes for scheme in SCHEMES.values())
