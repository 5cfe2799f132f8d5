"""A bar counts what is done, says what is done and how long it takes, and only on a terminal."""

import contextlib
import io

import joblib
import pytest

from lab import progress as module
from lab.progress import print_line, progress, progress_bar


class Terminal(io.StringIO):
    """What tqdm takes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(module, "SILENT_S", 0.0)
    return Terminal()


def test_items_come_through_in_order_and_are_counted(terminal: Terminal) -> None:
    with contextlib.redirect_stderr(terminal):
        assert list(progress([3, 1, 2], unit="fold", description="fitting")) == [3, 1, 2]
    last = terminal.getvalue().rsplit("\r", 1)[-1]
    assert last.startswith("fitting: 100%")
    assert "3/3" in last
    assert "fold" in last


def test_a_generator_of_joblib_has_the_total_that_it_is_called_with(terminal: Terminal) -> None:
    results = joblib.Parallel(n_jobs=1, return_as="generator")(
        joblib.delayed(abs)(n) for n in (-1, -2)
    )
    with contextlib.redirect_stderr(terminal):
        assert list(progress(results, 2)) == [1, 2]
    assert "2/2" in terminal.getvalue()


def test_what_an_earlier_run_did_counts_as_done(terminal: Terminal) -> None:
    with contextlib.redirect_stderr(terminal), progress_bar(10, done=7) as bar:
        bar.update(2)
    assert "9/10" in terminal.getvalue()


def test_no_bar_where_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(progress(range(3))) == [0, 1, 2]
    print_line("a line")
    assert capfd.readouterr() == ("a line\n", "")


def test_no_bar_for_work_that_is_over_at_once(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_S", 1.0)
    with contextlib.redirect_stderr(terminal):
        assert list(progress(range(3))) == [0, 1, 2]
    assert terminal.getvalue().strip() == ""
