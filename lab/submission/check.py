"""Check what a container wrote before it is submitted, more strictly than the platforms do.

Each finding is one line, `FAULT <case or file>: <what>` for what a platform refuses or scores
wrongly, `WARN ...` for what it accepts and is likely wrong; either makes the exit code 1.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from challenge.case import CaseFiles
from challenge.challenges import scheme_of_id
from challenge.input_cases import InputCases, InputError, describe_missing
from challenge.platforms import find_cases
from challenge.scheme import SCHEMES, Scheme
from challenge.shares import SeenShares
from lab.arguments import add_scheme
from lab.submission.file_names import Finding, Outputs, brats_outputs, grand_challenge_outputs
from lab.submission.further_outputs import check_further_output
from lab.submission.geometry import geometry_difference
from lab.submission.label_format import count_values, describe_counts, read_label_file

PLATFORMS = {"brats": "brats-folder", "grand-challenge": "grand-challenge"}
OUTPUTS = {"brats-folder": brats_outputs, "grand-challenge": grand_challenge_outputs}
OLD_CONVENTION = "is this the numbering before BraTS 2023 (1 NCR, 2 ED, 4 ET)?"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--platform", required=True, choices=tuple(PLATFORMS))
    add("--input", type=Path, required=True, metavar="DIR", help="input folder of the container")
    add("--output", type=Path, required=True, metavar="DIR", help="output folder of the container")
    add_scheme(parser, "default: the challenge of each case's name or folder")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 0 if there is none, 1 if there is any.

    Raises:
        InputError: nothing can be checked.
    """
    cases = _expected_cases(args.input, args.platform)
    scheme = SCHEMES[args.scheme] if args.scheme else None
    findings = check_folder(cases, args.output, scheme)
    for finding in findings:
        print(finding.line)
    if not findings:
        number = len(cases.cases)
        print(f"{number} case{'s' * (number != 1)} checked, all is well")
    return 1 if findings else 0


def check_folder(cases: InputCases, output: Path, scheme: Scheme | None) -> list[Finding]:
    """Return all findings of an output folder; see `check_outputs`.

    Raises:
        InputError: there is no such folder.
    """
    if not output.is_dir():
        raise InputError(f"{output}: no such output folder")
    return check_outputs(cases, OUTPUTS[cases.platform](cases, output), scheme)


def check_outputs(cases: InputCases, outputs: Outputs, scheme: Scheme | None) -> list[Finding]:
    """Return all findings: of the input, of the names, then of each case's file.

    `scheme` overrides the challenges that the cases' names belong to.
    """
    findings = [Finding(id, f"input: {reason}") for id, reason in cases.failed.items()]
    incomplete = [files for files in cases.cases if files.missing_sequences]
    findings += [
        Finding(files.id, f"input: {describe_missing(files)}", "WARN") for files in incomplete
    ]
    findings += outputs.findings
    by_id = {case.id: case for case in cases.cases}
    shares: dict[str, SeenShares] = {}
    for id, path in outputs.files:
        case = by_id.get(id)
        findings += check_file(id, path, case, scheme or _scheme_of(id, case), shares)
    for id, path, socket in outputs.further:
        findings += check_further_output(id, path, socket, by_id[id])
    for name, seen in shares.items():
        if reason := seen.left_out():
            print(f"{name}: {reason}", file=sys.stderr)
    return findings


def check_file(
    id: str,
    path: Path,
    case: CaseFiles | None,
    scheme: Scheme | None,
    shares: dict[str, SeenShares],
) -> list[Finding]:
    """Check format, geometry and labels of one output file.

    Without `case` (its input failed) the geometry stays unchecked, and without `scheme` the
    label set, which is a finding of its own. `shares` holds what was seen of each scheme so far.
    """
    file = read_label_file(path)
    findings = [Finding(id, error) for error in file.errors]
    if file.values is None:
        return findings
    if case and (difference := geometry_difference(path, case.images[case.geometry_from])):
        findings.append(Finding(id, difference.message, "FAULT" if difference.moved else "WARN"))
    return findings + check_labels(id, file.values, scheme, shares)


def check_labels(
    id: str, values: np.ndarray, scheme: Scheme | None, shares: dict[str, SeenShares]
) -> list[Finding]:
    """Check the values of a label map (z, y, x): known, not uniform, not implausibly shared."""
    counts = count_values(values)
    present, known = set(counts), _known_values([scheme] if scheme else SCHEMES.values())
    findings = []
    if scheme is None:
        message = "labels checked in part: the name is of no known challenge; give --scheme NAME"
        findings.append(Finding(id, message, "WARN"))
    if unknown := {value: n for value, n in counts.items() if value not in known}:
        listed = ", ".join(map(str, sorted(known)))
        message = f"values other than {listed} ({scheme.name if scheme else 'any scheme'}): "
        message += describe_counts(unknown)
        message += "".join(f"; {hint}" for hint in _hints(present, scheme))
        return [*findings, Finding(id, message)]
    if scheme:
        findings += _plausible(id, values, scheme, shares)
        findings += _renumbered(id, present, scheme)
    return findings + _uniform(id, present, scheme)


def _known_values(schemes: Iterable[Scheme]) -> set[int]:
    return {0, *(scheme.labels[name] for scheme in schemes for name in scheme.written)}


def _hints(present: set[np.generic], scheme: Scheme | None) -> Iterator[str]:
    """Yield likely reasons for values that a scheme does not write."""
    if scheme is None:
        return
    if 4 in present - _known_values([scheme]) and 3 not in present and scheme.labels.get("ET") == 3:
        yield f"4 without 3: {OLD_CONVENTION}"
    for name, value in scheme.labels.items():
        if name not in scheme.written and value in present:
            yield f"{value} is {name}, which is not to be written"
    for name, other in SCHEMES.items():
        if name.startswith(f"{scheme.name}-") and present <= _known_values([other]):
            yield f"--scheme {name} allows them"


def _plausible(
    id: str, values: np.ndarray, scheme: Scheme, shares: dict[str, SeenShares]
) -> list[Finding]:
    """Warn of what a wrong label map looks like when each of its values is allowed."""
    if not set(scheme.regions[scheme.whole]) <= set(scheme.written):
        return []  # the outputs never hold the whole that shares are of
    seen = shares.setdefault(scheme.name, SeenShares(scheme))
    return [Finding(of, sentence, "WARN") for of, sentence in seen.add(id, values.astype(np.uint8))]


def _renumbered(id: str, present: set[np.generic], scheme: Scheme) -> list[Finding]:
    """Warn where 4 may stand for ET: NETC without ET is rare. PED numbers otherwise."""
    if scheme.labels.get("ET") == 3 and {1, 2, 4} <= present and 3 not in present:
        return [Finding(id, f"labels 1, 2 and 4 without 3: {OLD_CONVENTION}", "WARN")]
    return []


def _uniform(id: str, present: set[np.generic], scheme: Scheme | None) -> list[Finding]:
    """Find a label map of one value, which scorers punish or cannot score."""
    if len(present) > 1:
        return []
    if 0 not in present:
        return [Finding(id, f"every voxel is {next(iter(present))}")]
    if scheme and scheme.when_empty:
        return [Finding(id, f"every voxel is 0: {scheme.name} gives it the worst of each score")]
    return [Finding(id, "every voxel is 0, of which the orchestrator warns too", "WARN")]


def _expected_cases(folder: Path, platform: str) -> InputCases:
    """List the cases of the input, which must be laid out as `platform` does."""
    cases = find_cases(folder)
    if cases.platform != PLATFORMS[platform]:
        raise InputError(f"{folder}: laid out as {cases.platform}, not as --platform {platform}")
    return cases


def _scheme_of(id: str, case: CaseFiles | None) -> Scheme | None:
    """Return the scheme that a case's name belongs to, also where its input failed."""
    if case:
        return SCHEMES[case.scheme] if case.scheme else None
    return scheme_of_id(id)
