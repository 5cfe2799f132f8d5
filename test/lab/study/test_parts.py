"""A study that was interrupted computes what it lacks, and nothing twice."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

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
