"""Malformed inputs up to the point where networks would run; the whole program in the slow one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from default_weights import one_member
from hypothesis import example, given, settings
from hypothesis import strategies as st

from challenge.case import read_case
from challenge.headers import CaseError
from challenge.input_cases import InputError
from challenge.platforms import find_cases
from challenge.volume import read_scan
from lab.__main__ import main as lab
from lab.stress.bad_inputs import all_malformed, compare, read, write_brats
from lab.stress.malformed import INTACT, SOCKET, STEM, Malformed, scan_of
from lab.stress.metaimage_faults import split
from lab.stress.stress import TABLES
from lab.training.random_networks import write_abdomen, write_heads

MALFORMED = list(all_malformed())
QUICK = [case for case in MALFORMED if "bomb" not in case.name]


@pytest.fixture(scope="session")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("intact")
    write_brats(folder / "brats", (16, 18, 20), (12, 14, 16))
    write_abdomen(folder / "panther" / SOCKET, STEM, (8, 18, 20), (3.0, 2.0, 2.0))
    return folder


def corrupted(case: Malformed, intact: Path, work: Path) -> Path:
    shutil.copytree(intact / case.kind, work / "in")
    case.corrupt(work / "in")
    return work / "in"


def test_there_are_hundreds_and_no_two_alike() -> None:
    assert len({case.name for case in MALFORMED}) == len(MALFORMED) >= 400


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_what_is_malformed_is_refused_by_name(
    case: Malformed, intact: Path, tmp_path: Path
) -> None:
    folder = corrupted(case, intact, tmp_path)
    message = ""
    try:
        cases = find_cases(folder)
        message = " ".join(cases.failed.values())
        for files in cases.cases:
            read_case(replace(files, allow_missing=True))  # as the weights that ship do
    except (CaseError, InputError) as error:
        message = str(error)
    assert bool(message) == bool(case.exit_code), message
    assert case.message in message


BYTES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8)


def reads_or_refuses(path: Path) -> None:
    try:
        volume = read_scan(path)
    except CaseError as error:
        assert str(path) in str(error)
        return
    assert volume.array.ndim == 3
    assert volume.array.dtype == np.float32
    assert np.isfinite(volume.array).all()
    assert min(volume.spacing_mm) > 0


@settings(max_examples=150)
@given(changes=BYTES)
@example(changes=[(40, 200)])
@example(changes=[(108, 0), (109, 0), (110, 0), (111, 0)])  # voxels that start in the header
def test_a_nifti_header_of_any_bytes(intact: Path, changes: list[tuple[int, int]]) -> None:
    import gzip

    content = bytearray(gzip.decompress(scan_of(intact / "brats").read_bytes()))
    for offset, value in changes:
        content[offset] = value
    path = intact / "any.nii"
    path.write_bytes(content)
    reads_or_refuses(path)


@settings(max_examples=150)
@given(changes=BYTES)
def test_a_metaimage_header_of_any_bytes(intact: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray((intact / "panther" / SOCKET / f"{STEM}.mha").read_bytes())
    for offset, value in changes:
        content[offset] = value
    path = intact / "any.mha"
    path.write_bytes(content)
    reads_or_refuses(path)


@settings(max_examples=150)
@given(
    key=st.sampled_from(["DimSize", "ElementSpacing", "Offset", "TransformMatrix", "ElementType"]),
    value=st.text("0123456789-+.eE infa_MTSHORTUCLOABDEG", max_size=40),
)
def test_a_metaimage_field_of_any_text(intact: Path, key: str, value: str) -> None:
    fields, voxels = split((intact / "panther" / SOCKET / f"{STEM}.mha").read_bytes())
    lines = "".join(f"{k} = {v}\n" for k, v in (fields | {key: value}).items())
    path = intact / "any.mha"
    path.write_bytes(lines.encode() + voxels)
    reads_or_refuses(path)


def test_another_label_another_geometry_and_a_stray_are_reported(tmp_path: Path) -> None:
    write_heads(tmp_path, (INTACT,), (16, 18, 20), (12, 14, 16))
    name = f"{INTACT}-t1n.nii.gz"
    labels, geometry = read(tmp_path / INTACT / name)
    for other in ("t1c", "t2w", "t2f"):
        (tmp_path / INTACT / f"{INTACT}-{other}.nii.gz").unlink()
    target = tmp_path / INTACT
    assert list(compare(target, {name: (labels, geometry)})) == []
    assert "other labels" in "".join(compare(target, {name: (labels + 1, geometry)}))
    assert list(compare(target, {name: (labels + 1, geometry)}, (INTACT,))) == []
    assert "another geometry" in "".join(compare(target, {name: (labels, geometry[::-1])}))
    assert "expected ['b']" in "".join(compare(target, {"b": (labels, geometry)}))


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_the_program_under_stress(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The limit of 30 s is for `lab stress`: other work on a shared machine must fail no test.
    flags = ["--most", "3", "--kills", "1", "--cases", "40", "--limit", "300"]
    weights = Path("weights") if table == "weights" else one_member(tmp_path)
    flags += ["--weights", str(weights), "--only", table]
    assert lab(["stress", *flags]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    assert "\n0 faults" in out
    assert ("40 of 40 written, exit code 0" in out) == (table == "limits")


@pytest.mark.long
def test_the_program_with_all_members_under_stress(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--most", "24", "--kills", "6", "--cases", "40", "--limit", "300"]
    assert lab(["stress", *flags]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    assert "\n0 faults" in out
    assert "40 of 40 written, exit code 0" in out
