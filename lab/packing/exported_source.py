"""The two doors of exported members: programs as they are, and networks of MONAI, exported here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.refusal import Refusal
from challenge.scheme import Scheme
from ensemble.exported_member import MEMBER_FILE
from ensemble.manifest import read_manifest, verify_model
from lab.packing.exported_folder import (
    PackedFrom,
    choose_folds,
    exported_folds,
    is_exported,
    refuse_options,
)
from lab.packing.exported_proof import ANSWER_FILE, TRAINING_FRAMEWORK, Judge, prove_exported
from lab.packing.exported_summary import exported_sentence
from lab.packing.monai_folder import MonaiFolder, exported_from, is_monai, open_monai
from lab.packing.monai_proof import prove_monai_case
from lab.packing.pack_source import Source
from lab.packing.proof import ProofRequest
from lab.packing.tile_answers import Limit
from lab.packing.trained_folder import Folds, PackError, read_object
from lab.training.monai_networks import require_monai

EXACT = Limit(0.0, 1.0, "the exported program does not answer a tile as MONAI does")


@dataclass(frozen=True)
class ExportedSource:
    """Programs that are packed, and how they are proven."""

    path: Path  # as the user knows it
    folds: Folds
    packed_from: PackedFrom
    monai: MonaiFolder | None = None  # whose networks they are

    def prove(self, manifest: Path, home: str, request: ProofRequest) -> dict[str, Any]:
        """Prove each program, print one line, return the record for the manifest.

        Args:
            manifest: of the packed model, or of as much of it as is packed.
            home: the folder of the packed model.
            request: the case that a network of MONAI is compared on.

        Raises:
            Refusal: a program fails on a tile, or gives answers that lie apart.
        """
        judge = Judge(f"MONAI {require_monai()}", EXACT) if self.monai else TRAINING_FRAMEWORK
        self._say_step(manifest)
        record = prove_exported(self.packed_from.path, manifest, home, judge)
        if self.monai is not None:
            record["case"] = self._prove_case(self.monai, manifest, home, request)
        elif request.case is not None:
            not_here = f"its own framework is not here; fold_*/{ANSWER_FILE} is compared"
            record["case"] = {"id": str(request.case), "not_proven": not_here}
        print(f"{home}: {exported_sentence(record)}", flush=True)
        return record

    def _say_step(self, manifest: Path) -> None:
        """Say where member.json was made for other tiles than the model is packed with."""
        described = self.packed_from.path / MEMBER_FILE
        step = read_object(described, str(described)).get("step")
        packed = read_manifest(manifest)["settings"]["step"]
        if step not in (None, packed):
            print(
                f"{self.path}: {MEMBER_FILE} says step {step:g}, the model has {packed:g} for all "
                f"of its members; --step {step:g} takes the other"
            )

    def _prove_case(
        self, monai: MonaiFolder, manifest: Path, home: str, request: ProofRequest
    ) -> dict[str, Any]:
        model, entries = verify_model(manifest), read_manifest(manifest)["members"]
        number = next(i for i, entry in enumerate(entries) if entry["folder"] == home)
        network, _ = monai.network(self.folds.taken[0])
        seconds = self.packed_from.seconds_a_tile
        return prove_monai_case(network, model.members[number], model, request, seconds)


def is_program(path: Path) -> bool:
    """Return whether a source is no folder of nnU-Net: programs, or a network of MONAI."""
    return is_exported(path) or is_monai(path)


@contextmanager
def exported_source(source: Source, scheme: Scheme) -> Iterator[ExportedSource]:
    """Yield a source's programs; those of MONAI's networks are written for the time being.

    Raises:
        Refusal: an option is of trained folders, a fold lacks, or a network cannot be exported.
    """
    refuse_options(source)
    if not is_monai(source.path):
        folds = exported_folds(source.path, source.folds)
        yield ExportedSource(source.path, folds, PackedFrom(source.path))
        return
    monai = open_monai(source.path, scheme)
    with exported_monai(
        monai, choose_folds(monai.path, list(monai.weights), source.folds)
    ) as exported:
        yield exported


@contextmanager
def exported_monai(monai: MonaiFolder, folds: Folds) -> Iterator[ExportedSource]:
    """Yield the programs of MONAI's networks, written for the time being.

    Raises:
        Refusal: a network cannot be exported.
    """
    with exported_from(monai, folds.taken) as packed_from, _named(packed_from.path, monai.path):
        yield ExportedSource(monai.path, folds, packed_from, monai)


@contextmanager
def _named(scratch: Path, path: Path) -> Iterator[None]:
    """Let refusals of a temporary folder name what the user handed in.

    Raises:
        PackError: in place of any refusal.
    """
    try:
        yield
    except Refusal as error:
        text = str(error).replace(f"{path}: {scratch}", str(path)).replace(str(scratch), str(path))
        raise PackError(text) from error
