"""What a verb cannot use is refused in one sentence that names it, with exit code 2."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.__main__ import ROOMS, verbs_of
from lab.__main__ import main as lab

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


# `bench` takes no path; what the others refuse is tested in test/lab/packing and submission.
OTHERS = {"bench", "challenge", "pack", "verify"}
CASES = [
    pytest.param(verb, words, put, id=f"{verb} {words} {put.__name__}")
    for verb, words, puts in ROWS
    for put in puts
]


@pytest.mark.parametrize(("verb", "words", "put"), CASES)
def test_what_a_verb_cannot_use_is_one_sentence(
    verb: str,
    words: str,
    put: Callable[[Path], None],
    valid_paths: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad"
    template = next(word for word in words.split() if "{bad}" in word)
    ending = Path(template.replace("{bad}", "bad")).suffix if "/" not in template else ""
    put(bad.with_suffix(ending))
    capfd.readouterr()
    paths = valid_paths | {"new": tmp_path / "new", "bad": bad}
    code = lab([verb, *(word.format(**paths) for word in words.split())])
    message = capfd.readouterr().err
    assert code == 2, message
    (line,) = message.splitlines()
    assert str(bad) in line
    assert "Traceback" not in line
    assert "Errno" not in line


def test_every_verb_is_tested() -> None:
    assert {verb for verb, *_ in ROWS} | OTHERS == {
        verb for room in ROOMS for verb in verbs_of(room)
    }
