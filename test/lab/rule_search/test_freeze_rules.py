"""`python -m lab freeze --rules`: from somebody's tables to refined labels, and no gain claimed."""

import json

import numpy as np
import pytest
import SimpleITK
from cubes import FIT, PED, make_case
from scipy import ndimage

from challenge.provenance import sha256_of
from challenge.volume import read_volume
from ensemble.manifest import MANIFEST
from lab.__main__ import main
from lab.packing.model_card import card
from lab.rule_search.feature_table import FeatureTable, save_table
from lab.rule_search.workspace import CLUSTERS, FEATURES, Setup, write_setup, write_work
from postprocess.__main__ import main as refine
from postprocess.artefacts import load_artefacts
from postprocess.feature_names import group_names
from postprocess.fill_holes import FillHoles
from postprocess.refine_input import RefineInput, case_features
from postprocess.training_cases import was_fitted_on

SIZES_FILE, SHARES_FILE = "cc_thresholds_cv.json", "lblredef_thresholds_cv.json"
CELL, CELLS = 12, 4


def patient(kind, seed):
    """Return a label map (z, y, x) of boxes that touch nothing: more and other ones by kind."""
    rng, jitter = np.random.default_rng(kind), np.random.default_rng([kind, seed])
    labels = np.zeros((CELLS * CELL,) * 3, np.uint8)
    for cell in rng.choice(CELLS**3, 3 + 4 * kind, replace=False):
        corner = np.array(np.unravel_index(cell, (CELLS,) * 3)) * CELL + 1
        sides = rng.integers(2, 9, 3) + jitter.integers(0, 2, 3)
        box = tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))
        labels[box] = 1 + rng.choice(4, p=(0.3, 0.4, 0.1, 0.2))
    return labels


def published(sizes, shares, labels):
    """Return what HOPE's code makes of a label map, one cluster's tables: sizes, then shares."""
    labels = labels.copy()
    for key, row in sizes.items():
        ids, n = ndimage.label(labels == int(key.removeprefix("label_")), np.ones((3, 3, 3)))
        for i in range(1, n + 1):
            if (ids == i).sum() < row["th"]:
                labels[ids == i] = 0
    foreground = (labels > 0).sum()
    for key, row in shares.items():
        of_label = labels == int(key.removeprefix("label_"))
        if foreground and of_label.sum() / foreground < row["th"]:
            labels[of_label] = row["redefine_to"]
    return labels


def write_work_folder(work, patients):
    """Write what `lab features` and `lab fit` leave, of the features that need no scans."""
    work.mkdir()
    names = group_names(PED, "mask")
    case = make_case(PED, (1, 1, 1))
    rows = [case_features(RefineInput(case, each, PED), names, {}) for each in patients]
    ids = tuple(f"case-{i}" for i in range(len(patients)))
    save_table(FeatureTable(ids, names, np.array(rows), ("",) * len(ids)), work / FEATURES)
    write_setup(work, Setup(PED.name, "validated", "cohort", "predictions", None, ()))
    write_clusters(work, None)


def write_clusters(work, k):
    """Write what `lab fit` says of clusters, but for what is for readers alone."""
    content = {"features_sha256": sha256_of(work / FEATURES), "seed": 0, "clusters": k}
    write_work(work, CLUSTERS, content | {"config": "validated", "stability": [], "loadings": {}})


@pytest.fixture(params=["made-up", pytest.param("published", marks=pytest.mark.slow)])
def tables(request, tmp_path, shared_data):
    """Return the folder of HOPE's two tables: two clusters by hand, or the nine that it ships."""
    if request.param == "published":
        folder = shared_data / "hope-segmenter-artefacts-NC"
        if not folder.is_dir():
            pytest.skip(f"no published tables at {folder}")
        return folder
    sizes = {"label_1": {"th": 300}, "label_4": {"th": 800}}, {"label_2": {"th": 200}}
    shares = {"label_3": {"th": 0.2, "redefine_to": 2}}, {"label_3": {"th": 0.95, "redefine_to": 1}}
    for name, parts in ((SIZES_FILE, sizes), (SHARES_FILE, shares)):
        content = {"T": {f"cluster_{k}": part for k, part in enumerate(parts)}}
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_tables_become_an_artefact_that_does_what_they_say(tables, tmp_path, capsys):
    sizes, shares = (
        next(iter(json.loads((tables / name).read_text()).values()))
        for name in (SIZES_FILE, SHARES_FILE)
    )
    patients = [patient(kind, seed) for kind in range(len(sizes)) for seed in range(3)]
    work, out = tmp_path / "work", tmp_path / "frozen"
    write_work_folder(work, patients)
    assert main(["fit", str(work)]) == 0
    (tmp_path / "labels").mkdir()
    for i, labels in enumerate(patients):
        path = tmp_path / "labels" / f"case-{i}.nii.gz"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(labels), str(path))
    rules, files = str(tmp_path / "rules.json"), [tables / SIZES_FILE, tables / SHARES_FILE]
    assert main(["import-rules", *map(str, files), "--scheme", PED.name, "--out", rules]) == 0
    assert main(["freeze", str(work), "--rules", rules, "--out", str(out)]) == 0
    assert f"imported, not judged ({rules})" in capsys.readouterr().out
    folders = ["--labels", tmp_path / "labels", "--artefact", out, "--output", tmp_path / "refined"]
    assert refine([str(word) for word in folders]) == 0
    printed, log = capsys.readouterr()
    assert "not judged: their gain is not known" in log
    lines = [json.loads(line) for line in printed.splitlines()]
    assert {line["cluster"] for line in lines} == set(range(len(sizes)))
    changed = set()  # clusters of which a case changed
    for line in lines:
        labels = patients[int(line["id"].removeprefix("case-"))]
        name = f"cluster_{line['cluster']}"
        expected = published(sizes[name], shares[name], labels)
        refined = read_volume(tmp_path / "refined" / f"{line['id']}.nii.gz", np.uint8).array
        np.testing.assert_array_equal(refined, expected)
        if (expected != labels).any():
            changed.add(line["cluster"])
        assert line["fitted_on_case"] is None
    assert len(changed) >= 2


def write_rules(tmp_path, lists):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(lists))
    return str(path)


FILL = {"kind": "fill-holes", "becomes": "NETC", "region": "WT"}


def test_one_list_is_that_of_every_case_and_needs_no_features(tmp_path, capsys):
    rules, out = write_rules(tmp_path, {"all": [FILL]}), str(tmp_path / "out")
    assert main(["freeze", "--rules", rules, "--scheme", PED.name, "--out", out]) == 0
    assert f"every case: [{FILL}]" in capsys.readouterr().out
    artefacts = load_artefacts(tmp_path / "out", PED)
    assert artefacts.has_one_rule_set and artefacts.feature_names == ()
    assert artefacts.fallback.rules == (FillHoles(region="WT", becomes="NETC"),)
    assert artefacts.origin.endswith("not judged")
    assert not {"score_with_rules", "gain_interval", "scorer"} & set(artefacts.fit)
    assert was_fitted_on("case-1", artefacts) is None


def test_a_model_takes_them_and_its_card_claims_no_gain(tmp_path, capsys):
    model = tmp_path / "weights" / "ped"
    model.mkdir(parents=True)
    manifest = {"schema": 1, "model": "ped", "scheme": PED.name, "members": [], "note": ""}
    (model / MANIFEST).write_text(json.dumps(manifest))
    rules = write_rules(tmp_path, {"all": [FILL]})
    assert main(["freeze", "--rules", rules, "--model", str(model)]) == 0
    artefacts = load_artefacts(model, PED)
    assert "foreign" not in artefacts.fit  # nothing says that another model's cases chose them
    text = "\n".join(card({**manifest, "settings": {}}, PED, artefacts, "", ()))
    assert "Post-processing: imported, not judged; nothing is known of its gain." in text
    capsys.readouterr()
    assert main(["trace", str(model)]) == 0
    assert "imported, not judged" in capsys.readouterr().out


def test_lists_of_clusters_are_refused_by_what_is_missing(tmp_path, capsys):
    work = tmp_path / "work"
    write_work_folder(work, [patient(kind, seed) for kind in range(3) for seed in range(3)])
    two = {"cluster_0": [FILL], "cluster_1": []}

    def refused(lists, *words, target=("--out", str(tmp_path / "out"))):
        assert main(["freeze", *words, "--rules", write_rules(tmp_path, lists), *target]) == 2
        return capsys.readouterr().err

    said = refused(two, "--scheme", PED.name)
    assert "rules.json: 2 lists of rules (cluster_0, cluster_1) need clusters" in said
    assert "WORK folder of `lab features` and `lab fit`" in said
    said = refused({"cluster_0": [], "mine": []}, str(work))
    assert "'mine' names none of 2 clusters, which are cluster_0, cluster_1" in said
    assert "no list of rules" in refused({}, "--scheme", PED.name)
    assert "whose labels?" in refused({"all": [FILL]})
    assert "of one scheme alone" in refused({"all": [FILL]}, str(work), "--scheme", "brats-gli")
    assert "nobody measured" in refused({"all": [FILL]}, "--force", "--scheme", PED.name)
    write_clusters(work, 3)
    assert "3 clusters, by --clusters of `lab fit`, for 2 lists" in refused(two, str(work))
    assert main(["freeze", "--out", str(tmp_path / "out")]) == 2
    assert "needs the WORK folder of a search, or --rules FILE" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["score_with_rules", "gain_interval", "scorer"])
def test_half_of_a_judgement_is_refused(tmp_path, key, capsys):
    """An artefact has all that a search measures, or, imported, nothing of it."""
    rules, out = write_rules(tmp_path, {"all": [FILL]}), tmp_path / "out"
    assert main(["freeze", "--rules", rules, "--scheme", PED.name, "--out", str(out)]) == 0
    document = json.loads((out / "postprocess.json").read_text())
    document["fit"][key] = FIT[key]
    (out / "postprocess.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="is missing"):
        load_artefacts(out, PED)
