"""Small result files and their reports, for the tests of the report."""

import math
from html.parser import HTMLParser
from pathlib import Path

import files
import numpy as np

from challenge.scheme import SCHEMES
from lab.__main__ import main
from lab.evaluation.results import Facts, Lesion, Results

GLI = SCHEMES["brats-gli-2023"]
SIDE = 8
# Cases by the voxels that their prediction is shifted by.
NAMES = {"good": 0, "shifted by one": 1, "missed": 3}
NASTY = '<script>alert("x")</script>|$a$'


class Page(HTMLParser):
    """Collects ids and everything that refers elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                self.links.append(value)


def write_report(folder: Path, name: str, *options: str) -> dict[str, str]:
    """Write the report of a result file; return the texts of its html, json and md."""
    page = folder / "report.html"
    assert main(["report", str(folder / name), "--html", str(page), *options]) == 0
    return {e: page.with_suffix(f".{e}").read_text() for e in ("html", "json", "md")}


def table(*counts: tuple[int, int, int]) -> np.ndarray:
    """Return a confusion matrix over background, NETC, SNFH, ET.

    Each of `counts` is (row of the reference label, column of the predicted label, voxels).
    """
    result = np.zeros((4, 4), np.int64)
    for reference, prediction, voxels in counts:
        result[reference, prediction] += voxels
    return result


def facts(
    confusion: np.ndarray, lesions: dict[str, tuple[Lesion, ...]] | None = None, mm3: float = 1.0
) -> Facts:
    """Return facts without files."""
    return Facts("no/prediction.nii.gz", "no/reference.nii.gz", mm3, confusion, lesions or {})


def results(
    tables: dict[str, np.ndarray], dice: dict[str, dict[str, float]] | None = None
) -> Results:
    """Return results of the 2023 glioma scheme; Dice of WT is 0.5 unless told."""
    cases = {id: (dice or {}).get(id, {"WT": 0.5}) for id in tables}
    return Results(
        scorer="2023-gli",
        cases={id: {r: {"dice": v} for r, v in row.items()} for id, row in cases.items()},
        labels=dict(GLI.labels),
        regions=dict(GLI.regions),
        scheme=GLI.name,
        absent="counted as 1",
        facts={id: facts(confusion) for id, confusion in tables.items()},
    )


def cohort(folder: Path, names: dict[str, int]) -> Results:
    """Write label maps of cubes, the prediction's shifted by so many voxels, and score them."""
    scores, result = {}, {}
    for id, shift in names.items():
        reference = np.zeros((SIDE, SIDE, SIDE), np.uint8)
        reference[1:6, 1:6, 1:6], reference[2:5, 2:5, 2:5], reference[3, 3, 3] = 2, 3, 1
        prediction = np.roll(reference, shift, 0)
        stem = f"case{len(result)}.nii.gz"
        paths = [
            files.write_nifti(folder / side / stem, labels)
            for side, labels in (("predictions", prediction), ("references", reference))
        ]
        pairs = (reference.astype(int) * 4 + prediction).ravel()
        confusion = np.bincount(pairs, minlength=16).reshape(4, 4)
        scores[id] = {r: {"dice": overlap(prediction, reference, r)} for r in GLI.regions}
        scores[id]["WT"]["hd95"] = float(shift) if shift < 3 else math.inf
        lesions = {"WT": (Lesion(125.0, True),), "ET": (Lesion(26.0, shift < 3),)}
        result[id] = Facts(str(paths[0]), str(paths[1]), 1.0, confusion, lesions)
    return Results(
        "2023-gli", scores, dict(GLI.labels), dict(GLI.regions), GLI.name, "counted as 1", result
    )


def overlap(prediction: np.ndarray, reference: np.ndarray, region: str) -> float:
    """Return the Dice of one region of two label maps."""
    masks = [GLI.mask(labels, region) for labels in (prediction, reference)]
    return float(2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()))


class Outline(HTMLParser):
    """Headings, and the rows of each table: lists of (text, attributes)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings, self.tables, self.path = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.path.append(tag)
        if tag in ("h1", "h2"):
            self.headings.append("")
        if tag == "table":
            self.tables.append({"class": dict(attrs).get("class"), "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append(["", dict(attrs)])

    def handle_endtag(self, tag):
        if tag in self.path:
            del self.path[len(self.path) - 1 - self.path[::-1].index(tag) :]

    def handle_data(self, data):
        if {"h1", "h2"} & set(self.path):
            self.headings[-1] += data
        if {"td", "th"} & set(self.path):
            self.tables[-1]["rows"][-1][-1][0] += data
