"""`python -m lab bench gpu`: everything that is to be known of a GPU, in one call.

Parts in the order of their importance, each in a process of its own and within the minutes that are
left. Rows are printed as they come, and the JSON file is written anew after each of them.
"""

import json
import math
import multiprocessing
import os
import shlex
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from challenge.provenance import program_version
from challenge.refusal import Refusal
from lab.bench.gpu_agreement import agreement_part
from lab.bench.gpu_backends import autotuner_part, backends_part, compile_part
from lab.bench.gpu_device import check_gpu, device_part
from lab.bench.gpu_limits import deadline_part, limits_part
from lab.bench.gpu_part import Context, Part, Row, end_process, measured_rows
from lab.bench.gpu_subjects import make_all
from lab.bench.gpu_sums import sums_part
from lab.bench.gpu_table import WIDTH, heading, lines
from lab.bench.gpu_targets import judge, last_line, targets_of
from lab.bench.gpu_times import times_part
from lab.output_files import check_file
from lab.progress import print_line

SCHEMA = 1  # of the JSON file
PARTS: Mapping[str, Callable[[str], Part]] = {  # the first one always runs
    "device": device_part,
    "agreement": agreement_part,
    "times": times_part,
    "backends": backends_part,
    "autotuner": autotuner_part,
    "sums": sums_part,
    "limits": limits_part,
    "deadline": deadline_part,
    "compile": compile_part,
}
REHEARSAL = "on a CPU, at reduced size: a rehearsal; its seconds and shares say nothing of a GPU"


@dataclass(frozen=True)
class GpuBench:
    """What is measured, how long at most, and where the numbers go."""

    device: str  # cuda | cpu
    minutes: float
    json: Path | None
    parts: Sequence[str] = ()  # of PARTS; all without any


def bench_gpu(bench: GpuBench) -> int:
    """Print the table and write the JSON file; return 0 if all parts ran, else 1.

    Raises:
        NoGpu: a GPU is to be measured, and there is none.
        Refusal: no part has one of the names, or the file cannot be written.
    """
    if unknown := sorted(set(bench.parts) - set(PARTS)):
        raise Refusal(f"--parts {', '.join(unknown)}: of {', '.join(PARTS)}")
    if bench.device == "cuda":
        check_gpu()
    if bench.json:
        check_file(bench.json)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # parts end too
    try:
        with tempfile.TemporaryDirectory(prefix="podium-bench-") as scratch:
            return run_parts(_parts(bench), bench, Path(scratch))
    finally:
        signal.signal(signal.SIGTERM, before)


def run_parts(parts: Sequence[Part], bench: GpuBench, scratch: Path) -> int:
    """Run parts one after the other; return 0 if all ran, else 1."""
    started = time.monotonic()
    rows: dict[str, list[Row]] = {}
    report = _report(bench)
    _print(_wrapped(f"{shlex.join(report['command'])}, {report['date']}"))
    with _making(bench.device, scratch):
        for number, part in enumerate(parts):
            begun = time.monotonic()
            rows[part.name] = []
            entry: dict[str, Any] = {
                "name": part.name,
                "title": part.title,
                "rows": rows[part.name],
            }
            report["parts"].append(entry)
            _print(heading(part, number))
            left_s = 60 * bench.minutes - (begun - started)
            for row in measured_rows(part, Context(bench.device, scratch, rows), left_s):
                rows[part.name].append(row)
                _print(lines(row, part.columns))
                _save(report, bench.json)
            _print(target.line(rows) for target in targets_of(part.name))
            entry["seconds"] = time.monotonic() - begun
            report["targets"], report["seconds"] = judge(rows), time.monotonic() - started
            _save(report, bench.json)
    _save(report | {"is_finished": True}, bench.json)
    failed = sum("error" in row for each in rows.values() for row in each)
    words = f"{time.monotonic() - started:.0f} s, {failed} rows not measured"
    _print(["", *_wrapped(f"{words}; {bench.json}" if bench.json else words)])
    if bench.device == "cpu":
        print_line(REHEARSAL)
    _print(_wrapped(last_line(rows)))
    return 1 if failed else 0


def _parts(bench: GpuBench) -> list[Part]:
    first, *others = PARTS
    names = [first, *(name for name in others if not bench.parts or name in bench.parts)]
    parts = [PARTS[name](bench.device) for name in names]
    if bench.device == "cpu":  # a busy machine may take its time: nothing is measured
        parts = [replace(part, most_s=math.inf) for part in parts]
    return parts


def _report(bench: GpuBench) -> dict[str, Any]:
    """Return the head of the report, and see that it can be written."""
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "version": program_version(),
        "command": ["python", "-m", "lab", *sys.argv[1:]],
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "device": bench.device,
        "minutes": bench.minutes,
        "is_finished": False,
        "parts": [],
    }
    _save(report, bench.json)
    return report


@contextmanager
def _making(device: str, scratch: Path) -> Iterator[None]:
    """Make networks and cases while the first parts run, which do not need them."""
    process = multiprocessing.get_context("spawn").Process(target=_make, args=(device, scratch))
    process.start()
    try:
        yield
    finally:
        end_process(process)


def _make(device: str, scratch: Path) -> None:
    os.setsid()
    with (scratch / "making.log").open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    make_all(device, scratch)


def _wrapped(text: str) -> list[str]:
    """Return lines that fit; a path stays whole."""
    wrapper = textwrap.TextWrapper(WIDTH, subsequent_indent="  ")
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    return wrapper.wrap(text)


def _print(printed: Iterable[str]) -> None:
    for line in printed:
        print_line(line)


def _save(report: dict[str, Any], path: Path | None) -> None:
    """Write the report whole, or leave the one that is there."""
    if path:
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
        partial.replace(path)
