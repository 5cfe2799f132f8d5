"""Whatever a file is, its case has a row of nulls and a reason, and the others their scores."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bad_files
import files
import nibabel
import numpy as np
import pytest
import SimpleITK
from evaluator import GOOD, SIDES

from challenge.scheme import SCHEMES
from lab.__main__ import main as lab
from lab.evaluation import evaluate
from lab.evaluation import label_pairs as label_files
from lab.evaluation.label_pairs import read_pair
from lab.metrics.scorers import SCORERS

BAD = "BraTS-SSA-00001-000"
NIBABEL = ("2023-ssa", "2025-ssa", "2025-goat", "voxel")
SIMPLEITK = ("2026-goat", "2026-mets", "panther")
FAMILIES = (*NIBABEL, *SIMPLEITK)


@pytest.fixture(scope="module")
def scores_without_bad_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The good case's scores without company, by scorer."""
    place = tmp_path_factory.mktemp("good")
    for side in SIDES:
        (place / side).mkdir()
        bad_files.good(place / side / f"{GOOD}.nii.gz")
    return {scorer: run(place, scorer)[1]["cases"][GOOD] for scorer in FAMILIES}


def run(folders: Path, scorer: str, *flags: str) -> tuple[int, dict[str, Any]]:
    """Evaluate both folders; return the exit code and the result file."""
    places = [f"--{side}={folders / side}" for side in SIDES]
    if scorer == "voxel":
        flags = ("--scheme=brats-ssa", *flags)
    if scorer == "panther":  # whose values are other labels than those that the names speak of
        flags = ("--foreign", *flags)
    code = lab(["evaluate", f"--scorer={scorer}", *places, f"--out={folders / 'r.json'}", *flags])
    return code, json.loads((folders / "r.json").read_text())


def is_null(regions: dict[str, dict[str, float | None]]) -> bool:
    return all(value is None for row in regions.values() for value in row.values())


def is_scored(make: bad_files.Make, side: str, scorer: str) -> bool:
    """What the platforms' programs do with such a file."""
    if make in bad_files.READ_BY_NOBODY:
        return False
    if make is bad_files.nan_labels:
        return scorer not in ("2026-goat", "2026-mets")
    if make is bad_files.bytes_behind_the_end:
        return True
    if make in bad_files.ONLY_SIMPLEITK:
        return scorer in (*SIMPLEITK, "voxel")
    if scorer == "2025-goat" and "no_text" in make.__name__ and side == "references":
        return False  # that name tells no cohort
    return scorer in NIBABEL


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("make", bad_files.ALL, ids=lambda make: make.__name__)
def test_one_file_never_ends_an_evaluation(
    make: bad_files.Make,
    side: str,
    folders: Path,
    scores_without_bad_file: dict[str, dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder in SIDES:
        path = folders / folder / f"{BAD}.nii.gz"
        (make if folder == side else bad_files.good)(path)
    for scorer in FAMILIES:
        capsys.readouterr()
        code, content = run(folders, scorer)
        err = capsys.readouterr().err
        assert content["cases"].pop(GOOD) == scores_without_bad_file[scorer], scorer
        ((id, row),) = content["cases"].items()
        scored = is_scored(make, side, scorer)
        assert (is_null(row), code) == (not scored, 0 if scored else 1), scorer
        reasons = [problem for problem in content["problems"] if not problem["scored"]]
        assert "Traceback" not in err
        if not scored:
            (reason,) = reasons
            assert reason["case"] == id
            assert str(folders / side / f"{BAD}"[:5]) in reason["message"].replace(
                "team\udcff-", ""
            )
            assert repr(" ".join(reason["message"].split()))[1:40] in repr(err)
        elif make in bad_files.DAMAGED:
            assert [problem["kind"] for problem in content["problems"]] == ["damaged"]


@pytest.mark.parametrize("scorer", FAMILIES)
def test_a_sheared_pair_is_read_as_the_platform_reads_it(scorer: str, folders: Path) -> None:
    """Both files alike: nothing differs, and still SimpleITK opens neither."""
    for side in SIDES:
        bad_files.sheared(folders / side / f"{BAD}.nii.gz")
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(folders / side / f"{BAD}.nii.gz"))
    code, content = run(folders, scorer)
    if scorer in NIBABEL:
        assert (code, content["problems"]) == (0, [])
        assert content["cases"][BAD]["WT"]["dice"] == 1
    else:
        assert is_null(content["cases"][BAD])
        (problem,) = content["problems"]
        assert "reads with SimpleITK" in problem["message"] and "orthonormal" in problem["message"]


def test_geometry_is_that_of_simpleitk_where_it_reads(folders: Path) -> None:
    """By the affine or by SimpleITK, a turned and moved file has the same geometry."""
    turned = np.array([[0, 2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 2], [0, 0, 0, 1]])
    path = files.write_nifti(folders / "turned.nii.gz", bad_files.labels(), turned)
    expected = label_files._itk_geometry(path)
    result = label_files._affine_geometry(label_files.read_labels(path))
    for name, values in expected.items():
        np.testing.assert_allclose(result[name], values, atol=1e-6)


def test_what_differs_between_sheared_files_is_reported(folders: Path) -> None:
    paths = [folders / side / f"{BAD}.nii.gz" for side in SIDES]
    for path in paths:
        bad_files.sheared(path)
    image = nibabel.load(paths[0])
    moved = image.affine + np.array([[0] * 3 + [2], [0] * 4, [0] * 4, [0] * 4])
    header = image.header.copy()
    header.set_sform(moved, 2)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, header), paths[0])
    scorer = SCORERS["2025-ssa"]
    _, (problem,) = read_pair("k", (paths[0], paths[1]), scorer, SCHEMES[str(scorer.scheme)])
    assert "origin (-2, 0, 0), reference (0, 0, 0)" in problem.message
    assert "spacing" not in problem.message and "direction" not in problem.message


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, KeyError, TypeError, RecursionError])
@pytest.mark.parametrize("where", ["read_volume", "confusion"])
def test_anything_that_a_reader_or_a_scorer_raises(
    error: type[Exception], where: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in SIDES:
        bad_files.good(folders / side / f"{BAD}.nii.gz")
    module = label_files if where == "read_volume" else evaluate
    name = where if where == "read_volume" else "gather_facts"
    real: Callable[..., Any] = getattr(module, name)

    def raises(*args: Any) -> Any:
        if BAD in str(args):
            raise error("out of luck")
        return real(*args)

    monkeypatch.setattr(module, name, raises)
    code, content = run(folders, "2025-ssa")
    assert code == 1 and is_null(content["cases"][BAD])
    assert content["cases"][GOOD]["WT"]["dice"] == 1
    (problem,) = content["problems"]
    assert error.__name__ in problem["message"] and "out of luck" in problem["message"]
    assert BAD in problem["message"]


def test_a_case_that_could_not_be_read_is_tried_again(folders: Path) -> None:
    """An interrupted run does not keep what hid a file, nor a journal of other content."""
    for side in SIDES:
        bad_files.good(folders / side / f"{BAD}.nii.gz")
    place = folders / "predictions" / f"{BAD}.nii.gz"
    moved = str(place.rename(folders / "kept.nii.gz"))
    place.symlink_to(moved + ".moved")
    journal = folders / ".r.json.journal"
    run(folders, "2025-ssa")
    pairs = evaluate.match_cases(folders / "predictions", folders / "references")[0]
    scorer = SCORERS["2025-ssa"]
    writer = evaluate.Journal(folders / "r.json", scorer)
    for pair in pairs:
        writer.append(evaluate.score_case(pair, scorer, SCHEMES[str(scorer.scheme)]))
    with journal.open("ab") as file:
        file.write(b'\n\xff\xfe\n[]\n12\n{"key": 1}\nnull\n{"key": {}}\n' + b"[" * 100_000)
    assert set(writer.read(pairs)) == {GOOD}
    Path(moved).rename(moved + ".moved")
    code, content = run(folders, "2025-ssa")
    assert code == 0 and content["cases"][BAD]["WT"]["dice"] == 1


def test_names_that_are_no_text_come_through_every_file(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in SIDES:
        bad_files.name_that_is_no_text(folders / side / f"{BAD}.nii.gz")
    for scorer in ("2025-ssa", "voxel"):
        assert run(folders, scorer)[0] == 0
    shutil.copy(folders / "r.json", folders / "s.json")
    (folders / "r.csv").rename(folders / "a.csv")
    shutil.copy(folders / "a.csv", folders / "b.csv")
    for names in (("r.json", "s.json"), ("a.csv", "b.csv")):
        table = folders / "table.json"
        paths = [str(folders / name) for name in names]
        assert lab(["rank", *paths, f"--out={table}", "--resamples=9", "--flips=9"]) == 0
        ranks = json.loads(table.read_text())["ranking"]["mean_rank_of_case"]
        assert set(ranks) == {GOOD, f"team\udcff-{BAD}"}
    assert lab(["report", str(folders / "r.json"), f"--html={folders / 'page.html'}"]) == 0
    assert "team\\udcff-" in (folders / "page.html").read_text()


def test_the_journal_knows_what_a_scorer_reported(folders: Path) -> None:
    """A journal of a version that reported less is not gone on with."""
    (pair,) = evaluate.match_cases(*(folders / side for side in SIDES))[0]
    scorer = SCORERS["2025-ssa"]
    case = evaluate.score_case(pair, scorer, SCHEMES[str(scorer.scheme)])
    writer = evaluate.Journal(folders / "r.json", scorer)
    writer.reported = [{"WT": ["dice"]}]
    writer.append(case)
    assert evaluate.Journal(folders / "r.json", scorer).read([pair]) == {}
    assert set(writer.read([pair])) == {GOOD}


@pytest.mark.parametrize("what", ["prediction", "scan"])
def test_a_report_is_drawn_whatever_became_of_its_files(what: str, folders: Path) -> None:
    """The files that a result file names, or the scans beside it, are others by now."""
    ids = {f"BraTS-SSA-{n:05d}-000": make for n, make in enumerate(bad_files.ALL, 1)}
    for side in SIDES:
        for id in ids:
            bad_files.good(folders / side / f"{id}.nii.gz")
    assert run(folders, "2025-ssa")[0] == 0
    (folders / "scans").mkdir()
    for id, make in ids.items():
        place = folders / "scans" / f"{id}-t1c.nii.gz"
        if what != "scan":
            place = folders / "predictions" / f"{id}.nii.gz"
            place.unlink()
        make(place)
    page = folders / "page.html"
    flags = [f"--html={page}", f"--images={folders / 'scans'}", "--count=99"]
    assert lab(["report", str(folders / "r.json"), *flags]) == 0
    missing = page.read_text().count("No picture")
    if what == "scan":
        assert missing == 0
    else:  # and the two that bear another name by now
        assert missing == len(bad_files.READ_BY_NOBODY) + 2
    assert page.read_text().count("Scan not shown") >= (20 if what == "scan" else 0)
