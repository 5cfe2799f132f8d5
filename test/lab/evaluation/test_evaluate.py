"""`python -m lab evaluate` scores two folders as organisers and nnU-Net do, in three layouts."""

import csv
import json
from pathlib import Path
from typing import Any

import files
import nibabel
import numpy as np
import pytest
from evaluator import results_of, run
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from lab.__main__ import main as lab
from lab.evaluation import evaluate
from lab.evaluation.formats import read_results


def test_scores_are_written_in_three_layouts(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort) == 0
    content = results_of(cohort)
    assert (content["scorer"], content["scheme"]) == ("2025-ssa", "brats-ssa")
    assert content["labels"] == {"NETC": 1, "SNFH": 2, "ET": 3}
    wt = {id[10:15]: regions["WT"]["dice"] for id, regions in content["cases"].items()}
    assert wt == {"00000": 1, "00001": pytest.approx(5 / 6), "00002": 0}
    assert content["summary"]["WT"]["dice"]["mean"] == pytest.approx((1 + 5 / 6) / 3)
    assert content["problems"] == []
    rows = list(csv.reader((cohort / "r.csv").open()))
    assert rows[0][:2] == ["scan_id", "LesionWise_Dice_ET"]
    assert [row[0] for row in rows[4:]] == ["mean", "std", "25quantile", "median", "75quantile"]
    out = capsys.readouterr().out
    assert "2025-ssa, brats-ssa: a region in neither map scores 1" in out
    assert "0.833" in out
    assert [p.name for p in cohort.iterdir() if p.name.startswith(".")] == []


def test_nnunet_writes_the_same_summary(cohort: Path) -> None:
    assert run(cohort, "--absent=excluded", scorer="voxel") == 0
    ours = json.loads((cohort / "r-nnunet-summary.json").read_text())
    compute_metrics_on_folder(
        str(cohort / "references"),
        str(cohort / "predictions"),
        str(cohort / "peer.json"),
        SimpleITKIO(),
        ".nii.gz",
        [1, 2, 3],
        None,
        num_processes=1,
    )
    peer = json.loads((cohort / "peer.json").read_text())
    assert ours.keys() == peer.keys()
    assert ours["mean"] == {k: pytest.approx(v) for k, v in peer["mean"].items()}
    assert ours["foreground_mean"] == pytest.approx(peer["foreground_mean"])
    assert ours["metric_per_case"] == peer["metric_per_case"]


def test_facts_are_kept_for_the_report(cohort: Path) -> None:
    run(cohort)
    facts = results_of(cohort)["facts"]["BraTS-SSA-00002-000"]
    table = np.array(facts["confusion"])
    assert table.sum() == 14 * 13 * 12
    assert table[1:].sum() == 6**3 and table[:, 1:].sum() == 0
    assert facts["lesions"]["WT"] == [[216.0, False]]


@pytest.mark.parametrize(
    ("scorer", "dice", "hd95"),
    [
        ("2023-ssa", None, None),
        ("2024-ssa", None, None),
        ("2025-ssa", 0, 374),
        ("2025-gli", 0, 337),
        ("2025-met", 0, 374),
        ("2026-goat", 0, 373),
        ("voxel", 0, None),
    ],
)
def test_a_missing_prediction_counts_as_the_scorer_counts_it(
    scorer: str, dice: float | None, hd95: float | None, cohort: Path
) -> None:
    (cohort / "predictions" / "BraTS-SSA-00001-000.nii.gz").unlink()
    assert run(cohort, scorer=scorer) == 0
    content = results_of(cohort)
    (problem,) = content["problems"]
    assert (problem["kind"], problem["case"]) == ("missing", "BraTS-SSA-00001-000")
    row = content["cases"].get("BraTS-SSA-00001-000")
    if dice is None:
        assert row is None and len(content["cases"]) == 2
    else:
        assert row["WT"]["dice"] == dice
        assert row["WT"].get("hd95") == hd95
        assert not any(v for k, v in row["WT"].items() if k.startswith("num_"))


@pytest.mark.parametrize("scorer", ["2025-gli", "2026-goat", "2023-gli"])
def test_cases_of_a_challenge_with_the_same_label_values_are_scored(
    scorer: str, cohort: Path
) -> None:
    """GLI has one label more than Africa; GoAT holds cases of every name."""
    assert run(cohort, scorer=scorer) == 0


def test_results_are_on_disk_before_the_table_is_printed(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that cannot show the table loses no result."""

    def broken(_: Any) -> str:
        raise BrokenPipeError

    monkeypatch.setattr(evaluate, "table", broken)
    with pytest.raises(BrokenPipeError):
        run(cohort)
    assert len(results_of(cohort)["cases"]) == 3
    assert (cohort / "r.csv").exists()


def test_goat_says_what_ranks_there(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cohort, scorer="2026-goat") == 0
    out = capsys.readouterr().out
    assert "its organisers rank by global_dice, global_nsd_1.0" in out
    wt = {id[10:15]: regions["WT"] for id, regions in results_of(cohort)["cases"].items()}
    assert {id: row["global_dice"] for id, row in wt.items()} == {
        "00000": 1,
        "00001": pytest.approx(5 / 6),
        "00002": 0,
    }
    assert {id: row["global_nsd_1.0"] for id, row in wt.items()} == {
        "00000": 1,
        "00001": 1,
        "00002": 0,
    }
    assert summary_line(out, "WT")[-3:-1] == ["0.611", "0.667"]  # global ones, before HD95
    back = read_results(cohort / "r.csv").cases["BraTS-SSA-00001-000"]["WT"]
    assert (back["global_bin_dsc"], back["global_nsd_1.0"]) == (pytest.approx(5 / 6), 1)
    assert lab(["report", str(cohort / "r.json"), f"--html={cohort / 'page.html'}"]) == 0
    assert "NSD 1.0 mm of whole masks" in (cohort / "page.html").read_text()
    content = json.loads((cohort / "page.json").read_text())
    assert content["extremes"]["metric"] == "global_dice"


def summary_line(out: str, region: str) -> list[str]:
    """Return the cells of a region's means in the terminal, up to HD95."""
    header, line = (
        next(line for line in out.splitlines() if line.startswith(start))
        for start in ("mean", region)
    )
    return line.split()[: header.split().index("hd95") + 1]


@pytest.mark.slow
def test_five_algorithms_on_a_real_glioma_become_a_report(
    tmp_path: Path, shared_data: Path
) -> None:
    """Labels 4 become 3; the numbers on the page are the organisers' means."""
    source, today = shared_data / "tcga-fg-6692", np.array([0, 1, 2, 3, 3], np.uint8)

    def write(path: Path, folder: str, name: str) -> None:
        labels = today[nibabel.load(path).get_fdata().astype(np.uint8)]
        files.write_nifti(tmp_path / folder / f"TCGA-FG-6692-{name}.nii.gz", labels)

    for path in (source / "segmentations").iterdir():
        name = path.name.split("-")[0]
        write(path, "predictions", name)
        write(source / "fusion" / "simple.nii.gz", "references", name)
    assert run(tmp_path, "--jobs=2", scorer="2025-gli") == 0
    official = source / "metrics-from-official-code" / "brats2024__GLI.csv"
    rows = [row for row in csv.DictReader(official.open()) if row["Labels"] == "WT"]
    dice = np.mean([float(row["LesionWise_Score_Dice"]) for row in rows])
    assert results_of(tmp_path)["summary"]["WT"]["dice"]["mean"] == pytest.approx(dice, abs=1e-9)
    page = tmp_path / "report.html"
    assert lab(["report", str(tmp_path / "r.json"), f"--html={page}"]) == 0
    assert f"{dice:.3f}" in page.read_text()
    assert all(f"TCGA-FG-6692-{name}" in page.read_text() for name in ("isen", "scan"))
