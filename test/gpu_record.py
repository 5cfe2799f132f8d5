"""Judge by a run record whether the networks of every case ran on a GPU.

    python gpu_record.py RECORD

Exit code 0: the device of the run and of every case is cuda. 1: it is not, or the record does not
say. One line says what the record says.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LISTED = 3  # faults in the line; the rest is counted
OLDER = "the record names no device; the image is older than this check, build it anew"
Record = Mapping[str, Any]


def main() -> int:
    """Print the verdict on one record."""
    path = Path(sys.argv[1])
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"not on a GPU: no run record could be read ({error})")
        return 1
    faults = [*run_faults(record), *case_faults(record)] if "device" in record else [OLDER]
    if not faults:
        print(passed(record))
        return 0
    more = f"; and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
    print(f"not on a GPU: {'; '.join(faults[:LISTED])}{more}")
    return 1


def run_faults(record: Record) -> Iterator[str]:
    """Yield why the run as a whole was not on a GPU."""
    device = record["device"]
    if device.get("type") != "cuda":
        yield f"the record says device {device.get('type')}, {reason(device)}"


def reason(device: Record) -> str:
    """Say what the record knows about why no GPU was used."""
    torch = f"torch {device.get('torch')}"
    if is_none(device.get("cuda")):
        return f"{torch} is built for the CPU; build with TORCH=cuda12 or TORCH=cuda13"
    built = f"{torch} for CUDA {device['cuda']}"
    if is_none(device.get("driver")):
        return f"{built}, no driver in sight; see what GPUS gave the container, and nvidia-smi"
    return f"{built}, driver {device['driver']}, card {device.get('card')}"


def is_none(value: object) -> bool:
    """Return whether a fact of the record is absent."""
    return value in (None, "", "none")


def case_faults(record: Record) -> Iterator[str]:
    """Yield each case whose networks did not all run on a GPU, and why."""
    cases = record.get("cases") or {}
    if not cases:
        yield "the record has no case"
    for id, case in cases.items():
        if "error" in case:
            yield f"case {id} failed: {case['error']}"
        elif case.get("device") != "cuda":
            errors = "".join(f" ({error})" for error in case.get("device_errors") or ())
            yield f"case {id} on {case.get('device') or 'a device that is not named'}{errors}"


def passed(record: Record) -> str:
    """Name the card, what ran on it, and the errors of the device that were overcome."""
    device, cases = record["device"], record["cases"]
    errors = [
        f"; case {id}: {error}"
        for id, case in cases.items()
        for error in case.get("device_errors") or ()
    ]
    return (
        f"cuda: {device.get('card')}, driver {device.get('driver')}, torch {device.get('torch')} "
        f"for CUDA {device.get('cuda')}, at most {device.get('peak_memory_mib') or 'unknown'} of "
        f"{device.get('memory_mib') or 'unknown'} MiB, {len(cases)} of {len(cases)} cases"
        f"{''.join(errors)}"
    )


if __name__ == "__main__":
    sys.exit(main())
