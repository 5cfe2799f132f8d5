"""An interrupted search goes on with the same inputs, and says which differ otherwise."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from toy import Arithmetic, Toy, two_kinds

from challenge.provenance import Provenance
from lab.rule_search.decision import Decision, decide
from lab.rule_search.journal import NAME, Journal

FEATURES = Provenance("features", "features.npz", "1" * 64)
RECORD = Provenance(
    "search", "work", "", "search", "source", {"objective": "overlap"}, inputs={"a": FEATURES}
)


@dataclass(frozen=True)
class Counted:
    """A scorer that counts its calls, and is interrupted at one of them."""

    scorer: Arithmetic
    calls: list[int] = field(default_factory=list)
    last: int = 10**9

    def score(self, values: np.ndarray) -> dict[str, dict[str, float]]:
        self.calls.append(1)
        if len(self.calls) > self.last:
            raise KeyboardInterrupt
        return self.scorer.score(values)


def counted(work: Path, last: int = 10**9) -> tuple[Toy, list[int]]:
    """Return a cohort whose search writes a journal, and the list that counts what it scores."""
    toy, calls = two_kinds(seed=0, cases=20), []
    cases = [
        replace(case, scorer=Counted(case.scorer, calls, last)) for case in toy.cache.search_cases
    ]
    cache = replace(toy.cache, search_cases=cases, journal=Journal(work, RECORD))
    return toy._replace(cache=cache), calls


def result(decision: Decision) -> tuple:
    return (
        decision.effects,
        decision.fitted.settings,
        decision.assigned.settings,
        decision.held_out["adaptive"].settings,
        decision.gain_in_sample,
    )


def test_a_search_goes_on_where_it_was_interrupted_and_decides_the_same(tmp_path):
    plain = two_kinds(seed=0, cases=20)
    expected = result(decide(*plain))
    stopped, _ = counted(tmp_path, last=30)
    with pytest.raises(KeyboardInterrupt):
        decide(*stopped)
    resumed, calls = counted(tmp_path)
    assert resumed.cache.variants == 30
    np.testing.assert_equal(result(decide(*resumed)), expected)
    assert resumed.cache.variants == plain.cache.variants
    assert len(calls) == plain.cache.variants - 30
    again, calls = counted(tmp_path)
    np.testing.assert_equal(result(decide(*again)), expected)
    assert calls == []
    assert len(again.cache._choices) == len(Journal(tmp_path, RECORD).choices) > 10


def test_a_line_that_was_cut_short_is_done_again(tmp_path):
    toy, _ = counted(tmp_path)
    expected = result(decide(*toy))
    path = tmp_path / NAME
    whole = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(whole[:9]) + b"\n" + whole[9][:-5])
    resumed, calls = counted(tmp_path)
    np.testing.assert_equal(result(decide(*resumed)), expected)
    assert 0 < len(calls) < toy.cache.variants
    assert Journal(tmp_path, RECORD).variants == toy.cache.variants


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(RECORD, options={"objective": "dice"}), '--objective "overlap", now "dice"'),
        (
            replace(RECORD, inputs={"a": replace(FEATURES, sha256="2" * 64)}),
            "a features.npz (111111111111), now features.npz (222222222222)",
        ),
        (replace(RECORD, version="2.0"), "program source, now 2.0"),
    ],
)
def test_another_search_is_not_gone_on_with_and_what_differs_is_named(tmp_path, now, said):
    Journal(tmp_path, RECORD)
    with pytest.raises(ValueError) as error:
        Journal(tmp_path, now)
    assert said in str(error.value)
    assert "search with the same to go on, or remove this file to start anew" in str(error.value)
    assert Journal(tmp_path, RECORD).choices == {}


def test_a_file_that_is_no_journal_is_named(tmp_path):
    (tmp_path / NAME).write_text("{}")
    with pytest.raises(ValueError, match=r"\.search\.journal: cannot be gone on from .* remove it"):
        Journal(tmp_path, RECORD)


def test_numbers_survive_the_file_to_the_last_digit(tmp_path):
    row = np.array([1 / 3, np.nan, 1e-300])
    Journal(tmp_path, RECORD).add_scores("a", {b"\x00\x03": row})
    [(id, rows)] = Journal(tmp_path, RECORD).scores
    assert id == "a"
    np.testing.assert_array_equal(rows[b"\x00\x03"], row)
