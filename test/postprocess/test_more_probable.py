"""Of two labels that exclude each other the more probable one wins a voxel."""

from typing import Any

import numpy as np
import pytest

from challenge.scheme import SCHEMES, Head, labels_from, probability_of
from postprocess.apply_rules import RulesResult, apply_rules
from postprocess.rule_base import EnsembleMaps, RuleError
from postprocess.rule_kinds import rule_from

GLI = SCHEMES["brats-gli"]
CHANNELS = (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",))
NESTED = Head("regions", CHANNELS, ("SNFH", "NETC", "ET", "RC"))
ROW = {"kind": "add-more-probable", "region": "TC", "becomes": "NETC", "than": "RC"}


def one_slab(wt: float, tc: float, et: float, rc: float) -> np.ndarray:
    """Return region probabilities (channel, z, y, x) of two voxels, the second one oedema."""
    voxels = np.array([[wt, 0.9], [tc, 0.1], [et, 0.0], [rc, 0.0]], np.float32)
    return voxels[:, None, None, :]


def apply(probabilities: np.ndarray, head: Head = NESTED, **changes: Any) -> RulesResult:
    """Return what the rule makes of the labels of region probabilities."""
    labels = labels_from(probabilities, head, GLI)
    maps = EnsembleMaps(lambda names: probability_of(probabilities, head, names))
    return apply_rules(labels, [rule_from(ROW | changes, GLI)], GLI, (1, 1, 1), maps)


@pytest.mark.parametrize(
    ("tc", "rc", "label"),
    [(0.9, 0.7, "NETC"), (0.7, 0.9, "RC"), (0.8, 0.8, "RC"), (0.45, 0.4, "SNFH")],
)
def test_a_necrosis_that_was_painted_as_cavity_is_necrosis(tc: float, rc: float, label: str):
    """Cavities are painted last: where both pass 0.5 they won, also where less probable."""
    result = apply(one_slab(0.95, tc, 0.1, rc))
    assert result.labels.ravel().tolist() == [GLI.labels[label], GLI.labels["SNFH"]]


def test_a_label_may_take_voxels_too():
    result = apply(one_slab(0.95, 0.9, 0.8, 0.7), region=None, label="ET", becomes=None)
    assert result.labels.ravel().tolist() == [GLI.labels["ET"], GLI.labels["SNFH"]]
    assert result.applied[0]["voxels"] == 1


def test_without_the_other_probability_the_rule_is_skipped():
    head = Head("regions", NESTED.channels[:3], NESTED.paints[:3])
    result = apply(one_slab(0.95, 0.9, 0.8, 0.7)[:3], head)
    assert "no channel" in result.applied[0]["skipped"]


@pytest.mark.parametrize("than", ["ET", "TC", "", 4])
def test_what_is_compared_is_a_label_outside(than: object):
    with pytest.raises(RuleError, match="than"):
        rule_from(ROW | {"than": than}, GLI)
