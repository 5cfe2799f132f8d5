"""Follow a recipe: data, plans, trainings stage by stage, candidates, selection, a model to ship.

`python -m lab train RECIPE.sh --work WORK [--dry-run] [--devices cuda:0,cuda:1] [--slurm FILE]`.
A run that was stopped goes on where it was: finished tasks are not done again, a training goes on
from its last checkpoint. `--miniature` goes the whole way on synthetic patients, in minutes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from lab.training.cost import hours_of, petaflop_of
from lab.training.miniature import miniature
from lab.training.recipe import Recipe, RecipeError, read_recipe
from lab.training.runner import Runner
from lab.training.slurm import script
from lab.training.tasks import Place, Task, tasks_of

SUSTAINED_TFLOP_S = 60.0  # what nnU-Net's training reaches on an A100, data loading included


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add = parser.add_argument
    add("recipe", type=Path, metavar="RECIPE.sh", help="of lab/recipes, or your own")
    add("--work", type=Path, required=True, metavar="DIR")
    add("--dry-run", action="store_true", help="print the stages and what they cost; run nothing")
    add("--miniature", action="store_true", help="synthetic patients, networks that learn nothing")
    add("--devices", default="cuda:0", metavar="LIST", help="cuda:0,cuda:1 or cpu,cpu")
    add("--slurm", type=Path, metavar="FILE", help="write a script for a cluster; run nothing")
    add("--tflops", type=float, default=SUSTAINED_TFLOP_S, metavar="N",
        help="sustained TFLOP/s of a device, for the estimate (default %(default)s)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Read the recipe, print the plan, and follow it."""
    recipe = read_recipe(args.recipe)
    place = Place(args.work.resolve(), args.miniature)
    if args.miniature:
        recipe = miniature(recipe)
    tasks = tasks_of(recipe, place)
    for line in plan_lines(recipe, tasks, args):
        print(line)
    if args.slurm:
        lines = "\n".join(script(tasks, place, args.slurm.name)) + "\n"
        args.slurm.write_text(lines, encoding="utf-8")
        print(f"{args.slurm}: {len(tasks)} tasks")
        return 0
    if args.dry_run:
        return 0
    if not args.miniature and (missing := missing_of(recipe)):
        raise RecipeError(f"{', '.join(missing)}: no such folder")
    work = {
        f"train {stage.name} {fold}": petaflop_of(stage, recipe)
        for stage in recipe.stages.values()
        for fold in stage.folds
    }
    runner = Runner(place, tasks, args.devices.split(","), work)
    for line in runner.run():
        print(line, flush=True)
    return 1 if runner.failed else 0


def plan_lines(recipe: Recipe, tasks: list[Task], args: argparse.Namespace) -> Iterator[str]:
    """Yield the graph of stages with what each costs, and what is missing."""
    for cohort in recipe.cohorts.values():
        yield f"cohort {cohort.name}: {cohort.dataset}, {cohort.told}"
    yield ""
    yield f"{'stage':<14}{'from':<14}{'folds':<12}{'network':<36}{'PFLOP a fold':>13}{'hours':>8}"
    total = 0.0
    for stage in recipe.stages.values():
        plan, cost = recipe.plans[stage.network], petaflop_of(stage, recipe)
        spent = hours_of(cost * len(stage.folds), args.tflops)
        total += spent
        network = f"{plan.network} {plan.patch.replace(',', 'x')} at {plan.spacing} mm"
        start = stage.start or "scratch"
        yield (
            f"{stage.name:<14}{start[-13:]:<14}{','.join(stage.folds):<12}{network:<36}"
            f"{_short(cost):>13}{_short(spent):>8}"
        )
        told = ", ".join(f"{key} {value}" for key, value in stage.settings.items())
        yield f"  {told or 'as nnU-Net does it'}; on {stage.cohort}"
    yield ""
    devices = len(args.devices.split(","))
    yield f"{len(tasks)} tasks; {_short(total)} hours of training at {args.tflops:g} TFLOP/s, " \
          f"{_short(total / devices)} on {devices} device{'s' * (devices != 1)}"  # fmt: skip
    if not args.miniature and (missing := missing_of(recipe)):
        yield f"missing: {', '.join(missing)}"


def missing_of(recipe: Recipe) -> list[str]:
    """Return the folders that a recipe needs and that are not there."""
    found = [folder for cohort in recipe.cohorts.values() for folder in cohort.missing]
    starts = {stage.start for stage in recipe.stages.values()} - {"", *recipe.stages}
    return found + [start for start in sorted(starts) if not Path(start).is_file()]


def _short(number: float) -> str:
    if number >= 10:
        return f"{number:.0f}"
    return f"{number:.2g}" if number >= 0.01 else "< 0.01"
