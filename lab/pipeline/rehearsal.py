"""Cases of a cohort through the program, as the platform hands them out and in a new process.

`python -m lab rehearse --cohort DIR --model weights/NAME --out DIR`. The output is checked as
`lab check` checks it.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from challenge.description import ANY, InputSocket
from challenge.file_names import METAIMAGE_ENDING
from challenge.platforms import find_cases
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.manifest import MANIFEST, scheme_of
from lab.arguments import add_out, positive_number
from lab.data.cohort import CohortCase, read_cohort
from lab.progress import progress
from lab.submission.check import check_folder
from lab.submission.file_names import Finding

UNNAMED = "BraTS-GLI"  # prefix of cases of a challenge whose names say nothing
ROOT = Path(__file__).resolve().parents[2]


class RehearsalError(Refusal):
    """The program failed on a case, or what it wrote is not what the platform takes."""


@dataclass(frozen=True)
class Folders:
    """Where a platform's program reads and writes."""

    input: Path
    output: Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="nnU-Net raw dataset folder")
    add("--model", type=Path, required=True, metavar="DIR", help="model folder, weights/NAME")
    add("--cases", type=positive_number, default=2, metavar="N", help="the first N (default: 2)")
    add_out(parser, "input and output of the program go here")


def run(args: argparse.Namespace) -> int:
    """Rehearse, and print one line."""
    scheme = scheme_of(args.model / MANIFEST)
    cases = read_cohort(args.cohort, scheme)[: args.cases]
    if args.out.exists() and any(args.out.iterdir()):
        raise Refusal(f"{args.out}: is not empty; choose another --out, or remove it")
    try:
        print(rehearse(cases, args.model.resolve(), scheme, args.out.resolve()))
    except RehearsalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def rehearse(cases: Sequence[CohortCase], model: Path, scheme: Scheme, out: Path) -> str:
    """Run cases as the challenge's platform does; return in one line how it went.

    Raises:
        RehearsalError: the program ended with another code than 0, or `lab check` found what the
            platform would refuse; what it warns of is in the line.
    """
    started, findings = time.monotonic(), list[Finding]()
    for folders in progress(lay_out(cases, scheme, out), unit="folder", description="rehearse"):
        folders.output.mkdir(parents=True)
        paths = ("--input", folders.input, "--output", folders.output)
        _call("inference.py", *paths, "--weights", model.parent)
        findings += check_folder(find_cases(folders.input), folders.output, scheme)
    if faults := [each.line for each in findings if each.level == "FAULT"]:
        raise RehearsalError("; ".join(faults))
    platform = "grand-challenge" if scheme.has_sockets else "brats"
    warnings = "".join(f"; {each.line}" for each in findings)
    return (
        f"{len(cases)} cases as on {platform} in {time.monotonic() - started:.0f} s: exit code 0, "
        f"output as the platform takes it{warnings}"
    )


def lay_out(cases: Sequence[CohortCase], scheme: Scheme, out: Path) -> list[Folders]:
    """Write the cases' images as the challenge hands them to a container.

    BraTS cases are named as the platform names them, whatever a team calls them.

    Returns:
        One pair of folders for all cases of a BraTS folder, or one a case of a socket.
    """
    if not scheme.has_sockets:
        for number, case in enumerate(cases, 1):
            id = f"{_prefix(scheme)}-{number:05d}-000"
            for sequence, path in case.files.images.items():
                _convert(path, out / "input" / id / f"{id}-{sequence}{scheme.file_ending}")
        return [Folders(out / "input", out / "output")]
    folders = []
    for case in cases:
        home = Folders(out / case.files.id / "input", out / case.files.id / "output")
        for socket in scheme.inputs:
            _hand_in(socket, case, home.input / socket.location)
        folders.append(home)
    return folders


def _hand_in(socket: InputSocket, case: CohortCase, path: Path) -> None:
    """Write an image, or an empty JSON object: a cohort has no values."""
    if socket.is_image:
        source = case.files.images[socket.sequence]
        _convert(source, path / f"{case.files.id}{METAIMAGE_ENDING}")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n", encoding="utf-8")


def _prefix(scheme: Scheme) -> str:
    """Return what names of a challenge's cases begin with."""
    prefixes = (scheme.case_prefix, *scheme.shared_prefixes)
    return next((each for each in prefixes if each not in ("", ANY)), UNNAMED)


def _convert(source: Path, target: Path) -> None:
    import SimpleITK

    target.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(source)), str(target), useCompression=True)


def _call(*words: object) -> None:
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
        raise RehearsalError(f"{' '.join(command[1:])}: exit code {done.returncode}: {lines[-1]}")
