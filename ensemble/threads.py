"""How many processor cores there are for this program. Imported before torch, which then asks."""

import os
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <per microseconds>", or "max ..."


def cores(limit: Path = CGROUP_LIMIT) -> int:
    """Return the cores that this process may use: its affinity, cut to the container's share.

    A container with two cores' worth of time on a host of sixty-four sees them all, and sixty-four
    threads that share two cores are several times slower than two.
    """
    found = len(os.sched_getaffinity(0))
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, min(found, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return found
