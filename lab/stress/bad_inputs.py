"""Hundreds of malformed inputs, each through the whole program."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

from lab.progress import progress
from lab.stress import (
    archive_bombs,
    folder_faults,
    geometry_faults,
    metaimage_faults,
    nifti_faults,
    voxel_faults,
)
from lab.stress.malformed import CORRUPTED, INTACT, SOCKET, STEM, Malformed
from lab.stress.options import StressOptions
from lab.stress.program import ProcessResult, command, run
from lab.training.random_networks import write_abdomen, write_heads

MEMORY_GIB = 4.0
PANTHER_OUTPUT = Path("images", "pancreatic-tumor-segmentation", f"{STEM}.mha")
Labels = tuple[np.ndarray, tuple[object, ...]]
# By the first word of a name; any other is of FOLDERS.
GROUPS = {
    "NIfTI": "NIfTI header",
    "MetaImage": "MetaImage",
    "inputs.json": "inputs.json",
    **dict.fromkeys(
        ("voxels", "affine", "spacing", "size", "gzip", "file", "bomb"), "voxels, sizes, affines"
    ),
}
FOLDERS = "folders, names, links"


def all_malformed() -> Iterator[Malformed]:
    """Yield every malformed input there is."""
    modules = (
        nifti_faults,
        metaimage_faults,
        voxel_faults,
        geometry_faults,
        archive_bombs,
        folder_faults,
    )
    for module in modules:
        yield from module.malformed()


@dataclass(frozen=True)
class Outcome:
    """How the program answered one malformed input, and how that differs from what is expected."""

    case: Malformed
    result: ProcessResult
    deviations: tuple[str, ...]


@dataclass(frozen=True)
class Harness:
    """Intact inputs, and what the program makes of them."""

    work: Path
    weights: Path
    labels: dict[str, dict[str, Labels]]  # kind -> file -> labels and geometry
    limit_s: float

    def check(self, case: Malformed) -> Outcome:
        """Corrupt an intact input, run the program, and compare with what is expected."""
        home = self.work / "runs" / str(abs(hash(case.name)))
        source, target = home / "in", home / "out"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.work / case.kind, source)
        target.mkdir()
        case.corrupt(source)
        result = run(command(source, target, self.weights), self.limit_s, MEMORY_GIB)
        deviations = tuple(self._deviations(case, result, target))
        shutil.rmtree(home, ignore_errors=True)
        return Outcome(case, result, deviations)

    def _deviations(self, case: Malformed, result: ProcessResult, target: Path) -> Iterator[str]:
        if result.exit_code != case.exit_code:
            yield f"exit code {result.exit_code}, expected {case.exit_code}"
        if result.wall_s > self.limit_s or result.peak_gib > MEMORY_GIB:
            yield f"{result.wall_s:.0f} s, {result.peak_gib:.1f} GiB"
        if "Traceback" in result.stderr:
            yield "a traceback on stderr"
        if case.exit_code and case.message not in result.last_line:
            yield f"last line {result.last_line!r} lacks {case.message!r}"
        may_differ = () if case.same_labels else (f"{case.id}.",)
        yield from compare(target, self._expected(case), may_differ)

    def _expected(self, case: Malformed) -> dict[str, Labels]:
        intact = self.labels[case.kind]
        if case.kind == "panther":
            return {} if case.exit_code else intact
        corrupted = {} if case.exit_code else {f"{case.id}.nii.gz": intact[f"{CORRUPTED}.nii.gz"]}
        return {f"{INTACT}.nii.gz": intact[f"{INTACT}.nii.gz"], **corrupted}


def write_brats(folder: Path, shape: tuple[int, int, int], box: tuple[int, int, int]) -> None:
    """Write two intact cases, see `write_heads`.

    Values are whole, so that any type can hold them; the affine stands in the sform alone, since
    ITK and this program read a qform in place of a sform that is corrupted.
    """
    write_heads(folder, (CORRUPTED, INTACT), shape, box)
    for path in folder.glob("*/*.nii.gz"):
        scan = nibabel.Nifti1Image.from_filename(path)
        whole = np.rint(np.asarray(scan.dataobj)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(whole, scan.affine), path)


def make_harness(work: Path, weights: Path, limit_s: float = 30.0) -> Harness:
    """Write an intact input of each kind and segment it.

    Raises:
        RuntimeError: the program fails on an intact input.
    """
    write_brats(work / "brats", (40, 44, 42), (30, 34, 32))
    write_abdomen(work / "panther" / SOCKET, STEM, (20, 44, 42), (3.0, 2.0, 2.0))
    socket = {"slug": SOCKET.name, "relative_path": str(SOCKET)}
    (work / "panther" / "inputs.json").write_text(f'[{{"socket": {socket}}}]'.replace("'", '"'))
    labels: dict[str, dict[str, Labels]] = {}
    for kind in ("brats", "panther"):
        target = work / f"{kind}-out"
        target.mkdir()
        result = run(command(work / kind, target, weights), 300)
        if result.exit_code:
            raise RuntimeError(
                f"intact {kind} input: exit code {result.exit_code}, {result.last_line}"
            )
        files = [path for path in target.rglob("*") if path.is_file()]
        labels[kind] = {str(path.relative_to(target)): read(path) for path in files}
    return Harness(work, weights, labels, limit_s)


def compare(
    target: Path, expected: Mapping[str, Labels], may_differ: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield how the files of an output folder, hidden ones too, differ from those expected.

    In files that start with one of `may_differ`, labels may differ but not the geometry.
    """
    written = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    if written.keys() != expected.keys():
        yield f"files {sorted(written)}, expected {sorted(expected)}"
    for name in sorted(written.keys() & expected.keys()):
        labels, geometry = read(written[name])
        known = expected[name]
        if geometry != known[1] or labels.shape != known[0].shape:
            yield f"{name} has another geometry than its scan"
        elif not name.startswith(may_differ) and not np.array_equal(labels, known[0]):
            yield f"{name} has other labels than of the intact input"


def read(path: Path) -> Labels:
    """Return labels and geometry by the libraries alone."""
    if path.name.endswith(".mha"):
        image = SimpleITK.ReadImage(str(path))
        geometry = (image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        return SimpleITK.GetArrayFromImage(image), geometry
    scan = nibabel.Nifti1Image.from_filename(path)
    return np.asarray(scan.dataobj), tuple(map(float, scan.affine.ravel()))


def check_all(harness: Harness, cases: Iterable[Malformed], jobs: int) -> Iterator[Outcome]:
    """Check case after case, several at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(harness.check, cases)


def tables(work: Path, weights: Path, options: StressOptions) -> Iterator[str]:
    """Yield a FAULT line for each deviation, then the lines of the table."""
    cases = list(all_malformed())
    if options.most:
        cases = cases[:: max(1, len(cases) // options.most)]
    harness = make_harness(work, weights, options.limit_s)
    groups: dict[str, list[Outcome]] = {}
    outcomes_of = check_all(harness, cases, options.jobs)
    for outcome in progress(outcomes_of, len(cases), "input", "malformed"):
        group = GROUPS.get(outcome.case.name.split()[0], FOLDERS)
        groups.setdefault(group, []).append(outcome)
        for deviation in outcome.deviations:
            yield f"FAULT {outcome.case.name}: {deviation}"
    yield "| malformed | inputs | refused | accepted | slowest s | peak GiB | not as declared |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    groups["all"] = list(chain.from_iterable(groups.values()))
    for name, outcomes in groups.items():
        accepted = Counter(outcome.result.exit_code for outcome in outcomes)[0]
        wrong = sum(bool(outcome.deviations) for outcome in outcomes)
        yield (
            f"| {name} | {len(outcomes)} | {len(outcomes) - accepted} | {accepted} "
            f"| {max(outcome.result.wall_s for outcome in outcomes):.1f} "
            f"| {max(outcome.result.peak_gib for outcome in outcomes):.2f} | {wrong} |"
        )
