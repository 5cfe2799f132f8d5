"""Folds are dealt, stratified by cluster; a configuration is written and read alike."""

from lab.training.plans import Configuration, splits, stratified_splits


def test_folds_hold_equal_shares_of_every_cluster() -> None:
    clusters = {f"case{i}": int(i >= 10) for i in range(15)}  # ten of one kind, five of the other
    parts = stratified_splits(clusters, 5)
    for part in parts:
        assert [clusters[case] for case in part["val"]].count(1) == 1
        assert not set(part["val"]) & set(part["train"])
    assert sorted(c for p in parts for c in p["val"]) == sorted(clusters)
    assert [len(part["val"]) for part in splits(list(clusters), 5)] == [3] * 5


def test_a_configuration_is_read_as_it_is_written() -> None:
    text = "iso:resenc-l:3,2.4,2.4:48,64,64:2:ZScoreNormalization"
    configuration = Configuration.of(text)
    assert configuration.spacing_mm == (3.0, 2.4, 2.4)
    assert configuration.patch == (48, 64, 64)
    assert configuration.text == text
    assert Configuration.of("a:tiny:1,1,1:32,32,32:4").normalisation is None
