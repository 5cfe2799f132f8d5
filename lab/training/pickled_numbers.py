"""numpy's numbers in a checkpoint's pickle, read by hand.

A training log holds numpy scalars and arrays; a pickle keeps each as the name of a function of
numpy with arguments, `numpy.core` under numpy 1 and `numpy._core` under numpy 2. Under
`weights_only` torch calls what is allowed by name, and STANDINS puts these readers under numpy's
names: of numpy's own unpickling nothing runs, and what is no number, text or date is refused.
"""

import pickle
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# One letter of a kind and its size: neither objects (O) nor records (V).
PLAIN_TYPE = re.compile(r"[<>|=]?(?:[?bhilqpBHILQPefdgFDG]|[biufcSUmM]\d{1,6})")


class PickledType:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        """Take a type's code, such as f4.

        Raises:
            UnpicklingError: objects, records, or no code at all.
        """
        if not isinstance(code, str) or not PLAIN_TYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"numpy type {code!r} is neither number nor text nor date")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take byte order and, of a date, its unit; the state is numpy's own tuple."""
        _, order, *composed = state[:5]
        if any(part is not None for part in composed):
            raise pickle.UnpicklingError("a numpy type is composed of others")
        if self.dtype.kind in "mM" and len(state) > 8:
            unit, count = state[8][1][:2]
            unit = unit.decode("ascii") if isinstance(unit, bytes) else unit
            self.dtype = np.dtype(f"{self.dtype.kind}8[{int(count)}{unit}]")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class PickledArray:
    """Stands for `numpy.ndarray`; `numpy.asarray` makes one of it."""

    def __init__(self) -> None:
        self.array = np.zeros(0)

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take numpy's own tuple: version, shape, type, Fortran order, bytes."""
        _, shape, kind, fortran, content = state
        values = _values(kind, content)
        self.array = values.reshape(shape, order="F" if fortran else "C") if values.size else values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as an array of numpy's."""
        return np.array(self.array, dtype)


def pickled_array(kind: object, shape: object, code: object) -> PickledArray:
    """Stand for `numpy.core.multiarray._reconstruct`: an array whose state follows."""
    return PickledArray()


def pickled_scalar(kind: object, content: bytes = b"") -> Any:
    """Stand for `numpy.core.multiarray.scalar`: one number, text or date."""
    values = _values(kind, content)
    if values.size > 1:
        raise pickle.UnpicklingError(f"{values.size} values where one belongs")
    return values[0] if values.size else values.dtype.type()


def no_bytes(*content: object) -> bytes:
    """Stand for `bytes`, which a pickle of protocol 2 calls without content alone."""
    if content:
        raise pickle.UnpicklingError("bytes made of something")
    return b""


def _values(kind: object, content: object) -> np.ndarray:
    if not isinstance(kind, PickledType) or not isinstance(content, bytes):
        raise pickle.UnpicklingError("a numpy value without type or bytes")
    if not kind.dtype.itemsize:  # an empty text, which frombuffer does not take
        return np.zeros(0, kind.dtype)
    if len(content) % kind.dtype.itemsize:
        raise pickle.UnpicklingError(f"{len(content)} bytes are no values of {kind.dtype}")
    return np.frombuffer(content, kind.dtype)


HOMES = [
    f"{core}.{module}"
    for core in ("numpy.core", "numpy._core")
    for module in ("multiarray", "_multiarray_umath")
]
STANDINS: list[tuple[Callable[..., Any], str]] = [
    (PickledType, "numpy.dtype"),
    (PickledArray, "numpy.ndarray"),
    (no_bytes, "builtins.bytes"),
    *((pickled_scalar, f"{home}.scalar") for home in HOMES),
    *((pickled_array, f"{home}._reconstruct") for home in HOMES),
]
