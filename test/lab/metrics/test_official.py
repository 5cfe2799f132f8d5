"""Numbers of the organisers' own programs, and ours on the same files."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from official_columns import COLUMNS

from challenge.volume import read_volume
from lab.metrics import brats2023, brats2025, brats2026, lesionwise, panther
from lab.metrics.brats2026 import MetParser
from lab.metrics.lesionwise import Profile
from lab.metrics.pair import Pair
from lab.metrics.scorers import SCORERS

WHOLE_MASK_COLUMNS = {
    "legacy_dice": "Legacy_Dice",
    "legacy_hd95": "Legacy_HD95",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
# Printed by BraTS_evaluation 0.0.8 with panoptica 2.1.7 on the synthetic pairs; the parser of MET
# with the server's thresholds, 27 mm3 and 0.2. GoAT and MEN on pairs without label 4, MEN-RT on
# pairs of which every label is 1, since their configurations know no more. GoAT's `global_dice` and
# `global_nsd_1.0` are panoptica's own functions on whole masks, told the spacing and 1 mm.
OFFICIAL_2026 = json.loads(Path(__file__).with_name("brats2026_official.json").read_text())
SYNTHETIC = tuple(f"case-000{n}-100" for n in ("00", "01", "02", "03", "04", "05", "09", "12"))
ALGORITHMS = ("hnfnetv1", "isen", "sanet0", "scan", "yixinmpl")


def read(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    volume = read_volume(path, None)
    return volume.array.astype(np.uint8), volume.spacing_mm


def synthetic(folder: Path, case: str) -> Pair:
    prediction, spacing_mm = read(folder / f"{case}.nii.gz")
    return Pair(prediction, read(folder / f"{case}-seg.nii.gz")[0], spacing_mm)


def glioma(folder: Path, algorithm: str) -> Pair:
    """One algorithm's labels of TCGA-FG-6692 against the fusion; enhancing 4 becomes 3."""
    today = np.array([0, 1, 2, 3, 3], np.uint8)
    prediction, spacing_mm = read(folder / "segmentations" / f"{algorithm}-20.nii.gz")
    reference, _ = read(folder / "fusion" / "simple.nii.gz")
    return Pair(today[prediction], today[reference], spacing_mm)


def metastases(folder: Path, case: str) -> Pair:
    name = {"00132": "00132-000", "00630": "BraTS-MET-00630-001"}[case]
    prediction, spacing_mm = read(folder / "pred" / f"{name}.nii.gz")
    point = name[-3:]
    return Pair(
        prediction, read(folder / "ref" / f"BraTS-MET-{case}-{point}-seg.nii.gz")[0], spacing_mm
    )


def check_table(pair: Pair, profile: Profile, rows: dict[str, dict[str, str | float]]) -> None:
    of_2023 = profile in brats2023.PROFILES.values()
    result = (brats2023.score if of_2023 else lesionwise.score)(pair, profile)
    assert set(result) == set(rows)
    columns = COLUMNS | (WHOLE_MASK_COLUMNS if of_2023 else {})
    for region, row in rows.items():
        expected = {ours: float(row[col]) for ours, col in columns.items() if col in row}
        assert result[region] == pytest.approx(expected, abs=1e-9), region


@pytest.mark.parametrize("case", SYNTHETIC)
def test_synthetic_pairs_by_2023_and_2025(case: str, shared_data: Path) -> None:
    folder = shared_data / "brats-official-scores-synthetic"
    official = json.loads((folder / "official.json").read_text())[case]
    assert len(official) >= 2
    for scorer, rows in official.items():
        year, task = scorer.lower().split("-", 1)
        profiles = {"2023": brats2023.PROFILES, "2025": brats2025.PROFILES_2025}[year]
        check_table(synthetic(folder, case), profiles[task], rows)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("table", "profile"),
    [
        ("brats2023__BraTS-GLI", brats2023.PROFILES["gli"]),
        ("brats2024__GLI", brats2025.PROFILES_2025["gli"]),
        ("brats2024__SSA", brats2025.PROFILES_2025["ssa"]),
    ],
)
def test_a_real_glioma(algorithm: str, table: str, profile: Profile, shared_data: Path) -> None:
    folder = shared_data / "tcga-fg-6692"
    path = folder / "metrics-from-official-code" / f"{table}.csv"
    rows = [row for row in csv.DictReader(path.open()) if row["prediction"] == algorithm]
    check_table(glioma(folder, algorithm), profile, {row["Labels"]: row for row in rows})


@pytest.mark.parametrize("case", ["00132", "00630"])
def test_real_metastases_by_2023(case: str, shared_data: Path) -> None:
    folder = shared_data / "brats-official-eval-pairs"
    name = f"mets-{case}__brats2023__BraTS-MET.csv"
    path = folder / "metrics-from-other-official-code" / name
    rows = {row["Labels"]: row for row in csv.DictReader(path.open())}
    check_table(metastases(folder, case), brats2023.PROFILES["met"], rows)


def check_instances(result: dict[str, dict[str, float]], rows: dict[str, object]) -> None:
    """Compare with the organisers' JSON; what it leaves out must be undefined here."""
    checked = 0
    for region, row in rows.items():
        if not isinstance(row, dict):
            continue
        ours = result[region.upper()]
        for name, value in row.items():
            if name == "reference_instances":
                continue
            expected = math.nan if value is None else value
            assert ours[name] == pytest.approx(expected, abs=1e-6, nan_ok=True), (region, name)
            checked += 1
        if "pq_dsc" in row:  # a whole row; the organisers leave undefined ratios out
            left_out = {"prec", "rec"} - set(row)
            assert all(math.isnan(ours[name]) for name in left_out), region
    assert checked


@pytest.mark.parametrize(("config", "task"), [("gli", "gli"), ("GoAT", "goat")])
def test_a_real_glioma_by_2026(config: str, task: str, shared_data: Path) -> None:
    folder = shared_data / "tcga-fg-6692"
    path = folder / "metrics-from-official-code" / f"brats-evaluation-panoptica__{config}.json"
    rows = json.loads(path.read_text())["metrics"]
    assert {row["subject_name"] for row in rows} == set(ALGORITHMS)
    for row in rows:
        pair = glioma(folder, row["subject_name"])
        check_instances(brats2026.score(pair, brats2026.REGIONS[task]), row)


@pytest.mark.parametrize("case", ["00132", "00630"])
def test_published_metastases_of_2026(case: str, shared_data: Path) -> None:
    """The organisers' example: its JSON, and its table made with 20 and 0.1 and no penalties."""
    folder = shared_data / "brats-official-eval-pairs"
    parser = MetParser(large_from_mm3=20, overlap=0.1, penalises=False)
    result = brats2026.score(metastases(folder, case), brats2026.REGIONS["mets"], parser)
    published = json.loads((folder / "published" / "sample_mets_metrics.json").read_text())
    row = next(row for row in published["metrics"] if case in row["subject_name"])
    check_instances(result, row)
    table = csv.DictReader((folder / "published" / "sample_mets_summary.csv").open())
    columns = next(row for row in table if case in row.pop("subject_id"))
    names = {"all_instance_f1": "rq"} | {f"all_instance_{k}": k for k in ("tp", "fp", "fn")}
    for column, text in columns.items():
        name, _, region = column.rpartition("_")
        value = result[region.upper()][names.get(name, name)]
        expected = float(text) if text else math.nan
        assert value == pytest.approx(expected, abs=1e-6, nan_ok=True), column


@pytest.mark.parametrize("case", SYNTHETIC)
@pytest.mark.parametrize("task", ["gli", "mets", "ped"])
def test_synthetic_pairs_by_2026(case: str, task: str, shared_data: Path) -> None:
    pair = synthetic(shared_data / "brats-official-scores-synthetic", case)
    parser = MetParser() if task == "mets" else None
    result = brats2026.score(pair, brats2026.REGIONS[task], parser)
    assert set(result) == set(OFFICIAL_2026[task][case])
    check_instances(result, OFFICIAL_2026[task][case])
    if parser:
        check_instances(result, OFFICIAL_2026["mets-parsed"][case])


@pytest.mark.parametrize("case", SYNTHETIC)
@pytest.mark.parametrize("task", ["goat", "men", "men-rt"])
def test_synthetic_pairs_by_the_configurations_of_fewer_labels(
    case: str, task: str, shared_data: Path
) -> None:
    pair = synthetic(shared_data / "brats-official-scores-synthetic", case)
    known = np.array([0, 1, 1, 1, 1] if task == "men-rt" else [0, 1, 2, 3, 0], np.uint8)
    pair = Pair(known[pair.prediction], known[pair.reference], pair.spacing_mm)
    result = SCORERS[f"2026-{task}"].score(pair)
    assert set(result) == set(OFFICIAL_2026[task][case])
    check_instances(result, OFFICIAL_2026[task][case])


@pytest.mark.parametrize("case", SYNTHETIC)
def test_synthetic_pairs_by_goat(case: str, shared_data: Path) -> None:
    """GoAT's programs of 2024 and 2025 are those of 2023 and of 2025, asked by cohort."""
    folder = shared_data / "brats-official-scores-synthetic"
    official = json.loads((folder / "official.json").read_text())[case]
    pair = synthetic(folder, case)
    for name, rows in official.items():
        year, cohort = name.split("-", 1)
        scorer = SCORERS[{"2023": "2024-goat", "2025": "2025-goat"}[year]].of(cohort)
        result = scorer.score(pair)
        assert set(result) == set(rows)
        for region, row in rows.items():
            columns = COLUMNS | (WHOLE_MASK_COLUMNS if year == "2023" else {})
            expected = {ours: row[column] for ours, column in columns.items() if column in row}
            assert result[region] == pytest.approx(expected, abs=1e-9), (name, region)


def test_panther_as_published(shared_data: Path) -> None:
    names = {
        "volumetric_dice": "dice",
        "surface_dice": "surface_dice_5mm",
        "hausdorff95": "hd95",
        "masd": "masd",
        "gt_volume": "volume_reference_mm3",
        "pred_volume": "volume_prediction_mm3",
    }
    brain, pairs = shared_data / "tcga-fg-6692", shared_data / "brats-official-eval-pairs"
    tables = {
        brain / "metrics-from-official-code" / "panther-evaluate-local__WT.json": 5,
        pairs / "metrics-from-other-official-code" / "mets-00132__panther-evaluate-local.json": 2,
        pairs / "metrics-from-other-official-code" / "mets-00630__panther-evaluate-local.json": 2,
    }
    regions = {"WT": (1, 2, 3), "ET": (3,)}
    for path, cases in tables.items():
        content = json.loads(path.read_text())
        assert len(content["per_subject"]) == cases
        volumes = []
        for row in content["per_subject"]:
            name, region = row["subject"].rsplit("_", 1)
            whole = metastases(pairs, name[5:]) if "mets" in name else glioma(brain, name)
            binary = [
                np.isin(m, regions[region]).astype(np.uint8)
                for m in (whole.prediction, whole.reference)
            ]
            result = panther.score(Pair(*binary, whole.spacing_mm), "as-published")["tumour"]
            for theirs, ours in names.items():
                assert result[ours] == pytest.approx(row[theirs], abs=1e-6), (name, ours)
            volumes.append([result[f"volume_{m}_mm3"] for m in ("prediction", "reference")])
        rmse = panther.volume_rmse_mm3(*np.array(volumes).T)
        assert rmse == pytest.approx(content["aggregates"]["tumor_burden_rmse"], abs=1e-6)
