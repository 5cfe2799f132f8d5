"""What post-processing learned, on one page: clusters, curves, stability, effect, gates.

`python -m lab explain WORK --html page.html`, after `lab search`, and `lab gate` for the gates.
"""

import argparse
from pathlib import Path

from lab.output_files import check_page


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Read the work folder, and write one self-contained page."""
    from lab.rule_search.explain.gates import gate_section
    from lab.rule_search.explain.page import render
    from lab.rule_search.explain.thumbnails import cluster_thumbnails
    from lab.rule_search.workspace import CLUSTERS, SEARCH, read_setup, read_work

    check_page(args.html)
    setup = read_setup(args.work)
    clusters, search = read_work(args.work, CLUSTERS), read_work(args.work, SEARCH)
    gates = gate_section(args.work, setup)
    page = render(setup, clusters, search, cluster_thumbnails(setup, search), gates)
    args.html.write_text(page, encoding="utf-8")
    print("\n".join(gates.text_lines()))
    print(f"{args.html}: {len(search['clusters'])} clusters of {len(search['cases'])} cases")
    return 0
