"""What a rule of any kind may never do, whatever the label map and the probabilities."""

import numpy as np
from cubes import GLI, random_map
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.apply_rules import apply_rules
from postprocess.component_predicates import PREDICATES as COMPONENT_PREDICATES
from postprocess.fill_holes import FillHoles
from postprocess.rule_base import EnsembleMaps
from postprocess.rule_kinds import RULE_KINDS, rule_from
from postprocess.rules_by_probability import Added

SUBJECTS = st.one_of(
    st.sampled_from(list(GLI.labels)).map(lambda name: {"label": name}),
    st.sampled_from(list(GLI.regions)).map(lambda name: {"region": name}),
)
# What rows of a kind say beside their label or region.
SHARE = st.floats(0.01, 1)
PREDICATES = {
    "min_voxels": st.integers(0, 60),
    "min_volume_mm3": st.floats(0, 60),
    "min_peak_probability": SHARE,
    "min_mean_probability": SHARE,
    "min_votes": SHARE,
    "max_distance_mm": st.floats(0, 6),
    "max_distance_to_mm": st.floats(0, 6).map(lambda mm: {"RC": mm}),
    "touches": st.just("RC"),
    "inside": st.just("RC"),
}
CONDITIONS = st.dictionaries(st.sampled_from(list(PREDICATES)), st.none(), min_size=1).flatmap(
    lambda names: st.fixed_dictionaries({name: PREDICATES[name] for name in names})
)
KEYS = {
    "drop-doubtful": {"min_probability": SHARE},
    "add-probable": {"min_probability": SHARE},
    "add-for-dice": {},
    "add-more-probable": {"than": st.just("RC")},
    "remove-component": {"unless_any": CONDITIONS},
    "remove-small": {
        "min_voxels": st.integers(0, 60),
        "min_mean_probability": st.none() | SHARE,
    },
    "keep-largest": {"k": st.integers(1, 4), "ties": st.sampled_from(["first", "all"])},
    "fill-holes": {},
    "relabel-minor": {"min_share": SHARE, "per": st.sampled_from(["case", "component"])},
    "keep-one": {},
}

ADDING = ("add-probable", "add-for-dice", "add-more-probable")


@st.composite
def rules(draw):
    kind, subject = draw(st.sampled_from([kind.name for kind in RULE_KINDS])), draw(SUBJECTS)
    if kind in ("remove-component", "add-more-probable") and "RC" in subject.values():
        subject = {"label": "ET"}  # RC, which these name, is not beside itself
    names = (subject["label"],) if "label" in subject else GLI.regions[subject["region"]]
    others = ["background", "surrounding", *(name for name in GLI.labels if (name,) != names)]
    row = {"kind": kind, **subject, **{key: draw(values) for key, values in KEYS[kind].items()}}
    if kind in ADDING:
        row["becomes"] = draw(st.sampled_from(names))
    elif kind == "fill-holes":
        row["becomes"] = draw(st.sampled_from(["background", *GLI.labels]))
    elif kind != "keep-one":
        before = ["before"] if kind == "remove-component" else []
        row["becomes"] = draw(st.sampled_from([*others, *before]))
    if kind == "remove-component" and draw(st.booleans()):
        row["unless_all"] = row.pop("unless_any")
    if kind not in (*ADDING, "fill-holes"):
        row["connectivity"] = draw(st.sampled_from([6, 18, 26]))
    return rule_from(row, GLI)


SEEDS = st.integers(0, 10**6)


def apply(seed, *rules):
    """Return a random label map and what rules make of it, with random probabilities."""
    labels = random_map(seed)

    def probability(names):
        rng = np.random.default_rng([seed, *map(len, names)])
        return rng.integers(0, 33, labels.shape).astype(np.float32) / 32

    votes = probability(("votes",))
    maps = EnsembleMaps(probability, votes)
    return labels, apply_rules(labels, rules, GLI, (1.0, 1.0, 1.0), maps).labels


def test_every_kind_and_every_predicate_is_drawn():
    assert set(KEYS) == {kind.name for kind in RULE_KINDS}
    # What a component holds is inside the rule's region: `test_component_predicates` draws it.
    assert {*PREDICATES, "holds"} == {predicate.name for predicate in COMPONENT_PREDICATES}


@settings(max_examples=200)
@given(seed=SEEDS, rule=rules())
def test_no_rule_changes_a_voxel_of_a_label_it_does_not_name(seed, rule):
    """But for what joins or is filled: each such voxel takes the label that the rule names."""
    before, after = apply(seed, rule)
    changed = before != after
    subject_values = [GLI.labels[name] for name in rule.names(GLI)]
    if isinstance(rule, Added | FillHoles):
        assert not np.isin(before[changed], subject_values).any()
        assert (after[changed] == {"background": 0, **GLI.labels}[rule.becomes]).all()
    else:
        assert np.isin(before[changed], subject_values).all()
        assert not (changed & (before == 0)).any()
    assert after.dtype == before.dtype


@settings(max_examples=150)
@given(seed=SEEDS, table=st.lists(rules(), min_size=1, max_size=5))
def test_no_table_of_rules_breaks_nesting(seed, table):
    _, after = apply(seed, *table)
    assert np.isin(after, [0, *GLI.labels.values()]).all()
    enhancing, core, whole = (GLI.mask(after, region) for region in ("ET", "TC", "WT"))
    assert not (enhancing & ~core).any()
    assert not (core & ~whole).any()
