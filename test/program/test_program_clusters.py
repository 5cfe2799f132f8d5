"""A model whose artefact has several clusters: PyRadiomics and the frozen chain run in the program.

The container test runs the same cases with the same artefact in the image (run_container.sh).
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_clustered import ARTEFACT, MODEL, OUT, RULES

import inference
from challenge.scheme import SCHEMES
from ensemble.manifest import verify_model
from postprocess.artefacts import load_artefacts

TEST = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def clustered_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the shipped network with the artefact of two clusters instead of its own."""
    weights = tmp_path_factory.mktemp("weights")
    shutil.copytree(MODEL, weights / MODEL.name)
    for name in ARTEFACT:
        shutil.copy(OUT / "model" / name, weights / MODEL.name / name)
    return weights


def test_the_artefact_has_one_cluster_a_rule(clustered_weights: Path) -> None:
    artefacts = load_artefacts(clustered_weights / MODEL.name, SCHEMES[MODEL.name])
    assert len(artefacts.clusters) == len(RULES)
    assert not artefacts.has_one_rule_set and artefacts.fallback.name == "identity"
    assert any(name.startswith("t1_") for name in artefacts.feature_names)  # PyRadiomics' texture
    verify_model(clustered_weights / MODEL.name / "MANIFEST.json")


@pytest.mark.parametrize("cluster", range(len(RULES)))
def test_a_case_gets_the_rules_of_its_cluster(
    clustered_weights: Path, tmp_path: Path, cluster: int
) -> None:
    record, kind = tmp_path / "record.json", RULES[f"cluster_{cluster}"][0]["kind"]
    (tmp_path / "out").mkdir()
    paths = {
        "--input": OUT / "input" / str(cluster),
        "--output": tmp_path / "out",
        "--weights": clustered_weights,
        "--record": record,
    }
    words = [str(word) for pair in paths.items() for word in pair]
    assert inference.main([*words, "--device", "cpu"]) == 0
    judges = (
        ["cluster_record.py", record, cluster, kind],
        ["compare_labels.py", OUT / "expected" / str(cluster), tmp_path / "out"],
    )
    for judge in judges:
        command = [sys.executable, TEST / judge[0], *judge[1:]]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    other = subprocess.run(
        [sys.executable, TEST / "cluster_record.py", record, str(1 - cluster), kind],
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 1 and f"in cluster {cluster}, not {1 - cluster}" in other.stdout


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"cluster": 1, "fallback": {"name": "identity"}, "rules": []}, "the fallback taken"),
        ({"cluster": None, "fallback": None, "one_rule_set": True, "rules": []}, "no cluster was"),
        ({"cluster": 1, "fallback": None, "rules": []}, "rules [] changed voxels"),
    ],
)
def test_a_record_that_is_not_as_fitted_is_named(tmp_path: Path, chosen: dict, said: str) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"cases": {"a": {"postprocessing": chosen}}}))
    judge = [sys.executable, str(TEST / "cluster_record.py"), str(record), "1", "add-probable"]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"a: {done.stdout}".count(said) == 1
