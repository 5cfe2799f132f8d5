"""Hundreds of malformed inputs, each through the whole program."""

import argparse
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

from lab.stress import folder_faults, metaimage_faults, nifti_faults, voxel_faults
from lab.stress.malformed import SOCKET, SOUND, SPOILT, STEM, Malformed
from lab.stress.program import Ended, command, run
from lab.training.random_networks import write_abdomen, write_heads

MEMORY_GIB = 4.0
PANTHER_OUTPUT = Path("images", "pancreatic-tumor-segmentation", f"{STEM}.mha")
Labels = tuple[np.ndarray, tuple[object, ...]]


def all_malformed() -> Iterator[Malformed]:
    """Yield every malformed input there is."""
    for module in (nifti_faults, metaimage_faults, voxel_faults, folder_faults):
        yield from module.malformed()


@dataclass(frozen=True)
class Verdict:
    """What became of one malformed input; without faults it is as declared."""

    case: Malformed
    ended: Ended
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """Sound inputs, and what the program makes of them."""

    work: Path
    weights: Path
    labels: dict[str, dict[str, Labels]]  # kind -> file -> labels and geometry
    limit_s: float

    def judge(self, case: Malformed) -> Verdict:
        """Spoil a sound input, run the program, and compare with what was declared."""
        home = self.work / "runs" / str(abs(hash(case.name)))
        source, target = home / "in", home / "out"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.work / case.kind, source)
        target.mkdir()
        case.spoil(source)
        ended = run(command(source, target, self.weights), self.limit_s, MEMORY_GIB)
        faults = tuple(self._faults(case, ended, target))
        shutil.rmtree(home, ignore_errors=True)
        return Verdict(case, ended, faults)

    def _faults(self, case: Malformed, ended: Ended, target: Path) -> Iterator[str]:
        if ended.code != case.exit_code:
            yield f"exit code {ended.code}, declared {case.exit_code}"
        if ended.wall_s > self.limit_s or ended.peak_gib > MEMORY_GIB:
            yield f"{ended.wall_s:.0f} s, {ended.peak_gib:.1f} GiB"
        if "Traceback" in ended.said:
            yield "a traceback on stderr"
        if case.exit_code and case.told not in ended.last_line:
            yield f"last line {ended.last_line!r} does not tell {case.told!r}"
        yield from compare(target, self._expected(case), () if case.same else (f"{case.id}.",))

    def _expected(self, case: Malformed) -> dict[str, Labels]:
        sound = self.labels[case.kind]
        if case.kind == "panther":
            return {} if case.exit_code else sound
        spoilt = {} if case.exit_code else {f"{case.id}.nii.gz": sound[f"{SPOILT}.nii.gz"]}
        return {f"{SOUND}.nii.gz": sound[f"{SOUND}.nii.gz"], **spoilt}


def make_bench(work: Path, weights: Path, limit_s: float = 30.0) -> Bench:
    """Write a sound input of each kind and segment it.

    Raises:
        RuntimeError: the program fails on a sound input.
    """
    write_heads(work / "brats", (SPOILT, SOUND), (40, 44, 42), (30, 34, 32))
    for path in (work / "brats").glob("*/*.nii.gz"):  # whole values: any type can hold them
        scan = nibabel.Nifti1Image.from_filename(path)
        whole = np.rint(np.asarray(scan.dataobj)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(whole, scan.affine), path)
    write_abdomen(work / "panther" / SOCKET, STEM, (20, 44, 42), (3.0, 2.0, 2.0))
    socket = {"slug": SOCKET.name, "relative_path": str(SOCKET)}
    (work / "panther" / "inputs.json").write_text(f'[{{"socket": {socket}}}]'.replace("'", '"'))
    labels: dict[str, dict[str, Labels]] = {}
    for kind in ("brats", "panther"):
        target = work / f"{kind}-out"
        target.mkdir()
        ended = run(command(work / kind, target, weights), 300)
        if ended.code:
            raise RuntimeError(f"sound {kind} input: exit code {ended.code}, {ended.last_line}")
        files = [path for path in target.rglob("*") if path.is_file()]
        labels[kind] = {str(path.relative_to(target)): read(path) for path in files}
    return Bench(work, weights, labels, limit_s)


def compare(
    target: Path, expected: Mapping[str, Labels], may_differ: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield how the files of an output folder, hidden ones too, are not those that are expected.

    Of files that begin with one of `may_differ`, labels may differ but not where they lie.
    """
    found = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    if found.keys() != expected.keys():
        yield f"files {sorted(found)}, expected {sorted(expected)}"
    for name in sorted(found.keys() & expected.keys()):
        labels, geometry = read(found[name])
        known = expected[name]
        if geometry != known[1] or labels.shape != known[0].shape:
            yield f"{name} lies elsewhere than its scan"
        elif not name.startswith(may_differ) and not np.array_equal(labels, known[0]):
            yield f"{name} has other labels than without the fault"


def read(path: Path) -> Labels:
    """Return labels and geometry by the libraries alone."""
    if path.name.endswith(".mha"):
        image = SimpleITK.ReadImage(str(path))
        place = (image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        return SimpleITK.GetArrayFromImage(image), place
    scan = nibabel.Nifti1Image.from_filename(path)
    return np.asarray(scan.dataobj), tuple(map(float, scan.affine.ravel()))


def judge_all(bench: Bench, cases: Iterable[Malformed], jobs: int) -> Iterator[Verdict]:
    """Judge case after case, several at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(bench.judge, cases)


def tables(work: Path, weights: Path, args: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the table, after each fault that was found."""
    cases = list(all_malformed())
    if args.most:
        cases = cases[:: max(1, len(cases) // args.most)]
    bench = make_bench(work, weights, args.limit)
    groups: dict[str, list[Verdict]] = {}
    for verdict in judge_all(bench, cases, args.jobs):
        groups.setdefault(_group(verdict.case), []).append(verdict)
        for fault in verdict.faults:
            yield f"FAULT {verdict.case.name}: {fault}"
    yield "| malformed | inputs | refused | taken | slowest s | most GiB | not as declared |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    groups["all"] = list(chain.from_iterable(groups.values()))
    for name, verdicts in groups.items():
        codes = Counter(verdict.ended.code for verdict in verdicts)
        wrong = sum(bool(verdict.faults) for verdict in verdicts)
        yield (
            f"| {name} | {len(verdicts)} | {len(verdicts) - codes[0]} | {codes[0]} "
            f"| {max(v.ended.wall_s for v in verdicts):.1f} "
            f"| {max(v.ended.peak_gib for v in verdicts):.2f} | {wrong} |"
        )


def _group(case: Malformed) -> str:
    first = case.name.split()[0]
    named = {"NIfTI": "NIfTI header", "MetaImage": "MetaImage", "inputs.json": "inputs.json"}
    if first in named:
        return named[first]
    return "voxels, sizes, places" if first in VOXEL_WORDS else "folders, names, links"


VOXEL_WORDS = {"voxels", "place", "spacing", "size", "gzip", "file", "bomb"}
