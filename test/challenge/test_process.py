"""No more threads than the container has cores."""

import os
from pathlib import Path

import pytest

from challenge.process import cores


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("50000 100000\n", 1),
        ("350000 100000\n", 4),
        ("max 100000\n", 8),
        ("", 8),
        ("6400000 100000", 8),
    ],
)
def test_the_containers_share_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (tmp_path / "cpu.max").write_text(content)
    assert cores(tmp_path / "cpu.max") == expected
    assert cores(tmp_path / "none") == 8
