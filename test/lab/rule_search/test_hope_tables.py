"""HOPE's tables become rules that do what the tables say, and come back as they were."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.scheme import SCHEMES
from lab.rule_search.hope_tables import hope_from_rules, merged, rules_from_hope
from postprocess.rules_by_size import KeepLargest, RelabelMinor, RemoveSmall

PED = SCHEMES["brats-ped"]
SIZES = {"T": {"cluster_0": {"label_1": {"th": 0}, "label_4": {"th": 175}}}}
SHARES = {"T": {"cluster_0": {"label_3": {"th": 0.15, "redefine_to": 2}}}}


def test_a_table_becomes_rules_and_zero_is_none():
    assert rules_from_hope(SIZES, PED) == {"cluster_0": [RemoveSmall("ED", min_voxels=175)]}
    assert rules_from_hope(SHARES, PED) == {"cluster_0": [RelabelMinor("CC", "NETC", 0.15)]}


def test_several_tables_are_put_together_cluster_by_cluster():
    more = {"T": {"cluster_1": {"label_2": {"th": 5.0}}}}
    parts = [rules_from_hope(table, PED) for table in (SIZES, SHARES, more)]
    assert merged(parts) == {
        "cluster_0": [RemoveSmall("ED", min_voxels=175), RelabelMinor("CC", "NETC", 0.15)],
        "cluster_1": [RemoveSmall("NETC", min_voxels=5)],
    }
    with pytest.raises(ValueError, match="cluster_0: a second remove-small of ED"):
        merged([parts[0], rules_from_hope(SIZES, PED)])


def test_the_task_is_named_where_there_are_several():
    both = SIZES | {"U": {"cluster_0": {}}}
    assert rules_from_hope(both, PED, "U") == {"cluster_0": []}
    for task in (None, "V"):
        with pytest.raises(ValueError, match="T, U"):
            rules_from_hope(both, PED, task)


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("label_5", {"th": 1}, "label 5 is not one of brats-ped's"),
        ("ET", {"th": 1}, "'ET' is not of the form label_<n>"),
        ("label_1", {"th": 1, "unit": "mm3"}, "unit"),
        ("label_1", {"redefine_to": 2}, "th is missing"),
        ("label_1", {"th": 2.5}, "2.5 is not a whole number"),
        ("label_1", {"th": -1}, "-1 is not between"),
        ("label_1", {"th": "5"}, "'5' is not a number"),
        ("label_1", {"th": 1.5, "redefine_to": 2}, "1.5 is not between 0 and 1"),
        ("label_1", {"th": 0.5, "redefine_to": 9}, "label 9"),
        ("label_2", {"th": 0.5, "redefine_to": 2}, "cannot become itself"),
        ("label_1", 5, "should be an object"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(key, entry, message):
    with pytest.raises(ValueError, match=f"cluster_0 {key}: .*{message}"):
        rules_from_hope({"T": {"cluster_0": {key: entry}}}, PED)


def test_rules_become_tables_with_zero_for_labels_without_one():
    rules = {"a": [RemoveSmall("ET", min_voxels=7), RelabelMinor("ED", "NETC", 0.5)]}
    sizes, shares = hope_from_rules(rules, PED)
    assert sizes == {"a": {f"label_{n}": {"th": 7 if n == 1 else 0} for n in (1, 2, 3, 4)}}
    assert shares == {"a": {"label_4": {"th": 0.5, "redefine_to": 2}}}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (KeepLargest("ET", k=1), "keep-largest"),
        (RemoveSmall("ET", min_volume_mm3=5.0), "no min_volume_mm3"),
        (RemoveSmall(region="TC", min_voxels=5), "no region"),
        (RemoveSmall("ET", min_voxels=5, connectivity=6), "no connectivity"),
        (RemoveSmall("ET", "NETC", min_voxels=5), "cannot become 'NETC'"),
        (RemoveSmall("ET", "surrounding", min_voxels=5), "cannot become 'surrounding'"),
        (RelabelMinor("ET", "background", 0.1), "cannot become 'background'"),
        (RelabelMinor("ET", "NETC", 0.1, per="component"), "no per"),
    ],
)
def test_what_a_table_cannot_say_is_refused_by_name(rule, message):
    with pytest.raises(ValueError, match=f"a: .*{message}"):
        hope_from_rules({"a": [rule]}, PED)


@given(
    sizes=st.dictionaries(st.sampled_from(list(PED.labels)), st.integers(1, 500)),
    shares=st.dictionaries(st.sampled_from(["ET", "CC", "ED"]), st.floats(0.01, 1)),
)
def test_rules_survive_export_and_import(sizes, shares):
    removals = [RemoveSmall(label, min_voxels=n) for label, n in sorted(sizes.items())]
    removals.sort(key=lambda rule: PED.labels[rule.label])  # the table's own order
    rules = {"a": removals + [RelabelMinor(name, "NETC", share) for name, share in shares.items()]}
    tables = hope_from_rules(rules, PED)
    back = [rules_from_hope({"T": json.loads(json.dumps(table))}, PED) for table in tables]
    assert merged(back) == rules


def test_the_published_tables_come_back_as_they_were(shared_data):
    folder = shared_data / "hope-segmenter-artefacts-NC"
    if not folder.is_dir():
        pytest.skip(f"no published tables at {folder}")
    names = ("cc_thresholds_cv.json", "lblredef_thresholds_cv.json")
    published = [json.loads((folder / name).read_text()) for name in names]
    rules = merged([rules_from_hope(content, PED) for content in published])
    assert len(rules) == 9
    assert rules["cluster_0"] == [
        RemoveSmall("ED", min_voxels=175),
        RelabelMinor("CC", "NETC", 0.15),
        RelabelMinor("ED", "NETC", 0.45),
    ]
    sizes, shares = hope_from_rules(rules, PED)
    assert sizes == published[0]["BraTS-PED"]
    for cluster, table in published[1]["BraTS-PED"].items():
        assert shares[cluster] == {key: row for key, row in table.items() if row["th"]}
