"""This program and stock nnU-Net on a case, each twice in a process of its own: cold and warm."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any

from lab.bench.processes import INFERENCE, ROOT, TUNED, Subject

HEALTH_S = 0.05  # between two questions whether the networks are loaded
CALL_S = 600.0
# Of both programs: the allocator's settings of the image, and threads that wait without spinning.
ALIKE = TUNED | {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class TwoCases:
    """What the first and the second case of a process took; the seconds are wall seconds."""

    cold_s: float  # from the start of the process to the labels
    warm_s: float  # of the second case
    networks_s: float | None  # of the second case
    peak_mib: int | None  # of the device
    backend: str | None = None  # and how many tiles together, where a record says so
    device: Mapping[str, Any] = field(default_factory=dict)  # as the record has it


def run_stock(subject: Subject, folds: int) -> TwoCases:
    """Run stock nnU-Net twice on the case, mirrored."""
    command = subject.stock_command(folds, True, 1, repeats=2)
    started = time.time()
    with _process(command) as (process, output):
        if process.wait():
            raise RuntimeError(_tail(output))
    content = json.loads((subject.work / "stock.json").read_text(encoding="utf-8"))
    first, second = content["ends"]
    peak = content["peak_memory_mib"]
    return TwoCases(first - started, second - first, content["networks_s"][1], peak)


def run_podium(subject: Subject, folds: int) -> TwoCases:
    """Run this program twice on the case, mirrored, as grand-challenge calls it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [*subject.podium_options(folds, True, 1), "--port", str(port)]
    started = time.time()
    with _process([sys.executable, str(INFERENCE), "serve", *options]) as (process, output):
        while not _is_healthy(port):
            if process.poll() is not None:
                raise RuntimeError(_tail(output))
            time.sleep(HEALTH_S)
        _invoke(port)
        first, before = time.time(), subject.record()
        _invoke(port)
        second, after = time.time(), subject.record()
    check_device(after, subject.device)
    return TwoCases(
        first - started,
        second - first,
        networks_s(before, after),
        device_of(after).get("peak_memory_mib"),
        batches_of(after),
        device_of(after),
    )


def networks_s(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return the seconds that the networks of a process's latest case took.

    The stage waits for the device before it ends.

    Args:
        before: the record of the case before; the seconds of stages add up over a process.
        after: the record of the case.
    """
    return float(after["seconds"]["networks"] - before["seconds"]["networks"])


def device_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of the device; nothing where it is older than that."""
    return dict(record.get("device") or {})


def check_device(record: Mapping[str, Any], device: str) -> None:
    """Refuse a run that went on elsewhere, where its record says so.

    Raises:
        RuntimeError: naming both.
    """
    places = [device_of(record).get("type"), *(c.get("device") for c in record["cases"].values())]
    for place in places:
        if place is not None and str(place).split(":")[0] != device:
            raise RuntimeError(f"this program ran on {place}, not on {device}")


def batches_of(record: Mapping[str, Any]) -> str | None:
    """Return the backend and batch of the networks in a record, or None."""
    networks = (record.get("networks") or {}).values()
    words = sorted({f"{each.get('backend')} x{each.get('batch')}" for each in networks})
    return ", ".join(words) or None


def device_errors(record: Mapping[str, Any]) -> list[str]:
    """Return what failed on the device and what was done, of all cases of a record."""
    return [word for case in record["cases"].values() for word in case.get("device_errors") or ()]


@contextmanager
def _process(command: Sequence[str]) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes]]]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, env=os.environ | ALIKE, stdout=output, stderr=output, cwd=ROOT
        )
        try:
            yield process, output
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read()[-2000:].decode(errors="replace")


def _is_healthy(port: int) -> bool:
    try:
        return _answer("GET", "/health", port)[0] == HTTPStatus.OK
    except OSError:  # not listening yet
        return False


def _invoke(port: int) -> None:
    status, answer = _answer("POST", "/invoke", port)
    if status != HTTPStatus.CREATED:
        raise RuntimeError(f"/invoke: {status} {answer}")


def _answer(method: str, path: str, port: int) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_S)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
