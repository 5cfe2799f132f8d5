"""The study of a team's label maps: another system, another scorer, and what belongs together."""

import json
import shutil
from pathlib import Path

import pytest
from planted_files import write_planted

from lab.__main__ import main
from lab.study.cohorts import SCHEME
from lab.study.planted import PlantedCohort, planted_case
from lab.study.planted_clusters import CLUSTERS
from lab.study.systems import name_folders

CASES = 20


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw dataset, label maps with planted faults, and label maps without any."""
    folder = tmp_path_factory.mktemp("cohort")
    planted = PlantedCohort(CLUSTERS, seed=3)
    cases = [planted_case(number, planted) for number in range(CASES)]
    write_planted(cases, SCHEME, folder / "raw", folder / "faulty")
    shutil.copytree(folder / "raw" / "labelsTr", folder / "perfect")
    return folder


def study(cohort: Path, html: Path, *words: str, systems: tuple[str, ...]) -> int:
    maps = [str(cohort / name) for name in systems]
    references = ["--references", str(cohort / "raw"), "--scheme", SCHEME.name]
    return main(["study", "--cohort", *maps, *references, "--html", str(html), *words])


def page_text(html: Path) -> str:
    return html.with_suffix(".md").read_text()


@pytest.mark.slow
def test_rules_gain_where_faults_are_and_nothing_elsewhere(cohort: Path, tmp_path: Path) -> None:
    html = tmp_path / "page.html"
    scorers = ("--scorers", "2025-gli", "2026-gli")
    assert study(cohort, html, *scorers, systems=("faulty", "perfect")) == 0
    content = json.loads(html.with_suffix(".json").read_text())
    faulty, perfect = content["systems"]
    gains = {row["method"]: row["gain"] for row in faulty["methods"]}
    between = {(row["rules_of"], row["applied_to"]): row for row in content["between"]}
    pooled = {pair: row["pooled"]["gain"] for pair, row in between.items()}
    assert pooled["faulty", "faulty"] == pytest.approx(gains["global, both"], abs=1e-12)
    assert gains["adaptive, both"] == pytest.approx(
        between["faulty", "faulty"]["adaptive"]["gain"], abs=1e-12
    )
    assert max(pooled["faulty", "faulty"], gains["adaptive, both"]) > 0.02
    # A perfect map has nothing to gain, and chooses no rule that would change the other one.
    assert perfect["objective"] == pytest.approx(1) and perfect["decision"]["ships"] == "identity"
    (reason, *_) = perfect["decision"]["why"]
    assert reason.startswith("pooled does not pass: ") and f"- {reason}." in page_text(html)
    assert pooled["faulty", "perfect"] <= 0 == pooled["perfect", "faulty"]
    by_scorer = {(row["rules_of"], row["applied_to"]) for row in faulty["by_scorer"]}
    assert by_scorer == {(a, b) for a in scorers[1:] for b in scorers[1:]}
    dice = next(row for row in content["baseline"] if row["metric"].endswith("dice"))
    assert (
        dice["systems"][1]["mean"] == pytest.approx(1)
        and dice["systems"][1]["mean"] > dice["systems"][0]["mean"]
    )
    for text in (html.read_text(), html.with_suffix(".md").read_text()):
        assert "Rules of one system on another" in text and "perfect" in text


def test_what_is_missing_is_named(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "page.html"
    assert main(["study", "--cohort", str(cohort / "faulty"), "--html", str(html)]) == 2
    assert "--references, --scheme: missing" in capsys.readouterr().err
    assert study(cohort, html, systems=("faulty", "faulty")) == 2
    assert "given twice" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert study(tmp_path, html, systems=("empty",)) == 2
    assert "dataset.json" in capsys.readouterr().err


def test_folders_are_named_by_what_tells_them_apart() -> None:
    paths = [Path("/x/plain/validation"), Path("/x/swin/validation")]
    assert list(name_folders(paths)) == ["plain/validation", "swin/validation"]
    assert list(name_folders([Path("/x/plain"), Path("/x/swin")])) == ["plain", "swin"]
