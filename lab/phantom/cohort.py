"""Cohorts of synthetic patients on disk, for nnU-Net to train on or for a container to read.

The only module here that knows files. Layouts:
nnunet     DIR/imagesTr/<ID>_0000.*, DIR/labelsTr/<ID>.*, DIR/dataset.json
challenge  BraTS    DIR/<ID>/<ID>-t1n.nii.gz ..., references DIR-labels/<ID>.nii.gz
           PANTHER  DIR/<ID>/images/abdominal-t1-mri/<uuid>.mha, references DIR-labels/<uuid>.mha
           ISLES    DIR/<ID>/images/t1-brain-mri/<uuid>.mha, DIR/<ID>/stroke-metadata.json and
                    DIR/<ID>/inputs.json, references DIR-labels/<uuid>.mha
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from challenge.folders import describe_contents, entries
from challenge.refusal import Refusal
from challenge.scheme import Scheme
from lab.data.cohort import VALUES
from lab.json_files import read_json
from lab.output_files import make_folder
from lab.parallel import workers
from lab.phantom.patient import Patient
from lab.phantom.population import PATIENTS, Population, code_of, scheme_of

POPULATION = "phantom.json"  # what a cohort was sampled from, beside its labels
ELSEWHERE = "choose another --out, or move it away"


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
            if (other := _completed(read_json(self.record))) != content:
                raise Refusal(f"{self.folder}: holds {_differences(other, content)}; {ELSEWHERE}")
            self._require_names_of(population)
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

    def _require_names_of(self, population: Population) -> None:
        """Refuse a cohort of seed 10 or later from before each seed had other names."""
        folder = self.references if self.layout == "nnunet" else self.folder
        codes = {code_of(population.seed, number) for number in range(PATIENTS)}
        for path in sorted(folder.iterdir()):
            code = re.search(r"\d{5}", path.name)
            if code and code[0] not in codes:
                raise Refusal(f"{path}: named as by an earlier version; {ELSEWHERE}")


def _completed(record: Any) -> Any:
    """Return a record with what populations had before there was a word for it: the defaults."""
    if not isinstance(record, Mapping):
        return record
    defaults = {f.name: f.default for f in fields(Population) if f.default is not MISSING}
    return {**defaults, **record}


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
    for slug, value in patient.values.items():
        path = folder / VALUES / f"{patient.name}_{slug}.json"
        path.parent.mkdir(exist_ok=True)
        write_json(path, value)


def save_challenge(folder: Path, patient: Patient, scheme: Scheme) -> None:
    """Write a patient as the challenge hands it to a container, and its reference beside."""
    references, ending = Destination(folder, "challenge").references, scheme.file_ending
    home = folder / patient.name
    if not scheme.has_sockets:
        for sequence, picture in patient.pictures.items():
            save(home / f"{patient.name}-{sequence}{ending}", picture, patient)
        save(references / f"{patient.name}{ending}", patient.labels, patient)
        return
    sequence = next(iter(patient.pictures))
    stem = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sequence}-{patient.name}"))
    save(home / scheme.inputs[0].location / f"{stem}{ending}", patient.pictures[sequence], patient)
    save(references / f"{stem}{ending}", patient.labels, patient)
    if patient.values:
        _write_values(home, patient, scheme.inputs[0].slug, f"{stem}{ending}")


def _write_values(home: Path, patient: Patient, slug: str, image: str) -> None:
    """Write JSON sockets, and the list of all of them as grand-challenge does."""
    rows = [_input(slug, f"images/{slug}") | {"image": {"name": image}}]
    for value_slug, value in patient.values.items():
        write_json(home / f"{value_slug}.json", value)
        rows.append(_input(value_slug, f"{value_slug}.json") | {"value": value})
    write_json(home / "inputs.json", rows)


def _input(slug: str, path: str) -> dict[str, Any]:
    socket = {"slug": slug, "relative_path": path}
    return {"file": None, "image": None, "value": None, "interface": socket, "socket": socket}


def write_json(path: Path, content: object) -> None:
    """Write JSON for people to read."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_patient(number: int, population: Population, destination: Destination) -> str:
    patient, scheme = population.patient(number), scheme_of(population.kind)
    if destination.layout == "nnunet":
        save_nnunet(destination.folder, patient, scheme.file_ending)
    else:
        save_challenge(destination.folder, patient, scheme)
    counts = np.bincount(patient.labels.ravel(), minlength=2)[1:]
    sizes = ", ".join(f"{n * np.prod(patient.grid.spacing_mm) / 1000:.1f}" for n in counts)
    return f"{patient.name}: {patient.labels.shape}, label volumes {sizes} mL"


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


def nested_labels(kind: str) -> dict[str, Any]:
    """Return dataset.json's `labels` and `regions_class_order`, to train on nested regions.

    Raises:
        Refusal: the labels of the challenge are not nested.
    """
    scheme = scheme_of(kind)
    nested = scheme.training_regions
    if not nested:
        raise Refusal(f"--regions: {scheme.name} has no nested regions to train on")
    values = {
        region: [scheme.labels[name] for name in scheme.regions.get(region, (region,))]
        for region, _ in nested
    }
    order = [scheme.labels[name] for _, name in nested]
    return {"labels": {"background": 0} | values, "regions_class_order": order}


def describe(folder: Path, kind: str, regions: bool = False) -> None:
    """Write nnU-Net's dataset.json of a cohort, for training on labels or on nested regions.

    `numTraining` counts the label maps that lie there: a run of fewer cases removes none.

    Raises:
        Refusal: regions of a challenge whose labels are not nested.
    """
    scheme = scheme_of(kind)
    labels = {"labels": {"background": 0, **scheme.labels}}
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(scheme.sequences)},
        **(nested_labels(kind) if regions else labels),
        "numTraining": len(entries(folder / "labelsTr", f"*{scheme.file_ending}")),
        "file_ending": scheme.file_ending,
        "phantom": kind,
    }
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2) + "\n")
