"""Judge by a run record whether a case got the rules of its cluster.

    python cluster_record.py RECORD CLUSTER KIND

Exit code 0: every case of the run lies in cluster number CLUSTER, took no fallback, and a rule of
kind KIND changed voxels of it. 1: it does not. One line says what the record says.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main() -> int:
    """Print the verdict on one record."""
    path, cluster, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError) as error:
        print(f"not as fitted: no run record could be read ({error!r})")
        return 1
    faults = [
        f"{id}: {fault}" for id, case in cases.items() if (fault := wrong(case, cluster, kind))
    ]
    if not cases:
        faults = ["the record holds no case"]
    print("; ".join(faults) or f"cluster {cluster}, {kind}: {', '.join(cases)}")
    return 1 if faults else 0


def wrong(case: Mapping[str, Any], cluster: int, kind: str) -> str:
    """Say what is not as it should be in a case's part of the record; "" where all is."""
    if "error" in case:
        return str(case["error"])
    chosen = case["postprocessing"]
    if chosen.get("fallback") is not None or chosen.get("one_rule_set"):
        return f"no cluster was looked for, or the fallback taken: {chosen.get('fallback')}"
    if chosen.get("cluster") != cluster:
        return f"in cluster {chosen.get('cluster')}, not {cluster}"
    changed = {rule["kind"] for rule in chosen["rules"] if rule["voxels"] > 0}
    return "" if changed == {kind} else f"rules {sorted(changed)} changed voxels, not {kind}"


if __name__ == "__main__":
    sys.exit(main())
