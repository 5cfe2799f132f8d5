"""A challenge's description as a table, checked; or a first draft from grand-challenge's own.

`python -m lab challenge NAME` prints what `challenge/challenges/NAME.toml` says, every default
included, and what is wrong with it. `--from forge.json` reads the description that
grand-challenge hands out to its organisers and prints a draft of such a file, one a phase.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from challenge.challenges import FOLDER, SCHEMES
from challenge.description import Scheme, TrainingLayout
from challenge.limits import in_words
from challenge.read_challenge import ENDING, challenge_from, read_toml
from challenge.refusal import Refusal
from lab.metrics.objective import OBJECTIVES
from lab.metrics.scorers import SCORERS
from lab.submission.forge import drafts_of
from postprocess.empty_prediction import STEPS

VOXEL = "voxel"
# Facts that somebody outside has decided.
SOURCED = ("labels", "regions", "sequences", "inputs", "outputs", "time_limit_s", "layouts")


class UnknownChallengeError(Refusal):
    """There is no such description."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    what = f"a name, or a file NAME{ENDING}; without one, all are listed"
    parser.add_argument("name", nargs="?", metavar="NAME", help=what)
    forge = "grand-challenge's JSON description: print a draft of each phase's sockets"
    parser.add_argument("--from", dest="forge", type=Path, metavar="FILE", help=forge)


def run(args: argparse.Namespace) -> int:
    """Print a table, a list or drafts; 1 if a description has faults."""
    if args.forge:
        print("\n\n".join(drafts_of(args.forge)))
        return 0
    if args.name is None:
        print("\n".join(_list_lines()))
        return 0
    scheme = _scheme(args.name)
    print("\n".join(table_lines(scheme)))
    faults = list(lab_faults(scheme))
    for fault in faults:
        print(f"FAULT {scheme.name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _scheme(name: str) -> Scheme:
    """Return a challenge of the table, or of a file anywhere.

    Raises:
        ChallengeError: the file says what cannot be.
        UnknownChallengeError: there is neither.
    """
    path = Path(name)
    if path.suffix == ENDING:
        files = {each.stem: each for each in FOLDER.glob(f"*{ENDING}")}
        others = {stem: (file, read_toml(file)) for stem, file in files.items()}
        return challenge_from(path, read_toml(path), others)
    if name not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise UnknownChallengeError(f"no challenge {name!r}; known: {known}, or a file{ENDING}")
    return SCHEMES[name]


def lab_faults(scheme: Scheme) -> Iterator[str]:
    """Say what of a description this program does not have: scorer, objective, steps."""
    named: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("default_scorer", scheme.default_scorer, (*SCORERS, VOXEL)),
        ("selection_objective", scheme.selection_objective, tuple(OBJECTIVES)),
        *(("when_empty", step, tuple(STEPS)) for step in scheme.when_empty),
    )
    for key, name, known in named:
        if name not in known:
            yield f"{key} is {name!r}, not one of {', '.join(known)}"


def table_lines(scheme: Scheme) -> Iterator[str]:
    """Yield a description as lines of a table, each fact with its source where one is named."""
    rows = [(key, value) for key, value in _facts(scheme) if value]
    width = max(len(key) for key, _ in rows)
    yield f"{scheme.name}  ({'grand-challenge' if scheme.has_sockets else 'BraTS folder'})"
    for key, value in rows:
        yield f"  {key:<{width}}  {value}"
    yield ""
    yield "sources"
    for key, source in scheme.sources.items():
        yield f"  {key:<{width}}  {source}"
    facts = [key for key in SOURCED if getattr(scheme, key) and key not in scheme.sources]
    if facts:
        yield f"  {'without one':<{width}}  {', '.join(facts)}"


def _facts(scheme: Scheme) -> Iterator[tuple[str, str]]:
    yield "labels", ", ".join(f"{value} {name}" for name, value in scheme.labels.items())
    yield "written", ", ".join(scheme.written)
    for region, names in scheme.regions.items():
        roles = [role for role in ("tumour", "whole") if getattr(scheme, role) == region]
        role = f"  ({', '.join(roles)})" if roles else ""
        yield f"region {region}", f"{' + '.join(names)}{role}"
    yield "sequences", ", ".join(scheme.sequences)
    yield "geometry from", scheme.geometry_from
    for socket in scheme.inputs:
        how = f", {socket.resampling} resampling" if socket.resampling else ""
        kind = f"image of {socket.sequence}" if socket.is_image else "JSON"
        numbers = f", numbers {', '.join(socket.numbers)}" if socket.numbers else ""
        optional = ", optional" if socket.is_optional else ""
        yield f"in {socket.slug}", f"{kind} at {socket.location}{how}{numbers}{optional}"
    for output in scheme.outputs:
        what = " ".join(word for word in (output.kind, output.value, output.region) if word)
        values = f" ({_pairs(output.labels)})" if output.labels else ""
        yield f"out {output.slug}", f"{what}{values} at {output.location}"
    if scheme.has_sockets:
        yield "further inputs", "ignored" if scheme.ignores_further_inputs else "refused"
    prefixes = [prefix for prefix in (scheme.case_prefix, *scheme.shared_prefixes) if prefix]
    yield "case names", ", ".join(prefixes)
    yield "file ending", scheme.file_ending
    yield "time limit", in_words(scheme.time_limit_s)
    yield "scorer", scheme.default_scorer
    yield "selection by", scheme.selection_objective
    yield "when empty", ", ".join(scheme.when_empty) or "an empty answer may be right"
    yield "usual share", _ranges(scheme.usual_share)
    yield "training regions", ", ".join(f"{r} paints {x}" for r, x in scheme.training_regions)
    for name, layout in scheme.layouts.items():
        yield f"layout {name}", _layout(layout)


def _layout(layout: TrainingLayout) -> str:
    values = ", ".join(f"{value} {name or '-'}" for value, name in layout.labels.items())
    return f"{layout.title} ({layout.finder}): {values}"


def _pairs(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in labels.items())


def _ranges(shares: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(f"{name} {low:.0%} to {high:.0%}" for name, (low, high) in shares.items())


def _list_lines() -> Iterator[str]:
    width = max(map(len, SCHEMES))
    for name, scheme in SCHEMES.items():
        platform = "grand-challenge" if scheme.has_sockets else "BraTS folder"
        labels = ", ".join(f"{value} {label}" for label, value in scheme.labels.items())
        yield f"{name:<{width}}  {platform:<15}  {labels}"
