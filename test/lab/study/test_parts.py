"""A study that was interrupted computes what it lacks, and nothing twice."""

import math
from collections.abc import Callable
from functools import partial
from math import nan
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.study.fault_kinds import FaultKind
from lab.study.fault_table import KINDS
from lab.study.parts import Content, Part, compute_parts, compute_serially, remove_parts


def content_of(number: int, log: Path) -> Content:
    with log.open("a") as file:
        file.write(f"{number}\n")
    if number == 13:
        raise RuntimeError("unlucky")
    return {"number": np.int64(number), "row": (1.5, math.inf), "ok": np.bool_(True)}


def part_of(log: Path) -> Callable[[int], Part]:
    return lambda number: Part(
        f"part, {number}",
        (number,),
        partial(content_of, number, log),
        lambda c: f"is {c['number']}",
    )


def test_parts_are_computed_once(tmp_path: Path) -> None:
    folder, log, lines = tmp_path / "study.parts", tmp_path / "log", list[str]()
    parts = [part_of(log)(number) for number in (1, 13, 2)]
    with pytest.raises(RuntimeError, match="unlucky"):
        compute_parts(parts, folder, lines.append)
    first = log.read_text().split()
    parts[1] = part_of(log)(3)
    contents = compute_parts(parts, folder, lines.append)
    assert [content["number"] for content in contents] == [1, 3, 2]
    assert contents[0]["row"] == [1.5, math.inf] and contents[0]["ok"] is True
    assert first[0] == "1" and log.read_text().split().count("1") == 1
    assert any(line.startswith(f"part, 1: read from {folder}") for line in lines)
    assert lines[-1].startswith("part, ") and lines[-1].endswith(" s (3 of 3)")
    assert compute_serially(parts[0], folder, lines.append) == contents[0]
    remove_parts(parts, folder)
    assert not folder.exists()


def test_a_part_of_another_size_is_another_part(tmp_path: Path) -> None:
    one, other = (Part("part", (cases,), dict) for cases in (10, 20))
    assert one.path(tmp_path) != other.path(tmp_path)
    assert one.path(tmp_path) == Part("part", (10,), dict).path(tmp_path)


def test_an_interrupted_study_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its second run computes the cohorts that lack, writes the page, and leaves no parts."""
    computed, contents = list[tuple[object, ...]](), list[Content]()
    row = {"method": "sizes", "gain": 0.0, "low": 0.0, "high": 0.0, "passes": False}

    def fault_row(kind: FaultKind, cases: int, seed: int) -> Content:
        computed.append((kind.name, cases, seed))
        if len(computed) == 4:
            raise KeyboardInterrupt
        return {"kind": kind.name, "seed": seed, "rows": [row], "recovered": True}

    def write_study(content: Content, html: Path) -> list[Path]:
        contents.append(content)
        return [html]

    monkeypatch.setattr("lab.study.fault_table.fault_row", fault_row)
    monkeypatch.setattr("lab.study.page.write_study", write_study)
    monkeypatch.setattr("lab.study.study.study", lambda cases, seed: {"cases": cases, "nan": nan})
    monkeypatch.setattr("lab.study.study.null_row", lambda cases, seed: {"ships": "identity"})
    sizes = {"cases": 9, "null-seeds": 3, "null-cases": 8, "fault-seeds": 2, "fault-cases": 7}
    options = [text for key, value in sizes.items() for text in (f"--{key}", str(value))]
    command = ["study", "--html", str(tmp_path / "page.html"), "--jobs", "1", *options]
    assert main(command) == 130
    assert len(list((tmp_path / "page.parts").iterdir())) == 1 + 3 + 3
    assert main(command) == 0
    assert len(computed) == 1 + 2 * len(KINDS) + 1  # one of them twice, and three without faults
    (content,) = contents
    assert math.isnan(content["nan"]) and len(content["null"]) == 3
    rows = {row["name"]: row["cohorts"] for row in content["faults"]}
    assert rows == {name: 3 if name == "nothing" else 2 for name in KINDS if name != "far cases"}
    assert content["far_cases"]["cohorts"] == 2
    assert content["command"].endswith("--fault-seeds 2 --fault-cases 7 --seed 0 --html page.html")
    assert not (tmp_path / "page.parts").exists()
