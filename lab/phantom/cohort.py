"""Cohorts of synthetic patients on disk, for nnU-Net to train on or for a container to read.

The only module here that knows files. Layouts:
nnunet     DIR/imagesTr/<ID>_0000.*, DIR/labelsTr/<ID>.*, DIR/dataset.json
challenge  BraTS    DIR/<ID>/<ID>-t1n.nii.gz ..., references DIR-labels/<ID>.nii.gz
           PANTHER  DIR/<ID>/images/abdominal-t1-mri/<uuid>.mha, references DIR-labels/<uuid>.mha
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.folders import describe_contents, entries
from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.json_files import read_json
from lab.output_files import make_folder
from lab.parallel import workers
from lab.phantom import atlas, brats, panther
from lab.phantom.fields import Grid

KINDS = ("brats-gli", "panther-t1", "panther-t2")
POPULATION = "phantom.json"  # what a cohort was sampled from, beside its labels
ELSEWHERE = "choose another --out, or move it away"
PATIENTS = 10_000  # of one seed; those of the next seed follow
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Patient:
    """One synthetic patient: pictures (z, y, x) int16 by sequence, and labels uint8."""

    name: str
    grid: Grid
    pictures: Mapping[str, np.ndarray]
    labels: np.ndarray
    shift_mm: Triple  # from patient coordinates in LPS order to the world of the file


@dataclass(frozen=True)
class Population:
    """What patients are sampled from; patient `number` is always the same one."""

    kind: str
    seed: int
    spacing_mm: Triple | None = None  # instead of each patient's native grid
    anywhere: bool = False  # abdomens of any scanner, not of PANTHER's; heads always are

    def read_atlas(self) -> None:
        """Read what heads are bent out of now, once for all processes that are forked later."""
        if self.kind == "brats-gli":
            atlas.maps()

    def patient(self, number: int) -> Patient:
        """Return one patient.

        Raises:
            Refusal: a number of another seed's patients.
        """
        if not 0 <= number < PATIENTS:
            raise Refusal(f"patient {number}: a seed has patients 0 to {PATIENTS - 1}")
        patient_seed = self.seed * PATIENTS + number
        head = self.kind == "brats-gli"
        native = brats.grid_of(patient_seed) if head else panther.grid_of(self.kind, patient_seed)
        grid = native if self.spacing_mm is None else native.respaced(self.spacing_mm)
        code = f"{90_000 + (self.seed * 1_000 + number) % 10_000}"
        if head:
            pictures, labels = brats.scan(patient_seed, grid)
            shift_mm = brats.world_shift_mm(grid)
            return Patient(f"BraTS-GLI-{code}-100", grid, pictures, labels, shift_mm)
        variety = panther.ANYWHERE if self.anywhere else panther.PROTOCOL
        pictures, labels = panther.scan(self.kind, patient_seed, grid, variety)
        name = f"{code}_0001" if self.kind == "panther-t1" else code
        return Patient(name, grid, pictures, labels, (0.0, 0.0, 0.0))


@dataclass(frozen=True)
class Destination:
    """Where a cohort is written, and in which layout: `nnunet` or `challenge`."""

    folder: Path
    layout: str

    @property
    def references(self) -> Path:
        """Return where the labels go."""
        if self.layout == "nnunet":
            return self.folder / "labelsTr"
        folder = self.folder.resolve()  # `.` has no name
        return folder.with_name(f"{folder.name}-labels")

    @property
    def record(self) -> Path:
        """Return the file that says which population the folder holds."""
        return (self.folder if self.layout == "nnunet" else self.references) / POPULATION

    def claim(self, population: Population) -> None:
        """Make the folder for a population, or go on in the one that it has.

        Raises:
            Refusal: it holds other patients or other files, which are never written over.
        """
        content = json.loads(json.dumps(asdict(population)))
        if self.record.exists():
            if (other := read_json(self.record)) != content:
                raise Refusal(f"{self.folder}: holds {_differences(other, content)}; {ELSEWHERE}")
            return
        for folder in {self.folder, self.references}:
            if entries(folder):
                inside = describe_contents(folder)
                raise Refusal(
                    f"{folder}: holds {inside}, which are no patients of this verb; {ELSEWHERE}"
                )
        for folder in (self.folder, self.references):
            make_folder(folder)
        self.record.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _differences(other: Any, wanted: Mapping[str, Any]) -> str:
    """Say whose patients a folder holds, and whose were to be written there."""
    of = other if isinstance(other, Mapping) else {}
    keys = [key for key, value in wanted.items() if of.get(key) != value]
    theirs, ours = (", ".join(f"{key} {d.get(key)}" for key in keys) for d in (of, wanted))
    return f"patients of {theirs}, not of {ours}"


def save(path: Path, array: np.ndarray, patient: Patient) -> None:
    """Write one array (z, y, x) on the grid of `patient`; the folder is created."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(patient.grid.spacing_mm[::-1])
    image.SetDirection((1, 0, 0, 0, -float(np.sign(patient.grid.step_mm[1])), 0, 0, 0, 1))
    superior, anterior, left = patient.grid.first_mm
    lps = (left, -anterior, superior)
    image.SetOrigin([p + s for p, s in zip(lps, patient.shift_mm, strict=True)])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)


def save_nnunet(folder: Path, patient: Patient, ending: str) -> None:
    """Write a patient into an nnU-Net raw data folder."""
    for channel, picture in enumerate(patient.pictures.values()):
        save(folder / "imagesTr" / f"{patient.name}_{channel:04d}{ending}", picture, patient)
    save(folder / "labelsTr" / f"{patient.name}{ending}", patient.labels, patient)


def save_challenge(folder: Path, patient: Patient, ending: str) -> None:
    """Write a patient as the challenge hands it to a container, and its reference beside."""
    references = Destination(folder, "challenge").references
    if ending == ".nii.gz":
        for sequence, picture in patient.pictures.items():
            save(folder / patient.name / f"{patient.name}-{sequence}{ending}", picture, patient)
        save(references / f"{patient.name}{ending}", patient.labels, patient)
        return
    sequence = next(iter(patient.pictures))
    stem = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sequence}-{patient.name}"))
    socket = folder / patient.name / "images" / f"abdominal-{sequence}-mri"
    save(socket / f"{stem}{ending}", patient.pictures[sequence], patient)
    save(references / f"{stem}{ending}", patient.labels, patient)


def _write_patient(number: int, population: Population, destination: Destination) -> str:
    patient = population.patient(number)
    writer = save_nnunet if destination.layout == "nnunet" else save_challenge
    writer(destination.folder, patient, ending_of(population.kind))
    counts = np.bincount(patient.labels.ravel(), minlength=2)[1:]
    sizes = ", ".join(f"{n * np.prod(patient.grid.spacing_mm) / 1000:.1f}" for n in counts)
    return f"{patient.name}: {patient.labels.shape}, label volumes {sizes} mL"


def ending_of(kind: str) -> str:
    """Return the file ending of the challenge that `kind` imitates."""
    return SCHEMES[kind].file_ending


def write(
    population: Population, cases: int, destination: Destination, jobs: int = 1
) -> Iterator[str]:
    """Write the first patients of a population, and yield one sentence for each.

    Raises:
        Refusal: the folder holds anything else than this population's patients.
    """
    destination.claim(population)
    with workers(jobs, None):
        running = joblib.Parallel(n_jobs=None, return_as="generator")
        yield from running(
            joblib.delayed(_write_patient)(number, population, destination)
            for number in range(cases)
        )


def describe(folder: Path, kind: str, regions: bool = False) -> None:
    """Write nnU-Net's dataset.json of a cohort, for training on labels or on nested regions.

    `numTraining` counts the label maps that lie there: a run of fewer cases removes none.
    """
    scheme = SCHEMES[kind]
    labels: dict[str, Any] = {"background": 0, **scheme.labels}
    order: dict[str, Any] = {}
    if regions:
        nested = scheme.training_regions
        labels = {"background": 0} | {
            region: [scheme.labels[name] for name in scheme.regions.get(region, (region,))]
            for region, _ in nested
        }
        order = {"regions_class_order": [scheme.labels[name] for _, name in nested]}
    names = {str(i): name for i, name in enumerate(scheme.sequences)}
    dataset = {
        "channel_names": names,
        "labels": labels,
        "numTraining": len(entries(folder / "labelsTr", f"*{ending_of(kind)}")),
        "file_ending": ending_of(kind),
        "phantom": kind,
        **order,
    }
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")
