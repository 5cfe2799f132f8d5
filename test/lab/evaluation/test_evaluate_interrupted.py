"""An evaluation goes on where it stopped, and any number of processes gives the same scores."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import files
import numpy as np
import pytest
from evaluator import results_of, run

from lab.evaluation import evaluate
from lab.evaluation.journal import CaseResult, Journal
from lab.evaluation.matching import match_cases
from lab.metrics.scorers import SCORERS

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 600  # never waited for but by what is broken: a loaded machine is slow


def test_a_line_cut_short_loses_no_other_case(cohort: Path) -> None:
    """A line that a kill left unfinished does not swallow the next one."""
    pairs, _ = match_cases(cohort / "predictions", cohort / "references")
    journal = Journal(cohort / "r.json", SCORERS["2025-ssa"])
    for pair in pairs:
        journal.append(CaseResult(pair, {"WT": {"dice": 0.5}}, None, ()))
        with journal.path.open("a") as file:
            file.write('\n{"key": "unfin')
    assert set(journal.read(pairs)) == {pair.id for pair in pairs}


def test_a_case_whose_file_changed_meanwhile_is_scored_anew(cohort: Path) -> None:
    pairs, _ = match_cases(cohort / "predictions", cohort / "references")
    journal = Journal(cohort / "r.json", SCORERS["2025-ssa"])
    for pair in pairs:
        journal.append(CaseResult(pair, {"WT": {"dice": 0.5}}, None, ()))
    os.utime(pairs[0].reference, ns=(0, 0))
    assert set(journal.read(pairs)) == {pair.id for pair in pairs[1:]}


def test_an_interrupted_run_goes_on(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cohort)
    expected = results_of(cohort)
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
    assert results_of(cohort) == expected
    # A finished run leaves no journal: the next one scores all cases.
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
    assert run(cohort) == 0
    expected = results_of(cohort)
    (cohort / "r.json").unlink()
    assert run(cohort, "--jobs=2") == 0
    assert results_of(cohort) == expected


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
    expected = results_of(tmp_path)
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
    assert results_of(tmp_path) == expected


def wait_for(happened: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
