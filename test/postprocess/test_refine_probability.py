"""Rules that ask for probabilities get them from the flow, whatever the head."""

import logging
from dataclasses import replace

import numpy as np
from cubes import GLI, box, certain, make_artefacts, make_case, softmax_head

from challenge.scheme import Head
from postprocess import refine
from postprocess.artefacts import Cluster, Fallback
from postprocess.rules_by_size import RemoveSmall

NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))
DOUBTFUL = RemoveSmall("ET", min_voxels=5, min_mean_probability=0.7)


def artefacts_with(rule):
    artefacts = make_artefacts()
    clusters = tuple(Cluster(9, 1e9, (rule,)) for _ in artefacts.clusters)
    return replace(artefacts, clusters=clusters, fallback=Fallback("identity"))


def labels_with_two_specks():
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, SNFH, (1, 1, 1), (6, 7, 8))
    labels[3, 3, 3] = labels[5, 5, 5] = ET
    return labels


def test_only_the_doubtful_speck_goes():
    labels = labels_with_two_specks()
    probabilities = certain(labels, GLI)
    probabilities[:, 5, 5, 5] = 0, 0, 0.4, 0.6, 0
    refined = refine(make_case(GLI), probabilities, softmax_head(GLI), artefacts_with(DOUBTFUL))
    assert (refined.labels[3, 3, 3], refined.labels[5, 5, 5]) == (ET, 0)
    assert [rule["voxels"] for rule in refined.record["rules"]] == [1]


def test_a_head_that_cannot_tell_the_label_leaves_the_rule_out_with_a_warning(caplog):
    labels = labels_with_two_specks()
    head = Head("regions", (("SNFH",), ("NETC",)), ("SNFH", "NETC"))
    probabilities = np.stack([labels > 0, labels == NETC]).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        refined = refine(make_case(GLI), probabilities, head, artefacts_with(DOUBTFUL))
    assert refined.record["rules"][0]["skipped"].startswith("no probabilities: no channel")
    assert "case-1: rule skipped" in caplog.text
    assert (refined.labels > 0).sum() == 336
