"""Members with weights by channel: run once, averaged channel by channel, within the time."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from clock import Clock
from small_models import CASE, LONG, Scripted, always, engine, probabilities_of, slow

from challenge.scheme import labels_from
from ensemble.budget import Budget
from ensemble.manifest import Model, verify_model
from ensemble.member_average import in_groups
from ensemble.predict import predict
from lab.__main__ import main as lab

EVERYWHERE = {"background": 1, "NETC": 1, "SNFH": 1, "ET": 1, "RC": 1}
ONLY_ET = dict.fromkeys(EVERYWHERE, 0) | {"ET": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Pack two folds of one network and one of another, with equal weights."""
    folder = tmp_path_factory.mktemp("weights")
    a = tiny.train(folder / "a", tiny.plans(), tiny.dataset(), folds=(0, 1))
    b = tiny.train(folder / "b", tiny.plans(spacing_mm=(1.2, 1.2, 1.2)), tiny.dataset())
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(folder / "weights")]
    assert lab(["pack", str(a), str(b), *words]) == 0
    return verify_model(folder / "weights" / "m" / "MANIFEST.json")


def with_weights(model: Model, *weights: tuple[float, ...]) -> Model:
    """Return the model with weights (channel,) of each member."""
    members = zip(model.members, weights, strict=True)
    return replace(
        model,
        members=tuple(
            replace(member, weight=sum(each) / len(each), channel_weights=each)
            for member, each in members
        ),
    )


def test_folds_of_the_same_weights_average_logits_and_others_probabilities(model: Model) -> None:
    specialist, rest = (1.0, 1, 1, 3, 1), (1.0, 1, 1, 1, 1)
    same = with_weights(model, specialist, specialist, rest)
    assert [len(group) for group in in_groups(same.members)] == [2, 1]
    other = with_weights(model, specialist, (1.0, 1, 1, 2, 1), rest)
    assert [len(group) for group in in_groups(other.members)] == [1, 1, 1]
    one, two = ([each for each in probabilities_of(CASE, only(model, *n))] for n in ((0, 1), (2,)))
    weights = [(2 * a, b) for a, b in zip(specialist, rest, strict=True)]
    mean = [
        (a * first + b * second) / (a + b)
        for (a, b), first, second in zip(weights, one, two, strict=True)
    ]
    expected = np.stack(mean) / np.sum(mean, 0)
    np.testing.assert_allclose(probabilities_of(CASE, same), expected, atol=1e-6)


def only(model: Model, *numbers: int) -> Model:
    return replace(model, members=tuple(model.members[number] for number in numbers))


def test_each_label_is_its_specialists(model: Model) -> None:
    """The network with all of ET's weight decides ET, whatever the others say of it."""
    weights = with_weights(model, (1, 1, 1, 0, 1), (1, 1, 1, 0, 1), (1, 1, 1, 1, 1))
    scripted = Scripted([always(3), always(3), always(2, 8.0)], weights)
    (prediction,) = predict(CASE, weights, scripted)
    labels = labels_from(prediction.probabilities, weights.head, weights.scheme)
    assert labels[10, 9, 11] == 2
    np.testing.assert_allclose(prediction.probabilities.sum(0), 1, atol=1e-6)


def test_a_member_whose_weights_are_all_zero_is_not_run(model: Model) -> None:
    plain, zero = (1.0,) * 5, (0.0,) * 5
    weights = with_weights(model, plain, zero, plain)
    scripted = Scripted([always(3)] * 3, weights)
    (prediction,) = predict(CASE, weights, scripted, count_votes=True)
    assert set(Counter(scripted.calls)) == {model.members[0].name, model.members[2].name}
    assert prediction.members_run == 2
    np.testing.assert_array_equal(prediction.votes[4:14, 4:14, 4:14], 1)


def test_where_time_is_short_the_least_weight_over_all_channels_is_left_out(model: Model) -> None:
    """And its region comes from the others, which is said."""
    clock = Clock(1000.0)
    weights = with_weights(only(model, 0, 2), (0, 0, 0, 1, 0), (1, 1, 1, 0, 1))
    networks = [slow(clock, lambda: 1.0, network) for network in (always(2), always(3))]
    scripted = Scripted(networks, weights)
    *_, prediction = predict(LONG, weights, scripted, Budget(4.0, clock))
    assert set(scripted.calls) == {model.members[2].name}
    assert prediction.skipped[-2:] == (
        "1 of 2 members",
        "every member with a weight for ET: others count there instead",
    )
    labels = labels_from(prediction.probabilities, weights.head, weights.scheme)
    assert labels[18, 10, 10] == 3


def test_pack_takes_weights_by_channel(tmp_path: Path, model: Model) -> None:
    sources = []
    for name, spacing_mm in (("a", 1.0), ("b", 1.3)):
        plans = tiny.plans(spacing_mm=(spacing_mm,) * 3)
        sources.append(str(tiny.train(tmp_path / name, plans, tiny.dataset())))
    flags = ["--scheme", "brats-gli", "--out", str(tmp_path / "weights"), "--model", "m"]
    weights = ["--weight", "background=1,WT=1,ET=0,RC=1", "2"]
    assert lab(["pack", *sources, *flags, *weights]) == 0
    packed = verify_model(tmp_path / "weights" / "m" / "MANIFEST.json")
    assert [m.channel_weights for m in packed.members] == [(1, 1, 1, 0, 1), ()]
    assert [m.weight for m in packed.members] == [0.8, 2.0]
    first, second = (tiny.predict_member(CASE, m, packed, engine()) for m in plain(packed))
    each = [(1, 1, 1, 0, 1)[c] * first[c] + 2 * second[c] for c in range(5)]
    mean = np.stack([p / w for p, w in zip(each, (3, 3, 3, 2, 3), strict=True)])
    np.testing.assert_allclose(probabilities_of(CASE, packed), mean / mean.sum(0), atol=1e-6)


def plain(model: Model) -> list:
    return [replace(member, channel_weights=()) for member in model.members]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("WT=1", "weight of a/fold_0/checkpoint_final.pth says nothing of background, RC; the"),
        ("background=1,WT=0,RC=1", "no member has a weight for NETC"),
        ("ET", "--weight ET: each must be above 0, or NAME=NUMBER,..."),
        ("ET=1,ET=2", "--weight ET=1,ET=2: a name twice"),
        ("ET=-1", "--weight ET=-1: each must be above 0, or NAME=NUMBER,..."),
        ("0", "--weight 0: each must be above 0"),
        ("ET=1, RC=1", "a blank or an empty name"),
    ],
)
def test_weights_that_pack_cannot_take_are_named(
    tmp_path: Path, weights: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny.train(tmp_path / "a", tiny.plans(), tiny.dataset())
    flags = ["--scheme", "brats-gli", "--out", str(tmp_path / "weights"), "--model", "m"]
    assert lab(["pack", str(source), *flags, "--weight", weights]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "weights" / "m").exists()
