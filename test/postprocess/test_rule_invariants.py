"""What holds for every rule of size, whatever the label map: random rules on random maps."""

import numpy as np
from cubes import GLI, random_map
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from postprocess.apply_rules import apply_rules
from postprocess.rules_by_size import KeepLargest, KeepOne, RelabelMinor, RemoveSmall

MM = (1.0, 1.0, 1.0)


NAMES = st.one_of(
    st.sampled_from(list(GLI.labels)).map(lambda name: {"label": name}),
    st.sampled_from(list(GLI.regions)).map(lambda name: {"region": name}),
)
CONNECTIVITY = st.sampled_from([6, 18, 26])
SEEDS = st.integers(0, 10**6)


def apply(labels, *rules):
    return apply_rules(labels, rules, GLI, MM).labels


@st.composite
def changes(draw):
    """Draw any rule that can be applied without probabilities."""
    common = {
        **draw(NAMES),
        "becomes": draw(st.sampled_from(["background", "surrounding", *GLI.labels])),
        "connectivity": draw(CONNECTIVITY),
    }
    return draw(
        st.one_of(
            st.integers(0, 60).map(lambda n: RemoveSmall(**common, min_voxels=n)),
            st.integers(1, 4).map(lambda k: KeepLargest(**common, k=k)),
            st.floats(0, 1).map(lambda s: RelabelMinor(**common, min_share=s)),
            st.floats(0, 1).map(lambda s: RelabelMinor(**common, min_share=s, per="component")),
        )
    )


@settings(max_examples=100)
@given(seed=SEEDS, rule=changes())
def test_no_rule_touches_a_voxel_of_another_label_or_adds_foreground(seed, rule):
    labels = random_map(seed)
    after = apply(labels, rule)
    values = [GLI.labels[name] for name in rule.names(GLI)]
    assert np.isin(labels[after != labels], values).all()
    assert after.dtype == labels.dtype


@settings(max_examples=60)
@given(seed=SEEDS, rule=changes())
def test_a_voxel_that_leaves_a_region_leaves_all_that_is_nested_in_it(seed, rule):
    after = apply(random_map(seed), rule)
    enhancing, core, whole = (GLI.mask(after, region) for region in ("ET", "TC", "WT"))
    assert not (enhancing & ~core).any()
    assert not (core & ~whole).any()


@settings(max_examples=60)
@given(
    seed=SEEDS, subject=NAMES, connectivity=CONNECTIVITY, sizes=st.tuples(*[st.integers(0, 80)] * 2)
)
def test_more_goes_at_a_higher_minimum_and_nothing_at_none(seed, subject, connectivity, sizes):
    labels = random_map(seed)
    low, high = (
        apply(labels, RemoveSmall(**subject, connectivity=connectivity, min_voxels=n)) != labels
        for n in sorted(sizes)
    )
    assert not (low & ~high).any()
    none = RemoveSmall(**subject, connectivity=connectivity, min_voxels=0)
    assert (apply(labels, none) == labels).all()


@settings(max_examples=60)
@given(seed=SEEDS, subject=NAMES, k=st.integers(1, 5), connectivity=CONNECTIVITY)
def test_at_most_k_pieces_are_left(seed, subject, k, connectivity):
    rule = KeepLargest(**subject, k=k, connectivity=connectivity)
    labels = random_map(seed)
    names = [GLI.labels[name] for name in rule.names(GLI)]
    neighbours = ndimage.generate_binary_structure(3, [6, 18, 26].index(connectivity) + 1)
    _, had = ndimage.label(np.isin(labels, names), neighbours)
    _, left = ndimage.label(np.isin(apply(labels, rule), names), neighbours)
    assert left == min(had, k)


@settings(max_examples=40)
@given(
    seed=SEEDS,
    sizes=st.dictionaries(st.sampled_from(list(GLI.labels)), st.integers(0, 60)),
    largest=st.dictionaries(st.sampled_from(list(GLI.labels)), st.integers(1, 3)),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_order_of_removals_from_labels_does_not_matter(seed, sizes, largest, shuffle):
    labels = random_map(seed)
    rules = [RemoveSmall(name, min_voxels=n) for name, n in sizes.items()]
    rules += [KeepLargest(name, k=k) for name, k in largest.items()]
    shuffled = shuffle.sample(rules, len(rules))
    np.testing.assert_array_equal(apply(labels, *rules), apply(labels, *shuffled))


@settings(max_examples=60)
@given(
    seed=SEEDS,
    rule=changes().filter(lambda rule: not isinstance(rule, KeepLargest)),  # ties go by scan order
    axes=st.permutations([0, 1, 2]),
)
def test_the_order_of_the_axes_does_not_matter(seed, rule, axes):
    labels = random_map(seed)
    turned = apply(labels.transpose(axes), rule)
    np.testing.assert_array_equal(turned, apply(labels, rule).transpose(axes))


@settings(max_examples=60)
@given(
    seed=SEEDS,
    rules=st.lists(changes(), max_size=4),
    restored=st.sets(st.sampled_from(list(GLI.regions))),
)
def test_what_keep_one_names_is_there_after_any_rules(seed, rules, restored):
    labels = random_map(seed, shape=(5, 5, 5))
    after = apply(labels, *rules, *(KeepOne(region=region) for region in restored))
    for region in restored:
        assert GLI.mask(after, region).any() or not GLI.mask(labels, region).any()
