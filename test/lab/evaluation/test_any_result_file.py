"""A result file that cannot be read, contradicts itself or cannot be written is named."""

import json
from pathlib import Path

import pytest
from evaluator import GOOD, SIDES, results_of, run

from lab.__main__ import main as lab


def test_a_result_file_that_could_not_be_written_is_reported_before(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "taken.json").mkdir()
    for name in ("taken.json", "scores.csv"):
        arguments = [f"--{side}={folders / side}" for side in SIDES]
        assert lab(["evaluate", "--scorer=2025-ssa", *arguments, f"--out={folders / name}"]) == 2
        assert name in capsys.readouterr().err
    assert not (folders / "scores.csv").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"3",
        b'{"cases": 3, "scorer": "x"}',
        b"a,b\n\x00",
        b'{"scorer": "x", "cases": {"a": {"WT": 3}}}',
        b"dangling",
        b"folder",
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_bad_result_file_is_one_sentence(
    content: bytes, ending: str, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folders)
    bad = folders / f"bad{ending}"
    if content == b"dangling":
        bad.symlink_to(folders / "nowhere")
    elif content == b"folder":
        bad.mkdir()
    else:
        bad.write_bytes(content)
    capsys.readouterr()
    for arguments in (
        ["rank", str(folders / "r.json"), str(bad)],
        ["report", str(bad), f"--html={folders / 'page.html'}"],
    ):
        assert lab(arguments) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert str(bad) in line


def test_results_that_contradict_themselves_are_refused_by_name(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folders)
    content = results_of(folders)
    facts = content["facts"][GOOD]
    for change in (
        {"regions": {"WT": ["CC"]}},
        {"labels": {"NETC": 1}, "regions": {}},
        {"facts": {GOOD: facts | {"confusion": [1, 2]}}},
    ):
        path = folders / "odd.json"
        path.write_text(json.dumps(content | change))
        capsys.readouterr()
        assert lab(["rank", str(folders / "r.json"), str(path)]) == 2
        assert str(path) in capsys.readouterr().err
