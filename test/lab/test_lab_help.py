"""Help lists every verb, explains the exit codes, and gives an example that its verb takes."""

import argparse
import importlib

import pytest

from lab.__main__ import ROOMS, Verb, verbs_of
from lab.__main__ import main as lab


def test_exit_codes_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        lab(["--help"])
    message = capsys.readouterr().out
    assert (
        "0 all is done; 1 some cases or checks failed, all others are done;\n2 nothing" in message
    )


def test_help_lists_every_verb_under_its_room(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        lab(["--help"])
    lines = capsys.readouterr().out.splitlines()
    for room in ROOMS:
        heading = lines.index(room.replace("_", " "))
        verbs = list(verbs_of(room))
        assert [line.split()[0] for line in lines[heading + 1 :][: len(verbs)]] == verbs
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("verb", "row"), [(v, row) for room in ROOMS for v, row in verbs_of(room).items()]
)
def test_every_example_is_taken_by_its_verb(
    verb: str, row: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(prog=verb)
    importlib.import_module(row.module).configure(parser)
    first, *words = row.example.split()
    assert first == verb
    parser.parse_args(words)
    with pytest.raises(SystemExit, match="0"):
        lab([verb, "--help"])
    printed = capsys.readouterr().out
    assert row.example.split()[-1] in printed
    assert len(printed.splitlines()) <= 50
