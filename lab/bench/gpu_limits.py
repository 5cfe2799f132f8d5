"""Parts of `bench gpu`: too little memory, and too little time."""

import sys
from collections.abc import Iterator

import numpy as np

from challenge.volume import read_volume
from lab.bench.gpu_part import Column, Context, Part, Row
from lab.bench.gpu_programs import batches_of, check_device, device_errors, device_of
from lab.bench.gpu_subjects import SIZES, subject_of
from lab.bench.processes import INFERENCE, TUNED, Subject, measured

DEADLINE = "a deadline"
NETWORK = "ResEnc-L"  # whose activations are the larger ones
UNLIMITED = "all memory"
LIMITS_GB = {UNLIMITED: None, "24 GB": 24.0, "16 GB": 16.0}
# Runs this program with a share of the device's memory; a limit of nothing sets none.
LIMITED = """
import runpy, sys
limit_gb, *sys.argv = sys.argv[1:]
if limit_gb:
    import torch
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, float(limit_gb) * 1e9 / total))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LIMITS_COLUMNS = (
    Column("what", "", 12),
    Column("wall_s", "wall s", 9, ".1f"),
    Column("peak_mib", "peak MiB", 10, ".0f"),
    Column("backend", "backend", 20),
    Column("ladder_steps", "ladder", 8, "d"),
    Column("equal_share", "% equal", 10, ".3f", 100),
)
DEADLINE_COLUMNS = (
    Column("what", "", 22),
    Column("limit_s", "limit s", 9, ".1f"),
    Column("wall_s", "wall s", 9, ".1f"),
    Column("late_s", "late s", 9, ".1f"),
    Column("is_valid", "valid", 8),
    Column("steps_skipped", "skipped", 9, "d"),
)
TRIES = 3  # each with a shorter limit, until one bites
FIRST_SHARE, NEXT_SHARE = 0.7, 0.6  # of a whole run, and of the limit before
USUAL_S = {"cuda": 60.0, "cpu": 8.0}  # of a whole run, where part 2 measured none


def limits_part(device: str) -> Part:
    """Return the part: one fold with all memory, with 24 GB and with 16 GB."""
    title = (
        f"memory limits of 24 and 16 GB (10^9 bytes): {SIZES[device][NETWORK].words} (1 fold of "
        "them); whole processes, labels beside those with all memory"
    )
    if device == "cpu":
        title += "; on a CPU no limit is set, only the path is run"
    least_s = 60 if device == "cuda" else 10
    return Part("limits", title, tuple(LIMITS_GB), measure_limit, LIMITS_COLUMNS, least_s)


def deadline_part(device: str) -> Part:
    """Return the part: all folds with less time than they take."""
    title = f"--time-limit below what a run takes: {SIZES[device][NETWORK].words}; whole processes"
    items = (DEADLINE,)
    least_s = 30 if device == "cuda" else 10
    return Part("deadline", title, items, measure_deadline, DEADLINE_COLUMNS, least_s)


def measure_limit(what: str, context: Context) -> Iterator[Row]:
    """Run one fold within a memory limit."""
    subject, _ = subject_of(NETWORK, context.device, context.scratch)
    limit_gb, on_gpu = LIMITS_GB[what], context.device == "cuda"
    words = [str(limit_gb or "") if on_gpu else "", str(INFERENCE)]
    run = measured(
        [sys.executable, "-c", LIMITED, *words, *subject.podium_options(1, True, 1)], TUNED
    )
    record = subject.record()
    if not device_errors(record):  # the last rung is the CPU: where it went on is in the row
        check_device(record, context.device)
    labels = read_volume(subject.label_files(1)[0], np.uint8).array
    reference = context.scratch / "limits.npy"
    row: Row = {
        "limit_gb": limit_gb if on_gpu else None,
        "wall_s": run.wall_s,
        "peak_mib": device_of(record).get("peak_memory_mib"),
        "backend": batches_of(record),
        "ladder_steps": len(device_errors(record)),
        "notes": device_errors(record),
    }
    if what == UNLIMITED:
        np.save(reference, labels)
    elif reference.exists():
        row["equal_share"] = float((labels == np.load(reference, allow_pickle=False)).mean())
    yield row


def measure_deadline(what: str, context: Context) -> Iterator[Row]:
    """Run all folds within a limit that does not suffice, a shorter one if it did."""
    subject, _ = subject_of(NETWORK, context.device, context.scratch)
    folds = SIZES[context.device][NETWORK].folds
    whole_s = context.value("times", f"{NETWORK}, Podium", "cold_s") or USUAL_S[context.device]
    limit_s = FIRST_SHARE * whole_s
    for _ in range(TRIES):
        row = {"folds": folds, **run_within(subject, folds, limit_s)}
        yield row
        if row["steps_skipped"]:
            return
        limit_s *= NEXT_SHARE


def run_within(subject: Subject, folds: int, limit_s: float) -> Row:
    """Run folds within a limit of seconds."""
    options = subject.podium_options(folds, True, 1)
    command = [sys.executable, str(INFERENCE), *options, "--time-limit", f"{limit_s:.2f}"]
    run = measured(command, TUNED)
    record = subject.record()
    skipped = [word for case in record["cases"].values() for word in case["skipped"]]
    return {
        "limit_s": limit_s,
        "wall_s": run.wall_s,
        "late_s": max(0.0, run.wall_s - limit_s),
        "is_valid": is_valid(subject),
        "steps_skipped": len(skipped),
        "notes": [f"skipped {words}" for words in skipped] + device_errors(record),
    }


def is_valid(subject: Subject) -> bool:
    """Return whether the label file has the scan's grid and the challenge's labels."""
    labels = read_volume(subject.label_files(1)[0], np.uint8)
    scan = read_volume(subject.first_scans(1)[0], np.float32)
    known = {0, *subject.scheme.labels.values()}
    same_grid = labels.array.shape == scan.array.shape and np.allclose(
        labels.geometry, scan.geometry
    )
    return bool(same_grid and set(np.unique(labels.array).tolist()) <= known)
