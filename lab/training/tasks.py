"""What a recipe asks for, task by task: a command each, and the tasks that it waits for.

WORK/nnUNet_raw, nnUNet_preprocessed, nnUNet_results     nnU-Net's own folders
WORK/hard                    hard negatives of stages, for those that look at them
WORK/packed, oof, maps       each candidate: packed, its out-of-fold labels and probabilities
WORK/selection, weights      each cohort's ensemble: how it was chosen, and packed to ship
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.training.recipe import Recipe, Stage, TrainingCohort

NNUNET_FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@dataclass(frozen=True)
class Task:
    """One thing to do."""

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    trains: bool = False  # takes a device, which is appended to the words


@dataclass(frozen=True)
class RunFolder:
    """The folder that a recipe works in."""

    path: Path
    is_miniature: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        """Return where nnU-Net finds its folders."""
        return {name: str(self.path / name) for name in NNUNET_FOLDERS}

    def raw(self, cohort: TrainingCohort) -> Path:
        """Return the raw dataset of a cohort."""
        return self.path / "nnUNet_raw" / cohort.dataset

    def trained(self, stage: Stage, recipe: Recipe) -> Path:
        """Return the folder of a stage's folds."""
        results = self.path / "nnUNet_results" / recipe.cohorts[stage.cohort].dataset
        return results / f"{stage.name}__nnUNetPlans__{stage.configuration}"


def tasks_of(recipe: Recipe, folder: RunFolder, submitted_name: str = "") -> list[Task]:
    """Return all tasks, each after those that it waits for.

    `submitted_name` is what `lab submit` calls the release of the trained folders; "" for none.
    """
    tasks: list[Task] = []
    for cohort in recipe.cohorts.values():
        tasks += [_data_task(cohort, folder), _plan_task(cohort, recipe)]
    for stage in recipe.stages.values():
        tasks += _mining_tasks(stage, recipe, folder)
        tasks += [_fold_task(stage, fold, recipe, folder) for fold in stage.folds]
    for name in recipe.candidates:
        tasks += _candidate_tasks(name, recipe, folder)
    for cohort in recipe.cohorts.values():
        tasks += _selection_tasks(cohort, recipe, folder)
    if submitted_name:
        for cohort in recipe.cohorts.values():
            tasks += _submission_tasks(cohort, recipe, folder, submitted_name)
    return _in_order(tasks)


def _in_order(tasks: list[Task]) -> list[Task]:
    """Move tasks behind what they wait for, and not further."""
    ordered: list[Task] = []
    left, names = list(tasks), set[str]()
    while left:
        ready = next(task for task in left if set(task.after) <= names)
        left.remove(ready)
        ordered.append(ready)
        names.add(ready.name)
    return ordered


def _python(*words: object) -> tuple[str, ...]:
    return (sys.executable, "-m", *map(str, words))


def _data_task(cohort: TrainingCohort, folder: RunFolder) -> Task:
    raw = folder.path / "nnUNet_raw"
    if phantom := cohort.phantom:
        words = [
            *("lab", "phantom", "--kind", phantom.kind, "--cases", phantom.cases),
            *("--seed", phantom.seed, "--spacing", phantom.spacing, "--layout", "nnunet"),
            *("--jobs", _jobs(cohort)),
            *(["--regions"] if phantom.regions else []),
            *(["--healthy", phantom.healthy] if phantom.healthy else []),
            *("--out", raw / cohort.dataset),
        ]
    else:
        words = [
            *("lab", "prepare"),
            *[word for source in cohort.sources for word in ("--source", source)],
            *("--dataset", cohort.dataset, "--out", raw),
            *(["--orientation", cohort.orientation] if cohort.orientation else []),
            *(["--skip-bad", "--accept-skipped"] if cohort.skip_bad else []),
            *("--jobs", _jobs(cohort)),
        ]
    return Task(f"data {cohort.name}", _python(*words))


def _plan_task(cohort: TrainingCohort, recipe: Recipe) -> Task:
    stages = [stage for stage in recipe.stages.values() if stage.cohort == cohort.name]
    configurations = [
        word
        for name in sorted({stage.configuration for stage in stages})
        for word in ("--configuration", recipe.configurations[name].text)
    ]
    words = [
        *("lab.training.preprocess", cohort.dataset, *configurations),
        *("--folds", cohort.folds, "--jobs", _jobs(cohort)),
        *(["--clusters", cohort.stratify] if cohort.stratify else []),
    ]
    return Task(f"plan {cohort.name}", _python(*words), (f"data {cohort.name}",))


def _jobs(cohort: TrainingCohort) -> int:
    return 2 if cohort.phantom else 8


def _mining_tasks(stage: Stage, recipe: Recipe, folder: RunFolder) -> Iterator[Task]:
    """Mine the hard negatives of an earlier stage, for a stage that looks at them."""
    if not stage.hard_negatives:
        return
    candidate, cohort = stage.hard_negatives.candidate, recipe.cohorts[stage.cohort]
    words = [
        *("lab.training.hard_negatives", cohort.dataset, stage.configuration),
        *("--scheme", cohort.scheme, "--predictions", folder.path / "oof" / candidate),
        *("--labels", *stage.hard_negatives.labels),
        *("--out", folder.path / "hard" / stage.name),
    ]
    yield Task(f"mine {stage.name}", _python(*words), (f"predict {candidate}",))


def _fold_task(stage: Stage, fold: str, recipe: Recipe, folder: RunFolder) -> Task:
    start, before = start_of(stage, fold, recipe, folder)
    after = [f"plan {stage.cohort}", *([before] if before else [])]
    words = [
        *("lab.training.fold", recipe.cohorts[stage.cohort].dataset, stage.configuration, fold),
        *("--stage", stage.name),
        *("--set", *(f"{key}={value}" for key, value in stage.settings.items())),
    ]
    if stage.keeps_heads:
        words.append("--keep-heads")
    if stage.hard_negatives:
        words += ["--hard", str(folder.path / "hard" / stage.name)]
        after.append(f"mine {stage.name}")
    if start:
        words += ["--start", start]
    return Task(f"train {stage.name} {fold}", _python(*words), tuple(after), trains=True)


def start_of(stage: Stage, fold: str, recipe: Recipe, folder: RunFolder) -> tuple[str, str]:
    """Return the checkpoint that a fold starts from, and the task that makes it; "" for none."""
    if stage.start not in recipe.stages:
        return stage.start_file(fold), ""
    before = recipe.stages[stage.start]
    start_fold = fold if fold in before.folds else before.folds[0]
    path = folder.trained(before, recipe) / f"fold_{start_fold}" / "checkpoint_final.pth"
    return str(path), f"train {before.name} {start_fold}"


def _candidate_tasks(name: str, recipe: Recipe, folder: RunFolder) -> Iterator[Task]:
    """Pack a stage's folds at one checkpoint, and predict the cases that each did not see."""
    candidate = recipe.candidates[name]
    stage = recipe.stages[candidate.stage]
    cohort, work = recipe.cohorts[stage.cohort], folder.path
    pack = [
        *("lab", "pack", folder.trained(stage, recipe), "--checkpoint", candidate.checkpoint),
        *("--model", name, "--scheme", cohort.scheme, "--out", work / "packed"),
    ]
    trained = tuple(f"train {stage.name} {fold}" for fold in stage.folds)
    yield Task(f"pack {name}", _python(*pack), trained)
    splits = work / "nnUNet_preprocessed" / cohort.dataset / "splits_final.json"
    predict = [
        *("lab", "out-of-fold", "--model", work / "packed" / name, "--cohort", folder.raw(cohort)),
        *("--splits", splits, "--out", work / "oof" / name, "--maps", work / "maps" / name),
    ]
    yield Task(f"predict {name}", _python(*predict), (f"pack {name}",))


def _selection_tasks(cohort: TrainingCohort, recipe: Recipe, folder: RunFolder) -> Iterator[Task]:
    names = recipe.candidates_of(cohort.name)
    if not names:
        return
    work, selection = folder.path, folder.path / "selection" / cohort.name
    select = [
        *("lab", "select", *(work / "maps" / name for name in names)),
        *("--cohort", folder.raw(cohort), "--out", selection),
        *(["--strategies", "equal", "greedy"] if folder.is_miniature else []),
    ]
    predicted = tuple(f"predict {name}" for name in names)
    yield Task(f"select {cohort.name}", _python(*select), predicted)
    pack = [
        *("lab", "pack", "--selection", selection / "selection.json", "--model", cohort.name),
        *("--scheme", cohort.scheme, "--out", work / "weights", "--release"),
    ]
    yield Task(f"ship {cohort.name}", _python(*pack), (f"select {cohort.name}",))


def _submission_tasks(
    cohort: TrainingCohort, recipe: Recipe, folder: RunFolder, name: str
) -> Iterator[Task]:
    """Make a release of a cohort's candidates, each trained folder once."""
    candidates = [recipe.candidates[each] for each in recipe.candidates_of(cohort.name)]
    if not candidates:
        return
    checkpoints = dict.fromkeys(each.checkpoint for each in candidates)
    stages = [recipe.stages[each] for each in dict.fromkeys(c.stage for c in candidates)]
    several = sum(bool(recipe.candidates_of(each)) for each in recipe.cohorts) > 1
    release = f"{name}-{cohort.name}" if several else name
    words = [
        *("lab", "submit", *(folder.trained(stage, recipe) for stage in stages)),
        *("--cohort", folder.raw(cohort), "--scheme", cohort.scheme, "--name", release),
        *("--work", folder.path / "submit" / release, "--checkpoint", *checkpoints),
        *("--splits", folder.path / "nnUNet_preprocessed" / cohort.dataset / "splits_final.json"),
    ]
    trained = tuple(f"train {stage.name} {fold}" for stage in stages for fold in stage.folds)
    yield Task(f"submit {release}", _python(*words), trained)
