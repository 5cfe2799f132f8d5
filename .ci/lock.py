"""requirements.lock: the sha256 of every file that the image's Python may be installed from.

The requirement files say which versions; this adds what an index says their files hash to: wheels
for CPython 3.11 on Linux x86-64, and the source where there is none. `torch==...+cpu`, which PyPI
lacks, is hashed from a wheel on disk.
"""

import argparse
import functools
import hashlib
import json
import re
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

SOURCES = ("requirements.txt", "requirements-cuda12.txt", "requirements-cuda13.txt")
LOCK = "requirements.lock"
PYTHON = (3, 11)
GLIBC = (2, 36)  # of the base image
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)$")
JSON = "application/vnd.pypi.simple.v1+json"
HEAD = """# Which files the image's packages may be: made by `python .ci/lock.py`, do not edit.
# The Dockerfile takes the lines that its variant of torch asks for.
"""


def main() -> int:
    """Write the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--index-url", default="https://pypi.org/simple", metavar="URL")
    add("--wheels", type=Path, metavar="DIR", help="holds torch's CPU wheel, from PyTorch's index")
    add("--root", type=Path, default=Path(), metavar="DIR", help="where the requirement files are")
    args = parser.parse_args()
    lines = []
    for name, version in sorted(wanted(args.root)):
        if version.endswith("+cpu"):
            hashes = hashes_on_disk(args.wheels, name, version) if args.wheels else []
        else:
            hashes = hashes_of(name, version, fetch(f"{args.index_url}/{name}/"))
        if not hashes:
            print(f"{name}=={version}: no file for this image's Python", file=sys.stderr)
            return 1
        lines.append(line_of(name, version, hashes))
    (args.root / LOCK).write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{args.root / LOCK}: {len(lines)} pins")
    return 0


def pins(text: str) -> set[tuple[str, str]]:
    """Return the (name, version) of every pinned line."""
    return {match.groups() for line in text.splitlines() if (match := PIN.match(line.strip()))}  # type: ignore[misc]


def wanted(root: Path) -> set[tuple[str, str]]:
    """Return every pin of every variant of the image."""
    all_pins = set[tuple[str, str]]()
    for source in SOURCES:
        all_pins |= pins((root / source).read_text(encoding="utf-8"))
    torch = dict(pins((root / SOURCES[0]).read_text(encoding="utf-8"))).get("torch")
    if torch is None:
        raise SystemExit(f"{root / SOURCES[0]}: does not pin torch")
    return all_pins | {("torch", f"{torch}+cpu")}


def line_of(name: str, version: str, hashes: Iterable[str]) -> str:
    """Return a line as pip reads it."""
    return f"{name}=={version}" + "".join(f" --hash=sha256:{h}" for h in sorted(hashes)) + "\n"


def fetch(url: str) -> Mapping[str, Any]:
    """Ask an index for a project's files."""
    try:
        request = urllib.request.Request(url, headers={"Accept": JSON})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError, TypeError) as error:
        raise SystemExit(f"{url}: no index answers there ({error})") from error


def hashes_of(name: str, version: str, project: Mapping[str, Any]) -> list[str]:
    """Return the sha256 of a version's wheels that fit, or else of its source."""
    wheels, sources = [], []
    for file in project["files"]:
        if file["filename"].endswith(".whl"):
            if fits(file["filename"], name, version):
                wheels.append(file["hashes"]["sha256"])
        elif re.sub(r"\.(tar\.gz|zip|tar\.bz2)$", "", file["filename"]).endswith(f"-{version}"):
            sources.append(file["hashes"]["sha256"])
    return wheels or sources


def hashes_on_disk(folder: Path, name: str, version: str) -> list[str]:
    """Return the sha256 of the wheels in a folder that are of this version and fit."""
    hashes = []
    for path in folder.glob("*.whl"):
        if fits(path.name, name, version):
            with path.open("rb") as stream:
                hashes.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return hashes


def fits(wheel: str, name: str, version: str) -> bool:
    """Return whether a wheel, by its file name, is this version for the image's Python."""
    try:
        project, wheel_version, _, tags = parse_wheel_filename(wheel)
    except ValueError:  # names from before the rules
        return False
    is_version = project == canonicalize_name(name) and str(wheel_version) == version
    return is_version and bool(tags & image_tags())


@functools.cache
def image_tags() -> frozenset[Tag]:
    """Return what wheels for the image may be tagged."""
    manylinux = [f"manylinux_2_{minor}_x86_64" for minor in range(5, GLIBC[1] + 1)]
    older = [f"manylinux{year}_x86_64" for year in (2014, 2010, 1)]
    platforms = [*manylinux, *older, "linux_x86_64"]
    cpython = cpython_tags(PYTHON, platforms=platforms)
    return frozenset([*cpython, *compatible_tags(PYTHON, "cp311", platforms)])


if __name__ == "__main__":
    sys.exit(main())
