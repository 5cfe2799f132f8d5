"""The whole flow on small cubes: which rules a case gets, and what the record says."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from cubes import GLI, PANTHER, box, certain, make_artefacts, make_case, softmax_head

from challenge.scheme import Head
from postprocess import refine, refine_labels
from postprocess.artefacts import Artefacts, Cluster, Fallback
from postprocess.clusters import ClusterModel
from postprocess.feature_names import group_names
from postprocess.features import radiomic_features
from postprocess.refine_input import RefineInput
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_size import RelabelMinor, RemoveSmall

IDENTITY = Fallback("identity")
NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))


@pytest.fixture
def case():
    return make_case(GLI, spacing_mm=(2.0, 1.0, 1.0))


@pytest.fixture
def labels():
    """A tumour with a core, and four voxels of NETC by themselves."""
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, SNFH, (1, 1, 1), (6, 7, 8))
    box(labels, NETC, (3, 3, 3), (2, 2, 2))
    box(labels, ET, (5, 3, 3), (1, 2, 2))
    box(labels, NETC, (10, 10, 10), (1, 2, 2))
    return labels


def fixed(cluster_rules, fallback=IDENTITY, far=1e9):
    """Return artefacts whose clusters all have the same rules."""
    artefacts = make_artefacts(far=far)
    clusters = tuple(Cluster(9, far, tuple(cluster_rules)) for _ in artefacts.clusters)
    return replace(artefacts, clusters=clusters, fallback=fallback)


def differing():
    """Return artefacts whose clusters have different rules, and whose fallback has none."""
    return replace(make_artefacts(), fallback=IDENTITY)


def run(case, labels, artefacts):
    return refine(case, certain(labels, GLI), softmax_head(GLI), artefacts)


def test_without_artefacts_labels_stay_and_the_record_says_so(case, labels, caplog):
    refined = run(case, labels, Artefacts(GLI))
    np.testing.assert_array_equal(refined.labels, labels)
    assert refined.labels.dtype == np.uint8
    assert refined.record["artefact"].startswith("none")
    assert refined.record["volumes_mm3"]["before"] == refined.record["volumes_mm3"]["after"]
    assert not caplog.records


def test_the_rules_of_the_cluster_apply(case, labels):
    artefacts = make_artefacts()
    tumour = GLI.mask(labels, "WT")
    features = radiomic_features(case, tumour, artefacts.feature_names, artefacts.settings)
    cluster, distance = artefacts.model.assign(features)
    artefacts = replace(
        artefacts,
        clusters=tuple(
            Cluster(9, 1e9, (RemoveSmall("NETC", min_voxels=5 if i == cluster else 99),))
            for i in range(2)
        ),
    )
    refined = run(case, labels, artefacts)
    assert (refined.labels == NETC).sum() == 8
    record = refined.record
    assert (record["cluster"], record["distance"]) == (cluster, distance)
    assert record["fallback"] is None
    assert [rule["voxels"] for rule in record["rules"]] == [4]
    assert record["volumes_mm3"]["before"] == {"NETC": 24.0, "SNFH": 648.0, "ET": 8.0, "RC": 0.0}
    assert record["volumes_mm3"]["after"]["NETC"] == 16.0
    assert json.loads(json.dumps(record)) == record


def test_a_case_far_from_every_centre_falls_back_with_a_warning(case, labels, caplog):
    rules = (RemoveSmall("NETC", min_voxels=9),)
    fallback = Fallback("pooled", (RemoveSmall("NETC", min_voxels=5),))
    with caplog.at_level(logging.WARNING):
        refined = run(case, labels, fixed(rules, fallback, far=1e-3))
    assert (refined.labels == NETC).sum() == 8
    assert refined.record["fallback"]["name"] == "pooled"
    assert "from the centre of cluster" in refined.record["fallback"]["reason"]
    assert caplog.messages == [
        f"case-1: {refined.record['fallback']['reason']}; post-processing falls back to pooled"
    ]


def test_a_case_without_features_falls_back_with_a_warning(case, caplog):
    with caplog.at_level(logging.WARNING):
        refined = run(case, np.zeros((12, 14, 16), np.uint8), differing())
    assert not refined.labels.any()
    assert refined.record["fallback"] == {"name": "identity", "reason": "the tumour is empty"}
    assert refined.record["cluster"] is None
    assert "case-1: the tumour is empty" in caplog.text


def test_a_case_without_an_image_falls_back_with_a_warning(case, labels):
    del case.images["t1c"], case.images["t2f"]
    refined = run(case, labels, differing())
    assert refined.record["fallback"]["reason"] == "no image of sequence t1c, t2f"


def test_a_case_that_lacks_a_sequence_falls_back_with_a_warning(case, labels, caplog):
    case.images["t2w"][:] = 0
    refined = run(replace(case, missing_sequences=("t2w",)), labels, differing())
    reason = "no image of sequence t2w"
    assert refined.record["fallback"] == {"name": "identity", "reason": reason}
    assert f"case-1: {reason}; post-processing falls back to identity" in caplog.messages


def test_rules_whose_features_need_present_sequences_alone_still_choose(case, labels):
    names = ("shape_VoxelVolume", "t1c_firstorder_Mean", "mask_ET_Share")
    one, none = np.ones(3), np.zeros(3)
    model = ClusterModel(none == 1, none, one, one * 9, np.array(False), none, np.eye(3), np.eye(3))
    artefacts = replace(differing(), model=model, feature_names=names)
    whole = run(case, labels, artefacts).record
    case.images["t2w"][:] = 0
    lacking = run(replace(case, missing_sequences=("t2w",)), labels, artefacts).record
    assert whole["distance"] == lacking["distance"] is not None
    assert lacking["fallback"] is None


def test_where_every_case_gets_the_same_rules_nothing_is_described(case, labels, monkeypatch):
    def refuse(*_):
        raise AssertionError("not requested")

    monkeypatch.setattr("postprocess.case_features", refuse)
    rules = (RemoveSmall("NETC", min_voxels=5),)
    refined = run(case, labels, fixed(rules, Fallback("pooled", rules)))
    assert (refined.labels == NETC).sum() == 8
    assert refined.record["one_rule_set"] is True
    assert refined.record["artefact"] == "brats-gli, fitted 2026-01-02"
    keys = ("cluster", "distance", "fallback")
    assert [refined.record[key] for key in keys] == [None, None, None]
    assert run(case, labels, fixed(())).record["one_rule_set"] is True
    with pytest.raises(AssertionError, match="not requested"):
        run(case, labels, fixed(rules))


def test_votes_are_wanted_only_where_they_tell_clusters_apart():
    names = group_names(GLI, "votes")
    rules = (RemoveSmall("NETC", min_voxels=5),)
    assert replace(fixed(rules), feature_names=names).needs_votes
    assert not replace(fixed(rules, Fallback("pooled", rules)), feature_names=names).needs_votes
    assert not fixed(rules).needs_votes


def test_votes_are_counted_for_a_rule_that_needs_them_and_reach_it(case, labels):
    rules = (RemoveComponent("NETC", unless_any={"min_votes": 0.5}),)
    for artefacts in (fixed(rules), fixed((), Fallback("pooled", rules))):
        assert artefacts.needs_votes
    artefacts = fixed(rules, Fallback("pooled", rules))
    votes = np.zeros(labels.shape, np.float32)
    arguments = (case, certain(labels, GLI), softmax_head(GLI), artefacts)
    assert (refine(*arguments, votes + 1).labels == labels).all()
    assert not (refine(*arguments, votes).labels == NETC).any()
    (skipped,) = refine(*arguments).record["rules"]
    assert skipped["skipped"] == "no votes of members"


def test_votes_and_probabilities_reach_the_cluster(case, labels):
    names = ("votes_DoubtedShare", "probability_MeanOthers")
    one, none = np.ones(2), np.zeros(2)
    model = ClusterModel(none == 1, none, one, one * 9, np.array(False), none, np.eye(2), np.eye(2))
    artefacts = replace(differing(), model=model, feature_names=names)
    votes = np.zeros(labels.shape, np.float32)
    arguments = (case, certain(labels, GLI), softmax_head(GLI), artefacts)
    assert refine(*arguments, votes).record["distance"] == 1.0  # (1, 1) to either centre
    assert refine(*arguments, votes + 1).record["distance"] == 0.0  # (0, 1)
    fallback = refine(*arguments).record["fallback"]
    assert fallback["reason"] == "no votes of members to describe"


def test_other_errors_are_not_caught(case, labels):
    case.images["t2f"] = case.images["t2f"][:3]
    with pytest.raises(ValueError, match=r"case-1: t2f \(3, 14, 16\), the mask \(12, 14, 16\)"):
        run(case, labels, differing())


def test_labels_alone_are_refined_as_those_of_sure_probabilities(case, labels):
    rules = (RemoveSmall("NETC", min_voxels=5), RelabelMinor("ET", "NETC", 0.05))
    artefacts = fixed(rules)
    from_probabilities = run(case, labels, artefacts)
    from_labels = refine_labels(RefineInput(case, labels, GLI), artefacts)
    np.testing.assert_array_equal(from_labels.labels, from_probabilities.labels)
    assert from_labels.record == from_probabilities.record
    assert from_labels.record["voxels_changed"] == {
        "NETC": {"lost": 4, "gained": 4},
        "ET": {"lost": 4, "gained": 0},
    }


def test_without_probabilities_an_empty_answer_stays_with_a_warning(caplog):
    case = make_case(PANTHER)
    labels = np.zeros((12, 14, 16), np.uint8)
    refined = refine_labels(RefineInput(case, labels, PANTHER), Artefacts(PANTHER))
    assert (refined.labels.any(), refined.record["recovered_by"]) == (False, None)
    assert "case-1: tumour empty after rules; not recovered: no probabilities" in caplog.text


def test_panther_gets_its_tumour_back_when_rules_removed_it(caplog):
    case = make_case(PANTHER, spacing_mm=(3.0, 1.0, 1.0))
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, 2, (3, 3, 3), (5, 5, 5))
    box(labels, 1, (4, 4, 4), (2, 2, 2))
    artefacts = make_artefacts(PANTHER)
    rules = (RemoveSmall("tumour", "pancreas", min_volume_mm3=100.0),)
    clusters = tuple(Cluster(9, 1e9, rules) for _ in artefacts.clusters)
    artefacts = replace(artefacts, clusters=clusters)
    with caplog.at_level(logging.WARNING):
        refined = refine(case, certain(labels, PANTHER), softmax_head(PANTHER), artefacts)
    np.testing.assert_array_equal(refined.labels, labels)
    assert refined.record["recovered_by"] == "before-rules"
    assert [rule["voxels"] for rule in refined.record["rules"]] == [8]
    assert "case-1: tumour empty after rules; recovered by before-rules" in caplog.text


def test_panther_answers_from_probability_when_nothing_passed_the_threshold():
    case = make_case(PANTHER)
    probabilities = np.zeros((3, 12, 14, 16), np.float32)
    probabilities[0] = 1
    probabilities[:, 5:8, 5:8, 5:8] = np.array([0.6, 0.3, 0.1]).reshape(3, 1, 1, 1)
    refined = refine(case, probabilities, softmax_head(PANTHER), Artefacts(PANTHER))
    assert refined.record["recovered_by"] == "half-of-maximum"
    assert (refined.labels == 1).sum() == 27


def test_a_region_head_goes_the_same_way(case, labels):
    head = Head(
        "regions",
        (("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",), ("RC",)),
        ("SNFH", "NETC", "ET", "RC"),
    )
    regions = [np.isin(labels, [GLI.labels[n] for n in c]) for c in head.channels]
    probabilities = np.stack(regions).astype(np.float32)
    rules = (RemoveSmall("NETC", min_voxels=5), RelabelMinor("ET", "NETC", 0.05))
    refined = refine(case, probabilities, head, fixed(rules))
    assert ((refined.labels == NETC).sum(), (refined.labels == ET).sum()) == (12, 0)
