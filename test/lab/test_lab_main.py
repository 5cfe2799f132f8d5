"""What a verb cannot use is refused in one sentence that names it, with exit code 2."""

import argparse
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import files
import numpy as np
import pytest
import report_cases
import tiny

from lab.__main__ import ROOMS, Verb, verbs_of
from lab.__main__ import main as lab
from lab.evaluation.results import write_json

RECIPE = Path(__file__).resolve().parents[2] / "lab" / "recipes" / "phantom_augmentation.sh"
ID = "BraTS-GLI-00001-000"
MALFORMED = '{"schema": 1,'


def missing(path: Path) -> None:
    """Leave nothing there."""


def empty(path: Path) -> None:
    """Put a folder without a file there."""
    path.mkdir()


def file(path: Path) -> None:
    """Put a file there that no verb reads."""
    path.write_text("a file\n")


def malformed(path: Path) -> None:
    """Put JSON there that ends too early."""
    path.write_text(MALFORMED)


def malformed_in(*names: str) -> Callable[[Path], None]:
    """Return what puts a folder there whose files are JSON that ends too early."""

    def put(path: Path) -> None:
        path.mkdir()
        for name in names:
            (path / name).write_text(MALFORMED)

    put.__name__ = "malformed"
    return put


FOLDER = (missing, empty, file)
JSON = (missing, empty, malformed)
SETUP = malformed_in("setup.json")
MANIFEST = malformed_in("MANIFEST.json")
# Verb, its words with one {bad} thing among good ones, and what that is.
ROWS = [
    ("phantom", "--kind brats-gli --cases 1 --seed 0 --out {bad}", (file,)),
    ("phantom", "--kind brats-gli --cases 1 --seed 0 --gallery {bad}.html", (empty,)),
    ("phantom", "--kind brats-gli --cases 1 --seed 0 --gallery {bad}/a.html", (file,)),
    ("prepare", "--source brats-gli={bad} --dataset Dataset901_A --out {new}", FOLDER),
    ("prepare", "--source panther-t1={bad} --dataset Dataset901_A --out {new}", FOLDER),
    ("prepare", "--source brats-gli={brats} --dataset Dataset901_A --out {bad}", (file,)),
    ("train", "{bad} --work {new} --dry-run", (missing, empty, file)),
    ("train", "{recipe} --work {new} --slurm {bad}", (empty,)),
    ("train", "{recipe} --work {new} --slurm {bad}/submit.sh", (file,)),
    ("out-of-fold", "--model {bad} --cohort {cohort} --unseen --out {new}", (*FOLDER, MANIFEST)),
    (
        "out-of-fold",
        "--model {model} --cohort {bad} --unseen --out {new}",
        (*FOLDER, malformed_in("dataset.json")),
    ),
    ("out-of-fold", "--model {model} --cohort {cohort} --unseen --out {bad}", (file,)),
    ("out-of-fold", "--model {model} --cohort {cohort} --splits {bad} --out {new}", JSON),
    (
        "features",
        "--cohort {bad} --predictions {cohort}/labelsTr --scheme brats-gli --out {new}",
        (*FOLDER, malformed_in("dataset.json")),
    ),
    ("features", "--cohort {cohort} --predictions {bad} --scheme brats-gli --out {new}", FOLDER),
    (
        "features",
        "--cohort {cohort} --predictions {cohort}/labelsTr --model {bad} --out {new}",
        (*FOLDER, MANIFEST),
    ),
    (
        "features",
        "--cohort {cohort} --predictions {cohort}/labelsTr --scheme brats-gli --out {bad}",
        (file,),
    ),
    (
        "features",
        "--cohort {cohort} --predictions {cohort}/labelsTr --scheme brats-gli --out {new} "
        "--probabilities {bad}",
        FOLDER,
    ),
    (
        "features",
        "--cohort {cohort} --predictions {cohort}/labelsTr --scheme brats-gli --out {new} "
        "--members {cohort}/labelsTr {bad}",
        FOLDER,
    ),
    ("fit", "{bad}", (*FOLDER, SETUP)),
    ("search", "{bad}", (*FOLDER, SETUP)),
    ("freeze", "{bad} --out {new}", (*FOLDER, SETUP)),
    ("gate", "{bad}", (*FOLDER, SETUP)),
    ("explain", "{bad} --html {new}.html", (*FOLDER, SETUP)),
    ("explain", "{cohort} --html {bad}/a.html", (file,)),
    ("explain", "{cohort} --html {bad}.html", (empty,)),
    ("study", "--cases 2 --html {bad}/a.html", (file,)),
    ("study", "--cases 2 --html {bad}.html", (empty,)),
    ("import-rules", "{bad} --scheme brats-gli --out {new}", JSON),
    ("import-rules", "{bad} --scheme brats-gli --export mist --out {new}", JSON),
    ("import-rules", "{tables} --scheme brats-gli --out {bad}/rules.json", (file,)),
    ("import-rules", "{tables} --scheme brats-gli --out {bad}", (empty,)),
    ("import-rules", "{rules} --scheme brats-gli --export mist --out {bad}", (file,)),
    ("select", "{bad} --cohort {cohort} --out {new}", (*FOLDER, malformed_in("candidate.json"))),
    ("select", "{candidate} --cohort {bad} --out {new}", (*FOLDER, malformed_in("dataset.json"))),
    ("select", "{candidate} --cohort {cohort} --out {bad}", (file,)),
    ("check", "--platform brats --input {bad} --output {new}", FOLDER),
    ("check", "--platform grand-challenge --input {bad} --output {new}", FOLDER),
    ("check", "--platform brats --input {brats} --output {bad}", (missing, file)),
    ("evaluate", "--scorer 2025-gli --predictions {bad} --references {cohort}/labelsTr", FOLDER),
    ("evaluate", "--scorer 2025-gli --predictions {cohort}/labelsTr --references {bad}", FOLDER),
    ("rank", "{results} {bad}.json", JSON),
    ("rank", "{results} {bad}.csv", JSON),
    ("rank", "{results} {other} --resamples 9 --flips 9 --out {bad}/a.json", (file,)),
    ("rank", "{results} {other} --resamples 9 --flips 9 --out {bad}", (empty,)),
    ("report", "{bad} --html {new}.html", JSON),
    ("report", "{results} --html {bad}/a.html", (file,)),
    ("report", "{results} --html {bad}.html", (empty,)),
    ("report", "{results} --html {new}.html --compare {bad}", JSON),
    ("report", "{results} --html {new}.html --images {bad}", (missing, file)),
    ("report", "{results} --html {new}.html --selection {bad}", JSON),
    ("stress", "--weights {bad}", (*FOLDER, malformed_in("MANIFEST.json"))),
    ("picture", "--input {bad} --labels {labels} --out {new}.png", FOLDER),
    ("picture", "--input {brats} --labels {bad}.nii.gz --out {new}.png", (missing, empty, file)),
    (
        "picture",
        "--input {brats} --labels {labels} --reference {bad}.nii.gz --out {new}.png",
        (missing, empty, file),
    ),
    ("picture", "--input {brats} --labels {labels} --out {bad}/a.png", (file,)),
    ("picture", "--input {brats} --labels {labels} --out {bad}.png", (empty,)),
    ("picture", "--input {brats} --labels {labels} --out {bad}.xyz", (missing,)),
    ("robustness", "--input {bad} --weights {weights}", FOLDER),
    ("robustness", "--input {brats} --weights {bad}", (*FOLDER, MANIFEST)),
    ("export", "--model {bad} --out {new}", (*FOLDER, MANIFEST)),
    ("export", "--model {model} --out {bad}", (file,)),
    ("trace", "{bad}", (missing, empty, file)),
    ("rehearse", "--cohort {bad} --model {model} --out {new}", FOLDER),
    ("rehearse", "--cohort {cohort} --model {bad} --out {new}", (*FOLDER, MANIFEST)),
    ("submit", "{bad} --cohort {cohort} --scheme brats-gli --name m --work {new}", FOLDER),
    (
        "submit",
        "--predictions {cohort}/labelsTr --cohort {bad} --scheme brats-gli --name m --work {new}",
        (*FOLDER, malformed_in("dataset.json")),
    ),
]
# `bench` takes no path; what `pack` and `verify` refuse is tested in test/lab/packing.
OTHERS = {"bench", "challenge", "pack", "verify"}
CASES = [
    pytest.param(verb, words, put, id=f"{verb} {words} {put.__name__}")
    for verb, words, puts in ROWS
    for put in puts
]


@dataclass(frozen=True)
class Good:
    """Things that verbs can use, by name."""

    paths: dict[str, Path]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    home = tmp_path_factory.mktemp("good")
    files.write_brats_case(home / "brats" / ID, ID)
    labels = (files.head() > 500).astype(np.uint8)
    files.write_nifti(home / "brats" / ID / f"{ID}-seg.nii.gz", labels)
    for channel in range(4):
        files.write_nifti(
            home / "cohort" / "imagesTr" / f"a_{channel:04d}.nii.gz", files.head(channel)
        )
    files.write_nifti(home / "cohort" / "labelsTr" / "a.nii.gz", labels)
    (home / "cohort" / "dataset.json").write_text(json.dumps(tiny.dataset()))
    shutil.copytree(home / "cohort" / "labelsTr", home / "predictions")
    source = tiny.train(home / "trained", tiny.plans(), tiny.dataset())
    words = ["--model", "m", "--scheme", "brats-gli", "--out", str(home / "weights")]
    assert lab(["pack", str(source), *words]) == 0
    candidate = {
        "schema": 2,
        "name": "c",
        "scheme": "brats-gli",
        "members_of": {"a": ["fold_0"]},
        "case_s": 1.0,
        "model": None,
        "head": {
            "kind": "softmax",
            "channels": [[], ["NETC"], ["SNFH"], ["ET"], ["RC"]],
            "paints": ["", "NETC", "SNFH", "ET", "RC"],
        },
    }
    (home / "candidate").mkdir()
    (home / "candidate" / "candidate.json").write_text(json.dumps(candidate))
    row = {"kind": "remove-small", "label": "ET", "becomes": "background", "min_voxels": 5}
    (home / "rules.json").write_text(json.dumps({"a": [row]}))
    table = {"GLI": {"cluster_0": {"label_3": {"th": 5}}}}
    (home / "tables.json").write_text(json.dumps(table))
    for name in ("results", "other"):
        tables = {id: report_cases.table((1, 1, 9), (0, 0, 99)) for id in "ab"}
        write_json(report_cases.results(tables), home / f"{name}.json")
    return Good(
        {
            "brats": home / "brats",
            "cohort": home / "cohort",
            "predictions": home / "predictions",
            "weights": home / "weights",
            "model": home / "weights" / "m",
            "candidate": home / "candidate",
            "results": home / "results.json",
            "other": home / "other.json",
            "recipe": RECIPE,
            "labels": home / "cohort" / "labelsTr" / "a.nii.gz",
            "rules": home / "rules.json",
            "tables": home / "tables.json",
        }
    )


@pytest.mark.parametrize(("verb", "words", "put"), CASES)
def test_what_a_verb_cannot_use_is_one_sentence(
    verb: str,
    words: str,
    put: Callable[[Path], None],
    good: Good,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad"
    template = next(word for word in words.split() if "{bad}" in word)
    ending = Path(template.replace("{bad}", "bad")).suffix if "/" not in template else ""
    put(bad.with_suffix(ending))
    capfd.readouterr()
    paths = good.paths | {"new": tmp_path / "new", "bad": bad}
    code = lab([verb, *(word.format(**paths) for word in words.split())])
    message = capfd.readouterr().err
    assert code == 2, message
    (line,) = message.splitlines()
    assert str(bad) in line
    assert "Traceback" not in line
    assert "Errno" not in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bench selection --strategies best nonsense", "--strategies best, nonsense: of "),
        (
            "evaluate --scorer 2025-gli --predictions {labels} --references {labels} "
            "--dask nowhere",
            "{labels}: no such folder",
        ),
        (
            "features --cohort {cohort} --predictions {cohort}/labelsTr --scheme brats-gli --out "
            "{new} --dask nowhere",
            "--dask nowhere: no scheduler answers there (missing port number",
        ),
        (
            "prepare --source brats-gli={brats} --dataset X --out {new}",
            "--dataset X: nnU-Net's names are DatasetNNN_NAME",
        ),
        (
            "prepare --source brats-xyz={brats} --dataset Dataset901_A --out {new}",
            "--source brats-xyz={brats}: LAYOUT=DIR with one of brats-gli, ",
        ),
        ("rank {results} {other} --metrics beauty", "metric beauty: not known"),
        ("rank {results} {other} --regions XX", "region XX: not in every file"),
        ("report {results} --html {new}.html --key beauty", "no metric 'beauty' in the results"),
        ("robustness --input {brats} --weights {weights} --model nobody", "no model 'nobody'"),
        (
            "out-of-fold --model {model} --cohort {cohort} --unseen --out {new} --maps {new}",
            "--maps {new}: is the folder of --out",
        ),
        (
            "features --cohort {cohort} --predictions {cohort}/labelsTr --scheme brats-gli --out "
            "{new} --members {cohort}/labelsTr",
            "--members: one folder",
        ),
        (
            "phantom --kind brats-gli --cases 1 --seed 0 --gallery {new}.txt",
            "{new}.txt: the name of what is written ends in .html or .htm",
        ),
    ],
)
def test_unknown_names_are_one_sentence(
    words: str, message: str, good: Good, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = good.paths | {"new": tmp_path / "new"}
    capfd.readouterr()
    assert lab([word.format(**paths) for word in words.split()]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message.format(**paths) in line


@pytest.mark.parametrize(
    "words",
    [
        "phantom --kind panther-t1 --cases 1 --seed 0 --spacing 9,9,9 --out {deep}",
        "phantom --kind panther-t1 --cases 1 --seed 0 --spacing 9,9,9 --gallery {deep}.html",
        "prepare --source brats-gli={brats} --dataset Dataset901_A --out {deep}",
        "train {recipe} --work {new} --slurm {deep}",
        "out-of-fold --model {model} --cohort {cohort} --unseen --device cpu --out {deep}",
        "import-rules {tables} --scheme brats-gli --out {deep}",
        "import-rules {rules} --scheme brats-gli --export mist --out {deep}",
        "evaluate --scorer 2025-gli --predictions {predictions} --references {cohort}/labelsTr "
        "--out {deep}",
        "rank {results} {other} --resamples 9 --flips 9 --out {deep}",
        "report {results} --html {deep}.html",
        "picture --input {brats} --labels {labels} --out {deep}.png",
    ],
)
def test_the_folder_of_what_is_written_is_made(words: str, good: Good, tmp_path: Path) -> None:
    deep = tmp_path / "not" / "yet" / "there"
    paths = good.paths | {"new": tmp_path / "new", "deep": deep}
    assert lab([word.format(**paths) for word in words.split()]) == 0
    assert any(path.name.startswith("there") for path in deep.parent.iterdir())


@pytest.mark.parametrize("verb", [verb for room in ROOMS for verb in verbs_of(room)])
def test_ctrl_c_is_one_line_that_says_how_to_go_on(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(verbs_of(room)[verb] for room in ROOMS if verb in verbs_of(room))

    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(row.module), "run", interrupted)
    assert lab(row.example.split()) == 130
    how = "goes on where it stopped" if row.resumes else "starts again from the beginning"
    assert capsys.readouterr().err == f"\n{verb}: interrupted; the same command {how}\n"


@pytest.mark.parametrize("verb", [verb for room in ROOMS for verb in verbs_of(room)])
def test_words_that_a_verb_does_not_know_are_exit_code_2(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(verbs_of(room)[verb] for room in ROOMS if verb in verbs_of(room))
    with pytest.raises(SystemExit, match="2"):
        lab([*row.example.split(), "--no-such-option"])
    assert "--no-such-option" in capsys.readouterr().err.splitlines()[-1]


def test_exit_codes_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        lab(["--help"])
    message = capsys.readouterr().out
    assert (
        "0 all is done; 1 some cases or checks failed, all others are done;\n2 nothing" in message
    )


def test_a_reader_that_goes_away_stops_no_verb(good: Good, tmp_path: Path) -> None:
    """As `| head -1` does: what was to be written is written, without a traceback."""
    words = f"rank {good.paths['results']} {good.paths['other']} --resamples 9 --flips 9"
    out = tmp_path / "ranking.json"
    program = subprocess.Popen(
        [sys.executable, "-m", "lab", *words.split(), "--out", str(out)],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout and program.stderr
    program.stdout.close()
    assert program.wait(300) == 0
    assert b"Broken pipe" not in program.stderr.read()
    assert json.loads(out.read_text())["cases"] == 2


def test_help_lists_every_verb_under_its_room(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        lab(["--help"])
    lines = capsys.readouterr().out.splitlines()
    for room in ROOMS:
        heading = lines.index(room.replace("_", " "))
        verbs = list(verbs_of(room))
        assert [line.split()[0] for line in lines[heading + 1 :][: len(verbs)]] == verbs
    assert max(map(len, lines)) <= 80


def test_a_number_that_an_option_cannot_take_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        lab(["prepare", "--source", "x=y", "--dataset", "d", "--out", "o", "--jobs", "0"])
    assert capsys.readouterr().err.splitlines()[-1].endswith("argument --jobs: 0 is not positive")


def test_every_verb_is_tested() -> None:
    assert {verb for verb, *_ in ROWS} | OTHERS == {
        verb for room in ROOMS for verb in verbs_of(room)
    }


@pytest.mark.parametrize(
    ("verb", "row"), [(v, row) for room in ROOMS for v, row in verbs_of(room).items()]
)
def test_every_example_is_taken_by_its_verb(
    verb: str, row: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(prog=verb)
    importlib.import_module(row.module).configure(parser)
    first, *words = row.example.split()
    assert first == verb
    parser.parse_args(words)
    with pytest.raises(SystemExit, match="0"):
        lab([verb, "--help"])
    printed = capsys.readouterr().out
    assert row.example.split()[-1] in printed
    assert len(printed.splitlines()) <= 50


def test_an_error_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that nobody named is no mistake of who called."""
    import lab.rule_search.fit as fit

    for error in (FileNotFoundError(2, "No such file", "/proc/nothing"), OSError("no name")):

        def fail(*_: object, error: OSError = error) -> None:
            raise error

        monkeypatch.setattr(fit, "fit_work", fail)
        with pytest.raises(OSError, match=r"no name|/proc/nothing"):
            lab(["fit", str(tmp_path)])


def test_a_sentence_of_several_lines_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import lab.rule_search.fit as fit
    from challenge.refusal import Refusal

    def fail(*_: object) -> None:
        raise Refusal("a:\n  b\n\nc")

    monkeypatch.setattr(fit, "fit_work", fail)
    assert lab(["fit", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "a: b c\n"
