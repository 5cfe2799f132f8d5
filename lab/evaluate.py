"""Score a folder of predictions against a folder of references."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from challenge.case import read_volume
from challenge.scheme import SCHEMES, Scheme
from lab.metrics.voxel import region_dice

ENDINGS = (".nii.gz", ".nii", ".mha")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--scheme", required=True, choices=sorted(SCHEMES))
    parser.add_argument("--predictions", type=Path, required=True, metavar="DIR")
    parser.add_argument("--references", type=Path, required=True, metavar="DIR")
    parser.add_argument("--regions", nargs="+", help="default: every region of the scheme")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON too")


def run(args: argparse.Namespace) -> int:
    """Print one row a case and the mean; both-empty regions are left out of a mean."""
    scheme = SCHEMES[args.scheme]
    references, predictions = label_files(args.references), label_files(args.predictions)
    missing = sorted(set(references) - set(predictions))
    if missing or not references:
        raise SystemExit(
            f"{args.predictions}: no prediction for {', '.join(missing) or 'any case'}"
        )
    scores = {
        id: score(predictions[id], path, scheme, args.regions or list(scheme.regions))
        for id, path in references.items()
    }
    print(table(scores))
    if args.out:
        content = {"scorer": "voxel", "scheme": scheme.name, "dice": scores}
        args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def label_files(folder: Path) -> dict[str, Path]:
    """Return the label maps anywhere under a folder, by case id."""
    return {
        path.name.removesuffix(ending): path
        for ending in ENDINGS
        for path in sorted(folder.rglob(f"*{ending}"))
    }


def score(
    prediction: Path, reference: Path, scheme: Scheme, regions: list[str]
) -> dict[str, float]:
    """Return the Dice of each wanted region of one case."""
    maps = [read_volume(path, np.uint8).array for path in (prediction, reference)]
    if maps[0].shape != maps[1].shape:
        raise SystemExit(f"{prediction}: shape {maps[0].shape}, reference {maps[1].shape}")
    found = region_dice(maps[0], maps[1], scheme)
    return {region: found[region] for region in regions}


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out Dice by case and region, with the mean and the number of cases in it."""
    regions = list(next(iter(scores.values())))
    width = max(len("cases in mean"), *map(len, scores))
    values = np.array([[row[region] for region in regions] for row in scores.values()])
    counted = (~np.isnan(values)).sum(0)
    means = [
        np.nanmean(column) if n else np.nan for column, n in zip(values.T, counted, strict=True)
    ]
    lines = [" " * width + "".join(f"{region:>10}" for region in regions)]
    for id, row in zip(scores, values, strict=True):
        lines.append(f"{id:<{width}}" + "".join(f"{_cell(v):>10}" for v in row))
    lines.append(f"{'mean Dice':<{width}}" + "".join(f"{_cell(v):>10}" for v in means))
    lines.append(f"{'cases in mean':<{width}}" + "".join(f"{n:>10}" for n in counted))
    return "\n".join(lines)


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"
