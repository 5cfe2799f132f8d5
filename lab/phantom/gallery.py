"""A page of synthetic patients, beside real ones where there are some: could one be mistaken?"""

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from challenge.platforms import find_cases
from challenge.scheme import MRI_SEQUENCES
from lab.drawing.page import environment, stylesheet
from lab.drawing.sequences import best_sequence, largest_label
from lab.drawing.slices import frame, grey, painted, read_turned, square
from lab.drawing.style import label_colours
from lab.phantom.patient import Patient
from lab.phantom.population import Population, scheme_of
from lab.progress import progress

HEIGHT = 250  # pixels of a picture


@dataclass(frozen=True)
class Slice:
    """One row of the page: radiological view, front up."""

    name: str
    caption: str
    pictures: Mapping[str, np.ndarray]  # sequence -> (y, x)
    labels: np.ndarray | None  # (y, x)


def write_gallery(html: Path, population: Population, cases: int, beside: Path | None) -> None:
    """Write the page; `beside` is an input folder of real cases."""
    kind = population.kind
    scheme = scheme_of(kind)
    colours = label_colours(scheme.labels)
    real = list(real_slices(beside)) if beside else []
    numbers = progress(range(cases), unit="patient", description="drawing")
    synthetic = (slice_of(population.patient(number), kind) for number in numbers)
    template = environment(Path(__file__).parent).get_template("gallery.html.j2")
    page = template.render(
        kind=kind,
        seed=population.seed,
        css=stylesheet(),
        colours=colours,
        real=[_row(each, colours, scheme.labels) for each in real],
        synthetic=[_row(each, colours, scheme.labels) for each in synthetic],
    )
    html.write_text(page, encoding="utf-8")


def slice_of(patient: Patient, kind: str) -> Slice:
    """Cut a patient where most of the disease is, or, without any, most of what has a label."""
    scheme = scheme_of(kind)
    tumour = scheme.mask(patient.labels, scheme.tumour)
    through = (tumour if tumour.any() else patient.labels > 0).sum((1, 2))
    z = int(np.argmax(through)) if through.any() else len(through) // 2
    turn = slice(None, None, -1) if patient.grid.step_mm[1] > 0 else slice(None)
    voxel_ml = float(np.prod(patient.grid.spacing_mm)) / 1000
    sizes = ", ".join(
        f"{name} {(patient.labels == value).sum() * voxel_ml:.1f} mL"
        for name, value in scheme.labels.items()
        if (patient.labels == value).any()
    )
    _, y_mm, x_mm = patient.grid.spacing_mm
    cut = {s: p[z, turn] for s, p in patient.pictures.items()}
    window = frame(cut)
    pictures = {s: square(p[window], y_mm, x_mm, HEIGHT) for s, p in cut.items()}
    labels = square(patient.labels[z, turn][window], y_mm, x_mm, HEIGHT, order=0)
    return Slice(patient.name, sizes or "no tumour", pictures, labels)


def real_slices(folder: Path) -> Iterable[Slice]:
    """Cut real cases through their middle, where FLAIR (else the first sequence) is brightest."""
    for files in find_cases(folder).cases:
        read = {s: read_turned(path) for s, path in files.images.items()}
        arrays = {s: array for s, (array, _) in read.items()}
        _, y_mm, x_mm = next(iter(read.values()))[1]
        guide = arrays.get("t2f", next(iter(arrays.values())))
        bright = guide > np.percentile(guide[guide != 0], 98)
        z = int(np.argmax(bright.sum((1, 2))))
        order = [s for s in MRI_SEQUENCES if s in arrays] or sorted(arrays)
        window = frame({s: array[z] for s, array in arrays.items()})
        pictures = {str(s): square(arrays[s][z][window], y_mm, x_mm, HEIGHT) for s in order}
        yield Slice(files.id, "a real patient", pictures, None)


def _row(cut: Slice, colours: Mapping[str, str], values: Mapping[str, int]) -> dict[str, object]:
    pictures = {name: _png(grey(picture)) for name, picture in cut.pictures.items()}
    if cut.labels is not None:
        sequence = best_sequence(largest_label(cut.labels, values), cut.pictures)
        backdrop = grey(cut.pictures[sequence])
        pictures[f"labels, on {sequence}"] = _png(painted(backdrop, cut.labels, values, colours))
    return {"name": cut.name, "caption": cut.caption, "pictures": pictures}


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
