"""Gates on cubes, in the whole flow and in files; each way in which a file can be wrong."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from cubes import (
    GLI,
    box,
    certain,
    linear,
    make_artefacts,
    make_case,
    one_tree,
    size_gate,
    softmax_head,
)

from postprocess import refine, refine_labels
from postprocess.__main__ import main
from postprocess.artefacts import ArtefactError, Cluster, Fallback, load_artefacts, save_artefacts
from postprocess.component_features import describe_components
from postprocess.component_gates import apply_gates
from postprocess.gate_models import Familiarity, Scaling
from postprocess.refine_input import RefineInput
from postprocess.rules_by_size import RemoveSmall
from postprocess.training_cases import was_fitted_on

NETC, SNFH, ET = (GLI.labels[name] for name in ("NETC", "SNFH", "ET"))


def labels_of_three() -> np.ndarray:
    """A block of oedema, a speck of ET inside of it and one apart, and a block of ET apart."""
    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, SNFH, (1, 1, 1), (6, 6, 6))
    box(labels, ET, (3, 3, 3), (1, 1, 2))
    box(labels, ET, (10, 1, 1), (1, 1, 2))
    box(labels, ET, (8, 8, 8), (3, 3, 3))
    return labels


def gated(*gates, **changes) -> tuple[np.ndarray, list]:
    refine_input = RefineInput(make_case(GLI), labels_of_three(), GLI, **changes)
    result = apply_gates(refine_input, gates)
    np.testing.assert_array_equal(refine_input.labels, labels_of_three())
    return result.labels, result.record


def test_a_gate_removes_what_it_takes_for_false_and_says_so_of_each_component() -> None:
    labels, record = gated(size_gate("ET", 10.0))
    assert np.count_nonzero(labels == ET) == 27
    assert labels[3, 3, 3] == 0
    (row,) = record
    assert (row["gate"], row["voxels"]) == ("ET", 4)
    assert [c["removed"] for c in row["components"]] == [True, False, True]
    assert [c["volume_mm3"] for c in row["components"]] == [2, 27, 2]
    sure = 1 / (1 + np.exp(-2))
    assert [c["probability"] for c in row["components"]] == pytest.approx([sure, 1 - sure, sure])
    assert json.loads(json.dumps(record)) == record


def test_what_is_removed_may_take_the_label_around_it() -> None:
    labels, _ = gated(size_gate("ET", 10.0, "surrounding"))
    assert labels[3, 3, 3] == SNFH and labels[10, 1, 1] == 0


def test_what_a_gate_takes_for_another_label_becomes_it() -> None:
    """It is no component of the gate on that label, and none of its former label any more."""
    gates = size_gate("ET", 10.0, "NETC"), size_gate("NETC", 1e6), size_gate("ET", 10.0)
    labels, record = gated(*gates)
    assert np.count_nonzero(labels == NETC) == 4 and labels[3, 3, 3] == NETC
    assert np.count_nonzero(labels == ET) == 27
    assert [row["gate"] for row in record] == ["ET -> NETC", "NETC", "ET"]
    assert [row["voxels"] for row in record] == [4, 0, 0]


def test_a_gate_on_a_region_removes_all_its_labels() -> None:
    labels, record = gated(size_gate("WT", 30.0))
    assert np.count_nonzero(labels) == 6**3
    assert labels[3, 3, 3] == ET
    assert len(record[0]["components"]) == 3


def test_decisions_are_those_of_the_prediction_and_gates_apply_in_order() -> None:
    """The second gate decides on ET as predicted; what the first one took stays background."""
    first, second = size_gate("WT", 30.0), size_gate("ET", 1e6, "surrounding")
    labels, record = gated(first, second)
    assert np.count_nonzero(labels == ET) == 0 and labels[3, 3, 3] == SNFH
    assert labels[8, 8, 8] == labels[10, 1, 1] == 0
    assert [row["voxels"] for row in record] == [29, 2]
    assert [c["removed"] for c in record[1]["components"]] == [True] * 3


def test_a_gate_on_the_whole_case_leaves_all_or_nothing() -> None:
    labels, (row,) = gated(size_gate("WT", 99.0, per="case"))
    np.testing.assert_array_equal(labels, labels_of_three())
    assert row["gate"] == "WT, whole case"
    assert [c["volume_mm3"] for c in row["components"]] == [np.count_nonzero(labels)]
    labels, (row,) = gated(size_gate("WT", 999.0, per="case"))
    assert not labels.any() and row["voxels"] == 216 + 29


def test_a_component_unlike_any_of_the_training_stays_and_the_record_says_so() -> None:
    """The gate is centred on 10 mm3, a thousand of which are one deviation; 27 mm3 are 0.017."""
    near = Familiarity(np.diag([1.0, 0.0]), np.array(0.01))
    gate = size_gate("ET", 10.0, familiarity=near, model=one_tree(9.0, low=2.0, high=2.0))
    labels, (row,) = gated(gate)
    assert [c["removed"] for c in row["components"]] == [True, False, True]
    assert [c.get("unlike_training", False) for c in row["components"]] == [False, True, False]
    assert np.count_nonzero(labels == ET) == 27


def test_a_cutoff_above_every_probability_removes_nothing() -> None:
    labels, record = gated(size_gate("ET", 10.0, cutoff=0.99))
    np.testing.assert_array_equal(labels, labels_of_three())
    assert record[0]["voxels"] == 0


def test_a_gate_without_what_it_needs_is_skipped_and_says_why(caplog) -> None:
    needy = replace(
        size_gate("ET", 10.0),
        feature_names=("probability_mean", "votes_mean"),
        scaling=Scaling(np.zeros(2, bool), np.zeros(2), np.ones(2)),
    )
    labels, (row,) = gated(needy)
    np.testing.assert_array_equal(labels, labels_of_three())
    assert row["skipped"] == "no probabilities to describe"
    assert "gate on ET skipped: no probabilities" in caplog.text
    probabilities = certain(labels_of_three(), GLI)
    _, (row,) = gated(needy, probabilities=probabilities, head=softmax_head(GLI))
    assert row["skipped"] == "no votes of members to describe"
    assert needy.needs_votes(GLI) and not size_gate("ET", 10.0).needs_votes(GLI)


def test_gates_come_before_the_rules_and_the_record_has_both() -> None:
    """One voxel of 2 mm3 and two of 4: the gate takes the first, the rule what is below 5 mm3."""
    case, labels = make_case(GLI, spacing_mm=(2.0, 1.0, 1.0)), np.zeros((12, 14, 16), np.uint8)
    box(labels, ET, (1, 1, 1), (3, 3, 3))
    box(labels, ET, (8, 8, 8), (1, 1, 1))
    box(labels, ET, (8, 8, 12), (1, 1, 2))
    artefacts = replace(
        make_artefacts(),
        clusters=(Cluster(9, 1e9, (RemoveSmall("ET", min_volume_mm3=5.0),)),) * 2,
        fallback=Fallback("pooled", (RemoveSmall("ET", min_volume_mm3=5.0),)),
        gates=(size_gate("ET", 3.0),),
    )
    refined = refine(case, certain(labels, GLI), softmax_head(GLI), artefacts)
    assert np.count_nonzero(refined.labels) == 27
    assert [row["voxels"] for row in refined.record["gates"]] == [1]
    assert [row["voxels"] for row in refined.record["rules"]] == [2]
    assert refined.record["voxels_changed"]["ET"] == {"lost": 3, "gained": 0}
    assert artefacts.needs_votes is False


def test_gates_without_rules_were_fitted_on_cases_too() -> None:
    rules = replace(make_artefacts(), clusters=(Cluster(9, 1e9, ()),) * 2)
    rules = replace(rules, fallback=Fallback("identity"))
    assert was_fitted_on("a", rules) is False
    assert was_fitted_on("a", replace(rules, gates=(size_gate("ET", 3.0),))) is None


@pytest.fixture
def folder(tmp_path):
    gates = (size_gate("ET", 3.0), size_gate("WT", 9.0, model=linear([1.0, 0.5])))
    save_artefacts(tmp_path, replace(make_artefacts(), gates=gates))
    return tmp_path


def test_gates_come_back_as_they_were_and_to_the_same_bytes(folder, tmp_path_factory) -> None:
    loaded = load_artefacts(folder, GLI)
    refine_input = RefineInput(make_case(GLI), labels_of_three(), GLI)
    for gate, name in zip(loaded.gates, ("ET", "WT"), strict=True):
        assert gate.name == name
        described = describe_components(refine_input, gate.labels(GLI), gate.feature_names)
        original = {
            "ET": size_gate("ET", 3.0),
            "WT": size_gate("WT", 9.0, model=linear([1.0, 0.5])),
        }
        np.testing.assert_array_equal(
            gate.probabilities(described.rows), original[name].probabilities(described.rows)
        )
    again = tmp_path_factory.mktemp("again")
    save_artefacts(again, loaded)
    names = ["clusters.npz", "gates.npz", "postprocess.json"]
    assert sorted(path.name for path in again.iterdir()) == names
    for name in names:
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_saving_without_gates_removes_those_of_before(folder) -> None:
    save_artefacts(folder, make_artefacts())
    assert not (folder / "gates.npz").exists()
    assert load_artefacts(folder, GLI).gates == ()


def test_an_artefact_of_schema_3_has_no_gates(tmp_path) -> None:
    save_artefacts(tmp_path, make_artefacts())
    path = tmp_path / "postprocess.json"
    document = json.loads(path.read_text())
    assert (document.pop("gates"), document.pop("gates_sha256")) == ([], "")
    path.write_text(json.dumps({**document, "schema": 3}))
    loaded = load_artefacts(tmp_path, GLI)
    assert loaded.gates == () and loaded.clusters == make_artefacts().clusters


def change_json(folder, change) -> None:
    path = folder / "postprocess.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(gates=[]), "0 gates with gates_sha256"),
        (lambda d: d.update(gates_sha256="0" * 64), "gates.npz: sha256"),
        (lambda d: d["gates"].pop(), "gates.npz: unknown arrays"),
        (lambda d: d["gates"].reverse(), "gates.npz: gate 0: missing array weights"),
        (lambda d: d["gates"][0]["feature_names"].pop(), "gate.*2 features, not 1"),
        (lambda d: d["gates"][0].update(model="forest"), "model 'forest' is not one of logistic"),
        (lambda d: d["gates"][0].update(cutoff="half"), "cutoff: 'half' is not of type float"),
        (lambda d: d["gates"][0].pop("slope"), "'slope' is missing"),
        (lambda d: d["gates"][0].update(more=1), r"gate 0: unknown keys \['more'\]"),
        (lambda d: d["gates"][0].update(label="XX"), "'XX', '' is no label or region"),
        (lambda d: d["gates"][0].update(region="WT"), "'ET', 'WT' is no label or region"),
        (lambda d: d["gates"][0].update(becomes="ET"), "becomes 'ET'"),
        (lambda d: d["gates"][0].update(becomes="XX"), "becomes 'XX'"),
        (lambda d: d["gates"][0].update(per="slice"), "per 'slice'"),
        (lambda d: d["gates"][0]["feature_names"].append("beauty"), "unknown feature 'beauty'"),
        (lambda d: d["gates"][0].update(feature_names=["extent"]), "2 features, not 1"),
        (lambda d: d["gates"][0]["known_answers"].pop(), "1 known answers, not 2"),
        (lambda d: d["gates"][0].update(offset=0.1), "known answer 0 has probability"),
        (
            lambda d: d["gates"][0]["known_answers"][0].update(features=[None, 1.0]),
            "None is not a finite number",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(folder, change, message: str) -> None:
    change_json(folder, change)
    with pytest.raises(ArtefactError, match=message):
        load_artefacts(folder, GLI)


def test_a_file_of_gates_that_is_missing_or_too_much_is_refused(folder, tmp_path_factory) -> None:
    content = (folder / "gates.npz").read_bytes()
    (folder / "gates.npz").unlink()
    with pytest.raises(ArtefactError, match=r"gates.npz: missing, though postprocess.json has 2"):
        load_artefacts(folder, GLI)
    other = tmp_path_factory.mktemp("other")
    (other / "gates.npz").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"postprocess.json: missing, though gates.npz is"):
        load_artefacts(other, GLI)
    save_artefacts(other, make_artefacts())
    (other / "gates.npz").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"gates.npz: there, though postprocess.json has 0"):
        load_artefacts(other, GLI)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_arrays_that_are_no_archive_are_refused(folder, content: bytes) -> None:
    (folder / "gates.npz").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    change_json(folder, lambda d: d.update(gates_sha256=sha256))
    with pytest.raises(ArtefactError, match=r"gates.npz: "):
        load_artefacts(folder, GLI)


def test_the_program_writes_each_gate_into_its_line(folder, tmp_path, capsys) -> None:
    from files import write_nifti

    write_nifti(tmp_path / "maps" / "a.nii.gz", labels_of_three())
    save_artefacts(folder, replace(load_artefacts(folder, GLI), gates=(size_gate("ET", 10.0),)))
    words = ["--labels", tmp_path / "maps", "--artefact", folder, "--output", tmp_path / "out"]
    assert main(list(map(str, words))) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["voxels"] for row in line["gates"]] == [4]


def test_labels_that_a_gate_left_nothing_of_come_back_where_that_is_punished() -> None:
    from cubes import PANTHER

    labels = np.zeros((12, 14, 16), np.uint8)
    box(labels, PANTHER.labels["tumour"], (3, 3, 3), (2, 2, 2))
    artefacts = replace(make_artefacts(PANTHER), gates=(size_gate("tumour", 99.0),))
    gate = replace(artefacts.gates[0], label="tumour", region="")
    refined = refine_labels(
        RefineInput(make_case(PANTHER), labels, PANTHER), replace(artefacts, gates=(gate,))
    )
    np.testing.assert_array_equal(refined.labels, labels)
    assert refined.record["recovered_by"] == "before-rules"
    assert refined.record["gates"][0]["voxels"] == 8
