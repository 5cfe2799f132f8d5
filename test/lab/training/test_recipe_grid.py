"""A grid's line becomes stages and candidates, of which those run that can be paid for."""

from pathlib import Path

import pytest

from lab.training.grid import ends_of_grids, within
from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.recipe import Recipe, RecipeError

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"
HEAD = (
    f". {RECIPES / 'recipe_words.sh'}",
    "cohort t1 Dataset001_X source=panther-t1=/x",
    "cohort t2 Dataset002_X source=panther-t2=/y",
    "network n network=tiny spacing=1,1,1 patch=32,32,32",
    "stage ct cohort=t1 network=n epochs=7",
)


def recipe_of(tmp_path: Path, *lines: str) -> Recipe:
    path = tmp_path / "recipe.sh"
    path.write_text("\n".join([*HEAD, *lines]))
    return read_recipe(path)


def epochs(recipe: Recipe) -> dict[str, float]:
    """Say that a stage takes an hour an epoch."""
    return {name: float(stage.settings["epochs"]) for name, stage in recipe.stages.items()}


def test_each_combination_is_a_stage_called_after_the_values_that_there_are_several_of(
    tmp_path: Path,
) -> None:
    line = "grid a cohort=t1 network=n from=ct lr=1e-3 augmentation=da5/da5-ord0 epochs=50/100"
    recipe = recipe_of(tmp_path, f"{line} schedule=cosine")
    assert list(recipe.stages) == [
        "ct",
        *("a_da5_epochs50", "a_da5_epochs100", "a_da5_ord0_epochs50", "a_da5_ord0_epochs100"),
    ]
    point = recipe.stages["a_da5_ord0_epochs50"]
    assert (point.cohort, point.start, point.configuration) == ("t1", "ct", "n")
    assert point.settings == {
        "lr": "1e-3",
        "augmentation": "da5-ord0",
        "epochs": "50",
        "schedule": "cosine",
    }
    assert list(recipe.candidates) == list(recipe.grids["a"].stages) == list(recipe.stages)[1:]


def test_a_value_of_one_cohort_is_not_tried_on_the_others(tmp_path: Path) -> None:
    line = "grid a cohort=t1/t2 network=n augmentation=default/t1:da5 epochs=5/t2:6"
    recipe = recipe_of(tmp_path, f"{line} checkpoint=final/best")
    assert list(recipe.grids["a"].stages) == [
        *("a_t1_default_epochs5", "a_t1_da5_epochs5"),
        *("a_t2_default_epochs5", "a_t2_default_epochs6"),
    ]
    assert recipe.candidates_of("t2") == [
        *("a_t2_default_epochs5_final", "a_t2_default_epochs5_best"),
        *("a_t2_default_epochs6_final", "a_t2_default_epochs6_best"),
    ]
    assert recipe.candidates["a_t2_default_epochs6_best"].checkpoint == "best"
    assert recipe.stages["a_t1_da5_epochs5"].settings == {"augmentation": "da5", "epochs": "5"}


def test_a_warm_up_that_does_not_fit_is_left_out_by_name(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "grid a cohort=t1 network=n epochs=50/100 warmup=0/50")
    assert recipe.grids["a"].left_out == {
        "a_epochs50_warmup50": "warmup=50: not below epochs=50",
    }
    assert "a_epochs50_warmup50" not in recipe.stages


def test_points_run_from_the_cheapest_on_as_far_as_the_hours_go(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "grid a cohort=t1 network=n from=ct epochs=30/10/20 lr=1/2")
    cut = within(recipe, epochs(recipe).__getitem__, 7 + 10 + 10 + 20 + 19)
    assert list(cut.stages) == ["ct", "a_epochs10_lr1", "a_epochs10_lr2", "a_epochs20_lr1"]
    assert list(cut.candidates) == list(cut.stages)[1:]
    assert cut.grids["a"].left_out == {
        "a_epochs30_lr1": "it takes 30 hours, 19 of --hours-at-most 66 are left",
        "a_epochs30_lr2": "it takes 30 hours, 19 of --hours-at-most 66 are left",
        "a_epochs20_lr2": "it takes 20 hours, 19 of --hours-at-most 66 are left",
    }
    assert within(recipe, epochs(recipe).__getitem__, 127) == recipe


def test_a_point_that_another_stage_starts_from_is_needed(tmp_path: Path) -> None:
    lines = (
        "grid a cohort=t1 network=n epochs=10/40",
        "stage b cohort=t2 network=n from=a_epochs40 epochs=3",
        "candidate b stage=b",
        "grid c cohort=t2 network=n from=a_epochs10 epochs=1/8",
    )
    recipe = recipe_of(tmp_path, *lines)
    cut = within(recipe, epochs(recipe).__getitem__, 7 + 40 + 3 + 10 + 1)
    assert set(cut.stages) == {"ct", "a_epochs40", "b", "a_epochs10", "c_epochs1"}
    with pytest.raises(
        RecipeError, match="--hours-at-most 49: the stages outside of grids take 50"
    ):
        within(recipe, epochs(recipe).__getitem__, 49)


def test_a_miniature_runs_the_first_and_the_last_point(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "grid a cohort=t1 network=n from=ct epochs=60/70/80 warmup=0/50")
    ends = ends_of_grids(recipe)
    assert list(ends.stages) == ["ct", "a_epochs60_warmup0", "a_epochs80_warmup50"]
    assert len(ends.grids["a"].left_out) == 4
    small = miniature(recipe)
    assert list(small.stages) == list(ends.stages)
    assert small.stages["a_epochs80_warmup50"].settings["warmup"] == "1"


def test_the_winners_grid_is_one_line(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "panther_grid.sh")
    (grid,) = recipe.grids.values()
    t1 = 4 * 5 * 2 * 3 - 4 * 2  # a warm-up of 50 does not fit into 50 epochs
    t2 = 2 * 4 * 2 * 3 - 2 * 2
    assert len(grid.stages) == t1 + t2 and len(grid.left_out) == 12
    assert len(recipe.candidates) == 2 * (t1 + t2)
    point = recipe.stages["mri_t1_da5_ord0_epochs1000_cosine_warmup15"]
    assert point.settings["augmentation"] == "da5-ord0" and point.start == "ct"
