"""Outputs beside the label map: probability maps, JSON values, masks of single labels."""

import json
from pathlib import Path

import numpy as np

from challenge.case import CaseFiles
from challenge.description import OutputSocket
from challenge.headers import CaseError, check_header
from challenge.volume import read_volume
from lab.submission.file_names import Finding
from lab.submission.geometry import geometry_difference


def check_further_output(
    id: str, path: Path, socket: OutputSocket, case: CaseFiles
) -> list[Finding]:
    """Return what is wrong with one output of a case that is not its label map."""
    if socket.kind == "value":
        return _value_findings(id, path)
    try:
        stored = check_header(path).stored
        values = read_volume(path, None).array
    except CaseError as error:
        return [Finding(id, f"{socket.slug}: {error}")]
    findings = []
    if difference := geometry_difference(path, case.images[case.geometry_from]):
        message = f"{socket.slug}: {difference.message}"
        findings.append(Finding(id, message, "FAULT" if difference.moved else "WARN"))
    check = _probability_findings if socket.kind == "probability" else _mask_findings
    return findings + check(id, socket, stored, values)


def _value_findings(id: str, path: Path) -> list[Finding]:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return [Finding(id, f"{path.name}: not JSON ({error})")]
    return []


def _probability_findings(
    id: str, socket: OutputSocket, stored: np.dtype, values: np.ndarray
) -> list[Finding]:
    findings = []
    if stored != np.float32:
        findings.append(Finding(id, f"{socket.slug}: stored as {stored.name}, float32 expected"))
    low, high = float(values.min()), float(values.max())  # NaN where any voxel is
    if not (low >= 0 and high <= 1):
        message = f"{socket.slug}: values from {low:g} to {high:g} are no probabilities"
        findings.append(Finding(id, message))
    elif low == high:
        findings.append(Finding(id, f"{socket.slug}: every voxel is {low:g}", "WARN"))
    return findings


def _mask_findings(
    id: str, socket: OutputSocket, stored: np.dtype, values: np.ndarray
) -> list[Finding]:
    findings = []
    if stored != np.uint8:
        findings.append(Finding(id, f"{socket.slug}: stored as {stored.name}, uint8 expected"))
    known = {0, *socket.labels.values()}
    if unknown := sorted(set(np.unique(values).tolist()) - known):
        listed = ", ".join(map(str, sorted(known)))
        findings.append(Finding(id, f"{socket.slug}: values other than {listed}: {unknown[:6]}"))
    return findings
