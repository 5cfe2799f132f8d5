"""Parts of a made-up measurement: sound ones, and ones that fail as a GPU may fail."""

import json
import os
import time
from collections.abc import Iterator

from lab.bench.gpu_part import Column, Context, Part, Row

COLUMNS = (Column("what", "", 12), Column("seconds", "s", 8, ".2f"), Column("seen", "seen", 20))


def measure(item: str, context: Context) -> Iterator[Row]:
    """Measure an item as its name says."""
    if item == "raises":
        yield {"seconds": 1.0}
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nfor debugging")
    if item == "dies":
        print("terminate called after throwing", flush=True)
        os._exit(134)
    if item == "hangs":
        time.sleep(60)
    if item == "sees":
        report = json.loads((context.scratch / "report.json").read_text())
        yield {"seen": ", ".join(part["name"] for part in report["parts"])}
    if item == "sees earlier":
        yield {"seconds": context.value("first", "sound", "seconds") + 1}
    if item == "sound":
        yield {"seconds": 2.0}


def part(name: str, *items: str, least_s: float = 0.0, most_s: float = 60.0) -> Part:
    """Return a part of such items."""
    return Part(name, f"made-up part {name}", items, measure, COLUMNS, least_s, most_s)
