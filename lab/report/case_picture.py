"""One picture of a case: its sequences, the answer, and the reference's outline.

`python -m lab picture --input DIR --labels FILE [--reference FILE] --out case.png` draws the axial
slice through most of the tumour; NIfTI alone.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from challenge.input_cases import InputError
from challenge.platforms import find_cases
from challenge.scheme import SCHEMES
from lab.arguments import add_out, add_scheme
from lab.drawing.sequences import best_sequence, largest_label
from lab.drawing.slices import edge_of, frame, grey, painted, read_turned, square
from lab.drawing.style import label_colours
from lab.output_files import check_picture

GAP = 6  # pixels
CAPTION = 22
INK = (205, 210, 216)
OUTLINE = (255, 255, 255)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="a BraTS folder with one case")
    add("--labels", type=Path, required=True, metavar="FILE", help="what the program wrote")
    add_scheme(parser, "whose values the labels have (default: brats-gli)", default="brats-gli")
    add("--reference", type=Path, metavar="FILE", help="label map; its whole tumour is outlined")
    add("--values", metavar="V,V,...", help="of the reference's tumour (default: the scheme's)")
    add("--height", type=int, default=260, metavar="PIXELS")
    add_out(parser, "the picture, .png", "FILE")


def run(args: argparse.Namespace) -> int:
    """Draw, and say where."""
    check_picture(args.out)
    cases = find_cases(args.input).cases
    if len(cases) != 1:
        raise InputError(f"{args.input}: {len(cases)} cases, one can be drawn")
    scheme = SCHEMES[args.scheme]
    labels, (_, y_mm, x_mm) = read_turned(args.labels)
    tumour = scheme.mask(labels, scheme.tumour)
    z = int(np.argmax(tumour.sum((1, 2))))
    scans = {s: read_turned(path)[0][z] for s, path in cases[0].images.items()}
    order = [s for s in scheme.sequences if s in scans] or sorted(scans)
    window = frame(scans)
    panels = {s: grey(square(scans[s][window], y_mm, x_mm, args.height)) for s in order}
    answer = square(labels[z][window], y_mm, x_mm, args.height, order=0)
    backdrop = panels[best_sequence(largest_label(answer, scheme.labels), order)]
    labelled = painted(backdrop, answer, scheme.labels, label_colours(scheme.labels), True)
    if args.reference:
        reference = read_turned(args.reference)[0][z]
        values = [int(value) for value in args.values.split(",")] if args.values else None
        whole = np.isin(reference, values) if values else scheme.mask(reference, scheme.tumour)
        outline = square(whole[window].astype(np.uint8), y_mm, x_mm, args.height, order=0)
        labelled[edge_of(outline > 0)] = OUTLINE
    title = "labels, reference in white" if args.reference else "labels"
    compose({**panels, title: labelled}, scheme.labels).save(args.out)
    print(args.out)
    return 0


def compose(panels: Mapping[str, np.ndarray], labels: Mapping[str, int]) -> Image.Image:
    """Put panels (y, x), grey or RGB, side by side on black, with names and the labels' colours."""
    height = max(panel.shape[0] for panel in panels.values())
    width = sum(panel.shape[1] + GAP for panel in panels.values()) + GAP
    sheet = Image.new("RGB", (width, height + 2 * CAPTION + GAP), "black")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 13)
    x = GAP
    for name, panel in panels.items():
        sheet.paste(Image.fromarray(panel), (x, CAPTION))
        pen.text((x, 3), name, fill=INK, font=font)
        x += panel.shape[1] + GAP
    x = GAP
    for name, colour in label_colours(labels).items():
        pen.rectangle((x, height + CAPTION + 9, x + 11, height + CAPTION + 20), fill=colour)
        pen.text((x + 16, height + CAPTION + 6), name, fill=INK, font=font)
        x += 32 + int(pen.textlength(name, font=font))
    return sheet
