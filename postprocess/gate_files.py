"""Gates as rows of `postprocess.json` and arrays of `gates.npz`, and back, each checked."""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from challenge.scheme import Scheme

from .component_feature_table import component_features
from .component_gates import ComponentGate, GateAnswer
from .gate_models import MODELS, Familiarity, Scaling, kind_of
from .json_value import value_of

KEYS: Mapping[str, type] = {
    "label": str,
    "region": str,
    "per": str,
    "becomes": str,
    "model": str,
    "cutoff": float,
    "slope": float,
    "offset": float,
    "training_components": int,
    "feature_names": list,
    "known_answers": list,
}


def gate_rows(gates: Sequence[ComponentGate]) -> list[dict[str, Any]]:
    """Turn gates into JSON objects; their arrays are elsewhere."""
    return [
        {
            "label": gate.label,
            "region": gate.region,
            "per": gate.per,
            "becomes": gate.becomes,
            "model": kind_of(gate.model),
            "cutoff": gate.cutoff,
            "slope": gate.slope,
            "offset": gate.offset,
            "training_components": gate.training_components,
            "feature_names": list(gate.feature_names),
            "known_answers": [
                {"features": answer.features.tolist(), "probability": answer.probability}
                for answer in gate.known_answers
            ],
        }
        for gate in gates
    ]


def gate_arrays(gates: Sequence[ComponentGate]) -> bytes:
    """Turn the arrays of gates into the bytes of an npz; the same ones every time."""
    arrays = {
        f"{number}_{name}": array
        for number, gate in enumerate(gates)
        for part in (gate.scaling, gate.familiarity, gate.model)
        for name, array in vars(part).items()
    }
    buffer = io.BytesIO()  # numpy dates every array in the archive 1980, so bytes are stable
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read_gates(
    rows: Sequence[Any], content: bytes, sha256: str, scheme: Scheme
) -> tuple[ComponentGate, ...]:
    """Turn rows and the bytes of the npz into gates.

    Raises:
        ValueError: the bytes are not those that belong to the rows, a row or an array is wrong, or
            a known answer is not given; the message names it.
    """
    if (actual := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"sha256 {actual}, not {sha256} as the JSON file says")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    gates = tuple(_gate(row, number, arrays, scheme) for number, row in enumerate(rows))
    if arrays:
        raise ValueError(f"unknown arrays {sorted(arrays)}")
    for gate in gates:
        gate.check(scheme)
    return gates


def _gate(row: Any, number: int, arrays: dict[str, np.ndarray], scheme: Scheme) -> ComponentGate:
    """Read one gate, and take its arrays out of those that are left."""
    values = {key: value_of(row, key, kind) for key, kind in KEYS.items()}
    if unknown := sorted(set(row) - set(KEYS)):
        raise ValueError(f"gate {number}: unknown keys {unknown}")
    if (name := values.pop("model")) not in MODELS:
        raise ValueError(f"gate {number}: model {name!r} is not one of {', '.join(MODELS)}")
    known = {each.name for each in component_features(scheme)}
    if unknown := [each for each in values["feature_names"] if each not in known]:
        raise ValueError(f"gate {number}: unknown feature {unknown[0]!r}")

    def take(kind: type) -> Any:
        names = [field.name for field in fields(kind)]
        if missing := [name for name in names if f"{number}_{name}" not in arrays]:
            raise ValueError(f"gate {number}: missing array {missing[0]}")
        return kind(**{name: arrays.pop(f"{number}_{name}") for name in names})

    answers = tuple(_answer(each, len(values["feature_names"])) for each in row["known_answers"])
    return ComponentGate(
        **values
        | {
            "feature_names": tuple(values["feature_names"]),
            "scaling": take(Scaling),
            "familiarity": take(Familiarity),
            "model": take(MODELS[name]),
            "known_answers": answers,
        }
    )


def _answer(row: Any, features: int) -> GateAnswer:
    numbers = value_of(row, "features", list)
    if wrong := [x for x in numbers if not isinstance(x, int | float) or not math.isfinite(x)]:
        raise ValueError(f"known answer of a gate: {wrong[0]!r} is not a finite number")
    if len(numbers) != features:
        raise ValueError(f"known answer of a gate: {len(numbers)} features, not {features}")
    return GateAnswer(np.array(numbers, np.float64), value_of(row, "probability", float))
