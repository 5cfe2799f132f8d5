"""A part of `bench gpu`: a whole case, cold and warm, beside stock nnU-Net."""

from collections.abc import Callable, Iterator
from typing import Any

from lab.bench.gpu_part import Column, Context, Part, Row, rows_or_error
from lab.bench.gpu_programs import TwoCases, run_podium, run_stock
from lab.bench.gpu_subjects import NAMES, SIZES, Work, subject_of
from lab.bench.processes import Subject

COLUMNS = (
    Column("what", "", 20),
    Column("cold_s", "cold s", 8, ".2f"),
    Column("warm_s", "warm s", 8, ".2f"),
    Column("stock_ratio", "speed-up", 9, ".2f"),
    Column("networks_s", "networks s", 11, ".2f"),
    Column("tflops", "TFLOP/s", 9, ".2f"),
    Column("share_of_peak", "% of peak", 10, ".1f", 100),
    Column("peak_mib", "peak MiB", 9, ".0f"),
    Column("equal_share", "% equal", 9, ".3f", 100),
    Column("backend", "backend", 26),
)


def times_part(device: str) -> Part:
    """Return the part: each network by stock nnU-Net and by this program."""
    sizes = "; ".join(f"{name}: {SIZES[device][name].words}" for name in NAMES)
    title = (
        f"a case, cold (from the start of the process) and warm (the second one); {sizes}; "
        "random weights, whose logits are nearly tied"
    )
    return Part("times", title, NAMES, measure_times, COLUMNS, 60 if device == "cuda" else 10, 280)


def measure_times(name: str, context: Context) -> Iterator[Row]:
    """Yield a row for stock nnU-Net and one for this program."""
    subject, work = subject_of(name, context.device, context.scratch)
    folds = SIZES[context.device][name].folds
    peak = context.value("device", "peak", "flops")
    stock = None
    for row in rows_or_error(lambda: _rows(run_stock, subject, folds)):
        stock = row
        yield _with_shares({"what": f"{name}, stock", **row}, work, peak)
    for row in rows_or_error(lambda: _rows(run_podium, subject, folds)):
        row = {"what": f"{name}, Podium", **row}
        if stock and "error" not in row and "error" not in stock:
            row["stock_ratio"] = stock["warm_s"] / row["warm_s"]
            row["equal_share"] = subject.agreement(1)[0]
        yield _with_shares(row, work, peak)


def _rows(run: Callable[[Subject, int], TwoCases], subject: Subject, folds: int) -> Iterator[Row]:
    two = run(subject, folds)
    yield {
        "cold_s": two.cold_s,
        "warm_s": two.warm_s,
        "networks_s": two.networks_s,
        "peak_mib": two.peak_mib,
        "backend": two.backend,
        "device": dict(two.device),
    }


def _with_shares(row: Row, work: Work, peak_flops: Any) -> Row:
    """Add what the networks computed, and its share of the device's peak."""
    row |= {"passes": work.passes, "tiles": work.tiles, "flops_of_a_pass": work.flops_of_a_pass}
    if seconds := row.get("networks_s"):
        row["tflops"] = work.passes * work.flops_of_a_pass / seconds / 1e12
        if peak_flops:
            row["share_of_peak"] = row["tflops"] * 1e12 / peak_flops
    return row
