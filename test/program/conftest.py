"""The program on tiny random models, for every test of this folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

import inference
from lab.__main__ import main as lab


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random models: a glioma ensemble of two heads, and both PANTHER tasks."""
    folder = tmp_path_factory.mktemp("models")
    regions = tiny.dataset(tiny.REGIONS, order=tiny.REGION_ORDER)
    sources = [
        tiny.train(folder / "softmax", tiny.plans(), tiny.dataset(), folds=(0, 1)),
        tiny.train(folder / "regions", tiny.plans(spacing_mm=(1.3, 1.3, 1.3)), regions),
    ]
    out = ["--out", str(folder / "weights")]
    lab(["pack", *map(str, sources), "--model", "gli", "--scheme", "brats-gli", *out])
    abdomen = tiny.dataset({"background": 0, "tumour": 1, "pancreas": 2}, ["MRI"])
    for fold, task in enumerate(("t1", "t2")):
        source = tiny.train(folder / task, tiny.plans(channels=1), abdomen, folds=(fold,))
        lab(["pack", str(source), "--model", task, "--scheme", f"panther-{task}", *out])
    return folder / "weights"


@pytest.fixture
def run(tmp_path: Path, weights: Path) -> Callable[..., int]:
    """Run the program on tmp_path/in -> tmp_path/out."""

    def run(*flags: str, source: str = "in") -> int:
        (tmp_path / "out").mkdir(exist_ok=True)
        paths = ("--input", tmp_path / source, "--output", tmp_path / "out", "--weights", weights)
        return inference.main([*map(str, paths), "--device", "cpu", *flags])

    return run
