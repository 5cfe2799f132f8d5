"""What a recipe asks for, task by task: a command each, and the tasks that it waits for.

WORK/nnUNet_raw, nnUNet_preprocessed, nnUNet_results     nnU-Net's own folders
WORK/hard                    what stages saw wrongly, for those that are to look there
WORK/packed, oof, maps       each candidate: packed, its out-of-fold labels and probabilities
WORK/selection, weights      what was chosen of each cohort's candidates, packed to ship
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.training.recipe import Cohort, Recipe, Stage


@dataclass(frozen=True)
class Task:
    """One thing to do."""

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    trains: bool = False  # takes a device, which is appended to the words


@dataclass(frozen=True)
class Place:
    """Where a recipe's work is done."""

    work: Path
    is_miniature: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """Return where nnU-Net finds its folders."""
        return {name: str(self.work / name) for name in
                ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}  # fmt: skip

    def trained(self, stage: Stage, recipe: Recipe) -> Path:
        """Return the folder of a stage's folds."""
        home = self.work / "nnUNet_results" / recipe.cohorts[stage.cohort].dataset
        return home / f"{stage.name}__nnUNetPlans__{stage.network}"


def tasks_of(recipe: Recipe, place: Place) -> list[Task]:
    """Return all tasks, each after those that it waits for."""
    found: list[Task] = []
    for cohort in recipe.cohorts.values():
        found += _data_tasks(cohort, recipe, place)
    for stage in recipe.stages.values():
        found += _mining_tasks(stage, recipe, place)
        found += [_fold_task(stage, fold, recipe, place) for fold in stage.folds]
    for name in recipe.candidates:
        found += _candidate_tasks(name, recipe, place)
    for cohort in recipe.cohorts.values():
        found += _selection_tasks(cohort, recipe, place)
    return _in_order(found)


def _in_order(tasks: list[Task]) -> list[Task]:
    """Move tasks behind what they wait for, and not further."""
    found: list[Task] = []
    left, seen = list(tasks), set[str]()
    while left:
        ready = next(task for task in left if set(task.after) <= seen)
        left.remove(ready)
        found.append(ready)
        seen.add(ready.name)
    return found


def _python(*words: object) -> tuple[str, ...]:
    return (sys.executable, "-m", *map(str, words))


def _data_tasks(cohort: Cohort, recipe: Recipe, place: Place) -> Iterator[Task]:
    raw = place.work / "nnUNet_raw"
    jobs = 2 if cohort.phantom else 8
    if made := cohort.phantom:
        words = _python("lab", "phantom", "--kind", made.kind, "--cases", made.cases, "--seed",
                        made.seed, "--spacing", made.spacing, "--layout", "nnunet", "--jobs",
                        jobs, *(["--regions"] if made.regions else []),
                        "--out", raw / cohort.dataset)  # fmt: skip
    else:
        sources = [word for source in cohort.sources for word in ("--source", source)]
        turned = ["--orientation", cohort.orientation] if cohort.orientation else []
        words = _python("lab", "prepare", *sources, "--dataset", cohort.dataset, "--out", raw,
                        *turned, "--jobs", jobs)  # fmt: skip
    yield Task(f"data {cohort.name}", words)
    used = {stage.network for stage in recipe.stages.values() if stage.cohort == cohort.name}
    plans = [word for name in sorted(used)
             for word in ("--configuration", recipe.plans[name].words)]  # fmt: skip
    strata = ["--clusters", cohort.stratify] if cohort.stratify else []
    yield Task(
        f"plan {cohort.name}",
        _python("lab.training.preprocess", cohort.dataset, *plans, "--folds", cohort.folds,
                "--jobs", jobs, *strata),
        (f"data {cohort.name}",),
    )  # fmt: skip


def _mining_tasks(stage: Stage, recipe: Recipe, place: Place) -> Iterator[Task]:
    """Find what an earlier stage saw wrongly, for a stage that is to look there."""
    if not stage.hard:
        return
    candidate, labels = stage.hard
    cohort = recipe.cohorts[stage.cohort]
    yield Task(
        f"mine {stage.name}",
        _python("lab.training.hard_negatives", cohort.dataset, stage.network,
                "--scheme", cohort.scheme,
                "--predictions", place.work / "oof" / candidate, "--labels", *labels,
                "--out", place.work / "hard" / stage.name),
        (f"predict {candidate}",),
    )  # fmt: skip


def _fold_task(stage: Stage, fold: str, recipe: Recipe, place: Place) -> Task:
    start, before = start_of(stage, fold, recipe, place)
    settings = [f"{key}={value}" for key, value in stage.settings.items()]
    words = _python("lab.training.fold", recipe.cohorts[stage.cohort].dataset, stage.network, fold,
                    "--stage", stage.name, "--set", *settings)  # fmt: skip
    words += ("--keep-heads",) if stage.keeps_heads else ()
    after = (f"plan {stage.cohort}", *([before] if before else []))
    if stage.hard:
        words += ("--hard", str(place.work / "hard" / stage.name))
        after += (f"mine {stage.name}",)
    return Task(
        f"train {stage.name} {fold}", words + (("--start", start) if start else ()), after, True
    )


def start_of(stage: Stage, fold: str, recipe: Recipe, place: Place) -> tuple[str, str]:
    """Return the checkpoint that a fold starts from, and the task that makes it; "" for none."""
    if stage.start not in recipe.stages:
        return stage.start, ""
    before = recipe.stages[stage.start]
    own = fold if fold in before.folds else before.folds[0]
    path = place.trained(before, recipe) / f"fold_{own}" / "checkpoint_final.pth"
    return str(path), f"train {before.name} {own}"


def _candidate_tasks(name: str, recipe: Recipe, place: Place) -> Iterator[Task]:
    """Pack a stage's folds at one checkpoint, and predict the cases that each did not see."""
    stage_name, checkpoint = recipe.candidates[name]
    stage = recipe.stages[stage_name]
    cohort, work = recipe.cohorts[stage.cohort], place.work
    scheme = cohort.scheme
    trained = tuple(f"train {stage.name} {fold}" for fold in stage.folds)
    yield Task(
        f"pack {name}",
        _python("lab", "pack", place.trained(stage, recipe), "--checkpoint", checkpoint, "--model",
                name, "--scheme", scheme, "--out", work / "packed"),
        trained,
    )  # fmt: skip
    splits = work / "nnUNet_preprocessed" / cohort.dataset / "splits_final.json"
    yield Task(
        f"predict {name}",
        _python("lab", "out-of-fold", "--model", work / "packed" / name, "--cohort",
                work / "nnUNet_raw" / cohort.dataset, "--splits", splits, "--out",
                work / "oof" / name, "--maps", work / "maps" / name),
        (f"pack {name}",),
    )  # fmt: skip


def _selection_tasks(cohort: Cohort, recipe: Recipe, place: Place) -> Iterator[Task]:
    own = [n for n, (s, _) in recipe.candidates.items() if recipe.stages[s].cohort == cohort.name]
    if not own:
        return
    chosen, work = place.work / "selection" / cohort.name, place.work
    strategies = ("--strategies", "equal", "greedy") if place.is_miniature else ()
    yield Task(
        f"select {cohort.name}",
        _python("lab", "select", *(work / "maps" / name for name in own), "--cohort",
                work / "nnUNet_raw" / cohort.dataset, "--out", chosen, *strategies),
        tuple(f"predict {name}" for name in own),
    )  # fmt: skip
    yield Task(
        f"ship {cohort.name}",
        _python("lab", "pack", "--selection", chosen / "selection.json", "--model", cohort.name,
                "--scheme", cohort.scheme, "--out", work / "weights", "--release"),
        (f"select {cohort.name}",),
    )  # fmt: skip
