"""What adaptive post-processing learned, on one page: clusters, curves, stability, effect.

`python -m lab explain WORK --html page.html`, after `lab search`.
"""

import argparse
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Read the work folder, and write one self-contained page."""
    from lab.adaptive.work import CLUSTERS, SEARCH, read_json, read_setup
    from lab.explain.page import render
    from lab.explain.thumbnails import cluster_thumbnails

    try:
        if args.html.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"{args.html}: --html takes a name that ends in .html")
        if not args.html.parent.is_dir():
            raise ValueError(f"{args.html.parent}: no such folder")
        setup = read_setup(args.work)
        clusters, search = read_json(args.work, CLUSTERS), read_json(args.work, SEARCH)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    shots = cluster_thumbnails(setup, search)
    args.html.write_text(render(setup, clusters, search, shots), encoding="utf-8")
    print(f"{args.html}: {len(search['clusters'])} clusters of {len(search['cases'])} cases")
    return 0
