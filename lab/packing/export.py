"""Write a packed member as a program of torch.export (and ONNX), with member.json beside it.

The program runs wherever torch does, without nnU-Net and without this program. What is written is
read back and compared with the packed member: logits of a random tile, labels of a synthetic case.
"""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="a packed model's folder")
    member = "number in the manifest's order, from 0, or the name that `lab verify` prints"
    add("--member", default="0", metavar="K", help=f"{member} (default: 0)")
    add("--out", type=Path, required=True, metavar="DIR", help="new, or with other folds")
    add("--onnx", action="store_true", help="write ONNX too (needs onnx and onnxscript)")


def run(args: argparse.Namespace) -> int:
    """Export a member, prove it, and print what was written.

    Raises:
        Refusal: no such member, a program is there already, or its answer is another one.
    """
    from lab.packing.export_member import ExportRequest, export_member

    for line in export_member(ExportRequest(args.model, args.member, args.out, args.onnx)):
        print(line, flush=True)
    return 0
