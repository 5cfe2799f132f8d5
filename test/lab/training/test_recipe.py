"""Recipes are read, drawn, costed, followed and written for a cluster."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main as lab
from lab.training.cost import petaflop_of
from lab.training.miniature import miniature
from lab.training.plans import splits, stratified_splits
from lab.training.recipe import RecipeError, read_recipe
from lab.training.runner import ON_CPU, Runner
from lab.training.slurm import script
from lab.training.tasks import Place, Task, tasks_of

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"
NAMES = (
    "panther_multistage", "brats_posttreatment", "brats_ssa_finetune", "phantom_augmentation",
    "brats_world", "panther_world",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_task_waits_for_what_it_needs(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / f"{name}.sh")
    tasks = tasks_of(recipe, Place(tmp_path))
    seen: set[str] = set()
    for task in tasks:
        assert set(task.after) <= seen, task.name
        seen.add(task.name)
    assert len(seen) == len(tasks)
    assert {task.name for task in tasks if task.name.startswith("ship")}


def test_the_winners_chain(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "panther_multistage.sh", {"FOUNDATION": "/x/multitalent.pth"})
    assert recipe.stages["ct"].start == "/x/multitalent.pth"
    assert recipe.stages["t1_da5"].settings == {
        "lr": "1e-3", "epochs": "300", "augmentation": "da5"
    }  # fmt: skip
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, Place(tmp_path))}
    assert "ct__nnUNetPlans__iso4/fold_all/checkpoint_final.pth" in words["train t1_default 3"]
    assert "t1_da5__nnUNetPlans__iso/fold_3/checkpoint_final.pth" in words["train t2_da5 3"]
    assert "iso:resenc-l:1,1,1:192,192,192:2:ZScoreNormalization" in words["plan t1"]
    assert "--source msd-pancreas=$MSD --source panorama=$PANORAMA" in words["data ct"]


def test_the_reports_axis_order_is_prepared(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, Place(tmp_path))}
    assert "--source brats-gli=$BRATS_GLI " in words["data gli"]
    assert " --orientation RAS " in words["data gli"]
    small = {task.name: task.words for task in tasks_of(miniature(recipe), Place(tmp_path))}
    assert "--orientation" not in small["data gli"]  # synthetic patients have their own


def test_hard_negatives_are_mined_out_of_fold_before_they_are_looked_at(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    tasks = {task.name: task for task in tasks_of(recipe, Place(tmp_path))}
    mine = tasks["mine hard"]
    assert mine.after == ("predict full_final",)
    assert "--labels ET RC" in " ".join(mine.words)
    assert str(tmp_path / "oof" / "full_final") in mine.words
    train = tasks["train hard 2"]
    assert set(train.after) == {"plan gli", "train full 2", "mine hard"}
    assert train.words[train.words.index("--hard") + 1] == str(tmp_path / "hard" / "hard")
    assert "--hard" not in tasks["train full 2"].words


def test_synthetic_patients_are_a_cohort_like_any_other(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "phantom_augmentation.sh")
    data = next(t for t in tasks_of(recipe, Place(tmp_path)) if t.name == "data t1")
    told = " ".join(data.words)
    assert "lab phantom --kind panther-t1 --cases 40 --seed 1 --spacing 3,2.4,2.4" in told
    assert {stage.settings["augmentation"] for stage in recipe.stages.values()} == {
        "default", "da5", "da5-ord0"
    }  # fmt: skip
    alike = [dict(stage.settings, augmentation="") for stage in recipe.stages.values()]
    assert alike[0] == alike[1] == alike[2]  # nothing else differs


def test_the_cost_is_steps_times_patches_times_passes() -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    # 1.057 TFLOP a pass (lab bench engine), two patches, 1000 x (250 x 3 + 50) passes
    assert petaflop_of(recipe.stages["full"], recipe) == pytest.approx(1.057 * 2 * 800, rel=0.01)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stage a cohort=none network=n", "no cohort none"),
        ("stage a cohort=c network=n augmentation=wild", "augmentation=wild: one of default"),
        ("stage a cohort=c network=n lr=fast", "lr=fast"),
        ("stage a cohort=c network=n speed=9", "speed: no setting"),
        ("network m network=vnet spacing=1,1,1 patch=64,64,64", "network vnet: one of"),
        ("network m network=resenc-l spacing=1,1,1 patch=20,20,20", "too small for 6 stages"),
        ("cohort d Dataset2_X source=brain=/x", "source brain=/x: one of"),
        ("network r network=resenc-l spacing=1,1,1 patch=128,128,128\nstage b cohort=c network=n\n"
         "stage a cohort=c network=r from=b", "starts from b, another network"),
        ("stage a cohort=c network=n hard=b:tumour", "no candidate 'b' before it"),
        ("stage b cohort=c network=n\ncandidate b stage=b\nstage a cohort=c network=n hard=b:ET",
         "ET is none of tumour, pancreas"),
        ("cohort p Dataset3_X phantom=brats-gli:4:1:6,6,6\nstage b cohort=p network=n\n"
         "candidate b stage=b\nstage a cohort=c network=n hard=b:tumour", "another cohort"),
        ("cohort p Dataset3_X phantom=knee:4:1:6,6,6", "phantom knee: one of"),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6 source=panther-t1=/x", "not mixed"),
        ("cohort p Dataset3_X orientation=XYZ source=panther-t1=/x", "three letters expected"),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6 orientation=RAS", "of real sources"),
        ("stage a cohort=c network=n heads=keep", "from a stage of the same cohort"),
        ("false", "1"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_followed_is_named(line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.sh"
    head = [
        "set -e", f". {RECIPES / 'stages.sh'}", "cohort c Dataset001_X source=panther-t1=/x",
        "network n network=tiny spacing=1,1,1 patch=32,32,32",
    ]  # fmt: skip
    path.write_text("\n".join([*head, line, "stage z cohort=c network=n"]))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert told in str(caught.value)


def test_a_dry_run_runs_nothing_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--work", str(tmp_path / "work")]
    recipe = str(RECIPES / "panther_multistage.sh")
    assert lab(["train", recipe, *flags, "--dry-run", "--devices", "cuda:0,cuda:1"]) == 0
    told = capsys.readouterr().out
    assert "ct            scratch       all         resenc-l 192x192x192 at 1,1,1 mm" in told
    assert "missing: $MSD, $PANORAMA, $PANTHER_T1, $PANTHER_T2" in told
    assert "on 2 devices" in told
    assert not (tmp_path / "work").exists()
    assert lab(["train", recipe, *flags]) == 2
    assert "no such folder" in capsys.readouterr().err


def python(text: str, *after: str, name: str, trains: bool = False) -> Task:
    return Task(name, (sys.executable, "-c", f"import sys; {text}"), after, trains)


def test_tasks_run_in_order_on_their_devices_and_a_failure_stops_what_follows(
    tmp_path: Path,
) -> None:
    log = tmp_path / "order"
    write = f"open({str(log)!r}, 'a').write(sys.argv[-1] + ' ')"
    tasks = [
        python("pass", name="data"),
        python(f"import time; time.sleep(0.5); {write}", "data", name="train a 0", trains=True),
        python(f"import time; time.sleep(0.5); {write}", "data", name="train a 1", trains=True),
        python("print('no room'); sys.exit(3)", "train a 0", name="pack a"),
        python("pass", "pack a", name="ship"),
    ]
    runner = Runner(Place(tmp_path), tasks, ("cpu", "cpu"), {"train a 0": 1.0, "train a 1": 1.0})
    told = list(runner.run())
    assert log.read_text() == "cpu cpu "  # side by side, each told its device
    starts = [line for line in told if line.startswith("start   train")]
    assert told.index(starts[1]) == told.index(starts[0]) + 1
    assert any(line.startswith("FAILED  pack a") and "no room" in line for line in told)
    assert told[-1] == "not run, since something before them failed: ship"
    assert runner.failed == {"pack a"}
    tasks[3] = python("pass", "train a 0", name="pack a")
    again = Runner(Place(tmp_path), tasks, ("cpu",))
    assert next(iter(again.run())) == "3 of 5 tasks are finished already"


def submit(tmp_path: Path, sbatch: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script of a recipe where `sbatch` is these lines; return it, and sbatch's calls."""
    recipe = read_recipe(RECIPES / "brats_ssa_finetune.sh")
    place, path, calls = Place(tmp_path), tmp_path / "submit.sh", tmp_path / "calls"
    path.write_text("\n".join(script(tasks_of(recipe, place), place, "submit.sh")) + "\n")
    calls.touch()
    fake = f'#!/bin/sh\necho "$@" | tr "\\n" " " >> {calls}\necho >> {calls}\n'
    number = f"n=$(wc -l < {calls})\n"
    for name, text in (("sbatch", fake + number + sbatch), ("squeue", "#!/bin/sh\nexit 1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", path], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize(
    "answer",
    ["echo $n", 'echo "$n;alpha"', 'echo "account checked: 120 h left"; echo "$n;alpha"'],
    ids=["one cluster", "several clusters", "a site's own words first"],
)
def test_a_script_for_slurm_submits_each_stage_after_the_one_before(
    answer: str, tmp_path: Path
) -> None:
    done, calls = submit(tmp_path, answer)
    assert done.returncode == 0, done.stderr
    train = next(line for line in calls if "--job-name=train-ssa " in line)
    assert "--array=0-4" in train
    assert "4) " in train
    assert "lab.training.fold Dataset511_BraTSAfrica full 4 --stage ssa" in train
    waits = [re.search(r"--dependency=(\S+)", line) for line in calls]
    told = [wait.group(1) if wait else "" for wait in waits]
    assert told[:6] == ["", "afterok:1", "", "afterok:3", "afterok:2", "afterok:4:5"]
    assert all(re.fullmatch(r"(afterok(:\d+)+)?", each) for each in told)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("test $n -gt 1 && { echo 'invalid partition' >&2; exit 3; }; echo $n",
         "plan-gli: sbatch failed with exit code 3;"),
        ("test $n -gt 1 && n=queued; echo $n", "plan-gli: sbatch answered 'queued', which is no "),
        ("test $n -gt 1 || echo $n", "plan-gli: sbatch answered '', which is no job's number;"),
    ],
)  # fmt: skip
def test_a_stage_that_is_not_submitted_stops_the_chain(
    answer: str, told: str, tmp_path: Path
) -> None:
    done, calls = submit(tmp_path, answer)
    assert done.returncode == 1
    assert len(calls) == 2
    assert done.stderr.splitlines()[-1].startswith(told)
    assert done.stderr.splitlines()[-1].endswith(
        "this stage and those after it are not submitted, those before it stay queued"
    )


def test_folds_hold_alike_shares_of_every_cluster() -> None:
    clusters = {f"case{i}": int(i >= 10) for i in range(15)}  # ten of one kind, five of the other
    parts = stratified_splits(clusters, 5)
    for part in parts:
        assert [clusters[case] for case in part["val"]].count(1) == 1
        assert not set(part["val"]) & set(part["train"])
    assert sorted(c for p in parts for c in p["val"]) == sorted(clusters)
    assert [len(part["val"]) for part in splits(list(clusters), 5)] == [3] * 5


def test_the_clipped_normalisation_is_the_same_in_nnunet_and_at_inference() -> None:
    import nnunetv2
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    from ensemble.normalisation import NORMALISATIONS
    from lab.training.normalisation import NAME, register

    register()
    folder = Path(nnunetv2.__path__[0]) / "preprocessing" / "normalization"
    found = recursive_find_python_class(str(folder), NAME, "nnunetv2.preprocessing.normalization")
    assert found is getattr(schemes, NAME)
    rng = np.random.default_rng(0)
    image = rng.normal(300, 40, (8, 9, 10)).astype(np.float32)
    image[:3], image[5, 5, 5] = 0, 90_000  # outside, and one bright voxel
    seg = np.where(image == 0, -1, 0)
    theirs = found(use_mask_for_norm=True, intensityproperties={}).run(image.copy(), seg)
    ours = NORMALISATIONS[NAME](image.copy(), image != 0, {})
    np.testing.assert_array_equal(theirs, ours)
    assert not ours[:3].any()
    assert abs(float(ours[3:].mean())) < 1e-5
    assert ours.max() < 4  # by hand: about 2.3 deviations at the 99th percentile


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_whole_in_miniature(name: str, tmp_path: Path) -> None:
    words = [sys.executable, Path(__file__).with_name("forked.py"), RECIPES / f"{name}.sh"]
    done = subprocess.run(
        [*words, tmp_path],
        env=os.environ | ON_CPU | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RECIPES.parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check_finished(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_whole_in_miniature_in_processes_of_its_own(
    name: str, tmp_path: Path
) -> None:
    assert lab(["train", str(RECIPES / f"{name}.sh"), "--work", str(tmp_path), "--miniature",
                "--devices", "cpu,cpu"]) == 0  # fmt: skip
    check_finished(name, tmp_path)


def check_finished(name: str, tmp_path: Path) -> None:
    """Every cohort has its model, and every fold says where it came from."""
    small = miniature(read_recipe(RECIPES / f"{name}.sh"))
    shipped = sorted(path.parent.name for path in (tmp_path / "weights").glob("*/MANIFEST.json"))
    wanted = {small.stages[stage].cohort for stage, _ in small.candidates.values()}
    assert shipped == sorted(wanted)
    told = [json.loads(p.read_text()) for p in tmp_path.rglob("provenance.json")]
    assert len(told) == sum(len(stage.folds) for stage in small.stages.values())
    for each in told:
        start = small.stages[each["stage"]].start
        assert bool(each["hard"]) == bool(small.stages[each["stage"]].hard)
        assert bool(each["transfer"]) == bool(start)
        assert (each["start_sha256"] is not None) == bool(start)
