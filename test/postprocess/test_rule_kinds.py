"""Rules and the JSON objects that say them, of every kind."""

import json
import re
from pathlib import Path

import pytest
from cubes import GLI, PANTHER
from hypothesis import given
from hypothesis import strategies as st

from postprocess.component_predicates import PREDICATES
from postprocess.fill_holes import FillHoles
from postprocess.rule_base import RuleError
from postprocess.rule_kinds import RULE_KINDS, row_from, rule_from
from postprocess.rules_by_component import RemoveComponent
from postprocess.rules_by_probability import AddProbable, DropDoubtful
from postprocess.rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall

DOCS = Path(__file__).resolve().parents[2] / "docs" / "postprocessing.md"
SHARES = st.floats(0, 1)
OPTIONAL_SHARES = st.none() | SHARES
LABELS = ("NETC", "SNFH", "RC")  # names that no region of one label has to itself below


def named(subject):
    return {key: name for key, name in subject.items() if key != "connectivity"}


def adding(subject, at):
    becomes = "NETC" if "region" in subject else ""
    return AddProbable(**named(subject), becomes=becomes, min_probability=at)


def spared(other):
    """Draw predicates; `other` is a label outside the rule's."""
    conditions = st.fixed_dictionaries(
        {"min_volume_mm3": st.floats(0, allow_infinity=False)},
        optional={
            "min_peak_probability": SHARES,
            "min_votes": SHARES,
            "max_distance_to_mm": st.floats(0, 99).map(lambda mm: {other: mm}),
            "inside": st.just(other),
        },
    )
    return st.sampled_from(["unless_any", "unless_all"]).flatmap(
        lambda key: conditions.map(lambda rows: {key: rows})
    )


@st.composite
def rules(draw):
    """Draw any rule of the post-treatment glioma scheme."""
    subject = draw(
        st.sampled_from([{"label": name} for name in LABELS] + [{"region": "TC"}, {"region": "WT"}])
    )
    subject["connectivity"] = draw(st.sampled_from([6, 18, 26]))
    changed = subject | {"becomes": draw(st.sampled_from(["background", "surrounding", "ET"]))}
    nested = {}
    if "region" in subject and draw(st.booleans()):
        nested = {
            "unless_holds": draw(st.sampled_from(["ET", "NETC"])),
            "holds_share": draw(st.floats(0, 1, exclude_min=True)),
        }
    size = draw(
        st.fixed_dictionaries({"min_voxels": st.integers(0)})
        | st.fixed_dictionaries({"min_volume_mm3": st.floats(0, allow_infinity=False)})
    )
    return draw(
        st.sampled_from(
            [
                RemoveSmall(
                    **changed, **size, **nested, min_mean_probability=draw(OPTIONAL_SHARES)
                ),
                RemoveComponent(
                    **changed, **draw(spared("ET" if subject.get("label") == "RC" else "RC"))
                ),
                KeepLargest(**changed, k=draw(st.integers(1))),
                RelabelMinor(
                    **changed,
                    min_share=draw(SHARES),
                    per=draw(st.sampled_from(["case", "component"])),
                ),
                KeepOne(**subject),
                DropDoubtful(**changed, min_probability=draw(SHARES)),
                FillHoles(**named(subject), becomes=draw(st.sampled_from(["background", "ET"]))),
                adding(subject, draw(st.floats(0, 1, exclude_min=True))),
            ]
        )
    )


@given(rules())
def test_a_rule_is_its_row(rule):
    assert rule_from(json.loads(json.dumps(row_from(rule))), GLI) == rule


def test_the_docs_list_every_kind_in_its_order_and_every_predicate():
    text = DOCS.read_text()
    kinds = "|".join(kind.name for kind in RULE_KINDS)
    assert re.findall(rf"^\| `({kinds})` \|", text, re.M) == [kind.name for kind in RULE_KINDS]
    listed = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    predicates = [name for row in listed for name in re.findall(r"`(\w+)`", row)]
    assert {row.name for row in PREDICATES} <= set(predicates)


def test_rows_say_no_more_than_they_must():
    assert row_from(KeepOne(region="WT")) == {"kind": "keep-one", "region": "WT"}
    assert row_from(RemoveSmall("ET", min_voxels=5)) == {
        "kind": "remove-small",
        "label": "ET",
        "becomes": "background",
        "min_voxels": 5,
    }
    assert row_from(KeepLargest("ET", k=2, connectivity=6)) == {
        "kind": "keep-largest",
        "label": "ET",
        "becomes": "background",
        "connectivity": 6,
        "k": 2,
    }


def test_null_is_a_key_left_out():
    row = {"kind": "keep-largest", "label": "ET", "region": None, "k": 1}
    assert rule_from(row, GLI) == KeepLargest("ET", k=1)


SMALL = {"kind": "remove-small", "region": "TC", "min_voxels": 5}
LARGEST = {"kind": "keep-largest", "label": "ET", "k": 1}
COMPONENT = {"kind": "remove-component", "label": "ET"}
MINOR = {"kind": "relabel-minor", "label": "ET", "becomes": "NETC", "min_share": 0.1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SMALL | {"label": "ET"}, "exactly one of label and region"),
        (SMALL | {"region": None}, "exactly one of label and region"),
        (SMALL | {"region": "XY"}, "region: 'XY' is not one of WT, TC"),
        (SMALL | {"region": ""}, "exactly one of label and region: '', ''"),
        (SMALL | {"region": "ET", "becomes": "ET"}, "cannot become itself"),
        (SMALL | {"becomes": "before"}, "becomes: 'before'"),
        (SMALL | {"connectivity": 7}, "connectivity: 7"),
        (SMALL | {"connectivity": 6.0}, r"connectivity: 6\.0"),
        (SMALL | {"connectivity": [6]}, "connectivity"),
        (SMALL | {"min_mean_probability": 1.5}, r"min_mean_probability: 1\.5"),
        (SMALL | {"min_mean_probability": "half"}, "'half' is not a number"),
        (SMALL | {"unless_holds": "RC"}, "unless_holds: 'RC' is not inside TC"),
        (SMALL | {"unless_holds": "TC"}, "unless_holds: 'TC' is not inside TC"),
        (SMALL | {"unless_holds": "WT"}, "unless_holds: 'WT' is not inside TC"),
        (SMALL | {"unless_holds": ["ET"]}, "unless_holds"),
        (SMALL | {"unless_holds": 0}, "unless_holds: 0"),
        (SMALL | {"region": None, "label": "ET", "unless_holds": "ET"}, "not inside ET"),
        (SMALL | {"unless_holds": "ET", "holds_share": 0}, "holds_share: 0 "),
        (SMALL | {"unless_holds": "ET", "holds_share": 1.1}, r"holds_share: 1\.1"),
        (SMALL | {"holds_share": 0.7}, r"holds_share: 0\.7 without unless_holds"),
        (SMALL | {"k": 1}, "remove-small: 'k' is not one of its keys"),
        (LARGEST | {"k": 0}, "k: 0 is below 1"),
        (LARGEST | {"k": 1.5}, r"k: 1\.5 is not a whole number"),
        (LARGEST | {"k": None}, "keep-largest: k is missing"),
        (LARGEST | {"min_share": 0.5}, "keep-largest: 'min_share'"),
        (MINOR | {"per": "lesion"}, "per: 'lesion' is not one of case, component"),
        (MINOR | {"min_share": None}, "relabel-minor: min_share is missing"),
        (MINOR | {"becomes": None}, "relabel-minor: becomes is missing"),
        ({"kind": "keep-one", "region": "WT", "becomes": "ET"}, "keep-one: 'becomes'"),
        (COMPONENT, "exactly one of unless_any and unless_all"),
        (
            COMPONENT | {"unless_any": {"min_voxels": 3}, "unless_all": {"min_voxels": 3}},
            "exactly one of unless_any and unless_all",
        ),
        (COMPONENT | {"unless_any": {}}, "unless_any: no predicate, one of min_voxels"),
        (COMPONENT | {"unless_any": "large"}, "unless_any: 'large' is not an object"),
        (COMPONENT | {"unless_all": {"min_size": 3}}, "unless_all: 'min_size' is not one of"),
        (COMPONENT | {"unless_all": {"min_voxels": 3.5}}, r"min_voxels: 3\.5 is not a whole"),
        (COMPONENT | {"unless_all": {"min_voxels": None}}, "min_voxels: None is not a number"),
        (COMPONENT | {"unless_any": {"min_peak_probability": 65}}, "min_peak_probability: 65 is"),
        (COMPONENT | {"unless_any": {"min_votes": -0.1}}, r"min_votes: -0\.1"),
        (COMPONENT | {"unless_any": {"max_distance_mm": "far"}}, "max_distance_mm: 'far'"),
        (COMPONENT | {"unless_any": {"max_distance_to_mm": 9}}, "max_distance_to_mm: 9 is not one"),
        (
            COMPONENT | {"unless_any": {"max_distance_to_mm": {"WT": 9, "TC": 5}}},
            "max_distance_to_mm: .* is not one label or region",
        ),
        (
            COMPONENT | {"unless_any": {"max_distance_to_mm": {"ET": 9}}},
            "max_distance_to_mm: 'ET' has no label beside ET",
        ),
        (COMPONENT | {"unless_any": {"touches": "XY"}}, "touches: 'XY' is not one of NETC"),
        (COMPONENT | {"unless_any": {"inside": "ET"}}, "inside: 'ET' has no label beside ET"),
        (COMPONENT | {"unless_any": {"inside": ["TC"]}}, "inside: "),
        (COMPONENT | {"unless_any": {"holds": {"TC": 0.5}}}, "holds: 'TC' is not inside ET"),
        (
            {"kind": "remove-component", "region": "TC", "unless_any": {"holds": {"ET": 0}}},
            "holds: ET: 0 would spare everything",
        ),
        (COMPONENT | {"becomes": "ET", "unless_any": {"min_voxels": 3}}, "cannot become itself"),
        (COMPONENT | {"becomes": "XY", "unless_any": {"min_voxels": 3}}, "surrounding, before, NE"),
    ],
)
def test_a_wrong_row_is_refused_by_name(row, message):
    with pytest.raises(RuleError, match=message):
        rule_from(row, GLI)


def test_what_is_inside_a_region_may_be_a_label_or_a_smaller_region():
    for scheme, region, inside in ((GLI, "WT", "TC"), (PANTHER, "pancreas", "pancreas")):
        row = {"kind": "remove-small", "region": region, "min_voxels": 5, "unless_holds": inside}
        assert row_from(rule_from(row, scheme))["unless_holds"] == inside
