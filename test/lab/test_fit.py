"""Fitting on a small synthetic set, from feature vectors and from files on disk."""

import datetime
import json

import numpy as np
import pytest
import SimpleITK
from test_clustering import cloud
from test_search import tables_of

from challenge.scheme import SCHEMES
from ensemble.manifest import MANIFEST
from lab.__main__ import main
from lab.fit import Described, fit_artefacts, summary
from lab.search import make_table
from postprocess.artefacts import load_artefacts, save_artefacts
from postprocess.feature_names import feature_names

GLI, PANTHER = SCHEMES["brats-gli"], SCHEMES["panther-t1"]
DATE = datetime.date(2026, 1, 2)


@pytest.fixture(scope="module")
def described():
    """Eight cases with specks to remove and ten with real ones, told apart by features."""
    rng = np.random.default_rng(5)
    rows = np.concatenate([cloud(rng, 8, 9.0), cloud(rng, 10, -9.0)])
    tables = tables_of(rng, 8) + tables_of(rng, 10, true_specks=True)
    cases = [Described(f"case-{i}", *pair) for i, pair in enumerate(zip(rows, tables, strict=True))]
    return [*cases, Described("case-empty", None, tables[0])]


@pytest.fixture(scope="module")
def artefacts(described):
    return fit_artefacts(described, GLI, DATE)


def test_each_cluster_gets_its_own_rules_and_the_largest_comes_first(described, artefacts):
    assert [cluster.training_cases for cluster in artefacts.clusters] == [10, 8]
    real, specks = artefacts.clusters
    assert real.rules == ()
    assert [rule.label for rule in specks.rules] == ["ET"]
    assert artefacts.model.assign(described[0].features)[0] == 1
    assert artefacts.fit["score_with_rules"] > artefacts.fit["score_without_rules"]
    assert artefacts.fit["training_cases"] == 19
    assert len(summary(artefacts)) >= 4


def test_what_was_fitted_loads_and_names_no_case(artefacts, tmp_path):
    save_artefacts(tmp_path, artefacts)
    assert load_artefacts(tmp_path, GLI).clusters == artefacts.clusters
    assert "case-" not in (tmp_path / "postprocess.json").read_text()


def test_the_same_cases_give_the_same_bytes(described, artefacts, tmp_path):
    for name, fitted in (("one", artefacts), ("two", fit_artefacts(described, GLI, DATE))):
        (tmp_path / name).mkdir()
        save_artefacts(tmp_path / name, fitted)
    for name in ("postprocess.json", "clusters.npz"):
        one, two = (tmp_path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 3.0))
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture
def cohort(tmp_path):
    """Nine pancreases on disk, each predicted with one speck too many, and a model folder."""
    rng = np.random.default_rng(3)
    cases, predictions = tmp_path / "raw", tmp_path / "predictions"
    for i in range(9):
        reference = np.zeros((10, 20, 20), np.uint8)
        reference[2:8, 4:14, 4:16] = 2
        reference[3:6, 6:10, 6 : 9 + i % 3] = 1
        prediction = reference.copy()
        prediction[8, 17, 16:18] = 1
        image = rng.normal(300, 30, reference.shape) + 50 * (reference == 1)
        write(cases / "imagesTr" / f"p{i}_0000.mha", image.astype(np.float32))
        write(cases / "labelsTr" / f"p{i}.mha", reference)
        write(predictions / f"p{i}.mha", prediction)
    dataset = {
        "channel_names": {"0": "t1"},
        "labels": {"background": 0, "tumour": 1, "pancreas": 2},
        "file_ending": ".mha",
    }
    (cases / "dataset.json").write_text(json.dumps(dataset))
    model = tmp_path / "weights" / "panther-t1"
    model.mkdir(parents=True)
    manifest = {"schema": 1, "model": "panther-t1", "scheme": "panther-t1", "members": []}
    (model / MANIFEST).write_text(json.dumps(manifest))
    return tmp_path


def fit(cohort):
    arguments = {"model": "weights/panther-t1", "cohort": "raw", "predictions": "predictions"}
    words = [word for k, v in arguments.items() for word in (f"--{k}", str(cohort / v))]
    return main(["fit", *words])


def test_the_verb_fits_from_files_and_lists_them_in_the_manifest(cohort, capsys):
    assert fit(cohort) == 0
    folder = cohort / "weights" / "panther-t1"
    artefacts = load_artefacts(folder, PANTHER)
    assert artefacts.feature_names == feature_names(("t1",))
    assert [rule.label for rule in artefacts.clusters[0].rules] == ["tumour"]
    assert artefacts.fit["score_with_rules"] == 1.0
    assert artefacts.fallback.name == "pooled"
    files = json.loads((folder / MANIFEST).read_text())["files"]
    assert sorted(files) == ["clusters.npz", "postprocess.json"]
    assert "1 clusters of 9 cases" in capsys.readouterr().out


def test_no_predictions_is_said(cohort):
    for path in (cohort / "predictions").iterdir():
        path.unlink()
    with pytest.raises(SystemExit, match=r"p0.mha: no prediction for"):
        fit(cohort)


def test_a_cohort_without_any_predicted_tumour_is_said():
    nothing = np.zeros((8, 8, 8), np.uint8)
    described = [Described(f"p{i}", None, make_table(nothing, nothing, GLI, 1.0)) for i in range(9)]
    with pytest.raises(ValueError, match="none of 9 predictions has a tumour"):
        fit_artefacts(described, GLI, DATE)
