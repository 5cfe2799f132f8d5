"""Shared by all tests: one thread each, in which order they run, where the real data lie."""

import logging
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch; programs that tests start, too

import pytest
import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

torch.set_num_threads(1)  # tiny networks run faster alone
settings.register_profile("podium", deadline=None)  # on shared cores a first import takes seconds
settings.load_profile("podium")

SIGNAL_HANDLERS = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests go first, each to whoever is free; of the others a file stays together.

    A file's module-scoped fixtures are so made once, and no process is left with a slow test alone.
    """
    for item in items:
        if not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not item.get_closest_marker("slow"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long texts and bytes by their length: some differ from process to process."""
    if isinstance(val, str | bytes) and len(val) > 60:
        return f"{argname} of {len(val)}"
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Take back the signal handlers of a program that an earlier test ran in this process.

    A forked worker of nnU-Net's pools has them too. If SIGTERM comes as it starts, Python forgets
    it, the worker lives on, and the pool waits for its end forever.
    """
    for number, handler in SIGNAL_HANDLERS.items():
        signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what tests print about names that are no UTF-8: pytest-xdist cannot send it."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def log_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back the handlers of a program that a test ran: they write to that test's stdout."""
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))


@pytest.fixture
def shared_data() -> Path:
    """Folder of real scans beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data at {SHARED}")
    return SHARED
