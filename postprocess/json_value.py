"""A value of a JSON object, of the type that it must have."""

import math
from typing import Any


def value_of(row: Any, key: str, kind: type) -> Any:
    """Return `row[key]`, or raise ValueError where it is missing or not of its kind."""
    if not isinstance(row, dict):
        raise ValueError(f"{row!r} should be an object with {key!r}")
    if key not in row:
        raise ValueError(f"{key!r} is missing")
    value: Any = row[key]
    accepted = (int, float) if kind is float else kind
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ValueError(f"{key}: {value!r} is not of type {kind.__name__}")
    if kind is float and not math.isfinite(row[key]):
        raise ValueError(f"{key}: {value} is not finite")
    return value
