"""What stock nnU-Net says of a raw dataset, for the tests of `lab prepare`."""

import multiprocessing.pool
from pathlib import Path
from types import SimpleNamespace

import pytest
from brats_sources import Integrity


@pytest.fixture
def integrity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Integrity:
    """nnU-Net's verify_dataset_integrity, its processes as threads; a warning is a failure."""
    import nnunetv2.experiment_planning.verify_dataset_integrity as stock
    import nnunetv2.utilities.utils as utils

    pool = multiprocessing.pool.ThreadPool
    context = SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=pool))
    monkeypatch.setattr(stock, "multiprocessing", context)
    monkeypatch.setattr(utils, "Pool", lambda processes: pool(1))

    def verify(folder: Path) -> None:
        capsys.readouterr()
        stock.verify_dataset_integrity(str(folder), num_processes=1)
        message = capsys.readouterr()
        assert "verify_dataset_integrity Done" in message.out
        assert "warning" not in (message.out + message.err).lower()

    return verify
