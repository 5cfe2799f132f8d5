"""Follow a recipe: data, plans, trainings stage by stage, candidates, selection, a model to ship.

`python -m lab train RECIPE.sh --work WORK [--dry-run] [--devices cuda:0,cuda:1] [--slurm FILE]`.
A run that was stopped goes on where it was: finished tasks are not done again, a training goes on
from its last checkpoint. `--miniature` runs every task on synthetic patients, in minutes.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.output_files import check_file
from lab.training.cost import hours_of, petaflop_of
from lab.training.miniature import miniature
from lab.training.read_recipe import read_recipe
from lab.training.recipe import Recipe, RecipeError, Stage
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


def run(args: argparse.Namespace) -> int:
    """Read the recipe, print the plan, and follow it."""
    recipe = read_recipe(args.recipe)
    devices = args.devices.split(",")
    folder = RunFolder(args.work.resolve(), args.miniature)
    if args.miniature:
        recipe = miniature(recipe)
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
    petaflop = {
        f"train {stage.name} {fold}": petaflop_of(stage, recipe)
        for stage in recipe.stages.values()
        for fold in stage.folds
    }
    runner = Runner(folder, tasks, devices, petaflop)
    for line in runner.run():
        print(line, flush=True)
    return 1 if runner.failed else 0


def plan_lines(recipe: Recipe, tasks: Sequence[Task], devices: int, tflops: float) -> Iterator[str]:
    """Yield the cohorts, and the stages with what each costs at `tflops` TFLOP/s a device."""
    for cohort in recipe.cohorts.values():
        yield f"cohort {cohort.name}: {cohort.dataset}, {cohort.description}"
    yield ""
    yield f"{'stage':<14}{'from':<14}{'folds':<12}{'network':<36}{'PFLOP a fold':>13}{'hours':>8}"
    total = 0.0
    for stage in recipe.stages.values():
        petaflop = petaflop_of(stage, recipe)
        hours = hours_of(petaflop * len(stage.folds), tflops)
        total += hours
        yield f"{_stage_columns(stage, recipe)}{_short(petaflop):>13}{_short(hours):>8}"
        settings = ", ".join(f"{key} {value}" for key, value in stage.settings.items())
        yield f"  {settings or 'as nnU-Net does it'}; on {stage.cohort}"
    yield ""
    per_device = f"{_short(total / devices)} on {devices} device{'s' * (devices != 1)}"
    yield (
        f"{len(tasks)} tasks; {_short(total)} hours of training at {tflops:g} TFLOP/s, {per_device}"
    )


def missing_of(recipe: Recipe) -> list[str]:
    """Return the folders and checkpoints that a recipe needs and that do not exist."""
    folders = [folder for cohort in recipe.cohorts.values() for folder in cohort.missing]
    starts = {stage.start for stage in recipe.stages.values()} - {"", *recipe.stages}
    return folders + [start for start in sorted(starts) if not Path(start).is_file()]


def _stage_columns(stage: Stage, recipe: Recipe) -> str:
    configuration = recipe.configurations[stage.configuration]
    patch = "x".join(map(str, configuration.patch))
    network = f"{configuration.network} {patch} at {configuration.spacing_text} mm"
    start = stage.start or "scratch"
    return f"{stage.name:<14}{start[-13:]:<14}{','.join(stage.folds):<12}{network:<36}"


def _short(number: float) -> str:
    if number >= 10:
        return f"{number:.0f}"
    return f"{number:.2g}" if number >= 0.01 else "< 0.01"
