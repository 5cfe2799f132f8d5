"""The tasks of a recipe: their commands, and what each waits for."""

from pathlib import Path

import pytest

from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.tasks import RunFolder, tasks_of
from lab.training.train import missing_of

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"
NAMES = (
    "panther_multistage",
    "panther_grid",
    "brats_posttreatment",
    "brats_ssa_finetune",
    "phantom_augmentation",
    "heterogeneous",
    "brats_world",
    "panther_world",
    "isles_stroke",
)
NETWORK = "network n network=tiny spacing=1,1,1 patch=32,32,32"
STAGE = "stage z cohort=c network=n"


@pytest.mark.parametrize("name", NAMES)
def test_every_task_waits_for_what_it_needs(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / f"{name}.sh")
    tasks = tasks_of(recipe, RunFolder(tmp_path))
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
        "lr": "1e-3",
        "epochs": "300",
        "augmentation": "da5",
    }
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, RunFolder(tmp_path))}
    assert "ct__nnUNetPlans__iso4/fold_all/checkpoint_final.pth" in words["train t1_default 3"]
    assert "t1_da5__nnUNetPlans__iso/fold_3/checkpoint_final.pth" in words["train t2_da5 3"]
    assert "iso:resenc-l:1,1,1:192,192,192:2:ZScoreNormalization" in words["plan t1"]
    assert "--source msd-pancreas=$MSD --source panorama=$PANORAMA" in words["data ct"]


def test_patients_without_a_tumour_on_disk_and_while_training_runs(tmp_path: Path) -> None:
    path = tmp_path / "recipe.sh"
    lines = [
        f'. "{RECIPES / "recipe_words.sh"}"',
        "cohort c Dataset1_X phantom=panther-t1:9:1:6,6,6:healthy=0.5:regions",
        NETWORK,
        f"{STAGE} synthetic=9 healthy=0.2",
    ]
    path.write_text("\n".join(lines))
    recipe = read_recipe(path)
    assert (
        recipe.cohorts["c"].description
    ) == "9 synthetic patients (panther-t1, seed 1, 50% healthy)"
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, RunFolder(tmp_path))}
    assert "--regions --healthy 0.5" in words["data c"]
    assert "healthy=0.2" in words["train z 0"]


def test_weights_of_task_2_that_go_on_keep_their_heads() -> None:
    late = read_recipe(RECIPES / "panther_world.sh").stages["t2_late"]
    assert (late.start, late.keeps_heads) == ("t1_late", False)
    start = {"START_T2": "/x/fold_{fold}/checkpoint_final.pth"}
    late = read_recipe(RECIPES / "panther_world.sh", start).stages["t2_late"]
    assert (late.start_file("1"), late.keeps_heads) == ("/x/fold_1/checkpoint_final.pth", True)


def test_each_fold_may_start_from_a_file_of_its_fold(tmp_path: Path) -> None:
    start = str(tmp_path / "fold_{fold}" / "x.pth")
    recipe = read_recipe(RECIPES / "brats_world.sh", {"START": start})
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, RunFolder(tmp_path))}
    for fold in "01":
        path = tmp_path / f"fold_{fold}" / "x.pth"
        assert f"--start {path}" in words[f"train late {fold}"]
        assert str(path) in missing_of(recipe)
        path.parent.mkdir()
        path.touch()
    assert not missing_of(recipe)
    recipe = read_recipe(RECIPES / "brats_world.sh")
    assert (
        "long__nnUNetPlans__world/fold_1/"
        in dict(
            (task.name, " ".join(task.words)) for task in tasks_of(recipe, RunFolder(tmp_path))
        )["train late 1"]
    )


def test_a_cohort_is_prepared_in_the_axis_order_of_its_line(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    words = {task.name: " ".join(task.words) for task in tasks_of(recipe, RunFolder(tmp_path))}
    assert "--source brats-gli=$BRATS_GLI " in words["data gli"]
    assert " --orientation RAS " in words["data gli"]
    small = {task.name: task.words for task in tasks_of(miniature(recipe), RunFolder(tmp_path))}
    assert "--orientation" not in small["data gli"]  # synthetic patients have their own


def test_a_cohort_that_says_skip_bad_goes_on_without_broken_cases(tmp_path: Path) -> None:
    path = tmp_path / "recipe.sh"
    cohort = "cohort c Dataset001_X source=panther-t1=/x"
    for skip_bad, expected in (("", False), (" skip_bad=no", False), (" skip_bad=yes", True)):
        lines = [f". {RECIPES / 'recipe_words.sh'}", cohort + skip_bad, NETWORK, STAGE]
        path.write_text("\n".join(lines))
        words = tasks_of(read_recipe(path), RunFolder(tmp_path))[0].words
        assert ("--skip-bad" in words) is expected
        assert ("--accept-skipped" in words) is expected  # else its exit code stops the recipe


def test_hard_negatives_are_mined_before_the_stage_that_uses_them(
    tmp_path: Path,
) -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    tasks = {task.name: task for task in tasks_of(recipe, RunFolder(tmp_path))}
    mine = tasks["mine hard"]
    assert mine.after == ("predict full_final",)
    assert "--labels ET RC" in " ".join(mine.words)
    assert str(tmp_path / "oof" / "full_final") in mine.words
    train = tasks["train hard 2"]
    assert set(train.after) == {"plan gli", "train full 2", "mine hard"}
    assert train.words[train.words.index("--hard") + 1] == str(tmp_path / "hard" / "hard")
    assert "--hard" not in tasks["train full 2"].words


def test_a_cohort_may_be_synthetic_patients(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "phantom_augmentation.sh")
    data = next(t for t in tasks_of(recipe, RunFolder(tmp_path)) if t.name == "data t1")
    words = " ".join(data.words)
    assert "lab phantom --kind panther-t1 --cases 40 --seed 1 --spacing 3,2.4,2.4" in words
    assert {stage.settings["augmentation"] for stage in recipe.stages.values()} == {
        "default",
        "da5",
        "da5-ord0",
    }
    others = [dict(stage.settings, augmentation="") for stage in recipe.stages.values()]
    assert others[0] == others[1] == others[2]  # nothing else differs


def test_a_recipe_can_end_in_a_submission_of_its_trained_folders(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    tasks = {task.name: task for task in tasks_of(recipe, RunFolder(tmp_path), "mine")}
    (task,) = (task for name, task in tasks.items() if name.startswith("submit "))
    assert task.words[2:4] == ("lab", "submit")
    stages = dict.fromkeys(recipe.candidates[each].stage for each in recipe.candidates)
    folders = [RunFolder(tmp_path).trained(recipe.stages[stage], recipe) for stage in stages]
    assert task.words[4 : 4 + len(folders)] == tuple(map(str, folders))
    assert set(task.after) == {f"train {s} {f}" for s in stages for f in recipe.stages[s].folds}
    assert "submit" not in " ".join(tasks_of(recipe, RunFolder(tmp_path))[-1].name)
