"""Stock nnU-Net's predictor over a trained folder: its answer to a tile and to a whole case.

Stock opens checkpoints and plans with whatever code they name. Here it gets the same tensors in
files of plain values, and plans that name only nnU-Net's networks and torch's operations.
"""

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import SimpleITK
import torch

from challenge.case import CaseFiles
from challenge.volume import read_volume
from ensemble.plans import read_plan
from ensemble.torchvision_operations import import_torchvision
from lab.packing.trained_network import stage_of
from lab.packing.trainer_names import PRIMUS
from lab.training.checkpoints import read_training_checkpoint

STOCK = f"nnU-Net {version('nnunetv2')}"
STOCK_STEP = 0.5  # of tiles, as a share of the patch
# Of a checkpoint, what stock reads to predict.
READ_BY_STOCK = ("network_weights", "trainer_name", "inference_allowed_mirroring_axes")
# Where the networks and operations lie that plans may name; others are not imported on their word.
NETWORKS, OPERATIONS = "dynamic_network_architectures.", "torch.nn."


class StockError(Exception):
    """Stock nnU-Net cannot do it; the message says why."""


@dataclass(frozen=True)
class Trained:
    """A trained model folder, and which folds and checkpoints of it."""

    folder: Path
    folds: tuple[str, ...]
    checkpoint: str  # "checkpoint_final" or "checkpoint_best"

    def checkpoint_of(self, fold: str) -> Path:
        """Return the file of a fold."""
        return self.folder / f"fold_{fold}" / f"{self.checkpoint}.pth"


@contextlib.contextmanager
def plain_copy(source: Trained, configuration: str) -> Iterator[Trained]:
    """Yield a copy whose checkpoints hold tensors and plain values alone, nothing rounded.

    A trainer of `lab train` is named after its stage and builds the network of plans.json
    (lab/training/trainers.py); the copy names nnU-Net's own trainer of it.

    Raises:
        What `read_training_checkpoint` raises.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Trained(Path(scratch), source.folds, source.checkpoint)
        for name in ("plans.json", "dataset.json"):
            shutil.copyfile(source.folder / name, copy.folder / name)
        for fold in source.folds:
            content = read_training_checkpoint(source.checkpoint_of(fold))
            plain = {key: content[key] for key in READ_BY_STOCK if key in content}
            plain["init_args"] = {"configuration": configuration}
            if stage_of(source.checkpoint_of(fold).parent) == plain.get("trainer_name", ""):
                plain["trainer_name"] = _stock_trainer(source.folder, configuration)
            copy.checkpoint_of(fold).parent.mkdir()
            torch.save(plain, copy.checkpoint_of(fold))
        yield copy


def _stock_trainer(folder: Path, configuration: str) -> str:
    """Return the trainer of nnU-Net's that builds the network of plans.json."""
    plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
    network = read_plan(plans, configuration).network
    trainers = (trainer for trainer, built in PRIMUS.items() if built == network)
    return next((name for name in trainers if name.startswith("nnUNet_")), "nnUNetTrainer")


class Stock:
    """nnU-Net's predictor, its network built as the trainer that the first fold names builds it."""

    def __init__(self, plain: Trained, configuration: str, in_place: str = "") -> None:
        """Open every fold of a plain copy, with stock's own defaults.

        `in_place` is the trainer that builds the network, in place of the one that folds name.

        Raises:
            StockError: plans name what is not nnU-Net's, or stock raises anything.
        """
        plans = json.loads((plain.folder / "plans.json").read_text(encoding="utf-8"))
        with _stock_errors(f"{STOCK} cannot build the network"):
            from nnunetv2.inference import predict_from_raw_data as stock
            from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

            settings = PlansManager(plans).get_configuration(configuration).configuration
            refuse_foreign_names(settings["architecture"])
            self._predictor = stock.nnUNetPredictor(
                tile_step_size=STOCK_STEP,
                use_mirroring=True,
                device=torch.device("cpu"),
                perform_everything_on_device=False,
                allow_tqdm=False,
            )
            folder, name = str(plain.folder), f"{plain.checkpoint}.pth"
            find = (lambda _: find_trainer(in_place)) if in_place else find_trainer
            with mock.patch.object(stock, "recursive_find_trainer_class_by_name", find):
                self._predictor.initialize_from_trained_model_folder(folder, plain.folds, name)

    @property
    def trainer(self) -> str:
        """Return the name of the trainer whose network it is."""
        return str(self._predictor.trainer_name)

    def logits(self, number: int, tile: torch.Tensor) -> np.ndarray:
        """Return the logits (channel, z, y, x) of a tile (channel, z, y, x), by fold number."""
        with _stock_errors(f"{STOCK} cannot run the network"), torch.inference_mode():
            network = self._predictor.network.to("cpu").eval()
            network.load_state_dict(self._predictor.list_of_parameters[number])
            is_2d = len(self._predictor.configuration_manager.patch_size) == 2
            logits = network(tile[:, 0][None]).unsqueeze(2) if is_2d else network(tile[None])
            return np.asarray(logits[0].float().numpy())

    def labels_of(self, logits: np.ndarray) -> np.ndarray:
        """Return the labels (z, y, x) of logits, in the values of dataset.json."""
        manager = self._predictor.label_manager
        return np.asarray(manager.convert_logits_to_segmentation(torch.from_numpy(logits)))

    def segment(
        self,
        files: CaseFiles,
        sequences: Sequence[str],
        device: torch.device,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the labels (z, y, x) of a case on its grid, in the values of dataset.json.

        All of it is stock's: reader, preprocessing, tiles, mirroring, folds, resampling, writer.
        `previous` are labels like these, of the stage before a cascade's second one.
        """
        paths = [files.images[sequence] for sequence in sequences]
        ending = "".join(paths[0].suffixes[-2:]) if paths[0].suffix == ".gz" else paths[0].suffix
        with (
            tempfile.TemporaryDirectory() as scratch,
            _stock_errors(f"{STOCK} cannot predict {files.id}"),
        ):
            self._predictor.device = device
            self._predictor.perform_everything_on_device = device.type == "cuda"
            reader = self._predictor.plans_manager.image_reader_writer_class()
            images, properties = reader.read_images([str(path) for path in paths])
            before = None
            if previous is not None:
                _write_on_grid(previous, paths[0], Path(scratch, f"previous{ending}"))
                before, _ = reader.read_seg(str(Path(scratch, f"previous{ending}")))
            labels = self._predictor.predict_single_npy_array(images, properties, before)
            written = Path(scratch, f"stock{ending}")
            reader.write_seg(labels, str(written), properties)
            return read_volume(written, np.uint8).array


def _write_on_grid(labels: np.ndarray, image: Path, path: Path) -> None:
    """Write labels (z, y, x) with the geometry of an image."""
    written = SimpleITK.GetImageFromArray(labels)
    written.CopyInformation(SimpleITK.ReadImage(str(image)))
    SimpleITK.WriteImage(written, str(path))


def find_trainer(name: str) -> type:
    """Return the trainer that stock would find by its name, importing no other module of stock's.

    Stock imports one module after the other until one has the name; some of them need what may not
    be there (torchvision, on a processor build of torch), and then nothing behind them is
    searched. Where stock ships no such trainer, the folders of `nnUNet_extTrainer` are searched, by
    stock, and then our trainers.

    Raises:
        StockError: there is none.
    """
    import nnunetv2
    from nnunetv2.paths import nnUNet_extTrainer
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    if name in PRIMUS:
        import_torchvision()
    root = Path(nnunetv2.__path__[0])
    defines = re.compile(rf"^(class )?{re.escape(name)}\b", re.MULTILINE)
    for path in sorted((root / "training" / "nnUNetTrainer").rglob("*.py")):
        if defines.search(path.read_text(encoding="utf-8")):
            module = ".".join((root.name, *path.relative_to(root).with_suffix("").parts))
            return cast(type, getattr(importlib.import_module(module), name))
    for folder in filter(None, (nnUNet_extTrainer.get() or "").split(os.pathsep)):
        trainer = recursive_find_python_class(
            folder, name, None, base_folder=folder, cleanup_imports_from_base_folder=True
        )
        if trainer is not None:
            return cast(type, trainer)
    from lab.training import trainers

    if name in vars(trainers):
        return cast(type, vars(trainers)[name])
    raise StockError(f"{STOCK} ships no trainer {name}")


def refuse_foreign_names(architecture: Mapping[str, Any]) -> None:
    """Raise StockError where a network is not nnU-Net's, or an operation not torch's."""
    network, arguments = architecture["network_class_name"], architecture["arch_kwargs"]
    operations = [
        (arguments.get(key), NETWORKS if key == "block" else OPERATIONS)
        for key in architecture["_kw_requires_import"]
    ]
    for name, home in [(network, NETWORKS), *operations]:
        if name is not None and not str(name).startswith(home):
            raise StockError(f"plans.json: {name} is not of {home.rstrip('.')}, so not imported")


@contextlib.contextmanager
def _stock_errors(what: str) -> Iterator[None]:
    """Keep stock's output off the screen; turn whatever it raises into a StockError."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except StockError:
        raise
    except Exception as error:  # its search for a trainer imports modules until one fits
        lines = str(error).strip().splitlines() or [""]
        raise StockError(f"{what} ({type(error).__name__}: {lines[0]})") from error
