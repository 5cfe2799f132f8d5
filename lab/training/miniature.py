"""The same recipe on synthetic patients, with networks that learn nothing: the whole way."""

from dataclasses import replace

from lab.phantom.cohort import KINDS
from lab.training.networks import NETWORKS
from lab.training.recipe import Phantom, Recipe

PATIENTS = 4  # of a miniature cohort
TINY = {
    "PlainConvUNet": "tiny", "ResidualEncoderUNet": "tiny-resenc", "AttentionUNet": "tiny-gated",
}  # fmt: skip


def miniature(recipe: Recipe) -> Recipe:
    """Return the same graph on synthetic patients, with networks that learn nothing in seconds."""
    cohorts = {
        cohort.name: replace(
            cohort, sources=(), folds=2, stratify=None, orientation=None,
            # other patients in each cohort; whatever is no pancreas becomes a glioma
            phantom=Phantom(
                cohort.scheme if cohort.scheme in KINDS else "brats-gli", PATIENTS, seed, "6,6,6"
            ),
        )
        for seed, cohort in enumerate(recipe.cohorts.values(), 1)
    }  # fmt: skip
    plans = {
        name: replace(
            plan, network=TINY[NETWORKS[plan.network].kind],
            spacing="6,6,6", patch="32,32,32", batch=2,
        )
        for name, plan in recipe.plans.items()
    }  # fmt: skip
    short = {"epochs": "2", "iterations": "3", "val_iterations": "1", "mirror": "none"}
    stages = {
        name: replace(
            stage, folds=stage.folds[:1] if "all" in stage.folds else ("0", "1"),
            settings={**stage.settings, **short},
            start=stage.start if stage.start in recipe.stages else "",
        )
        for name, stage in recipe.stages.items()
    }  # fmt: skip
    return Recipe(cohorts, plans, stages, recipe.candidates)
