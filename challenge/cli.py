"""How platforms call the program: without arguments, as `infer --data_path=...`, or as `serve`."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from challenge.limits import DEFAULT_TIME
from challenge.refusal import Refusal
from challenge.server import PORT

PLATFORM_OUTPUT = Path("/output")
PLATFORM_WEIGHTS = Path("/opt/ml/model")  # where grand-challenge unpacks a model archive
DESCRIPTION = """Podium: a challenge's input folder in, checked labels out. `serve` answers calls
on a port instead, a folder a call.

Exit code 0: every case was written and checked. 1: at least one failed, all others were
written. 2: wrong usage, no case, or weights that do not verify; nothing was run."""


class UsageError(Refusal):
    """The program was called in a way that cannot work."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    input: Path
    output: Path
    weights: Path | None  # None: the platform's, or those that ship
    model: str | None  # None: whichever fits
    device: str
    backend: str
    time_limit: float | None  # seconds for the whole folder; None: the platform's
    missing_sequences: bool | None  # None: as each model's manifest says
    record: Path | None
    strict: bool
    serves: bool  # wait for calls on `port`
    channels: tuple[str, ...] | None = None  # of numbered images; None: as dataset.json says
    port: int = PORT
    probabilities: Path | None = None  # folder of probability maps


def parse(argv: list[str]) -> Options:
    """Read the command line."""
    older, serves = argv[:1] == ["infer"], argv[:1] == ["serve"]
    parser = argparse.ArgumentParser(prog="inference.py [serve]", description=DESCRIPTION)
    add = parser.add_argument
    where, to = ("--data_path", "--output_path") if older else ("--input", "--output")
    add(where, dest="input", type=Path, default=Path("/input"), metavar="DIR")
    add(to, dest="output", type=Path, default=PLATFORM_OUTPUT, metavar="DIR")
    default = (
        f"default: {PLATFORM_WEIGHTS} if it holds a manifest, else weights/ beside the program"
    )
    add("--weights", type=Path, metavar="DIR", help=default)
    if older:
        add("--parameters_file", metavar="FILE", help="accepted; there is nothing to set")
    if serves:
        add("--port", type=int, default=PORT, help="default: %(default)s, grand-challenge's")
    add("--model", metavar="NAME", help="default: what the input fits")
    numbers = "sequences of <case>_0000, _0001 ..., e.g. t1n,t1c,t2w,t2f; default: by dataset.json"
    add("--channels", type=names, metavar="NAMES", help=numbers)
    add("--device", choices=("auto", "cuda", "cpu"), default="auto")
    add("--backend", default="auto", metavar="NAME", help="what runs networks; default: measured")
    limit = f"for the whole folder; default: {DEFAULT_TIME}"
    add("--time-limit", type=seconds, metavar="SECONDS", help=limit)
    gaps = "run cases that lack sequences, or let them fail; default: as each model's manifest says"
    add("--missing-sequences", action=argparse.BooleanOptionalAction, help=gaps)
    add("--record", type=Path, metavar="FILE", help="write a JSON run record")
    maps = "write each region's probability as an image, <ID>_<region>, into this folder"
    add("--probabilities", type=Path, metavar="DIR", help=maps)
    parser.set_defaults(strict=False, serves=serves)
    stop = parser.add_mutually_exclusive_group()
    going = "a failed case does not stop the others (default)"
    stop.add_argument("--keep-going", dest="strict", action="store_false", help=going)
    stop.add_argument("--strict", action="store_true", help="stop at the first failed case")
    values = vars(parser.parse_args(argv[1:] if older or serves else argv))
    values.pop("parameters_file", None)
    return Options(**values)


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} must be positive")
    return value


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def check_paths(options: Options) -> None:
    """Make the folders written to; refuse one that cannot be, and anything else among the labels.

    The folder that a platform mounts is never made: without its mount, labels would be lost.

    Raises:
        UsageError: saying which.
    """
    output, record, maps = options.output, options.record, options.probabilities
    if not output.is_dir():
        _make_output(output)
    if not os.access(output, os.W_OK | os.X_OK):
        raise UsageError(f"{output}: the output folder is not writable{_remedy(output)}")
    for path, what in ((record, "the record"), (maps, "the folder of probability maps")):
        if path and path.resolve().is_relative_to(output.resolve()):
            raise UsageError(f"{path}: {what} must lie outside the output folder")
    if record:
        _make_folder(record.resolve().parent, record, "the folder of the record")
    if maps:
        _make_folder(maps, maps, "the folder of probability maps")


def _make_folder(folder: Path, named: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{named}: {what} cannot be made ({error.strerror})") from error


def _make_output(output: Path) -> None:
    mount = f"for a container mount it, `-v DIR:{output}`"
    if output == PLATFORM_OUTPUT:
        raise UsageError(f"{output}: no such output folder; {mount}, else name it with --output")
    try:
        output.mkdir(parents=True)
    except OSError as error:
        reason = f"the output folder cannot be made ({error.strerror})"
        raise UsageError(f"{output}: {reason}; make it yourself, {mount}") from error


def _remedy(output: Path) -> str:
    """Say why a folder cannot be written to, and what to do."""
    if os.statvfs(output).f_flag & os.ST_RDONLY:
        return f", it is mounted read-only; mount it so that it can be, `-v DIR:{output}:rw`"
    facts, uid = output.stat(), os.getuid()
    return (
        f" by uid {uid}, it belongs to uid {facts.st_uid} with mode {facts.st_mode & 0o777:o}; "
        f"make it yourself before the container starts (one that Docker makes belongs to root) "
        f"and `chmod a+rwx` it, or run as its owner, `docker run --user {facts.st_uid}`"
    )
