"""A recipe's lines are read, or refused by name."""

from pathlib import Path

import pytest

from lab.training.read_recipe import read_recipe
from lab.training.recipe import RecipeError

RECIPES = Path(__file__).resolve().parents[3] / "lab" / "recipes"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("stage a cohort=none network=n", "no cohort none"),
        ("stage a cohort=c network=n augmentation=wild", "augmentation=wild: one of default"),
        ("stage a cohort=c network=n lr=fast", "lr=fast"),
        ("stage a cohort=c network=n speed=9", "speed: no setting"),
        ("network m network=vnet spacing=1,1,1 patch=64,64,64", "network vnet: one of"),
        ("network m network=resenc-l spacing=1,1,1 patch=20,20,20", "too small for 6 stages"),
        (
            "network m network=primusv2-m spacing=1,1,1 patch=100,96,96",
            "patch 100x96x96: PrimusV2M takes multiples of 8",
        ),
        (
            "network m network=mednext-s spacing=1,1,1 patch=96,96,88",
            "patch 96x96x88: MedNeXt takes multiples of 16",
        ),
        ("stage a cohort=c network=n schedule=step", "schedule=step: one of poly, cosine"),
        ("stage a cohort=c network=n epochs=50 warmup=50", "warmup=50: not below epochs=50"),
        ("stage a cohort=c network=n last_lr=2", "last_lr=2: a share of lr"),
        ("stage a cohort=c network=n optimiser=adam", "optimiser=adam: one of sgd, adamw"),
        ("cohort d Dataset2_X source=brain=/x", "source brain=/x: one of"),
        (
            "network r network=resenc-l spacing=1,1,1 patch=128,128,128\n"
            "stage b cohort=c network=n\nstage a cohort=c network=r from=b",
            "starts from b, another network",
        ),
        ("stage a cohort=c network=n hard=b:tumour", "no candidate 'b' before it"),
        (
            "stage b cohort=c network=n\ncandidate b stage=b\nstage a cohort=c network=n hard=b:ET",
            "ET is none of tumour, pancreas",
        ),
        (
            "cohort p Dataset3_X phantom=brats-gli:4:1:6,6,6\nstage b cohort=p network=n\n"
            "candidate b stage=b\nstage a cohort=c network=n hard=b:tumour",
            "another cohort",
        ),
        ("cohort p Dataset3_X phantom=knee:4:1:6,6,6", "phantom knee: one of"),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6:rest", "only :regions and :healthy="),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6:healthy=2", "healthy 2: a share of"),
        (
            "cohort p Dataset3_X phantom=brats-gli:4:1:6,6,6:healthy=0.5",
            "every patient of brats-gli is ill",
        ),
        ("stage a cohort=c network=n healthy=0.2", "of synthetic patients, synthetic=0"),
        (
            "cohort p Dataset3_X phantom=brats-gli:4:1:6,6,6\n"
            "stage a cohort=p network=n synthetic=9 healthy=0.2",
            "every patient of brats-gli is ill",
        ),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6 source=panther-t1=/x", "not mixed"),
        ("cohort p Dataset3_X orientation=XYZ source=panther-t1=/x", "three letters expected"),
        (
            "cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6 orientation=RAS",
            "of real sources",
        ),
        ("cohort p Dataset3_X phantom=panther-t1:4:1:6,6,6 skip_bad=yes", "skip_bad: of real"),
        ("cohort p Dataset3_X source=panther-t1=/x skip_bad=maybe", "skip_bad=maybe: yes or no"),
        ("cohort p Dataset3_X", "no source"),
        ("stage a cohort=c network=n heads=keep", "from a stage of the same cohort"),
        ("stage z cohort=c network=n epochs=2", "stage z: a line before it has the same name"),
        ("grid a cohort=c network=n epochs=5/5", "two points are called a_epochs5"),
        ("grid a cohort=c network=n lr=d:1", "lr=d:1: not of c"),
        ("grid a cohort=c network=n speed=8/9", "speed: no setting"),
        ("grid a cohort=c network=n epochs=5 warmup=5/6", "no point is left"),
        (
            "stage g_epochs5 cohort=c network=n\ngrid g cohort=c network=n epochs=5/6",
            "another stage has a point's name",
        ),
        ("false", "1"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.sh"
    head = [
        "set -e",
        f". {RECIPES / 'recipe_words.sh'}",
        "cohort c Dataset001_X source=panther-t1=/x",
        "network n network=tiny spacing=1,1,1 patch=32,32,32",
    ]
    path.write_text("\n".join([*head, line, "stage z cohort=c network=n"]))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert message in str(caught.value)


def test_a_stage_says_what_its_networks_authors_train_it_with(tmp_path: Path) -> None:
    path = tmp_path / "recipe.sh"
    path.write_text(
        f". {RECIPES / 'recipe_words.sh'}\n"
        "cohort c Dataset001_X source=panther-t1=/x\n"
        "network m network=mednext-l-kernel5 spacing=1,1,1 patch=96,96,96\n"
        "network p network=primus-m spacing=1,1,1 patch=96,96,96\n"
        "stage m cohort=c network=m\n"
        "stage p cohort=c network=p lr=1e-4 epochs=500\n"
    )
    stages = read_recipe(path).stages
    assert stages["m"].settings == {"lr": "1e-3", "optimiser": "adamw-mednext"}
    assert stages["p"].settings == {
        "lr": "1e-4",
        "optimiser": "adamw-primus",
        "warmup": "50",
        "epochs": "500",
    }
