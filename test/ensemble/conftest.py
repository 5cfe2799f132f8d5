"""Models are packed here by the hundred; what packing proves of them is tested with packing."""

import pytest


@pytest.fixture(autouse=True)
def without_proof_of_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the synthetic case through stock nnU-Net: half a second a model."""
    monkeypatch.setattr("lab.packing.proof.SYNTHETIC_LIMIT_S", 0.0)
