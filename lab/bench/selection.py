"""How long a selection takes, and in how much memory, at the size of a challenge.

Abdomens of PANTHER's Task 1 grid with a pancreas and a tumour, and candidates that each err
differently; `lab select` in a separate process, its worker processes counted by the largest.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES, Head
from lab.bench.processes import measured
from lab.member_selection.probability_maps import Candidate, write_candidate, write_map
from lab.member_selection.score_file import read_scores
from lab.member_selection.select import SCORES
from lab.member_selection.strategies import STRATEGIES

SHAPE, SPACING_MM = (72, 258, 318), (3.0, 1.1875, 1.1875)  # the median of 92 cases
HEAD = Head("softmax", ((), ("tumour",), ("pancreas",)), ("", "tumour", "pancreas"))
SCHEME = SCHEMES["panther-t1"]
MARGIN = 12  # voxels around the pancreas that a candidate's errors may extend


def bench_selection(candidates: int, cases: int, strategies: Sequence[str], jobs: int) -> int:
    """Print wall and CPU seconds and the peak of memory of a whole selection.

    Raises:
        Refusal: a strategy that `lab select` does not know.
    """
    if unknown := sorted(set(strategies) - set(STRATEGIES)):
        raise Refusal(f"--strategies {', '.join(unknown)}: of {', '.join(STRATEGIES)}")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        names = [f"candidate-{number:02d}" for number in range(candidates)]
        for folder in ("raw/imagesTr", "raw/labelsTr", *(f"maps/{name}" for name in names)):
            (work / folder).mkdir(parents=True)
        parallel = joblib.Parallel(n_jobs=jobs)
        parallel(joblib.delayed(write_case)(work, case, names) for case in range(cases))
        dataset = {
            "channel_names": {"0": "t1"},
            "labels": {"background": 0, **SCHEME.labels},
            "numTraining": cases,
            "file_ending": ".mha",
        }
        (work / "raw" / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
        members_of = {str(case): (f"fold_{case % 5}",) for case in range(cases)}
        for name in names:
            home = work / "maps" / name
            write_candidate(Candidate(name, home, SCHEME, HEAD, members_of, 1.0))
        size = sum(path.stat().st_size for path in (work / "maps").rglob("*.npz"))
        folders = [str(work / "maps" / name) for name in names]
        paths = ["--cohort", str(work / "raw"), "--out", str(work / "out")]
        options = ["--jobs", str(jobs), "--strategies", *strategies]
        command = [sys.executable, "-m", "lab", "select", *folders, *paths, *options]
        run = measured(command, {"OMP_NUM_THREADS": "1"})
        _, rows = read_scores(work / "out" / SCORES)
        ensembles = len(set().union(*rows.values()))
    print(
        f"{candidates} candidates x {cases} cases of "
        f"{'x'.join(map(str, SHAPE))}, {size / 1e9:.1f} GB of maps, {jobs} processes: "
        f"{ensembles} ensembles scored in {run.wall_s:.0f} s ({run.cpu_s:.0f} CPU s), largest "
        f"process {run.peak_mib / 1024:.2f} GiB"
    )
    return 0


def write_case(work: Path, case: int, names: list[str]) -> None:
    """Write a case's scan, labels and every candidate's map."""
    rng = np.random.default_rng(case)
    labels = np.zeros(SHAPE, np.uint8)
    centre = np.array(SHAPE) / 2 + rng.normal(0, 8, 3)
    _paint(labels, centre, (30.0, 20.0, 60.0), 2)
    _paint(labels, centre + rng.normal(0, 4, 3), tuple(rng.uniform(8, 18, 3)), 1)
    for name, array in (("imagesTr", labels.astype(np.float32)), ("labelsTr", labels)):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(SPACING_MM[::-1])
        tail = "_0000" if name == "imagesTr" else ""
        SimpleITK.WriteImage(image, str(work / "raw" / name / f"{case}{tail}.mha"), True)
    inside = np.argwhere(labels)
    low, high = np.maximum(inside.min(0) - MARGIN, 0), inside.max(0) + 1 + MARGIN
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    clean = np.stack([labels == 0, labels == 1, labels == 2]).astype(np.float32)
    for number, name in enumerate(names):
        errors = np.random.default_rng([case, number])
        moved = np.roll(clean, errors.integers(-3, 4, 3), (1, 2, 3))[(slice(None), *window)]
        soft = np.stack([gaussian_filter(channel, errors.uniform(0.5, 2)) for channel in moved])
        whole = np.zeros(clean.shape, np.float32)
        whole[0] = 1
        whole[(slice(None), *window)] = soft / soft.sum(0)
        write_map(work / "maps" / name / f"{case}.npz", whole, HEAD)


def _paint(labels: np.ndarray, centre: np.ndarray, radii_mm: tuple[float, ...], value: int) -> None:
    away = [
        ((np.arange(side) - at) * mm / radius) ** 2
        for side, at, mm, radius in zip(labels.shape, centre, SPACING_MM, radii_mm, strict=True)
    ]
    z, y, x = np.ix_(*away)
    labels[z + y + x < 1] = value
