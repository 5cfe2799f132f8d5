"""Synthetic cohorts: `python -m lab phantom`. No real person's scans: free to be published."""

import argparse
import sys
from pathlib import Path

from lab.arguments import add_jobs, add_out, add_seed, positive_number
from lab.data.raw_dataset import NAME
from lab.output_files import check_page
from lab.progress import print_line, progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    from lab.phantom.population import KINDS

    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--cases", type=positive_number, required=True)
    add_seed(parser, "patients differ between seeds", None, required=True)
    target = parser.add_mutually_exclusive_group(required=True)
    add_out(target, "the cohort goes here", required=False)
    target.add_argument("--gallery", type=Path, metavar="FILE", help="a page to look at instead")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="--gallery: real cases above")
    parser.add_argument(
        "--anywhere", action="store_true", help="abdomens of any scanner; default: like PANTHER's"
    )
    parser.add_argument(
        "--healthy",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="PANTHER: of the patients, this share has no tumour, 0 to 1 (default: 0)",
    )
    parser.add_argument("--spacing", type=_spacing, help="z,y,x in mm; default: the native grid")
    parser.add_argument("--layout", choices=("nnunet", "challenge"), default="challenge")
    parser.add_argument("--regions", action="store_true", help="nnunet: nested regions to train on")
    add_jobs(parser)


def run(args: argparse.Namespace) -> int:
    """Write the cohort and print what it holds."""
    from lab.phantom.cohort import Destination, describe, nested_labels, write
    from lab.phantom.gallery import write_gallery
    from lab.phantom.population import Population

    population = Population(args.kind, args.seed, args.spacing, args.anywhere, args.healthy)
    if args.gallery:
        check_page(args.gallery)
        write_gallery(args.gallery, population, args.cases, args.beside)
        print(f"{args.gallery}: {args.cases} patients")
        return 0
    if args.regions:
        nested_labels(args.kind)  # refused before anything is written
    destination = Destination(args.out, args.layout)
    sentences = write(population, args.cases, destination, args.jobs)
    for sentence in progress(sentences, args.cases, "patient", "writing"):
        print_line(sentence)
    if args.layout == "nnunet":
        describe(args.out, args.kind, args.regions)
    print(f"{args.out}: {args.cases} patients, labels in {destination.references}")
    if args.layout == "nnunet" and not NAME.match(args.out.resolve().name):
        line = "nnU-Net finds a dataset by its name, DatasetNNN_NAME in the folder nnUNet_raw"
        print(f"{args.out}: {line}; rename it to train on it", file=sys.stderr)
    return 0


def _spacing(text: str) -> tuple[float, float, float]:
    z, y, x = (float(part) for part in text.split(","))
    if min(z, y, x) <= 0:
        raise argparse.ArgumentTypeError(f"spacings must be positive, got {text}")
    return z, y, x
