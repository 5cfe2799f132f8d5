"""JSON inputs of a case: read whole, and their numbers by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from challenge.description import Scheme
from challenge.headers import CaseError

LONGEST_JSON = 2**24


def read_value(path: Path) -> Any:
    """Read a JSON input.

    Raises:
        CaseError: it is no JSON, or longer than `LONGEST_JSON` bytes.
    """
    try:
        if path.stat().st_size > LONGEST_JSON:
            raise CaseError(f"{path}: more than {LONGEST_JSON} bytes")
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, CaseError):
            raise
        raise CaseError(f"{path}: not JSON ({error})") from error


def input_numbers(values: Mapping[str, Any], scheme: Scheme) -> dict[str, float]:
    """Return the numbers of a case's JSON inputs that are features, as "SLUG.KEY".

    One that is missing, null or no number is what the challenge says for it.
    """
    return {
        f"{socket.slug}.{key}": _number(values.get(socket.slug), key.split("."), default)
        for socket in scheme.inputs
        for key, default in socket.numbers.items()
    }


def _number(value: Any, keys: list[str], default: float) -> float:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else float(default)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")
