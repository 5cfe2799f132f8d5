"""A challenge's file: what it says becomes a row, and what cannot be is refused by file and key."""

from pathlib import Path

import pytest

from challenge.challenges import FOLDER, SCHEMES
from challenge.description import InputSocket, OutputSocket
from challenge.read_challenge import ChallengeError, read_challenges

SMALLEST = """
sequences = ["ct"]
labels = { lesion = 1 }
tumour = "lesion"

[regions]
lesion = ["lesion"]
"""
SOCKETS = """
[[inputs]]
slug = "thorax-ct"
sequence = "ct"

[[outputs]]
slug = "lung-lesions"
"""


def read(folder: Path, text: str, name: str = "lung") -> None:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read_challenges(folder)[name]


def test_the_smallest_description_is_of_a_brats_folder(tmp_path: Path) -> None:
    scheme = read(tmp_path, SMALLEST)
    assert (scheme.name, scheme.labels, scheme.written) == ("lung", {"lesion": 1}, ("lesion",))
    assert (scheme.tumour, scheme.whole, scheme.geometry_from) == ("lesion", "lesion", "ct")
    assert (scheme.has_sockets, scheme.time_limit_s) == (False, 12 * 3600)
    assert (scheme.default_scorer, scheme.file_ending) == ("voxel", ".nii.gz")


def test_sockets_lie_where_the_platform_puts_them(tmp_path: Path) -> None:
    scheme = read(tmp_path, SMALLEST + SOCKETS)
    assert scheme.inputs == (InputSocket("thorax-ct", "ct"),)
    assert scheme.outputs == (OutputSocket("lung-lesions"),)
    assert scheme.inputs[0].location == Path("images", "thorax-ct")
    assert InputSocket("age").location == Path("age.json")
    assert scheme.outputs[0].location == Path("images", "lung-lesions")
    assert OutputSocket("risk", "value").location == Path("risk.json")
    assert scheme.time_limit_s == 20 * 60


def test_a_challenge_like_another_takes_over_all_but_its_identity(tmp_path: Path) -> None:
    first = SMALLEST.replace("\n[regions]", 'case_prefix = "LUNG"\ntime_limit_s = 60\n[regions]')
    (tmp_path / "lung.toml").write_text(first)
    scheme = read(tmp_path, 'like = "lung"\ndefault_scorer = "panther"\n', "lung-2027")
    assert (scheme.labels, scheme.time_limit_s) == ({"lesion": 1}, 60)
    assert (scheme.case_prefix, scheme.default_scorer) == ("", "panther")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("lesion = 1", "lesion = 0", "labels: lesion is 0, not a whole number from 1 to 255"),
        ("lesion = 1", "lesion = 1.5", "labels: lesion is 1.5, not a whole"),
        ("lesion = 1", "lesion = 1, cyst = 1", "labels: 1 stands for two labels"),
        ('tumour = "lesion"', 'tumor = "lesion"', "no tumour"),
        ('tumour = "lesion"', 'tumour = "cyst"', "tumour names 'cyst', not one of lesion"),
        ("[regions]", 'colour = "red"\n[regions]', "unknown colour; known: name, labels,"),
        ('["lesion"]', '["cyst"]', "regions.lesion names 'cyst', not one of lesion"),
        ('["ct"]', '["ct", "ct"]', "none, or one twice"),
        ("[regions]", "time_limit_s = 0\n[regions]", "time_limit_s is 0, not positive"),
        ("[regions]", 'file_ending = ".nrrd"\n[regions]', "file_ending is '.nrrd'"),
        ("[regions]", 'like = "liver"\n[regions]', "like = 'liver': no liver.toml beside it"),
        ("[regions]", 'like = "lung"\n[regions]', "like = 'lung': like itself"),
        ("[regions]", "usual_share = { lesion = [0.5, 0.1] }\n[regions]", "usual_share.lesion is"),
        ("[regions]", 'training_regions = [["lesion"]]\n[regions]', "training_regions: pairs"),
        ("[regions]", '[sources]\nmood = "good"\n[regions]', "sources of mood"),
        ("[regions", "[regions", "not TOML"),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    text = SMALLEST.replace(old, new) + ("[" if old == new else "")
    with pytest.raises(ChallengeError) as refusal:
        read(tmp_path, text)
    assert str(refusal.value).startswith(str(tmp_path / "lung.toml"))
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('sequence = "ct"', 'sequence = "pet"', "inputs have images of pet, one each of ct"),
        ("lung-lesions", "thorax-ct", "two sockets are called thorax-ct"),
        ('sequence = "ct"', 'sequence = "ct"\nis_optional = true', "neither optional nor resampl"),
        ('sequence = "ct"', 'sequence = "ct"\nnumbers = { a = 1 }', "an image has no numbers"),
        ('sequence = "ct"', 'sequence = "ct"\nshape = 3', "inputs thorax-ct: unknown shape"),
        (
            'sequence = "ct"',
            'sequence = "ct"\npath = "/etc"',
            "'/etc' leaves the platform's folder",
        ),
        (
            "lung-lesions",
            'risk"\nkind = "probability',
            "the first one, risk, is not of kind labels",
        ),
        (
            "[[outputs]]",
            '[[outputs]]\nslug = "a"\n[[outputs]]\nkind = "map"',
            "kind 'map' is not one",
        ),
        (
            "[[outputs]]",
            '[[outputs]]\nslug = "a"\n[[outputs]]\nkind = "value"\nregion = "lesion"',
            "value names '', not one of volume-ml",
        ),
        ('[[outputs]]\nslug = "lung-lesions"', "", "either both have sockets, or none"),
    ],
)
def test_sockets_that_cannot_be_are_refused(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    with pytest.raises(ChallengeError) as refusal:
        read(tmp_path, SMALLEST + SOCKETS.replace(old, new))
    assert reason in str(refusal.value)


def test_every_file_of_the_program_is_a_row_and_names_its_sources() -> None:
    assert sorted(SCHEMES) == sorted(path.stem for path in FOLDER.glob("*.toml"))
    for scheme in SCHEMES.values():
        facts = {"labels", "time_limit_s"} | (
            {"inputs", "outputs"} if scheme.has_sockets else set()
        )
        assert facts <= scheme.sources.keys(), scheme.name
