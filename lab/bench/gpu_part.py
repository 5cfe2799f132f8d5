"""A part of a measurement, in a process of its own: whatever befalls it, its rows are there.

A part measures its items one after the other. An item that fails, a process that dies and time that
is over each become a row that says so; the items after a failed one are measured all the same.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

log = logging.getLogger("podium")

Row = dict[str, Any]  # JSON-able; "what" names it, "error" says why nothing was measured
LOG_CHARACTERS = 2000
PATIENCE_S = 10.0  # for a process that ends


@dataclass(frozen=True)
class Context:
    """Where a part is measured, and what the parts before it measured."""

    device: str  # cuda | cpu; a CPU rehearses everything at reduced size
    scratch: Path
    earlier: Mapping[str, Sequence[Row]] = field(default_factory=dict)  # part -> its rows

    def value(self, part: str, what: str, key: str) -> Any:
        """Return a value that an earlier part measured, or None."""
        for row in self.earlier.get(part, ()):
            if row.get("what") == what:
                return row.get(key)
        return None


@dataclass(frozen=True)
class Column:
    """One column of a part's table."""

    key: str
    head: str
    width: int
    form: str = ""  # format of a number
    scale: float = 1.0


@dataclass(frozen=True)
class Part:
    """One part: what it measures, and how its rows are printed."""

    name: str
    title: str
    items: tuple[str, ...]
    measure: Callable[[str, Context], Iterable[Row]]
    columns: tuple[Column, ...]
    least_s: float  # with less time left it is not begun
    most_s: float = 240.0  # so that one that hangs leaves time to the others


def measured_rows(part: Part, context: Context, left_s: float) -> Iterator[Row]:
    """Measure a part in processes of its own, and yield its rows as they come."""
    if left_s < part.least_s:
        why = f"it takes about {part.least_s:.0f} s, and {max(left_s, 0):.0f} s are left"
        yield from ({"what": item, "error": f"not run: {why}"} for item in part.items)
        return
    seconds = min(left_s, part.most_s)
    end, over = time.monotonic() + seconds, f"the {seconds:.0f} s of this part were over"
    remaining = list(part.items)
    while remaining:
        failed = yield from _process_rows(part, remaining, context, end)
        is_over = time.monotonic() >= end
        if failed:
            error = f"stopped: {over}" if is_over else failed["error"]
            yield {"what": remaining.pop(0), **failed, "error": error}
        if is_over:
            yield from ({"what": item, "error": f"not run: {over}"} for item in remaining)
            return


def _process_rows(
    part: Part, remaining: list[str], context: Context, end: float
) -> Generator[Row, None, Row]:
    """Yield the rows of one process, and take its finished items from `remaining`.

    Returns:
        an empty row where it finished; else "error" and "log" of the first remaining item.
    """
    context.scratch.mkdir(parents=True, exist_ok=True)
    output = context.scratch / f"{part.name}.log"
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_measure, args=(part, tuple(remaining), context, sender, output))
    process.start()
    sender.close()
    try:
        while remaining:
            if not receiver.poll(max(0.0, end - time.monotonic())):
                return _failure("stopped", output)
            item, row = receiver.recv()
            if row is None:
                remaining.remove(item)
            else:
                yield {"what": item, **row}
    except EOFError:
        process.join(PATIENCE_S)
        return _failure(f"the process ended with code {process.exitcode}", output)
    finally:
        end_process(process)
    return {}


def _measure(
    part: Part, items: Sequence[str], context: Context, sender: Connection, output: Path
) -> None:
    """Measure items, and send their rows; what libraries print goes to a file."""
    os.setsid()  # so that what it starts can be ended with it
    with output.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, force=True)
    for item in items:
        for row in rows_or_error(lambda item=item: part.measure(item, context)):  # type: ignore[misc]
            sender.send((item, row))
        sender.send((item, None))
    sender.close()


def rows_or_error(measure: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """Yield rows, and an error as the last one."""
    try:
        yield from measure()
    except Exception as error:  # no failure of one measurement may cost the others
        log.exception("not measured")
        text = str(error).strip() or type(error).__name__
        yield {"error": _sentence(text), "log": text[-LOG_CHARACTERS:]}


def _sentence(text: str) -> str:
    """Return the line of an error that says what happened: the last one of a process's output."""
    lines = text.splitlines()
    return lines[-1] if "Traceback" in text else lines[0]


def end_process(process: BaseProcess) -> None:
    """End a process that leads a session, and all that it started."""
    if process.is_alive():
        process.join(0.5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join(PATIENCE_S)


def _failure(why: str, output: Path) -> Row:
    printed = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return {"error": why, "log": printed[-LOG_CHARACTERS:]}
