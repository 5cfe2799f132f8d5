"""Follow a recipe: data, plans, trainings stage by stage, candidates, selection, a model to ship.

`python -m lab train RECIPE.sh --work WORK [--dry-run] [--devices cuda:0,cuda:1] [--slurm FILE]`.
A run that was stopped goes on where it was: finished tasks are not done again, a training goes on
from its last checkpoint. `--miniature` runs every task on synthetic patients, in minutes.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lab.output_files import check_file
from lab.training.cost import hours_of, petaflop_of
from lab.training.grid import within
from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.recipe import Grid, Recipe, RecipeError, Stage
from lab.training.runner import Runner
from lab.training.slurm import script
from lab.training.tasks import RunFolder, Task, tasks_of

SUSTAINED_TFLOP_S = 60.0  # what nnU-Net's training reaches on an A100, data loading included


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("recipe", type=Path, metavar="RECIPE.sh", help="of lab/recipes, or your own")
    add("--work", type=Path, required=True, metavar="DIR", help="everything is written here")
    add("--dry-run", action="store_true", help="print the stages and what they cost; run nothing")
    add("--miniature", action="store_true", help="synthetic patients, networks that learn nothing")
    add("--submit", default="", metavar="NAME", help="end in `lab submit`, the release is NAME")
    add("--devices", default="cuda:0", metavar="LIST", help="cuda:0,cuda:1 or cpu,cpu")
    add("--slurm", type=Path, metavar="FILE", help="write a script for a cluster; run nothing")
    tflops = "sustained TFLOP/s of a device, for the estimate (default %(default)s)"
    add("--tflops", type=float, default=SUSTAINED_TFLOP_S, metavar="N", help=tflops)
    most = "of training on one device, by the estimate: points of grids beyond it are left out"
    add("--hours-at-most", type=float, metavar="HOURS", help=most)


def run(args: argparse.Namespace) -> int:
    """Read the recipe, print the plan, and follow it."""
    recipe = affordable(read_recipe(args.recipe), args.tflops, args.hours_at_most)
    if args.miniature:
        recipe = miniature(recipe)
    devices = args.devices.split(",")
    folder = RunFolder(args.work.resolve(), args.miniature)
    tasks = tasks_of(recipe, folder, args.submit)
    missing = [] if args.miniature else missing_of(recipe)
    for line in plan_lines(recipe, tasks, len(devices), args.tflops):
        print(line)
    if missing:
        print(f"missing: {', '.join(missing)}")
    if args.slurm:
        check_file(args.slurm)
        lines = "\n".join(script(tasks, folder, args.slurm.name)) + "\n"
        args.slurm.write_text(lines, encoding="utf-8")
        print(f"{args.slurm}: {len(tasks)} tasks")
        return 0
    if args.dry_run:
        return 0
    if missing:
        raise RecipeError(f"{', '.join(missing)}: no such folder")
    runner = Runner(folder, tasks, devices, petaflop_by_task(recipe))
    for line in runner.run():
        print(line, flush=True)
    return 1 if runner.failed else 0


def affordable(recipe: Recipe, tflops: float, most_hours: float | None) -> Recipe:
    """Return the recipe without the points of grids that exceed the hours; None: all of it.

    Raises:
        RecipeError: what stands outside of grids exceeds them, or nothing is left.
    """
    if most_hours is None:
        return recipe
    return within(recipe, partial(stage_hours, recipe, tflops), most_hours)


def petaflop_by_task(recipe: Recipe) -> dict[str, float]:
    """Return the operations of each training, in 10^15, by the name of its task."""
    return {
        f"train {stage.name} {fold}": petaflop_of(stage, recipe)
        for stage in recipe.stages.values()
        for fold in stage.folds
    }


def plan_lines(recipe: Recipe, tasks: Sequence[Task], devices: int, tflops: float) -> Iterator[str]:
    """Yield the cohorts, and the stages with what each costs at `tflops` TFLOP/s a device."""
    for cohort in recipe.cohorts.values():
        yield f"cohort {cohort.name}: {cohort.dataset}, {cohort.description}"
    yield ""
    width = max(14, *(len(stage) + 2 for stage in recipe.stages), 0)
    heads = f"{'stage':<{width}}{'from':<14}{'folds':<12}{'network':<36}"
    yield f"{heads}{'PFLOP a fold':>13}{'hours':>8}"
    total = 0.0
    for stage in recipe.stages.values():
        petaflop = petaflop_of(stage, recipe)
        hours = stage_hours(recipe, tflops, stage.name)
        total += hours
        columns = _stage_columns(stage, recipe, width)
        yield f"{columns}{_short(petaflop):>13}{_short(hours):>8}"
        settings = ", ".join(f"{key} {value}" for key, value in stage.settings.items())
        yield f"  {settings or 'as nnU-Net does it'}; on {stage.cohort}"
    yield ""
    for name, grid in recipe.grids.items():
        yield from grid_lines(name, grid)
    per_device = f"{_short(total / devices)} on {devices} device{'s' * (devices != 1)}"
    yield (
        f"{len(tasks)} tasks; {_short(total)} hours of training at {tflops:g} TFLOP/s, {per_device}"
    )


def grid_lines(name: str, grid: Grid) -> Iterator[str]:
    """Yield how many points of a grid run, and each that does not."""
    count = len(grid.stages)
    yield f"grid {name}: {count} of {count + len(grid.left_out)} points run"
    for stage, why in grid.left_out.items():
        yield f"  {stage} is left out: {why}"


def stage_hours(recipe: Recipe, tflops: float, stage: str) -> float:
    """Return the hours of training a stage's folds, one after the other, at `tflops` TFLOP/s."""
    each = recipe.stages[stage]
    return hours_of(petaflop_of(each, recipe) * len(each.folds), tflops)


def missing_of(recipe: Recipe) -> list[str]:
    """Return the folders and checkpoints that a recipe needs and that do not exist."""
    folders = [folder for cohort in recipe.cohorts.values() for folder in cohort.missing]
    starts = {
        stage.start_file(fold)
        for stage in recipe.stages.values()
        for fold in stage.folds
        if stage.start and stage.start not in recipe.stages
    }
    return folders + [start for start in sorted(starts) if not Path(start).is_file()]


def _stage_columns(stage: Stage, recipe: Recipe, width: int) -> str:
    configuration = recipe.configurations[stage.configuration]
    patch = "x".join(map(str, configuration.patch))
    network = f"{configuration.network} {patch} at {configuration.spacing_text} mm"
    start = stage.start or "scratch"
    return f"{stage.name:<{width}}{start[-13:]:<14}{','.join(stage.folds):<12}{network:<36}"


def _short(number: float) -> str:
    if number >= 10:
        return f"{number:.0f}"
    return f"{number:.2g}" if number >= 0.01 else "< 0.01"
