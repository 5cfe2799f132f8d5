"""Models are packed here by the hundred; what packing proves of them is tested with packing."""

from collections.abc import Iterator
from pathlib import Path

import fake_gpu
import pytest
from exported import Small, save


@pytest.fixture(autouse=True)
def without_proof_of_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the synthetic case through stock nnU-Net: half a second a model."""
    monkeypatch.setattr("lab.packing.proof.SYNTHETIC_LIMIT_S", 0.0)


@pytest.fixture(scope="session")
def exported_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as torch.export writes it; exporting takes seconds."""
    return save(Small(), tmp_path_factory.mktemp("exported") / "program.pt2")


@pytest.fixture
def program(exported_program: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    path = tmp_path / "program.pt2"
    path.write_bytes(exported_program.read_bytes())
    return path


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_gpu.FakeGpu]:
    """A GPU that computes on the CPU, and fails where a test says so."""
    pretended = fake_gpu.FakeGpu()
    fake_gpu.install(monkeypatch, pretended)
    with pretended.present():
        yield pretended
    fake_gpu.remove()
