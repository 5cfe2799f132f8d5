"""The same recipe on synthetic patients, with networks that learn nothing: every task runs."""

from dataclasses import replace

from lab.phantom.population import kind_of
from lab.training.grid import ends_of_grids
from lab.training.networks import MEDNEXT, NETWORKS, SWIN
from lab.training.plans import Configuration
from lab.training.recipe import Phantom, Recipe, Stage, TrainingCohort

PATIENTS = 4  # of a miniature cohort
TINY = {
    "PlainConvUNet": "tiny",
    "ResidualEncoderUNet": "tiny-resenc",
    "AttentionUNet": "tiny-gated",
    MEDNEXT: "tiny-mednext",
    SWIN: "tiny-swinunetr",
    **{
        f"Primus{kind}{size}": f"tiny-primus{kind.lower()}"
        for kind in ("", "V2", "V3")
        for size in "SBML"
    },
}
SETTINGS = {"epochs": "2", "iterations": "3", "val_iterations": "1", "mirror": "none"}


def miniature(whole: Recipe) -> Recipe:
    """Return the same graph on synthetic patients, with networks that train in seconds.

    Of a grid the first and the last point are run.
    """
    recipe = ends_of_grids(whole)
    return Recipe(
        {c.name: _cohort(c, seed) for seed, c in enumerate(recipe.cohorts.values(), 1)},
        {name: _configuration(each) for name, each in recipe.configurations.items()},
        {name: _stage(stage, recipe) for name, stage in recipe.stages.items()},
        recipe.candidates,
        recipe.grids,
    )


def _cohort(cohort: TrainingCohort, seed: int) -> TrainingCohort:
    """Return a cohort of its own patients; a challenge without a phantom becomes a glioma."""
    phantom = Phantom(kind_of(cohort.scheme) or "brats-gli", PATIENTS, seed, "6,6,6")
    return TrainingCohort(cohort.name, cohort.dataset, (), folds=2, phantom=phantom)


def _configuration(configuration: Configuration) -> Configuration:
    kind = NETWORKS[configuration.network].kind
    return replace(
        configuration,
        network=TINY[kind],
        spacing_mm=(6.0, 6.0, 6.0),
        patch=(32, 32, 64 if kind == SWIN else 32),
        batch=2,
    )


def _stage(stage: Stage, recipe: Recipe) -> Stage:
    warmup = {"warmup": "1"} if int(stage.settings.get("warmup", "0")) else {}
    return replace(
        stage,
        folds=stage.folds[:1] if "all" in stage.folds else ("0", "1")[: len(stage.folds)],
        settings={**stage.settings, **SETTINGS, **warmup},
        start=stage.start if stage.start in recipe.stages else "",
    )
