"""docs/licences.md: under which licence each package of the image is, read from its metadata.

A package whose licence is neither permissive nor named in `CONDITIONS` makes the exit code 1.
"""

import argparse
import re
import sys
from importlib import metadata
from pathlib import Path

from lock import wanted

PAGE = Path("docs", "licences.md")
PERMISSIVE = (
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "MIT",
    "MIT-CMU",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
)
# What is not simply permissive, and why the image may hold it.
CONDITIONS = {
    "LGPL-3.0-or-later": "used as a separate, unchanged package that anybody may replace",
    "MPL-2.0": "used as a separate, unchanged package; its source is on PyPI",
    "NVIDIA": "NVIDIA's own terms, which allow it to be passed on as part of an application",
}
# Metadata that is not installed where this runs (GPU builds), or says too little.
KNOWN = {
    "triton": "MIT",
    "cuda-pathfinder": "Apache-2.0",
    "tzdata": "Apache-2.0",
    "yacs": "Apache-2.0",
}
SPELLINGS = (
    (r"Apache", "Apache-2.0"),
    (r"LGPL-3", "LGPL-3.0-or-later"),
    (r"MPL|Mozilla", "MPL-2.0"),
    (r"BSD.?3", "BSD-3-Clause"),
    (r"BSD.?2", "BSD-2-Clause"),
    (r"BSD", "BSD"),
    (r"MIT", "MIT"),
    (r"Python Software Foundation", "PSF-2.0"),
    (r"Unlicense", "Unlicense"),
)
HEAD = """# Licences of what the image holds

Made by `python .ci/licences.py` from the packages' own metadata; Podium itself is Apache-2.0. The
base image adds Debian's packages, whose licences are in its `/usr/share/doc`. An image has one
build of torch: with CUDA 12 (the default), with CUDA 13, or for the CPU.

"""


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR")
    args = parser.parse_args()
    licences = {pin: licence_of(pin[0]) for pin in sorted(wanted(args.root), key=_by_name)}
    doubtful = {pin: licence for pin, licence in licences.items() if not is_allowed(licence)}
    for (name, version), licence in doubtful.items():
        print(f"{name}=={version}: licence {licence!r} is not known to be fit", file=sys.stderr)
    rows = [f"| {name} | {version} | {licence} |" for (name, version), licence in licences.items()]
    conditions = [f"- {licence}: {why}." for licence, why in CONDITIONS.items()]
    head = ["| package | version | licence |", "| --- | --- | --- |"]
    page = HEAD + "\n".join([*conditions, "", *head, *rows, ""])
    (args.root / PAGE).write_text(page, encoding="utf-8")
    print(f"{args.root / PAGE}: {len(rows)} packages, {len(doubtful)} doubtful")
    return 1 if doubtful else 0


def licence_of(name: str) -> str:
    """Return a package's licence as an SPDX name where its metadata tells."""
    if name in KNOWN:
        return KNOWN[name]
    if name.startswith(("nvidia-", "cuda-")):
        return "NVIDIA"
    try:
        package = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed"
    if expression := package.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [c for c in package.get_all("Classifier") or [] if c.startswith("License ::")]
    text = (package.get_all("License") or [""])[0]
    return spelt(text.split("\n")[0], classifiers)


def spelt(text: str, classifiers: list[str]) -> str:
    """Return the SPDX name that a free text means, or else the classifiers."""
    if " AND " in text:
        return text
    candidates = [text, *(classifier.rsplit(" :: ", 1)[-1] for classifier in classifiers)]
    for each in candidates:
        for pattern, name in SPELLINGS:
            if re.search(pattern, each):
                return name
    return text or "not told"


def is_allowed(licence: str) -> bool:
    """Return whether every part of a licence expression is permissive or has its conditions."""
    parts = re.split(r" AND | OR ", licence)
    return all(part.strip("() ") in (*PERMISSIVE, *CONDITIONS) for part in parts)


def _by_name(pin: tuple[str, str]) -> tuple[str, str]:
    return pin[0].lower(), pin[1]


if __name__ == "__main__":
    sys.exit(main())
