"""What a submission refuses at once, and what it leaves out where time is short."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from challenge.scheme import SCHEMES
from lab.__main__ import main as lab
from lab.pipeline import submit
from lab.pipeline.plan import all_steps
from lab.pipeline.plan_text import plan_lines
from lab.pipeline.run_steps import StepError, StepRunner, locked
from lab.pipeline.sources import (
    SourceError,
    check_splits,
    find_sources,
    find_splits,
    source_record,
)
from lab.pipeline.steps import Step
from lab.pipeline.submission import Submission
from lab.pipeline.submit import judge_gates, seconds_of


def trained(folder: Path, name: str, folds: tuple[str, ...] = ("0", "1")) -> Path:
    for fold in folds:
        (folder / name / f"fold_{fold}").mkdir(parents=True)
        (folder / name / f"fold_{fold}" / "checkpoint_final.pth").write_text("")
    (folder / name / "plans.json").write_text("{}")
    return folder / name


def python(name: str, code: str, **changes: object) -> Step:
    return Step(name, (sys.executable, "-c", code), 10.0, **changes)  # type: ignore[arg-type]


def test_trained_folders_are_looked_for_at_any_depth(tmp_path: Path) -> None:
    trained(tmp_path / "a" / "Dataset1", "t__p__c")
    trained(tmp_path / "b" / "Dataset2", "t__p__c", ("1", "all", "0"))
    sources = find_sources([tmp_path], ["final"])
    assert [source.name for source in sources] == ["Dataset1-t__p__c", "Dataset2-t__p__c"]
    assert sources[1].folds == ("0", "1")
    with pytest.raises(SourceError, match=r"no fold_N/checkpoint_best.pth"):
        find_sources([tmp_path], ["best"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"empty: no plans.json beside fold_\* in it"):
        find_sources([tmp_path / "empty"], ["final"])


def test_members_of_other_frameworks_are_sources_too(tmp_path: Path) -> None:
    home = tmp_path / "swin"
    for fold, name in (("0", "weights.pt"), ("1", "model.pth"), ("2", "notes.txt")):
        (home / f"fold_{fold}").mkdir(parents=True)
        (home / f"fold_{fold}" / name).write_text("")
    (home / "member.json").write_text("{}")
    (source,) = find_sources([home], ["final", "best"])
    assert (source.name, source.folds, source.is_nnunets) == ("swin", ("0", "1"), False)
    before = source_record(source).sha256
    (home / "fold_1" / "model.pth").write_text("x")
    assert source_record(source).sha256 != before
    check_splits(tmp_path, [source], [])  # nothing tells; the printed plan says so
    (home / "fold_0" / "weights.pt").unlink()
    (home / "fold_1" / "model.pth").unlink()
    with pytest.raises(SourceError, match=r"no fold_N/program.pt2; numbered folds are needed"):
        find_sources([home], ["final"])


def test_each_checkpoint_is_a_candidate_and_validation_is_of_the_last_one(tmp_path: Path) -> None:
    home = trained(tmp_path, "t__p__c")
    for fold in "01":
        (home / f"fold_{fold}" / "checkpoint_best.pth").write_text("")
        (home / f"fold_{fold}" / "validation").mkdir()
        (home / f"fold_{fold}" / "validation" / "a.npz").write_text("")
    final, best = find_sources([home], ["final", "best"])
    assert (final.name, best.name) == ("t__p__c-final", "t__p__c-best")
    assert final.has_probabilities and not best.has_probabilities


def test_splits_are_what_the_folds_validated(tmp_path: Path) -> None:
    cohort = tmp_path / "nnUNet_raw" / "Dataset1"
    cohort.mkdir(parents=True)
    (cohort / "dataset.json").write_text('{"file_ending": ".nii.gz"}')
    home = trained(tmp_path, "t__p__c")
    sources = find_sources([home], ["final"])
    with pytest.raises(SourceError, match="hold no validation; name the splits with --splits"):
        find_splits(cohort, sources, tmp_path / "work")
    for fold, ids in enumerate((("a", "c"), ("b",))):
        (home / f"fold_{fold}" / "validation").mkdir()
        for id in ids:
            (home / f"fold_{fold}" / "validation" / f"{id}.nii.gz").write_text("")
    folds = json.loads(find_splits(cohort, sources, tmp_path / "work").read_text())
    assert folds == [
        {"train": ["b"], "val": ["a", "c"]},
        {"train": ["a", "c"], "val": ["b"]},
    ]


def test_a_training_by_other_splits_is_refused(tmp_path: Path) -> None:
    """Its folds were trained on cases that the splits say they never saw."""
    cohort = tmp_path / "nnUNet_raw" / "Dataset1"
    cohort.mkdir(parents=True)
    (cohort / "dataset.json").write_text('{"file_ending": ".nii.gz"}')
    folds = [{"train": ["b"], "val": ["a"]}, {"train": ["a"], "val": ["b"]}]
    home = trained(tmp_path, "t__p__c")
    (source,) = find_sources([home], ["final"])
    check_splits(cohort, [source], folds)  # nothing tells
    (home / "plans.json").write_text('{"dataset_name": "Dataset2"}')
    with pytest.raises(SourceError, match="trained on Dataset2, the cohort is Dataset1, and no"):
        check_splits(cohort, [source], folds)
    for fold, id in enumerate("ab"):
        (home / f"fold_{fold}" / "validation").mkdir()
        (home / f"fold_{fold}" / "validation" / f"{id}.nii.gz").write_text("")
    check_splits(cohort, [source], folds)  # what it validated tells more than a name
    with pytest.raises(SourceError, match=r"fold_0: validated other cases .*\(a, b\)"):
        check_splits(cohort, [source], folds[::-1])


def test_a_step_is_done_once_and_again_with_another_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"open({str(log)!r}, 'a').write('x')"
    steps = [python("first", code), python("second", code)]
    StepRunner(tmp_path, steps).run(steps)
    StepRunner(tmp_path, steps).run(steps)
    assert log.read_text() == "xx"
    changed = [python("first", code + "; 0"), steps[1]]
    StepRunner(tmp_path, changed).run(changed)  # and what follows it
    assert log.read_text() == "xxxx"


def test_what_follows_a_step_that_was_left_out_is_made_again(tmp_path: Path) -> None:
    """A model was proven before the rules went into it; with these it is another one."""
    log = tmp_path / "log"
    names = ("pack", "freeze", "verify")
    steps = [python(name, f"open({str(log)!r}, 'a').write({name[0]!r})") for name in names]
    StepRunner(tmp_path, steps).run([steps[0], steps[2]])
    StepRunner(tmp_path, steps).run(steps)
    assert log.read_text() == "pvfv"


def test_more_processes_change_no_result_and_repeat_no_step(tmp_path: Path) -> None:
    one, two = (python("search", "0", parallel=("--jobs", jobs)) for jobs in "12")
    StepRunner(tmp_path, [one]).run([one])
    assert StepRunner(tmp_path, [two]).is_done(two)


def test_a_failed_step_is_one_sentence_with_its_log(tmp_path: Path) -> None:
    step = python("fit", "import sys; print('a.nii.gz: damaged'); sys.exit(2)")
    with pytest.raises(StepError, match=r"fit failed: a.nii.gz: damaged \(.*logs/fit.log\)"):
        StepRunner(tmp_path, [step]).run([step])
    assert not list((tmp_path / "done").iterdir())


def test_what_does_not_fit_the_time_is_known_before_it_starts(tmp_path: Path) -> None:
    steps = [python("first", "0"), python("second", "0")]
    runner = StepRunner(tmp_path, steps, end_s=time.monotonic() + 25)
    assert runner.fits(steps, []) and runner.fits(steps[:1], steps[1:])
    assert not runner.fits(steps, steps[:1])
    assert StepRunner(tmp_path, steps).fits(steps, steps * 100)


def test_a_measured_step_corrects_the_estimates_of_its_kind(tmp_path: Path) -> None:
    steps = [python("one", "0", kind="predict"), python("other", "0", kind="predict")]
    runner = StepRunner(tmp_path, steps)
    assert runner.estimate_s(steps) == 20
    runner.run(steps[:1])
    assert runner.estimate_s(steps) < 10


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    message = "another run works in this folder"
    with locked(tmp_path), pytest.raises(ValueError, match=message), locked(tmp_path):
        pass


def submission(work: Path) -> Submission:
    return Submission(
        name="mine",
        scheme=SCHEMES["brats-gli"],
        scorer="2024-gli",
        cohort=work / "raw",
        references=work / "raw" / "labelsTr",
        cases=20,
        work=work,
        predictions=work / "oof",
    )


def test_gates_come_after_the_search_and_before_what_ships(tmp_path: Path) -> None:
    steps = all_steps(submission(tmp_path))
    names = [step.name for step in steps]
    assert names[:6] == ["features", "fit", "search", "gate", "explain", "freeze"]
    assert steps[3].command == f"python -m lab gate {tmp_path / 'rules'}"
    evaluate = names.index("evaluate with_rules")
    assert str(tmp_path / "rules" / "held_out") in steps[evaluate].words
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "gate.json").write_text('{"ships": true}')
    steps = all_steps(submission(tmp_path))
    assert str(tmp_path / "rules" / "held_out_gates") in steps[evaluate].words


def test_the_plan_names_post_processing_of_nnunet_that_is_left_out(tmp_path: Path) -> None:
    home, s = trained(tmp_path / "results", "t__p__c"), submission(tmp_path)
    s = replace(s, sources=tuple(find_sources([home], ["final"])))
    (home / "postprocessing.json").write_text('{"for_which_classes": [2]}')
    text = "\n".join(plan_lines(s, StepRunner(tmp_path, all_steps(s)), False))
    assert "nnU-Net's post-processing (largest component of 2) is not packed" in text


def test_gates_that_do_not_fit_the_time_or_fail_leave_the_rest_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = submission(tmp_path)
    steps = all_steps(s)
    hurried = StepRunner(tmp_path, steps, end_s=time.monotonic() + 30)
    assert judge_gates(s, hurried, steps[4:6]) == "--time left none"
    basis = "3 s a case and label, measured on 40 and 60 cases"
    assert f"left out for --time: gates (about 4 min, {basis});" in capsys.readouterr().out
    (line,) = [line for line in plan_lines(s, hurried, False) if " gate " in line]
    assert line.endswith(f"about 4 min  {basis}")
    failing = python("gate", "import sys; print('a.nii.gz: damaged'); sys.exit(2)")
    monkeypatch.setattr(submit, "gate_steps", lambda s: [failing])
    why = judge_gates(s, StepRunner(tmp_path, steps), steps[4:6])
    assert why.startswith("gate failed: a.nii.gz: damaged (")
    assert f"gates not evaluated: {why}" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "seconds"), [("90min", 5400), ("8h", 28800), ("1.5 h", 5400)])
def test_times_have_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_sources_or_predictions_are_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--cohort", str(tmp_path), "--scheme", "panther-t1", "--name", "m"]
    assert lab(["submit", *words, "--work", str(tmp_path / "w")]) == 2
    assert "either RESULTS folders, or --predictions" in capsys.readouterr().err
