"""Synthetic cohorts: `python -m lab phantom`. Nobody's scans, so they may be shipped and shown."""

import argparse
from pathlib import Path

from lab.places import check_page


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from lab.phantom.cohort import KINDS

    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True, help="patients differ between seeds")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path)
    target.add_argument("--gallery", type=Path, metavar="FILE", help="a page to look at instead")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="--gallery: real cases above")
    parser.add_argument(
        "--anywhere", action="store_true", help="abdomens of any scanner; default: like PANTHER's"
    )
    parser.add_argument("--spacing", type=_spacing, help="z,y,x in mm; default: the native grid")
    parser.add_argument("--layout", choices=("nnunet", "challenge"), default="challenge")
    parser.add_argument("--regions", action="store_true", help="nnunet: nested regions to train on")
    parser.add_argument("--workers", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Write the cohort and say what it holds."""
    from lab.phantom.cohort import Population, describe, write
    from lab.phantom.gallery import write_gallery

    population = Population(args.kind, args.seed, args.spacing, args.anywhere)
    if args.gallery:
        check_page(args.gallery)
        write_gallery(args.gallery, population, args.cases, args.beside)
        print(f"{args.gallery}: {args.cases} patients")
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    for sentence in write(population, args.cases, (args.out, args.layout), args.workers):
        print(sentence)
    if args.layout == "nnunet":
        describe(args.out, args.kind, args.cases, args.regions)
    return 0


def _spacing(text: str) -> tuple[float, float, float]:
    z, y, x = (float(part) for part in text.split(","))
    if min(z, y, x) <= 0:
        raise argparse.ArgumentTypeError(f"spacings must be positive, got {text}")
    return z, y, x
