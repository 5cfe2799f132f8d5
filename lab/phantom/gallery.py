"""A page of synthetic patients, beside real ones where there are some: could one be mistaken?"""

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, zoom

from challenge.platforms import find_cases
from challenge.scheme import MRI_SEQUENCES, SCHEMES
from lab.phantom.cohort import Patient, Triple, patient
from lab.report.figures import label_colours
from lab.report.page import environment, stylesheet

HEIGHT = 250  # pixels of a picture
MARGIN = 3  # voxels around the head
LIGHTEST = (1.0, 99.7)  # percentiles of the voxels that are not 0: black and white


@dataclass(frozen=True)
class Slice:
    """What one row of the page shows: radiological view, front up."""

    name: str
    told: str
    pictures: Mapping[str, np.ndarray]  # sequence -> (y, x)
    labels: np.ndarray | None  # (y, x)


def write_gallery(
    html: Path, kind: str, seed: int, cases: int, spacing_mm: Triple | None, beside: Path | None
) -> None:
    """Write the page; `beside` is an input folder of real cases."""
    scheme = SCHEMES[kind]
    colours = label_colours(scheme.labels)
    real = list(real_slices(beside)) if beside else []
    made = (slice_of(patient(kind, seed, number, spacing_mm), kind) for number in range(cases))
    template = environment(Path(__file__).parent).get_template("gallery.html.j2")
    page = template.render(
        kind=kind, seed=seed, css=stylesheet(), colours=colours, height=HEIGHT,
        real=[_shown(each, colours, scheme.labels) for each in real],
        made=[_shown(each, colours, scheme.labels) for each in made],
    )  # fmt: skip
    html.write_text(page, encoding="utf-8")


def slice_of(made: Patient, kind: str) -> Slice:
    """Cut a patient where most of the disease is."""
    scheme = SCHEMES[kind]
    through = scheme.mask(made.labels, scheme.tumour).sum((1, 2))
    z = int(np.argmax(through)) if through.any() else len(through) // 2
    turn = slice(None, None, -1) if made.grid.step_mm[1] > 0 else slice(None)
    voxel_ml = float(np.prod(made.grid.spacing_mm)) / 1000
    sizes = ", ".join(
        f"{name} {(made.labels == value).sum() * voxel_ml:.1f} mL"
        for name, value in scheme.labels.items()
        if (made.labels == value).any()
    )
    _, y_mm, x_mm = made.grid.spacing_mm
    cut = {s: p[z, turn] for s, p in made.pictures.items()}
    frame = _frame(cut)
    pictures = {s: _square(p[frame], y_mm, x_mm) for s, p in cut.items()}
    labels = _square(made.labels[z, turn][frame], y_mm, x_mm, order=0)
    return Slice(made.name, sizes or "no tumour", pictures, labels)


def real_slices(folder: Path) -> Iterable[Slice]:
    """Cut real cases through their middle, where FLAIR (else the first sequence) is brightest."""
    for files in find_cases(folder, gaps=True).cases:
        images = {s: nibabel.nifti1.load(path) for s, path in files.images.items()}
        turned = {s: nibabel.funcs.as_closest_canonical(image) for s, image in images.items()}
        arrays = {
            s: np.asarray(image.dataobj, np.float32).T[:, ::-1, ::-1] for s, image in turned.items()
        }
        guide = arrays.get("t2f", next(iter(arrays.values())))
        bright = guide > np.percentile(guide[guide != 0], 98)
        z = int(np.argmax(bright.sum((1, 2))))
        x_mm, y_mm, _ = next(iter(turned.values())).header.get_zooms()[:3]
        order = [s for s in MRI_SEQUENCES if s in arrays] or sorted(arrays)
        frame = _frame({s: array[z] for s, array in arrays.items()})
        pictures = {str(s): _square(arrays[s][z][frame], y_mm, x_mm) for s in order}
        yield Slice(files.id, "a real patient", pictures, None)


def _frame(pictures: Mapping[str, np.ndarray]) -> tuple[slice, slice]:
    """Return the rows and columns where anything is, with a margin."""
    inside = np.any([picture != 0 for picture in pictures.values()], axis=0)
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    y, x = (slice(max(0, int(i[0]) - MARGIN), int(i[-1]) + 1 + MARGIN) for i in (rows, columns))
    return y, x


def _square(picture: np.ndarray, y_mm: float, x_mm: float, order: int = 1) -> np.ndarray:
    """Bring a slice to one height, with pixels as wide as high."""
    factor = HEIGHT / (picture.shape[0] * y_mm)
    found: np.ndarray = zoom(picture, (factor * y_mm, factor * x_mm), order=order)
    return found


def _shown(cut: Slice, colours: Mapping[str, str], values: Mapping[str, int]) -> dict[str, object]:
    pictures = {name: _png(_grey(picture)) for name, picture in cut.pictures.items()}
    if cut.labels is not None:
        last = _grey(list(cut.pictures.values())[-1])
        rgb = np.repeat(last[..., None], 3, 2)
        for name, value in values.items():
            mask = cut.labels == value
            edge = mask & ~binary_erosion(mask)
            rgb[edge] = [int(colours[name][at : at + 2], 16) for at in (1, 3, 5)]
        pictures["labels"] = _png(rgb)
    return {"name": cut.name, "told": cut.told, "pictures": pictures}


def _grey(picture: np.ndarray) -> np.ndarray:
    inside = picture[picture != 0]
    low, high = np.percentile(inside, LIGHTEST) if inside.size else (0, 1)
    scaled = np.clip((picture - low) / max(high - low, 1e-6), 0, 1) * (picture != 0)
    return np.asarray(scaled * 255, np.uint8)


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
