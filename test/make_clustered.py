"""Make test/clustered: an artefact with two clusters for the container test, and a case of each.

    python test/make_clustered.py WORK

Synthetic patients are predicted by the shipped PANTHER network, described by PyRadiomics, divided
by PCA and k-means, and each cluster gets rules of its own, all by the verbs of `python -m lab`. The
rules are made to change labels, not to improve them: they show which cluster a case fell into. The
network stays where it is shipped; what is stored here replaces the model folder's own artefact.
The same program, libraries and weights give the same files.
"""

import contextlib
import io
import json
import shutil
import sys
from pathlib import Path

import inference
from challenge.scheme import SCHEMES
from lab.__main__ import main as lab
from lab.rule_search.clustering import assign
from lab.rule_search.feature_table import load_table
from postprocess.artefacts import load_artefacts

ROOT = Path(__file__).resolve().parents[1]
MODEL, OUT = ROOT / "weights" / "panther-t1", ROOT / "test" / "clustered"
ARTEFACT = ("MANIFEST.json", "postprocess.json", "clusters.npz")
PATIENTS = ["--kind", "panther-t1", "--cases", "12", "--seed", "31", "--spacing", "8,5,5"]
# One takes doubtful voxels away, the other adds them: what a case gets shows in its labels.
RULES = {
    "cluster_0": [{"kind": "drop-doubtful", "label": "tumour", "min_probability": 0.9}],
    "cluster_1": [{"kind": "add-probable", "label": "tumour", "min_probability": 0.1}],
}


def verb(*words: object) -> None:
    """Run one verb, or stop."""
    print("python -m lab", *words, flush=True)
    if code := lab([str(word) for word in words]):
        sys.exit(code)


def main(work: Path) -> None:
    """Make everything under `work`, then store what the test needs."""
    raw, cases, model = work / "raw", work / "cases", work / "weights" / MODEL.name
    post, rules = work / "post", work / "rules.json"
    shutil.copytree(MODEL, model, dirs_exist_ok=True)
    verb("phantom", *PATIENTS, "--layout", "nnunet", "--out", raw)
    verb("phantom", *PATIENTS, "--layout", "challenge", "--out", cases)
    verb("out-of-fold", "--model", model, "--cohort", raw, "--unseen", "--out", work / "oof")
    verb(
        "features", "--model", model, "--cohort", raw, "--predictions", work / "oof", "--out", post
    )
    verb("fit", post, "--clusters", len(RULES))
    rules.write_text(json.dumps(RULES))
    verb("freeze", post, "--rules", rules, "--model", model)
    table, artefacts = load_table(post / "features.npz"), load_artefacts(model, SCHEMES[MODEL.name])
    assert artefacts.model is not None
    named = table.named(artefacts.feature_names)
    clusters, distances = assign(artefacts.model, named.rows)
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "model").mkdir(parents=True)
    for name in ARTEFACT:
        shutil.copy(model / name, OUT / "model" / name)
    for k in range(len(RULES)):
        members = [i for i in range(len(clusters)) if clusters[i] == k]
        typical = min(members, key=lambda i: float(distances[i]))
        shutil.copytree(cases / table.ids[typical], OUT / "input" / str(k))
        expected = OUT / "expected" / str(k)
        expected.mkdir(parents=True)
        flags = ["--input", OUT / "input" / str(k), "--output", expected, "--weights", model.parent]
        with contextlib.redirect_stdout(io.StringIO()):
            assert inference.main([*map(str, flags), "--device", "cpu"]) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
