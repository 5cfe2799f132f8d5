"""A verb that ends early says how to go on; a refusal is one line, a bug keeps its traceback."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.__main__ import ROOMS, verbs_of
from lab.__main__ import main as lab


@pytest.mark.parametrize("verb", [verb for room in ROOMS for verb in verbs_of(room)])
def test_ctrl_c_is_one_line_that_says_how_to_go_on(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(verbs_of(room)[verb] for room in ROOMS if verb in verbs_of(room))

    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(row.module), "run", interrupted)
    assert lab(row.example.split()) == 130
    how = "goes on where it stopped" if row.resumes else "starts again from the beginning"
    assert capsys.readouterr().err == f"\n{verb}: interrupted; the same command {how}\n"


def test_a_reader_that_goes_away_stops_no_verb(
    valid_paths: dict[str, Path], tmp_path: Path
) -> None:
    """As `| head -1` does: what was to be written is written, without a traceback."""
    words = f"rank {valid_paths['results']} {valid_paths['other']} --resamples 9 --flips 9"
    out = tmp_path / "ranking.json"
    program = subprocess.Popen(
        [sys.executable, "-m", "lab", *words.split(), "--out", str(out)],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout and program.stderr
    program.stdout.close()
    assert program.wait(300) == 0
    assert b"Broken pipe" not in program.stderr.read()
    assert json.loads(out.read_text())["cases"] == 2


def test_an_error_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that nobody named is no mistake of who called."""
    import lab.rule_search.fit as fit

    for error in (FileNotFoundError(2, "No such file", "/proc/nothing"), OSError("no name")):

        def fail(*_: object, error: OSError = error) -> None:
            raise error

        monkeypatch.setattr(fit, "fit_work", fail)
        with pytest.raises(OSError, match=r"no name|/proc/nothing"):
            lab(["fit", str(tmp_path)])


def test_a_sentence_of_several_lines_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import lab.rule_search.fit as fit
    from challenge.refusal import Refusal

    def fail(*_: object) -> None:
        raise Refusal("a:\n  b\n\nc")

    monkeypatch.setattr(fit, "fit_work", fail)
    assert lab(["fit", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "a: b c\n"
