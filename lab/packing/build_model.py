"""Build a model folder beside its target, check it, and rename it to the target."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from challenge.provenance import KEY, program_version
from challenge.refusal import Refusal
from challenge.scheme import Scheme, answer_fault
from ensemble.manifest import MANIFEST, ManifestError, verify_model
from ensemble.manifest_schemas import SCHEMA_WITHOUT
from lab.packing.cascades import name_previous_stage
from lab.packing.cpu_backend import record_in_members
from lab.packing.exported_folder import pack_exported
from lab.packing.exported_source import (
    ExportedSource,
    exported_monai,
    exported_source,
    is_program,
)
from lab.packing.model_facts import table
from lab.packing.monai_trained import open_trained
from lab.packing.pack_selection import pack_selection
from lab.packing.pack_source import Source, pack_source
from lab.packing.proof import ProofRequest, prove
from lab.packing.release import check_reload, write_card
from lab.packing.ship_rules import ship_rules
from lab.packing.source_weights import set_weights, while_packing
from lab.packing.stock_prediction import STOCK_STEP, Trained
from lab.packing.synthetic_case import try_case
from lab.packing.trained_folder import Folds, PackError, folds_of, naming, trained_folder
from lab.packing.write_manifest import open_members, write_manifest
from postprocess.artefacts import load_artefacts


@dataclass(frozen=True)
class ModelRequest:
    """The model to make, whatever it is made of."""

    name: str
    scheme: Scheme
    out: Path  # the model becomes a folder in it
    origin: str  # sources or selection, as error messages name them
    answers: str | None = None  # NAME,...; None: the scheme, or those of a selection's candidates
    note: str = ""
    mirroring: bool = True  # along the axes of each member's training, as stock nnU-Net
    step: float = STOCK_STEP  # of tiles, as a share of the patch
    accepts_missing: bool = False
    artefact: Path | None = None  # post-processing
    foreign: bool = False  # whether to take what was made for something else
    proof: ProofRequest = field(default_factory=ProofRequest)
    is_release: bool = False
    data: str = ""  # what it was trained on, for the model card

    @property
    def target(self) -> Path:
        """Return the model folder."""
        return self.out / self.name

    def check(self) -> None:
        """Refuse what can be seen to be wrong before anything is opened.

        Raises:
            PackError: the message names the option.
        """
        if not self.name.strip(".") or Path(self.name).name != self.name:
            raise PackError(f"--model {self.name!r} is not the name of a folder")
        if not 0 < self.step <= 1:
            raise PackError(f"--step {self.step:g} is not above 0 and at most 1")

    def check_target(self) -> None:
        """Refuse to write over a model.

        Raises:
            PackError: the target exists.
        """
        if self.target.exists():
            raise PackError(f"{self.target} exists already; remove it or choose another --model")


def build_model(
    request: ModelRequest, sources: Sequence[Source], selection: Path | None
) -> dict[str, Any]:
    """Pack sources, or else a selection, into a new model folder; return its manifest.

    Raises:
        Refusal: what is handed in cannot be packed; nothing is left behind.
    """
    request.check()
    manifest = empty_manifest(request)
    request.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.out, prefix=".packing-") as scratch:
        building = Path(scratch) / request.name
        building.mkdir()
        if selection:
            request.check_target()
            answers = manifest["answers"] if request.answers else None
            packed = pack_selection(selection, building, request.scheme, answers, request.foreign)
            manifest |= packed | {KEY: manifest[KEY] | packed[KEY]}
        homes = [add_source(source, building, request, manifest) for source in sources]
        set_weights(manifest["members"], dict(zip(homes, sources, strict=True)))
        write_manifest(building, manifest)
        if request.artefact:
            artefacts = load_artefacts(request.artefact, request.scheme)
            ship_rules(building, artefacts, request.foreign, str(request.artefact))
        with naming_origin(building, request.origin):
            open_members(building / MANIFEST)
            if request.is_release:
                write_card(building, manifest, request.scheme, request.data)
                write_manifest(building, manifest)
                check_reload(building / MANIFEST)
            print(f"{request.name}: synthetic case: {try_case(building / MANIFEST)}")
        print("\n".join((f"{request.name}:", *table(building / MANIFEST))))
        building.rename(request.target)
    return manifest


def empty_manifest(request: ModelRequest) -> dict[str, Any]:
    """Return the manifest that members are added to."""
    return {
        "schema": SCHEMA_WITHOUT,
        "model": request.name,
        "scheme": request.scheme.name,
        "answers": parse_answers(request.answers, request.scheme),
        "note": request.note,
        **({"data": request.data} if request.data else {}),
        KEY: {
            "verb": "pack",
            "version": program_version(),
            "options": {
                "scheme": request.scheme.name,
                "mirroring": request.mirroring,
                "step": request.step,
            },
        },
        "settings": {
            "mirroring": request.mirroring,
            "step": request.step,
            **({"accepts_missing": True} if request.accepts_missing else {}),
        },
        "members": [],
        "left_out": [],  # folds of the sources, and why
        "versions": {name: version(name) for name in ("torch", "nnunetv2", "numpy")},
        "proof": [],  # of each source, beside stock nnU-Net
    }


def parse_answers(text: str | None, scheme: Scheme) -> list[str]:
    """Read --answers, and refuse a challenge that labels of `scheme` cannot answer."""
    names = text.split(",") if text else [scheme.name]
    for name in names:
        if fault := answer_fault(scheme, name):
            raise ManifestError(f"--answers {text}: {fault}")
    return names


def add_source(
    source: Source, building: Path, request: ModelRequest, manifest: dict[str, Any]
) -> str:
    """Pack one source and prove it; add its members and its proof; return its folder's name.

    Weights by channel come last (`set_weights`): the ensemble's channels are not known yet.
    """
    source = replace(source, weight=while_packing(source.weight))
    if is_program(source.path):
        with exported_source(source, request.scheme) as exported:
            return _add_exported(source, exported, building, request, manifest)
    with trained_folder(source.path, source.accepted.configuration) as folder:
        with naming(folder):
            folds = folds_of(folder, source.checkpoint, source.folds)
            monai = open_trained(folder, folds, source, request.scheme)
        if monai is not None:
            with exported_monai(monai, folds) as exported:
                return _add_exported(source, exported, building, request, manifest)
        with naming(folder):
            home = _new_home(building, folder.title)
            entries = pack_source(source, folder, folds.taken, home, request.scheme)
            name_previous_stage(entries, folder, manifest["members"])
            manifest["members"] += entries
            _record_left_out(manifest, home, folds)
        write_manifest(building, manifest)
        request.check_target()  # after what is wrong with the source itself
        with naming_origin(building, request.origin):
            verify_model(building / MANIFEST)
        with naming_origin(building, folder.name):
            trained = Trained(folder.path, folds.taken, source.checkpoint)
            record = prove(trained, building / MANIFEST, home.name, request.proof)
    _add_proof(manifest, record)
    return home.name


def _add_exported(
    source: Source,
    exported: ExportedSource,
    building: Path,
    request: ModelRequest,
    manifest: dict[str, Any],
) -> str:
    home = _new_home(building, exported.path.resolve().name)
    folds, packed_from = exported.folds, exported.packed_from
    with naming_origin(building, str(exported.path)):
        members = pack_exported(source, folds.taken, home, request.scheme, packed_from)
    manifest["members"] += members
    _record_left_out(manifest, home, folds)
    write_manifest(building, manifest)
    request.check_target()
    with naming_origin(building, str(exported.path)):
        record = exported.prove(building / MANIFEST, home.name, request.proof)
    _add_proof(manifest, record)
    return home.name


def _add_proof(manifest: dict[str, Any], record: dict[str, Any]) -> None:
    manifest["proof"].append(record)
    record_in_members(manifest, record)


def _new_home(building: Path, title: str) -> Path:
    """Return a folder of the model that is not there yet."""
    number = sum(path.is_dir() for path in building.iterdir())
    return building / (f"{title}-{number}" if number else title)


def _record_left_out(manifest: dict[str, Any], home: Path, folds: Folds) -> None:
    manifest["left_out"] += [
        {"folder": home.name, "fold": fold, "reason": reason}
        for fold, reason in folds.left_out.items()
    ]


@contextmanager
def naming_origin(building: Path, origin: str) -> Iterator[None]:
    """Let refusals of a folder that is being built name what the user handed in.

    Raises:
        PackError: in place of any refusal.
    """
    try:
        yield
    except Refusal as error:
        text = str(error).replace(f"{building / MANIFEST}: ", "").replace(f"{building}/", "")
        raise PackError(text if text.startswith(origin) else f"{origin}: {text}") from error
