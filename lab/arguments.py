"""Options that several verbs have, each declared once: the same name, type and default words."""

import argparse
from pathlib import Path

from challenge.scheme import SCHEMES
from lab.metrics.scorers import SCORERS, VOXEL


def add_out(
    parser: argparse._ActionsContainer, help: str, metavar: str = "DIR", required: bool = True
) -> None:
    """Add --out, the file or folder that is written."""
    parser.add_argument("--out", type=Path, required=required, metavar=metavar, help=help)


def add_scheme(
    parser: argparse._ActionsContainer,
    help: str,
    required: bool = False,
    default: str | None = None,
) -> None:
    """Add --scheme, the challenge whose labels the files hold."""
    parser.add_argument(
        "--scheme",
        choices=sorted(SCHEMES),
        required=required,
        default=default,
        metavar="NAME",
        help=f"{help}; one of {', '.join(sorted(SCHEMES))}",
    )


def add_scorer(
    parser: argparse._ActionsContainer,
    help: str = "default: the newest of the challenge",
    required: bool = False,
) -> None:
    """Add --scorer, the official metric by name and year."""
    parser.add_argument(
        "--scorer",
        choices=[*SCORERS, VOXEL],
        required=required,
        metavar="NAME",
        help=f"{help}; one of {', '.join([*SCORERS, VOXEL])}",
    )


def add_seed(
    parser: argparse._ActionsContainer, help: str, default: int | None = 0, required: bool = False
) -> None:
    """Add --seed, a whole number from 0 on; without a default it is required."""
    default_words = "" if required else f" (default: {default})"
    parser.add_argument(
        "--seed",
        type=natural_number,
        default=default,
        required=required,
        metavar="N",
        help=help + default_words,
    )


def add_jobs(parser: argparse._ActionsContainer, default: int = 1, help: str = "processes") -> None:
    """Add --jobs, how many processes work at a time."""
    parser.add_argument(
        "--jobs",
        type=positive_number,
        default=default,
        metavar="N",
        help=f"{help} (default: {default})",
    )


def add_dask(parser: argparse._ActionsContainer) -> None:
    """Add --dask, a scheduler's address, instead of --jobs."""
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="run on a Dask scheduler instead, e.g. tcp://host:8786"
    )


def add_lost_at_most(parser: argparse._ActionsContainer) -> None:
    """Add --lost-at-most, a condition on what ships; see `lab.rule_search.loss_limit`."""
    parser.add_argument(
        "--lost-at-most",
        type=share,
        default=1.0,
        metavar="X",
        help="ship only if with 90 %% confidence at most this share of the reference's lesions is "
        "lost, as the mean over cases (default: 1, whatever is lost)",
    )


def add_foreign(parser: argparse._ActionsContainer, help: str) -> None:
    """Add --foreign, which takes what was made from something else, and has it said ever after."""
    parser.add_argument("--foreign", action="store_true", help=help)


def natural_number(text: str) -> int:
    """Read a whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def share(text: str) -> float:
    """Read a number above 0, up to 1."""
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and up to 1")
    return number


def positive_number(text: str) -> int:
    """Read a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number
