"""Pins, hashes and licences agree, and only files for the image's Python are let in."""

import re
from pathlib import Path

import pytest
from licences import PAGE, is_allowed, licence_of, spelt
from lock import LOCK, hashes_of, line_of, pins, wanted

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^(\S+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)$")


def locked() -> list[tuple[str, str]]:
    lines = [line for line in (ROOT / LOCK).read_text().splitlines() if not line.startswith("#")]
    matches = [LINE.match(line) for line in lines]
    assert all(matches)
    return [(match[1], match[2]) for match in matches if match]


def test_every_pin_of_every_variant_is_locked_once() -> None:
    assert sorted(locked()) == sorted(wanted(ROOT))


def test_every_pin_has_a_licence_that_is_fit() -> None:
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \| (.+) \|$", (ROOT / PAGE).read_text(), re.M)
    assert {(name, version) for name, version, _ in rows} == wanted(ROOT)
    assert [row for row in rows if not is_allowed(row[2])] == []
    for name, _, licence in rows:
        assert licence_of(name) in (licence, "not installed")


def test_only_exact_pins_count() -> None:
    assert pins("# numpy==1\nnumpy==2.4.6\nscipy>=1\n-r other.txt\n") == {("numpy", "2.4.6")}


def file(name: str, sha256: str) -> dict[str, object]:
    return {"filename": name, "hashes": {"sha256": sha256}}


def test_wheels_for_this_python_and_else_the_source() -> None:
    wheels = [
        file("ab-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "fits"),
        file("ab-1.0-cp311-abi3-manylinux2014_x86_64.whl", "fits too"),
        file("ab-1.0-py3-none-any.whl", "pure"),
        file("ab-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "later Python"),
        file("ab-1.0-cp311-cp311-manylinux_2_39_x86_64.whl", "later glibc"),
        file("ab-1.0-cp311-cp311-win_amd64.whl", "other system"),
        file("ab-1.1-py3-none-any.whl", "other version"),
    ]
    source = file("ab-1.0.tar.gz", "source")
    assert hashes_of("ab", "1.0", {"files": [*wheels, source]}) == ["fits", "fits too", "pure"]
    assert hashes_of("ab", "1.0", {"files": [*wheels[3:], source]}) == ["source"]
    assert line_of("ab", "1.0", ["2", "1"]) == "ab==1.0 --hash=sha256:1 --hash=sha256:2\n"


@pytest.mark.parametrize(
    ("text", "classifiers", "expected", "allowed"),
    [
        ("Apache License", [], "Apache-2.0", True),
        ("UNKNOWN", ["License :: OSI Approved :: BSD License"], "BSD", True),
        ("MPL-2.0 AND MIT", [], "MPL-2.0 AND MIT", True),
        ("GPL-3.0", [], "GPL-3.0", False),
        ("AGPL-3.0 OR MIT", [], "MIT", True),
        ("", [], "not told", False),
    ],
)
def test_licences_are_spelt_alike(
    text: str, classifiers: list[str], expected: str, allowed: bool
) -> None:
    assert spelt(text, classifiers) == expected
    assert is_allowed(expected) == allowed
