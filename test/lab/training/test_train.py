"""`lab train`: a recipe is printed with its cost, and followed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.__main__ import main as lab
from lab.training.cost import petaflop_of
from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.runner import ON_CPU

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"
NAMES = (
    "panther_multistage",
    "brats_posttreatment",
    "brats_ssa_finetune",
    "phantom_augmentation",
    "brats_world",
    "panther_world",
    "isles_stroke",
)


def test_the_cost_is_steps_times_patches_times_passes() -> None:
    recipe = read_recipe(RECIPES / "brats_posttreatment.sh")
    # 1.057 TFLOP a pass (lab bench engine), two patches, 1000 x (250 x 3 + 50) passes
    assert petaflop_of(recipe.stages["full"], recipe) == pytest.approx(1.057 * 2 * 800, rel=0.01)


def test_a_dry_run_runs_nothing_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--work", str(tmp_path / "work")]
    recipe = str(RECIPES / "panther_multistage.sh")
    assert lab(["train", recipe, *flags, "--dry-run", "--devices", "cuda:0,cuda:1"]) == 0
    printed = capsys.readouterr().out
    assert "ct            scratch       all         resenc-l 192x192x192 at 1,1,1 mm" in printed
    assert "missing: $MSD, $PANORAMA, $PANTHER_T1, $PANTHER_T2" in printed
    assert "on 2 devices" in printed
    assert not (tmp_path / "work").exists()
    assert lab(["train", recipe, *flags]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_dry_run_says_which_cohorts_skip_broken_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.sh"
    path.write_text(
        f". {RECIPES / 'recipe_words.sh'}\n"
        "cohort c Dataset001_X source=panther-t1=/x skip_bad=yes\n"
        "network n network=tiny spacing=1,1,1 patch=32,32,32\n"
        "stage z cohort=c network=n\n"
    )
    assert lab(["train", str(path), "--work", str(tmp_path / "work"), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "cohort c: Dataset001_X, panther-t1=/x; "
        "skip_bad: goes on without cases that cannot be prepared"
    )


def test_a_grid_is_cut_to_the_hours_that_there_are_and_each_point_left_out_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.sh"
    path.write_text(
        f". {RECIPES / 'recipe_words.sh'}\n"
        "cohort c Dataset001_X source=panther-t1=/x\n"
        "network n network=plain-6 spacing=1,1,1 patch=128,128,128\n"
        "grid a cohort=c network=n folds=0,1 epochs=50/100/1000 warmup=0/50\n"
    )
    words = ["train", str(path), "--work", str(tmp_path / "work"), "--dry-run", "--hours-at-most"]
    recipe = read_recipe(path)
    hours = 2 * petaflop_of(recipe.stages["a_epochs100_warmup0"], recipe) / 60 / 3.6
    assert lab([*words, f"{3 * hours:.3f}"]) == 0  # 50 epochs take a half, 1,000 take ten
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("a_")] == [
        "a_epochs50_warmup0",
        "a_epochs100_warmup0",
        "a_epochs100_warmup50",
    ]
    at = lines.index("grid a: 3 of 6 points run")
    assert lines[at + 1] == "  a_epochs50_warmup50 is left out: warmup=50: not below epochs=50"
    assert lines[at + 2].startswith("  a_epochs1000_warmup0 is left out: it takes ")
    assert lines[at + 2].endswith(f" of --hours-at-most {3 * hours:.3f} are left")
    assert lines[at + 3].startswith("  a_epochs1000_warmup50 is left out: it takes ")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_whole_in_miniature(name: str, tmp_path: Path) -> None:
    """The tasks are forks of one process that has torch and nnU-Net imported."""
    words = [sys.executable, Path(__file__).with_name("forked.py"), RECIPES / f"{name}.sh"]
    done = subprocess.run(
        [*words, tmp_path],
        env=os.environ | ON_CPU | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RECIPES.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check_finished(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", (*NAMES, "panther_grid"))
def test_a_recipe_runs_whole_in_processes_of_its_own(name: str, tmp_path: Path) -> None:
    words = ["train", str(RECIPES / f"{name}.sh"), "--work", str(tmp_path)]
    assert lab([*words, "--miniature", "--devices", "cpu,cpu"]) == 0
    check_finished(name, tmp_path)


def check_finished(name: str, tmp_path: Path) -> None:
    """Every cohort has its model, and every fold says where it came from."""
    small = miniature(read_recipe(RECIPES / f"{name}.sh"))
    shipped = sorted(path.parent.name for path in (tmp_path / "weights").glob("*/MANIFEST.json"))
    wanted = {small.stages[each.stage].cohort for each in small.candidates.values()}
    assert shipped == sorted(wanted)
    provenance = [json.loads(p.read_text()) for p in tmp_path.rglob("fold_*/provenance.json")]
    assert len(provenance) == sum(len(stage.folds) for stage in small.stages.values())
    for each in provenance:
        start = small.stages[each["stage"]].start
        assert bool(each["hard"]) == bool(small.stages[each["stage"]].hard_negatives)
        assert bool(each["transfer"]) == bool(start)
        assert (each["start_sha256"] is not None) == bool(start)
