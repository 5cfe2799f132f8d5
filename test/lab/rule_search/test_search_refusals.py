"""A rule search is refused by name where a step or a prediction is missing, or cases are alike."""

import numpy as np
import pytest
from pancreas_cohort import CASES, features, write, write_cohort

from lab.__main__ import main
from lab.rule_search.feature_table import FeatureTable, load_table, save_table


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def test_a_missing_step_is_named(cohort, tmp_path, capsys):
    assert main(["fit", str(tmp_path)]) == 2
    assert "setup.json: missing; `python -m lab features` makes it" in capsys.readouterr().err
    assert features(cohort, "early") == 0
    assert main(["search", str(cohort / "early")]) == 2
    assert "`python -m lab fit` makes it" in capsys.readouterr().err
    assert main(["freeze", str(cohort / "early"), "--out", str(tmp_path)]) == 2
    assert "`python -m lab search` makes it" in capsys.readouterr().err


def test_cases_that_are_all_alike_are_refused(cohort, tmp_path, capsys):
    assert features(cohort, "alike") == 0
    table = load_table(cohort / "alike" / "features.npz")
    rows = np.repeat(table.rows[:1], CASES, axis=0)
    alike = FeatureTable(table.ids, table.names, rows, table.reasons)
    save_table(alike, cohort / "alike" / "features.npz")
    assert main(["fit", str(cohort / "alike")]) == 2
    assert "are all cases alike?" in capsys.readouterr().err


def test_a_cohort_without_any_predicted_tumour_is_refused(cohort, tmp_path, capsys):
    for path in (cohort / "oof").iterdir():
        write(tmp_path / "none" / path.name, np.zeros((10, 20, 20), np.uint8))
    assert features(cohort, "none", "--predictions", tmp_path / "none") == 0
    assert "p00: the tumour is empty" in capsys.readouterr().err
    assert main(["fit", str(cohort / "none")]) == 2
    assert "none of 12 predictions has a tumour to describe" in capsys.readouterr().err


def test_a_missing_prediction_and_a_single_member_are_refused(cohort, tmp_path, capsys):
    assert features(cohort, "lost", "--predictions", tmp_path) == 2
    assert f"{tmp_path}: no prediction for 12 of 12 cases of the cohort (p00.mha, p01.mha, " in (
        capsys.readouterr().err
    )
    assert features(cohort, "lost", "--members", cohort / "oof") == 2
    assert "at least two" in capsys.readouterr().err
