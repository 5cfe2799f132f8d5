"""A synthetic case through a model, step by step as the program takes it: would a real one fail?

Right hashes and networks that load do not test normalising, resampling, tiles, rules
and writing. A head with a bright lesion goes through all of it, written to files first, on a grid
that the plan has not: thick slices, other spacings, a little more than one tile long.
"""

import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

from challenge.case import CaseError, read_case
from challenge.case_outputs import Answer, OutputFolders
from challenge.description import InputSocket
from challenge.platforms import find_cases
from challenge.refusal import Refusal
from challenge.run_record import write_case
from challenge.scheme import Scheme
from ensemble.budget import Budget
from ensemble.device import choose_device
from ensemble.engine import Engine
from ensemble.manifest import (
    Member,
    accepts_missing_sequences,
    read_manifest,
    scheme_of,
    verify_model,
)
from ensemble.match_models import match_models
from ensemble.plans import Plan
from ensemble.predict import predict
from lab.packing.random_tile import MAX_VOXELS
from postprocess import refine
from postprocess.artefacts import load_artefacts

# Times the plan's patch (z, y, x): two tiles along z, less than one along y and x; one tile where
# that alone takes ResEnc-L 22 s on two cores.
EXTENT, EXTENT_OF_LARGE = (1.25, 0.95, 0.95), (0.95, 0.95, 0.95)
# Times the plan's spacing: so thick that a default plan resamples slices apart.
COARSENESS = (3.2, 1.1, 0.9)
MIN_SIDE = 6  # voxels
# A 2-D network is taken for one whose patch has so many slices, as thick as its short side is long.
SLICES = 24
SEED = 0
# Five folds of ResEnc-L at 192 cubed take two minutes on two cores, with mirroring eight times as
# long; what is skipped is in the line that is printed.
TIME_LIMIT_S = 300.0
# Grey levels that a lesion's core, rim and surroundings add to a sequence.
OF_OTHERS = (300.0, 300.0, 60.0)  # where LESION does not name the sequence
LESION: Mapping[str, tuple[float, float, float]] = {
    "t1n": (-200, -120, -60),
    "t1c": (-120, 420, -40),
    "t2w": (420, 260, 220),
    "t2f": (120, 260, 360),
}
RADII = (0.2, 0.35, 0.55)  # of the shortest half of the grid


@dataclass(frozen=True)
class Grid:
    """Where the case lies."""

    shape: tuple[int, ...]  # (z, y, x)
    spacing_mm: tuple[float, ...]


class TrialError(Refusal):
    """A synthetic case does not come through a model; the message names the model and why."""


def try_case(manifest: Path) -> str:
    """Take a synthetic case through a packed model; return seconds and volumes in words.

    A model for cases that lack sequences gets a second one, without its scheme's last sequence.

    Raises:
        TrialError: anything at all goes wrong on the way.
    """
    words, scheme = [], scheme_of(manifest)
    gaps: list[tuple[str, ...]] = [
        (),
        *([scheme.sequences[-1:]] if accepts_missing_sequences(manifest) else []),
    ]
    for absent in gaps:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                volumes, skipped = _volumes(manifest, Path(scratch), absent)
            except Exception as error:  # whatever befalls this case would befall a real one
                weights = f"{manifest.parent.parent}/"  # temporary too, while packing
                reason = str(error).replace(f"{scratch}/", "").replace(weights, "")
                kind = "" if isinstance(error, Refusal) else f"{type(error).__name__}: "
                which = f" without {', '.join(absent)}" if absent else ""
                message = f"{manifest.parent.name}: a synthetic case{which} fails ({kind}{reason})"
                raise TrialError(message) from error
        sizes = ", ".join(f"{name} {mm3 / 1000:.1f} mL" for name, mm3 in volumes.items())
        deadline = f", deadline: skipped {'; '.join(skipped)}" if skipped else ""
        which = f"without {', '.join(absent)} " if absent else ""
        words.append(f"{which}{sizes} in {time.perf_counter() - started:.1f} s{deadline}")
    return "; ".join(words)


def grid_for(members: Iterable[Member]) -> Grid:
    """Return the grid of the case: by the member whose patch takes the least room."""
    plan = min((member.plan for member in members), key=lambda plan: math.prod(_patch_mm(plan)))
    patch, planned_mm = as_volume(plan)
    patch_mm, spacing_mm = _patch_mm(plan), _as_stored(plan, planned_mm)
    extent = EXTENT if math.prod(patch) <= MAX_VOXELS else EXTENT_OF_LARGE
    extent_mm = [share * mm for share, mm in zip(extent, patch_mm, strict=True)]
    wanted_mm = [times * mm for times, mm in zip(COARSENESS, spacing_mm, strict=True)]
    sides = zip(extent_mm, wanted_mm, strict=True)
    shape = tuple(max(MIN_SIDE, round(extent / mm)) for extent, mm in sides)
    return Grid(shape, tuple(mm / side for mm, side in zip(extent_mm, shape, strict=True)))


def write_input(folder: Path, scheme: Scheme, grid: Grid, absent: Iterable[str] = ()) -> Path:
    """Write the case as the challenge's platform hands it over; return its input folder."""
    if scheme.has_sockets:
        for socket in scheme.inputs:
            _write_socket(folder / socket.location, socket, grid)
        return folder
    id = f"{scheme.case_prefix}-00000-000" if scheme.case_prefix else "synthetic-000"
    (folder / id).mkdir(parents=True)
    for sequence in scheme.sequences:
        if sequence not in set(absent):
            path = folder / id / f"{id}-{sequence}.nii.gz"
            nibabel.save(_nifti(scan(sequence, grid), grid), path)
    return folder


def _write_socket(path: Path, socket: InputSocket, grid: Grid) -> None:
    if not socket.is_image:
        path.write_text("{}\n", encoding="utf-8")
        return
    path.mkdir(parents=True)
    image = _metaimage(scan(socket.sequence, grid), grid)
    SimpleITK.WriteImage(image, str(path / "synthetic.mha"), True)


def scan(sequence: str, grid: Grid) -> np.ndarray:
    """Return a head with a lesion (z, y, x), int16, zeros around it, seeded."""
    generator = np.random.default_rng(SEED)
    sides = zip(grid.shape, grid.spacing_mm, strict=True)
    centred = [(np.arange(side) - (side - 1) / 2) * mm for side, mm in sides]
    position_mm = np.meshgrid(*centred, indexing="ij")
    reaches = [axis[-1] * 0.95 for axis in centred]
    head = sum((axis / reach) ** 2 for axis, reach in zip(position_mm, reaches, strict=True)) < 1
    shortest = min(reaches)
    away = [axis - 0.25 * shortest for axis in position_mm]
    distance = np.sqrt(sum(axis**2 for axis in away)) / shortest
    image = 500 + 150 * position_mm[1] / reaches[1] + generator.normal(0, 25, grid.shape)
    inner = 0.0
    for outer, gain in zip(RADII, LESION.get(sequence, OF_OTHERS), strict=True):
        image[(distance >= inner) & (distance < outer)] += gain
        inner = outer
    return np.where(head, image.clip(1), 0).astype(np.int16)


def _volumes(
    manifest: Path, scratch: Path, absent: tuple[str, ...]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Take the case from files to a label file; return the volumes in mm3, and what was skipped."""
    name, model = read_manifest(manifest)["model"], verify_model(manifest)
    source = write_input(scratch / "in", model.scheme, grid_for(model.members), absent)
    chosen, faults = match_models(find_cases(source), {name: manifest}, name)
    if faults:
        raise CaseError(next(iter(faults.values())))
    artefacts = load_artefacts(model.folder, model.scheme)
    (choice,) = chosen.values()
    case = read_case(choice.files, model.orientation)
    engine = Engine(choose_device("auto"))
    *_, final = predict(case, model, engine, Budget(TIME_LIMIT_S), artefacts.needs_votes)
    refined = refine(case, final.probabilities, model.head, artefacts, final.votes)
    target = model.answers_as(choice.files.scheme)
    answer = Answer(refined.labels, model.scheme, final.probabilities, model.head)
    outcome = write_case(answer, case, choice.files, target, OutputFolders(scratch / "out"))
    return outcome["volumes_mm3"], final.skipped


def _as_stored(plan: Plan, values: Sequence[float]) -> tuple[float, ...]:
    """Bring what is in the plan's axis order into (z, y, x)."""
    return tuple(values[axis] for axis in plan.transpose_back)


def as_volume(plan: Plan) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return patch and spacing of a plan in its axes; those of a 2-D one with SLICES slices."""
    planned = zip(plan.patch, plan.grid_mm((math.inf,) * 3), strict=True)
    slice_mm = min(side * mm for side, mm in planned) / SLICES
    first = SLICES if plan.sees_slices else plan.patch[0]
    return (first, *plan.patch[1:]), plan.grid_mm((slice_mm,) * 3)


def _patch_mm(plan: Plan) -> tuple[float, ...]:
    return _as_stored(plan, [side * mm for side, mm in zip(*as_volume(plan), strict=True)])


def _nifti(image: np.ndarray, grid: Grid) -> nibabel.Nifti1Image:
    z, y, x = grid.spacing_mm
    affine = np.diag([-x, -y, z, 1.0])  # LPS, as BraTS hands its cases over
    nifti = nibabel.Nifti1Image(image.transpose(2, 1, 0), affine)
    nifti.header.set_xyzt_units("mm")
    return nifti


def _metaimage(image: np.ndarray, grid: Grid) -> SimpleITK.Image:
    metaimage = SimpleITK.GetImageFromArray(image)
    metaimage.SetSpacing(grid.spacing_mm[::-1])
    return metaimage
