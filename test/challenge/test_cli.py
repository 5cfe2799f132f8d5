"""How the program is called, and what it says of folders that cannot be written to."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from challenge.cli import UsageError, check_paths, parse


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], None), (["--missing-sequences"], True), (["--no-missing-sequences"], False)],
)
@pytest.mark.parametrize("first", [[], ["infer"], ["serve"]])
def test_missing_sequences_are_left_to_the_model_unless_asked(
    first: list[str], words: list[str], expected: bool | None
) -> None:
    assert parse([*first, *words]).missing_sequences is expected


def test_the_help_tells_the_time_limits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    message = " ".join(capsys.readouterr().out.split())
    assert "12 h for a BraTS folder, as the rules of 2026 say (an older copy: 8 h)" in message


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of mode 755; root may write anywhere, so the system's answer is made up."""
    folder = tmp_path / "out"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    return folder


def test_an_output_of_another_user_is_refused_with_what_to_do(
    unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    owner = unwritable.stat().st_uid
    with pytest.raises(UsageError) as refused:
        check_paths(parse(["--output", str(unwritable)]))
    assert str(refused.value) == (
        f"{unwritable}: the output folder is not writable by uid 1000, it belongs to uid {owner} "
        "with mode 755; make it yourself before the container starts (one that Docker makes "
        f"belongs to root) and `chmod a+rwx` it, or run as its owner, `docker run --user {owner}`"
    )


def test_an_output_that_is_mounted_read_only_needs_another_remedy(
    unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(UsageError, match=r"not writable, it is mounted read-only; mount it so"):
        check_paths(parse(["--output", str(unwritable)]))


def test_an_output_that_is_not_there_is_made(tmp_path: Path) -> None:
    record = tmp_path / "records" / "of" / "today.json"
    output = tmp_path / "not" / "yet"
    check_paths(parse(["--output", str(output), "--record", str(record)]))
    assert output.is_dir() and record.parent.is_dir()


def test_an_output_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for option in ("--output", "--record"):
        words = ["--output", str(tmp_path / "o"), option, str(tmp_path / "file" / "out")]
        with pytest.raises(UsageError, match=r"file/out: the (output folder|folder of the record)"):
            check_paths(parse(words))


def test_the_platforms_folder_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mount the labels would be lost with the container."""
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    with pytest.raises(UsageError, match=r"/output: no such output folder; for a container mount"):
        check_paths(parse([]))


def test_channels_are_names_with_commas_between() -> None:
    assert parse(["--channels", "t1n, t2f"]).channels == ("t1n", "t2f")
    assert parse([]).channels is None
