"""Models are packed here by the hundred; what packing proves of them is tested with packing."""

from pathlib import Path

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
