"""An option's unknown name is one sentence; the folder of what is written is made."""

from pathlib import Path

import pytest

from lab.__main__ import ROOMS, verbs_of
from lab.__main__ import main as lab


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
    words: str,
    message: str,
    valid_paths: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    paths = valid_paths | {"new": tmp_path / "new"}
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
def test_the_folder_of_what_is_written_is_made(
    words: str, valid_paths: dict[str, Path], tmp_path: Path
) -> None:
    deep = tmp_path / "not" / "yet" / "there"
    paths = valid_paths | {"new": tmp_path / "new", "deep": deep}
    assert lab([word.format(**paths) for word in words.split()]) == 0
    assert any(path.name.startswith("there") for path in deep.parent.iterdir())


@pytest.mark.parametrize("verb", [verb for room in ROOMS for verb in verbs_of(room)])
def test_words_that_a_verb_does_not_know_are_exit_code_2(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(verbs_of(room)[verb] for room in ROOMS if verb in verbs_of(room))
    with pytest.raises(SystemExit, match="2"):
        lab([*row.example.split(), "--no-such-option"])
    assert "--no-such-option" in capsys.readouterr().err.splitlines()[-1]


def test_a_number_that_an_option_cannot_take_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        lab(["prepare", "--source", "x=y", "--dataset", "d", "--out", "o", "--jobs", "0"])
    assert capsys.readouterr().err.splitlines()[-1].endswith("argument --jobs: 0 is not positive")
