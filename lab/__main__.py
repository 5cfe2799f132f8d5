"""The second door, `python -m lab VERB`: a verb is a module with `configure` and `run`.

What is refused by design ends here, for every verb: one sentence on stderr, exit code 2. So do
files and folders that the command line names and that are missing, closed or in the way.
"""

import argparse
import importlib
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from challenge.refusal import Refusal

# verb -> (module, what it does). Modules are imported only when their verb is called.
VERBS = {
    "phantom": ("lab.phantom", "make a cohort of synthetic scans with labels"),
    "prepare": ("lab.prepare", "bring challenges' training data into nnU-Net's raw layout"),
    "pack": ("lab.pack", "freeze a trained nnU-Net folder or export zip into weights/"),
    "train": ("lab.train", "follow a training recipe: stages, folds, candidates, selection"),
    "out-of-fold": ("lab.out_of_fold", "predict training cases by the member that never saw them"),
    "features": ("lab.features", "describe out-of-fold predictions"),
    "fit": ("lab.fit", "fit clusters to features, and see which are found again"),
    "search": ("lab.search", "choose rules for each cluster, judged out of fold"),
    "freeze": ("lab.freeze", "ship what a search decided"),
    "explain": ("lab.explain", "show clusters, curves, stability and effect of a search"),
    "study": ("lab.study", "compare ways to post-process where the best rules are known"),
    "import-rules": ("lab.import_rules", "read HOPE tables or MIST strategies, or write them"),
    "select": ("lab.select", "choose members and weights of an ensemble, judged out of fold"),
    "verify": ("lab.verify", "check hashes, known answers and checkpoints of weights/, try a case"),
    "check": ("lab.check", "check a container's output folder before it is submitted"),
    "evaluate": ("lab.evaluate", "score predictions against references"),
    "rank": ("lab.rank", "rank systems scored on the same cases, and test their differences"),
    "report": ("lab.report", "turn results into a page: figures, worst cases, changes"),
    "lock": ("lab.lock", "hash the files that the image's packages may be"),
    "licences": ("lab.licences", "list the licences of the image's packages"),
    "stress": ("lab.stress", "run the program on what is broken, killed and limited"),
    "picture": ("lab.picture", "draw a case: sequences, labels, reference"),
    "robustness": ("lab.robustness", "spoil scans, and see whether the answer holds"),
    "bench": ("lab.bench", "time the scorers, the search for thresholds, or the features"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name may be no text
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="python -m lab")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (module, purpose) in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=purpose, description=purpose)
        if argv[:1] == [verb]:
            importlib.import_module(module).configure(verb_parser)
    args = parser.parse_args(argv)
    try:
        return int(importlib.import_module(VERBS[args.verb][0]).run(args))
    except Refusal as refusal:
        print(" ".join(str(refusal).split()), file=sys.stderr)
    except OSError as error:
        if not _is_named(error.filename, args):  # a fault of the program keeps its traceback
            raise
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def _is_named(filename: object, args: argparse.Namespace) -> bool:
    """Return whether a file is one that the command line names, or lies above or below one."""
    if not isinstance(filename, str | Path):
        return False
    path = Path(filename).resolve()
    given = [each.resolve() for each in _paths(vars(args).values())]
    return any(path.is_relative_to(each) or each.is_relative_to(path) for each in given)


def _paths(values: object) -> Iterator[Path]:
    """Yield the paths among a command line's values, lists of them included."""
    for value in values if isinstance(values, Iterable) else ():
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)


if __name__ == "__main__":
    sys.exit(main())
