"""A record goes to disk and back; what differs between two runs is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.provenance import (
    NAME,
    Provenance,
    ProvenanceError,
    differences,
    from_json,
    hash_files,
    hash_json,
    read_provenance,
    require_same,
    write_provenance,
)

COHORT = Provenance("cohort", "Dataset501_GLI", "a" * 64, facts={"cases": 3})
MODEL = Provenance("model", "m", "b" * 64, verb="pack", version="1.0", options={"step": 0.5})
RECORD = Provenance(
    "label maps",
    "oof",
    "c" * 64,
    verb="out-of-fold",
    version="1.0",
    options={"unseen": False},
    facts={"held_out": "held-out"},
    inputs={"model": MODEL, "cohort": COHORT},
)
NODES = st.recursive(
    st.builds(Provenance, st.text(), st.text(), st.text()),
    lambda children: st.builds(
        Provenance,
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.dictionaries(st.text(), st.integers() | st.text() | st.booleans()),
        st.dictionaries(st.text(), st.integers()),
        st.dictionaries(st.text(), children, max_size=3),
    ),
    max_leaves=8,
)


@given(NODES)
def test_a_record_comes_back_from_json(record: Provenance) -> None:
    assert from_json(json.loads(json.dumps(record.to_json())), Path("x")) == record


def test_a_folders_record_comes_back(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) is None
    write_provenance(tmp_path, RECORD)
    assert read_provenance(tmp_path) == RECORD
    assert [each.product for each in RECORD.walk()] == ["label maps", "model", "cohort"]


def test_the_same_verb_with_the_same_inputs_goes_on(tmp_path: Path) -> None:
    require_same(tmp_path, RECORD)  # nothing there
    write_provenance(tmp_path, RECORD)
    require_same(tmp_path, replace(RECORD, version="2.0", sha256=""))


def test_another_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    write_provenance(tmp_path, RECORD)
    other = replace(MODEL, name="n", sha256="d" * 64)
    now = replace(RECORD, options={"unseen": True}, inputs={"model": other, "cohort": COHORT})
    assert differences(RECORD, now) == [
        "--unseen false, now true",
        "model m (bbbbbbbbbbbb), now n (dddddddddddd)",
    ]
    with pytest.raises(ProvenanceError, match=r"--unseen false, now true; model m .*remove this"):
        require_same(tmp_path, now)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1, "product": "x"}', "[" * 5000]
)
def test_what_is_no_record_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ProvenanceError, match=NAME):
        read_provenance(tmp_path)


def test_a_hash_is_of_names_and_contents_in_any_order(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    before = hash_files([first, second])
    assert hash_files([second, first]) == before
    second.write_text("3")
    assert hash_files([first, second]) != before
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1}) != hash_json({"a": 1})
    assert hash_json([1.0, [True]]) == hash_json([1, [True]]) != hash_json([1.5, [True]])
