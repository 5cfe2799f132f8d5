"""Tables against images, and a search that finds what was planted and ships nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from challenge.scheme import SCHEMES
from lab.search import Table, decide, make_table, mean_dice, scored_regions, search_rules
from postprocess.rules import RelabelMinor, RemoveSmall, apply_rules

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
ET, SNFH = GLI.labels["ET"], GLI.labels["SNFH"]


def random_map(rng, most, shape=(12, 12, 12)):
    noise = rng.normal(size=(most + 1, *shape))
    return ndimage.gaussian_filter(noise, (0, 0.7, 0.7, 0.7)).argmax(0).astype(np.uint8)


def dice(a, b):
    size = a.sum() + b.sum()
    return 2 * (a & b).sum() / size if size else 1.0


@pytest.mark.parametrize("seed", range(20))
def test_a_table_gives_the_dice_of_the_images(seed):
    rng = np.random.default_rng(seed)
    prediction, reference = random_map(rng, 4), random_map(rng, 4)
    labels = [str(name) for name in rng.permutation(list(GLI.labels))]
    rules = (
        RemoveSmall(labels[0], min_volume_mm3=float(rng.uniform(0, 60))),
        RemoveSmall(labels[1], min_volume_mm3=float(rng.uniform(0, 60))),
        RelabelMinor(labels[0], labels[2], float(rng.uniform(0, 0.5))),
        RelabelMinor(labels[2], labels[3], float(rng.uniform(0, 0.5))),
    )
    table = make_table(prediction, reference, GLI, 1.5)
    after = apply_rules(prediction, rules, GLI, 1.5).labels
    expected = [dice(GLI.mask(after, r), GLI.mask(reference, r)) for r in GLI.regions]
    assert mean_dice(table, rules, GLI) == pytest.approx(np.mean(expected), abs=1e-12)


def test_two_empty_masks_agree():
    empty = np.zeros((4, 4, 4), np.uint8)
    assert mean_dice(make_table(empty, empty, GLI, 1.0), (), GLI) == 1.0


def test_regions_that_are_not_written_are_not_scored():
    assert scored_regions(PANTHER) == ("tumour",)
    assert scored_regions(GLI) == tuple(GLI.regions)


def test_the_last_tumour_stays_where_an_empty_answer_is_forbidden():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    labels[5, 5, 5] = 1
    reference = np.zeros_like(labels)
    reference[1:3, 1:3, 1:3] = 1
    table = make_table(labels, reference, PANTHER, 1.0)
    assert mean_dice(table, (), PANTHER) == pytest.approx(16 / 17)
    assert mean_dice(table, (RemoveSmall("tumour", min_volume_mm3=99.0),), PANTHER) == 1.0


def tumour(rng, specks, true_specks):
    """Return a prediction and a reference; specks of ET are predicted, true ones are also real."""
    reference = np.zeros((20, 20, 20), np.uint8)
    reference[4:14, 4:14, 4:14] = SNFH
    reference[6:10, 6:10, 6:10] = ET
    prediction = reference.copy()
    prediction[4, 4:14, 4 : 4 + rng.integers(1, 9)] = 0
    for _ in range(specks):
        x, z = rng.integers(2, 18, 2)
        prediction[z, 17, x : x + 2] = ET
        if true_specks:
            reference[z, 17, x : x + 2] = ET
    return prediction, reference


def tables_of(rng, cases, specks=6, true_specks=False):
    pairs = [tumour(rng, specks, true_specks) for _ in range(cases)]
    return [make_table(prediction, reference, GLI, 1.0) for prediction, reference in pairs]


def test_planted_specks_are_removed_by_the_smallest_size_that_does():
    tables = tables_of(np.random.default_rng(0), 10)
    decision = decide(tables, GLI)
    assert decision.rules == search_rules(tables, GLI)
    assert [(r.label, r.becomes) for r in decision.rules] == [("ET", "background")]
    assert decision.rules[0].min_volume_mm3 <= 20
    assert (decision.held_out >= decision.without).all()
    assert decision.held_out.mean() > decision.without.mean() + 0.01


def test_nothing_ships_where_nothing_is_gained():
    decision = decide(tables_of(np.random.default_rng(1), 10, true_specks=True), GLI)
    assert decision.rules == ()
    np.testing.assert_array_equal(decision.held_out, decision.without)


def counted(specks, true_specks=0):
    """Return the table of a tumour of 1000 voxels and specks of 3, of which some are real."""
    sizes = np.array([1000] + [3] * specks)
    overlap = np.array([[1000]] + [[3]] * true_specks + [[0]] * (specks - true_specks))
    nothing = {"pancreas": np.zeros(0, int)}
    return Table(
        voxel_volume_mm3=1.0,
        reference=overlap.sum(0),
        voxels={"tumour": sizes, **nothing},
        overlaps={"tumour": overlap, "pancreas": np.zeros((0, 1), int)},
    )


def test_nothing_ships_where_a_gain_is_within_its_standard_error():
    tables = [counted(30), counted(30), counted(27, true_specks=27), *[counted(0)] * 7]
    assert search_rules(tables, PANTHER)  # it would gain 0.0047 on average
    assert decide(tables, PANTHER).rules == ()


def test_the_same_gain_ships_where_nothing_speaks_against_it():
    assert decide([counted(30), counted(30), counted(30), *[counted(0)] * 7], PANTHER).rules
