"""`python -m lab evaluate`, from two folders to files, faults and all."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import files
import nibabel
import numpy as np
import pytest
from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from challenge.provenance import Provenance, content_sha256, hash_json, write_provenance
from lab.__main__ import main as lab
from lab.evaluation import evaluate
from lab.evaluation.formats import read_results
from lab.evaluation.journal import CaseResult, Journal
from lab.evaluation.matching import match_cases
from lab.evaluation.origin import in_sample
from lab.metrics.scorers import SCORERS

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 600  # never waited for but by what is broken: a loaded machine is slow


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases: a hit, one moved by a voxel, and an empty prediction of a tumour."""
    generator = np.random.default_rng(0)
    for number in range(3):
        reference = np.zeros((14, 13, 12), np.uint8)
        reference[3:9, 3:9, 3:9] = 2
        reference[4:8, 4:8, 4:8] = generator.integers(1, 4, (4, 4, 4))
        prediction = (reference, np.roll(reference, 1, 0), reference * 0)[number]
        name = f"BraTS-SSA-0000{number}-000.nii.gz"
        files.write_nifti(tmp_path / "references" / name, reference)
        files.write_nifti(tmp_path / "predictions" / name, prediction)
    return tmp_path


def run(cohort: Path, *flags: str, scorer: str = "2025-ssa") -> int:
    folders = [f"--{name}={cohort / name}" for name in ("predictions", "references")]
    return lab(["evaluate", "--scorer", scorer, *folders, f"--out={cohort / 'r.json'}", *flags])


def written(cohort: Path) -> dict[str, Any]:
    return dict(json.loads((cohort / "r.json").read_text()))


def test_scores_are_written_in_three_layouts(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cohort) == 0
    content = written(cohort)
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
    facts = written(cohort)["facts"]["BraTS-SSA-00002-000"]
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
    content = written(cohort)
    (problem,) = content["problems"]
    assert (problem["kind"], problem["case"]) == ("missing", "BraTS-SSA-00001-000")
    row = content["cases"].get("BraTS-SSA-00001-000")
    if dice is None:
        assert row is None and len(content["cases"]) == 2
    else:
        assert row["WT"]["dice"] == dice
        assert row["WT"].get("hd95") == hd95
        assert not any(v for k, v in row["WT"].items() if k.startswith("num_"))


def test_folders_without_a_common_case_are_refused(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of zeros would be a wrong folder's."""
    for path in (cohort / "predictions").iterdir():
        path.rename(path.with_name(path.name.replace("-0000", "-0001")))
    assert run(cohort) == 2
    assert capsys.readouterr().err == (
        f"no case in common: {cohort / 'predictions'} has 3 (BraTS-SSA-00010-000, "
        f"BraTS-SSA-00011-000, BraTS-SSA-00012-000), {cohort / 'references'} has 3 "
        "(BraTS-SSA-00000-000, BraTS-SSA-00001-000, BraTS-SSA-00002-000); a prediction is named as "
        "its reference, or ends in the same case number\n"
    )
    assert not (cohort / "r.json").exists()


def test_cases_of_a_challenge_with_other_label_values_are_refused(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PED's 1 is ET, Africa's is NETC: every region would be scored on the wrong voxels."""
    text = (
        "3 of 3 cases are named as of brats-ssa (BraTS-SSA-00000-000, BraTS-SSA-00001-000, "
        "BraTS-SSA-00002-000), whose label values are not those of brats-ped"
    )
    for flags, scorer in (((), "2025-ped"), (("--scheme=brats-ped",), "voxel")):
        assert run(cohort, *flags, scorer=scorer) == 2
        assert (
            capsys.readouterr().err == f"{text}; --foreign scores them as brats-ped all the same\n"
        )
        assert run(cohort, *flags, "--foreign", scorer=scorer) == 0
        assert f"{text}; scored as brats-ped: --foreign" in capsys.readouterr().err


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
    assert len(written(cohort)["cases"]) == 3
    assert (cohort / "r.csv").exists()


def test_goat_says_what_ranks_there(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cohort, scorer="2026-goat") == 0
    out = capsys.readouterr().out
    assert "its organisers rank by global_dice, global_nsd_1.0" in out
    wt = {id[10:15]: regions["WT"] for id, regions in written(cohort)["cases"].items()}
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


def test_bad_files_are_named_and_the_others_scored(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cohort / "predictions"
    good = (folder / "BraTS-SSA-00001-000.nii.gz").read_bytes()
    (folder / "BraTS-SSA-00001-000.nii.gz").write_bytes(good[:50])
    files.write_nifti(folder / "BraTS-SSA-00002-000.nii.gz", np.zeros((14, 13, 11), np.uint8))
    (folder / "BraTS-SSA-09999-000.nii.gz").write_bytes(good)
    assert run(cohort) == 1
    content = written(cohort)
    kinds = {problem["kind"]: problem for problem in content["problems"]}
    assert set(kinds) == {"unreadable", "shape", "extra"}
    assert all(problem["message"] in capsys.readouterr().err for problem in [kinds["shape"]])
    assert content["cases"]["BraTS-SSA-00000-000"]["WT"]["dice"] == 1
    for id in ("BraTS-SSA-00001-000", "BraTS-SSA-00002-000"):
        assert set(content["cases"][id]["WT"].values()) == {None}
    assert content["summary"]["WT"]["dice"]["n"] == 1


def test_two_files_for_an_id(cohort: Path) -> None:
    folder = cohort / "predictions"
    (folder / "00001-000.nii.gz").write_bytes((folder / "BraTS-SSA-00001-000.nii.gz").read_bytes())
    assert run(cohort) == 1
    content = written(cohort)
    assert content["problems"][0]["kind"] == "duplicate"
    assert content["cases"]["BraTS-SSA-00001-000"]["WT"]["dice"] is None
    assert content["cases"]["BraTS-SSA-00000-000"]["WT"]["dice"] == 1


def test_strict_refuses_and_writes_nothing(cohort: Path) -> None:
    (cohort / "predictions" / "BraTS-SSA-00001-000.nii.gz").unlink()
    assert run(cohort, "--strict") == 1
    assert sorted(path.name for path in cohort.iterdir()) == ["predictions", "references"]


def test_wrong_usage_is_reported(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cohort / "empty").mkdir()
    arguments = ["evaluate", "--scorer=2023-gli", f"--predictions={cohort / 'predictions'}"]
    assert lab([*arguments, f"--references={cohort / 'empty'}"]) == 2
    assert "no label map" in capsys.readouterr().err
    (cohort / "file").write_text("in the way")
    assert run(cohort, f"--out={cohort / 'file' / 'r.json'}") == 2
    assert "file: this folder cannot be made (File exists)" in capsys.readouterr().err
    assert run(cohort, "--scheme=brats-ped") == 2
    assert "2025-ssa scores brats-ssa" in capsys.readouterr().err


def test_a_label_map_that_had_to_be_guessed_is_reported(cohort: Path) -> None:
    assert run(cohort, scorer="voxel") == 0
    assert (written(cohort)["scheme"], written(cohort)["problems"]) == ("brats-ssa", [])
    for folder in ("predictions", "references"):
        for path in (cohort / folder).iterdir():
            path.rename(path.with_name(path.name.replace("BraTS-SSA", "patient")))
    assert run(cohort, scorer="voxel") == 0
    (problem,) = written(cohort)["problems"]
    assert problem["kind"] == "scheme" and "brats-gli assumed" in problem["message"]


def test_nothing_but_duplicates(cohort: Path) -> None:
    """No pair is left, and no id to read the label map from."""
    for path in list((cohort / "predictions").iterdir()):
        copy = path.with_name(f"again_{path.name}")
        copy.write_bytes(path.read_bytes())
    assert run(cohort, scorer="voxel") == 1
    assert {p["kind"] for p in written(cohort)["problems"]} == {"duplicate", "scheme"}


def test_a_line_cut_short_loses_no_other_case(cohort: Path) -> None:
    """A line that a kill left unfinished does not swallow the next one."""
    pairs, _ = match_cases(cohort / "predictions", cohort / "references")
    journal = Journal(cohort / "r.json", SCORERS["2025-ssa"])
    for pair in pairs:
        journal.append(CaseResult(pair, {"WT": {"dice": 0.5}}, None, ()))
        with journal.path.open("a") as file:
            file.write('\n{"key": "unfin')
    assert set(journal.read(pairs)) == {pair.id for pair in pairs}


def test_an_interrupted_run_goes_on(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cohort)
    expected = written(cohort)
    (cohort / "r.json").unlink()
    scored = []
    real = evaluate.score_case

    def stops_at_the_second(pair: Any, **more: Any) -> Any:
        if len(scored) == 1:
            raise KeyboardInterrupt
        scored.append(pair.id)
        return real(pair, **more)

    monkeypatch.setattr(evaluate, "score_case", stops_at_the_second)
    assert run(cohort) == 130
    assert not (cohort / "r.json").exists()

    def counts(pair: Any, **more: Any) -> Any:
        scored.append(pair.id)
        return real(pair, **more)

    monkeypatch.setattr(evaluate, "score_case", counts)
    assert run(cohort) == 0
    assert len(scored) == len(set(scored)) == 3
    assert written(cohort) == expected
    # A file that changed meanwhile is scored anew.
    scored.clear()
    assert run(cohort) == 0
    assert len(scored) == 3


def test_ctrl_c_in_a_terminal_ends_all_processes_with_one_line(tmp_path: Path) -> None:
    """A terminal sends it to every process of the command."""
    generator = np.random.default_rng(0)
    for number in range(12):
        labels = ((generator.random((70, 70, 70)) > 0.999) * 3).astype(np.uint8)
        for folder in ("predictions", "references"):
            files.write_nifti(tmp_path / folder / f"BraTS-SSA-000{number:02d}-000.nii.gz", labels)
    folders = [f"--{name}={tmp_path / name}" for name in ("predictions", "references")]
    flags = ["--scorer=2025-ssa", *folders, f"--out={tmp_path / 'r.json'}", "--jobs=2"]
    program = subprocess.Popen(
        [sys.executable, "-m", "lab", "evaluate", *flags],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for((tmp_path / ".r.json.journal").exists)
    os.killpg(program.pid, signal.SIGINT)
    _, message = program.communicate(timeout=WAIT_S)
    line = "evaluate: interrupted; the same command goes on where it stopped"
    assert (program.returncode, message.strip()) == (130, line)
    assert not (tmp_path / "r.json").exists()


def test_ctrl_c_between_two_cases_is_one_line_too(cohort: Path) -> None:
    """Workers still hold cases then, of which joblib would warn."""
    folders = [f"--{name}={cohort / name}" for name in ("predictions", "references")]
    flags = ["--scorer=2025-ssa", *folders, f"--out={cohort / 'r.json'}", "--jobs=2"]
    # Ctrl-C arrives while the first case is noted.
    source = f"""
import os, signal, sys
from lab.__main__ import main
from lab.evaluation.journal import Journal
Journal.append = lambda *_: os.kill(os.getpid(), signal.SIGINT)
sys.exit(main({["evaluate", *flags]!r}))
"""
    program = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S
    )
    line = "evaluate: interrupted; the same command goes on where it stopped"
    assert (program.returncode, program.stderr.strip()) == (130, line)


def test_two_processes_give_the_same(cohort: Path) -> None:
    run(cohort)
    expected = written(cohort)
    run(cohort, "--jobs=2")
    assert written(cohort) == expected


@pytest.mark.slow
def test_dask_workers_may_die(tmp_path: Path, shared_data: Path) -> None:
    """A real scheduler, two worker processes, one killed when cases are under way."""
    source = shared_data / "brats-official-scores-synthetic"
    for name in ("predictions", "references"):
        (tmp_path / name).mkdir()
    for copy in range(6):
        for path in source.glob("*-100.nii.gz"):
            for folder, file in (
                ("predictions", path.name),
                ("references", f"{path.name[:14]}-seg.nii.gz"),
            ):
                (tmp_path / folder / f"{copy}{path.name}").symlink_to(source / file)
    assert run(tmp_path, scorer="2025-gli") == 0
    expected = written(tmp_path)
    (tmp_path / "r.json").unlink()

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    scheduler_file = tmp_path / "scheduler.json"

    def dask(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments, f"--scheduler-file={scheduler_file}"]
        log = (tmp_path / "dask.log").open("ab")
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    programs = [dask("scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard")]
    try:
        worker = ("worker", "--nthreads=1", "--no-nanny", "--no-dashboard")
        programs += [dask(*worker), dask(*worker)]
        wait_for(scheduler_file.exists)
        address = json.loads(scheduler_file.read_text())["address"]
        folders = [f"--{name}={tmp_path / name}" for name in ("predictions", "references")]
        flags = ["--scorer=2025-gli", *folders, f"--dask={address}", f"--out={tmp_path / 'r.json'}"]
        command = [sys.executable, "-m", "lab", "evaluate", *flags]
        running = subprocess.Popen(command, cwd=ROOT)
        journal = tmp_path / ".r.json.journal"
        wait_for(lambda: journal.exists() and journal.read_text().count("\n") >= 4)
        programs[1].send_signal(signal.SIGKILL)
        assert running.poll() is None, "all was over before the worker was killed"
        assert running.wait(WAIT_S) == 0
        assert programs[1].wait(WAIT_S) == -signal.SIGKILL
    finally:
        for program in programs:
            program.kill()
    assert written(tmp_path) == expected


def wait_for(happened: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


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
    assert written(tmp_path)["summary"]["WT"]["dice"]["mean"] == pytest.approx(dice, abs=1e-9)
    page = tmp_path / "report.html"
    assert lab(["report", str(tmp_path / "r.json"), f"--html={page}"]) == 0
    assert f"{dice:.3f}" in page.read_text()
    assert all(f"TCGA-FG-6692-{name}" in page.read_text() for name in ("isen", "scan"))


def test_results_say_what_the_predictions_were_made_from(cohort: Path, capsys) -> None:
    folder = cohort / "predictions"
    facts = {"held_out": "in-sample", "training_cases": 2, "cases": 3}
    record = Provenance(
        "label maps", "predictions", content_sha256(folder), "postprocess", facts=facts
    )
    write_provenance(folder, record)
    assert run(cohort) == 0
    words = "refined by rules that were fitted on 2 of its 3 cases"
    assert f"predictions: {words}; no evidence of what they gain" in capsys.readouterr().err
    results = read_results(cohort / "r.json")
    assert in_sample(results) == words
    made = results.provenance
    assert made is not None
    assert (made.product, made.verb, made.options) == ("scores", "evaluate", {"scorer": "2025-ssa"})
    assert made.inputs["predictions"] == record
    assert made.inputs["references"].facts == {"files": 3}
    content = json.loads((cohort / "r.json").read_text())
    assert made.sha256 == hash_json({k: v for k, v in content.items() if k != "provenance"})
    assert lab(["trace", str(cohort / "r.json")]) == 0
    assert "by `python -m postprocess`" in capsys.readouterr().out


def test_results_of_maps_without_a_record_are_of_unknown_origin(cohort: Path, capsys) -> None:
    assert run(cohort) == 0
    results = read_results(cohort / "r.json")
    assert results.provenance is not None
    assert results.provenance.inputs["predictions"].held_out == "unknown"
    assert in_sample(results) == ""
    assert "no evidence" not in capsys.readouterr().err


def test_maps_that_changed_since_their_record_are_refused(cohort: Path, capsys) -> None:
    record = Provenance("label maps", "predictions", "0" * 64, "out-of-fold")
    write_provenance(cohort / "predictions", record)
    assert run(cohort) == 2
    assert "files were changed, added or removed" in capsys.readouterr().err
