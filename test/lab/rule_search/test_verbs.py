"""From files to a frozen artefact: features, fit, search, freeze, each refusing by name."""

import json
import shutil

import numpy as np
import pytest
from pancreas_cohort import CASES, PANTHER, evaluated_mean, features, write_cohort

from challenge.case_hashes import hash_cases
from challenge.provenance import content_sha256, read_provenance
from challenge.volume import read_volume
from ensemble.manifest import MANIFEST
from lab.__main__ import main
from lab.rule_search import search
from lab.rule_search.explain import figures
from lab.rule_search.feature_table import load_table
from lab.rule_search.workspace import SCHEMA
from postprocess.__main__ import main as refine
from postprocess.artefacts import load_artefacts


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def searched(cohort):
    """A work folder in which all steps but freezing were taken."""
    assert features(cohort, "work", "--probabilities", cohort / "npz") == 0
    assert main(["fit", str(cohort / "work")]) == 0
    assert main(["search", str(cohort / "work")]) == 0
    return cohort


def test_a_rule_against_false_islands_is_evaluated_out_of_fold_and_shipped(searched, capsys):
    content = json.loads((searched / "work" / "search.json").read_text())
    assert (content["scorer"], content["ships"]) == ("panther", "pooled")
    methods = {row["method"]: row for row in content["effects"]}
    assert methods["adaptive"]["low"] > 0
    assert methods["adaptive"]["better"] == CASES
    assert {c["region"] for c in methods["adaptive"]["columns"]} == {"tumour"}
    folder = searched / "weights" / "panther-t1"
    words = ["freeze", str(searched / "work"), "--model", str(folder)]
    assert main(words) == 0  # predictions of no recorded model: no gain is claimed
    out, err = capsys.readouterr()
    assert "made from predictions of unknown origin; the card claims" in err and "tumour" in out
    artefacts = load_artefacts(folder, PANTHER)
    assert "unknown origin" in artefacts.fit["foreign"]
    assert [rule.label for rule in artefacts.clusters[0].rules] == ["tumour"]
    assert artefacts.fit["ships"] == "pooled"
    assert artefacts.fit["score_with_rules"] > artefacts.fit["score_without_rules"]
    assert any(name.startswith("probability_") for name in artefacts.feature_names)
    assert "p00" not in (folder / "postprocess.json").read_text()
    files = json.loads((folder / MANIFEST).read_text())["files"]
    assert sorted(files) == ["clusters.npz", "postprocess.json"]


def test_other_seeds_are_the_floor_of_a_gain(searched, capsys):
    """The other seed is right everywhere, so that rules cannot gain more than it."""
    shutil.copytree(searched / "work", searched / "with_seeds")
    words = ["search", str(searched / "with_seeds"), "--seed-floor"]
    assert main([*words, str(searched / "raw" / "labelsTr")]) == 0
    content = json.loads((searched / "with_seeds" / "search.json").read_text())
    noise, (identity, *others) = content["seed_noise"], content["effects"]
    assert (noise["seeds"], noise["objective"]) == (2, "overlap")
    assert noise["value"] == pytest.approx(1 - identity["mean"])
    out = capsys.readouterr().out
    assert f"2 seeds differ by up to {noise['value']:.4f} in overlap" in out
    line = "what {} gains is no more than that of another seed"
    assert [line.format(row["method"]) in out for row in others] == [True, True]
    page = searched / "with_seeds" / "page.html"
    assert main(["explain", str(searched / "with_seeds"), "--html", str(page)]) == 0
    assert line.format("pooled") in page.read_text()
    (searched / "no_seed").mkdir()
    assert main([*words, str(searched / "no_seed")]) == 2
    assert "no prediction for 12 of 12 cases" in capsys.readouterr().err


@pytest.fixture(scope="module")
def published(cohort):
    """A work folder whose rules of two clusters ship whatever they gain."""
    assert features(cohort, "published", "--config", "published") == 0
    assert main(["fit", str(cohort / "published"), "--clusters", "2"]) == 0
    assert main(["search", str(cohort / "published")]) == 0


@pytest.mark.parametrize(("work", "method"), [("work", "pooled"), ("published", "adaptive")])
def test_evaluate_on_the_held_out_labels_gives_the_held_out_number(
    searched, published, work, method
):
    folder = searched / work / "held_out"
    content = json.loads((searched / work / "search.json").read_text())
    means = {row["method"]: row["mean"] for row in content["effects"]}
    assert content["ships"] == method
    assert means[method] > means["identity"]
    assert evaluated_mean(searched, folder) == pytest.approx(means[method], abs=1e-9)
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in (searched / "oof").iterdir()} | {"provenance.json"}
    # Labels that the challenge does not ask for stay as they were predicted.
    before, after = (read_volume(at / "p00.mha", np.uint8) for at in (searched / "oof", folder))
    assert ((before.array == 2) == (after.array == 2)).all()
    assert before.spacing_mm == after.spacing_mm
    record = read_provenance(folder)
    assert (record.verb, record.held_out, record.sha256) == (
        "search",
        "unknown",  # nobody said that the networks did not see the cases
        content_sha256(folder),
    )
    assert record.facts["rules"] == f"{method}, each case's without it"


def test_rules_on_the_cases_that_chose_them_show_nothing_and_held_out_labels_do(
    searched, tmp_path, capsys
):
    decided = searched / "work" / "decided"
    ids = [f"p{i:02d}" for i in range(CASES)]
    assert load_artefacts(decided, PANTHER).fit["training_case_sha256"] == hash_cases(ids)
    folders = ["--labels", searched / "oof", "--artefact", decided, "--output", tmp_path / "fitted"]
    assert refine(list(map(str, folders))) == 0
    assert "12 of 12 cases were used to fit these rules" in capsys.readouterr().err
    results = {}
    references = searched / "raw" / "labelsTr"
    for folder in (searched / "oof", tmp_path / "fitted", searched / "work" / "held_out"):
        results[folder.name] = str(tmp_path / f"{folder.name}.json")
        options = ["--predictions", folder, "--references", references]
        out = ["--out", results[folder.name]]
        assert main(["evaluate", "--scorer", "panther", *map(str, options), *out]) == 0
    assert main(["rank", results["oof"], results["fitted"]]) == 1
    assert "is better than" not in capsys.readouterr().out
    assert main(["rank", results["oof"], results["held_out"]]) == 0
    assert "held_out is better than oof" in capsys.readouterr().out


def test_the_same_work_gives_the_same_bytes(searched):
    before = [(searched / "work" / "decided" / n).read_bytes() for n in ("clusters.npz",)]
    assert main(["search", str(searched / "work")]) == 0
    assert before == [(searched / "work" / "decided" / n).read_bytes() for n in ("clusters.npz",)]


def test_the_published_configuration_runs_on_the_same_files(cohort, published):
    table = load_table(cohort / "published" / "features.npz")
    assert len(table.names) == 107
    artefacts = load_artefacts(cohort / "published" / "decided", PANTHER)
    assert len(artefacts.clusters) == 2
    assert all(cluster.max_distance == np.inf for cluster in artefacts.clusters)
    assert artefacts.fit["config"] == "published"


def test_a_file_of_another_schema_is_refused_by_name(searched, tmp_path, capsys):
    shutil.copytree(searched / "work", tmp_path / "work")
    setup = json.loads((tmp_path / "work" / "setup.json").read_text())
    assert setup["schema"] == SCHEMA
    (tmp_path / "work" / "setup.json").write_text(json.dumps({**setup, "schema": 1}))
    assert main(["fit", str(tmp_path / "work")]) == 2
    said = f"setup.json: schema 1, this program reads {SCHEMA}; run lab features again"
    assert said in capsys.readouterr().err


def test_an_interrupted_search_goes_on_with_the_same_inputs_alone(
    searched, tmp_path, monkeypatch, capsys
):
    work = tmp_path / "work"
    shutil.copytree(searched / "work", work)
    before = json.loads((work / "search.json").read_text())
    (work / "search.json").unlink()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search, "write_held_out", interrupt)
        assert main(["search", str(work)]) == 130
    assert "goes on" in capsys.readouterr().err
    assert main(["search", str(work), "--objective", "dice"]) == 2
    assert '--objective "overlap", now "dice"' in capsys.readouterr().err
    assert main(["search", str(work)]) == 0
    assert "going on from an interrupted search: " in capsys.readouterr().out
    assert json.loads((work / "search.json").read_text()) == before
    assert [path.name for path in work.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("hd95", "objective hd95: hd95; not optimised: dice, "),
        ("volume", "volume: minus the squared volume error, mL2"),
        ("positions", "surface Dice 5 mm, HD95, MASD, volume RMSE: pooled 1.00, adaptive 1.00"),
    ],
)
def test_false_islands_go_whatever_of_the_ranking_is_searched_for(
    searched, tmp_path, objective, said, capsys
):
    work = tmp_path / "work"
    shutil.copytree(searched / "work", work)
    assert main(["search", str(work), "--objective", objective]) == 0
    assert said in capsys.readouterr().out
    content = json.loads((work / "search.json").read_text())
    rows = {row["method"]: row for row in content["effects"]}
    assert rows["pooled"]["low"] > 0 and rows["pooled"]["position"] < 1.5
    assert load_artefacts(work / "decided", PANTHER).fit["objective"] == objective


def test_more_clusters_than_cases_are_refused(searched, capsys):
    assert main(["fit", str(searched / "work"), "--clusters", "13"]) == 2
    assert "--clusters 13: 12 different cases have features" in capsys.readouterr().err


def test_a_scorer_of_other_labels_is_refused(searched, capsys):
    assert main(["search", str(searched / "work"), "--scorer", "2025-gli"]) == 2
    assert "scorer 2025-gli reads labels" in capsys.readouterr().err


def test_the_page_says_what_ships_and_reaches_nowhere(searched, capsys):
    html = searched / "page.html"
    assert main(["explain", str(searched / "work"), "--html", str(html)]) == 0
    text = html.read_text()
    assert "What ships: pooled" in text
    assert "All cases get the same rules" in text
    assert "tumour components &lt; 10 mm3 → surrounding" in text
    assert text.count("data:image/png") == 4
    assert "Region by region, metric by metric: pooled, which ships" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "1 clusters of 12 cases" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ships", "drawn_method", "heading"),
    [
        ("pooled", "pooled", "pooled, which ships"),
        ("adaptive", "adaptive", "adaptive, which ships"),
        ("identity", "adaptive", "what adaptive rules would have done; they do not ship"),
    ],
)
def test_the_forest_plot_is_that_of_what_ships(
    searched, tmp_path, monkeypatch, ships, drawn_method, heading
):
    work = tmp_path / "work"
    shutil.copytree(searched / "work", work)
    search = json.loads((work / "search.json").read_text()) | {"ships": ships}
    columns = {row["method"]: row["columns"] for row in search["effects"]}
    assert columns["pooled"] is not columns["adaptive"]
    (work / "search.json").write_text(json.dumps(search))
    drawings = []
    monkeypatch.setattr(
        figures, "forest", lambda columns: drawings.append(columns) or "<svg></svg>"
    )
    assert main(["explain", str(work), "--html", str(tmp_path / "page.html")]) == 0
    assert drawings == [columns[drawn_method]]
    assert heading in (tmp_path / "page.html").read_text()


def test_the_page_does_without_scans_and_names_what_is_missing(searched, tmp_path, capsys):
    work = tmp_path / "work"
    shutil.copytree(searched / "work", work)
    setup = json.loads((work / "setup.json").read_text()) | {"cohort": "/gone <b>"}
    (work / "setup.json").write_text(json.dumps(setup))
    assert main(["explain", str(work), "--html", str(tmp_path / "page.html")]) == 0
    assert "No pictures: " in (text := (tmp_path / "page.html").read_text())
    assert "<b>/dataset.json" not in text
    (work / "search.json").unlink()
    assert main(["explain", str(work), "--html", str(tmp_path / "page.html")]) == 2
    assert "`python -m lab search` makes it" in capsys.readouterr().err
    assert main(["explain", str(work), "--html", str(tmp_path / "page.txt")]) == 2
    assert "ends in .html" in capsys.readouterr().err


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_table_and_the_same_rules(searched):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        to = ("--dask", cluster.scheduler_address)
        assert features(searched, "dask", "--probabilities", searched / "npz", *to) == 0
        assert main(["fit", str(searched / "dask")]) == 0
        assert main(["search", str(searched / "dask"), *to]) == 0
    tables = [load_table(searched / work / "features.npz") for work in ("work", "dask")]
    np.testing.assert_array_equal(tables[0].rows, tables[1].rows)
    one, other = (
        json.loads((searched / work / "search.json").read_text()) for work in ("work", "dask")
    )
    assert one == other
