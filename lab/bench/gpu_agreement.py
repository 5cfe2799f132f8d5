"""A part of `bench gpu`: does it run, and are the labels of the shipped members stock nnU-Net's?"""

from collections.abc import Iterator
from pathlib import Path

import SimpleITK

from challenge.refusal import Refusal
from challenge.scheme import SCHEMES
from lab.bench.gpu_part import Column, Context, Part, Row
from lab.bench.gpu_programs import ALIKE, batches_of, check_device, device_of
from lab.bench.processes import ROOT, Subject, copy_networks

MODEL = "brats-gli"
SAMPLES = ROOT / "test" / "input" / "brats"
REGIONS = tuple(SCHEMES[MODEL].regions)
FOLDS = {"1 fold": 1, "3 folds": 3}
COLUMNS = (
    Column("what", "", 12),
    Column("stock_s", "stock s", 9, ".1f"),
    Column("podium_s", "Podium s", 9, ".1f"),
    Column("equal_share", "% equal", 10, ".4f", 100),
    *(Column(f"dice_{region}", region, 9, ".5f") for region in REGIONS),
    Column("backend", "backend", 20),
)


def agreement_part(device: str) -> Part:
    """Return the part: one fold and three of the members that ship."""
    case = "the sample cases" if device == "cuda" else "the middle of a sample case"
    title = (
        f"labels beside stock nnU-Net's: weights/{MODEL}, mirrored, {case} of test/input/brats; "
        "Dice by region, whole processes"
    )
    seconds = 30 if device == "cuda" else 10
    return Part("agreement", title, tuple(FOLDS), measure_agreement, COLUMNS, seconds)


def measure_agreement(folds: str, context: Context) -> Iterator[Row]:
    """Run both programs on the sample cases, and compare their labels."""
    subject = sample_subject(context)
    cases = len(list((subject.work / "cases").iterdir()))
    stock = subject.stock(FOLDS[folds], True, cases, ALIKE)
    podium = subject.podium(FOLDS[folds], True, cases)
    record = subject.record()
    check_device(record, context.device)
    equal, dice = subject.agreement(cases)
    yield {
        "cases": cases,
        "stock_s": stock.wall_s,
        "podium_s": podium.wall_s,
        "equal_share": equal,
        **{f"dice_{region}": dice[region] for region in REGIONS},
        "backend": batches_of(record),
        "device": device_of(record),
    }


def sample_subject(context: Context) -> Subject:
    """Lay out the members that ship, without their rules, and the sample cases."""
    work = context.scratch / "agreement"
    weights = work / "weights"
    if not weights.exists():
        copy_networks(ROOT / "weights" / MODEL, weights)
        _lay_out_cases(work / "cases", is_whole=context.device == "cuda")
    trained = next(path for path in weights.iterdir() if (path / "plans.json").is_file())
    return Subject(work, SCHEMES[MODEL], trained, weights, context.device)


def _lay_out_cases(target: Path, is_whole: bool) -> None:
    samples = sorted(path for path in SAMPLES.glob("*") if path.is_dir())
    if not samples:
        raise Refusal(f"{SAMPLES}: no sample case to compare labels on")
    for case in samples if is_whole else samples[:1]:
        (target / case.name).mkdir(parents=True)
        for scan in case.glob("*.nii.gz"):
            if is_whole:
                (target / case.name / scan.name).symlink_to(scan)
                continue
            image = SimpleITK.ReadImage(str(scan))
            size = image.GetSize()
            middle = tuple(slice(side // 4, side - side // 4) for side in size)
            SimpleITK.WriteImage(image[middle], str(target / case.name / scan.name))
