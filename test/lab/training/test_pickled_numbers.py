"""Numbers of any numpy are read from a pickle without numpy's own unpickling; no object is."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny import as_numpy_1

from lab.training.pickled_numbers import STANDINS, PickledArray, PickledType

LETTERS = [
    "float16",
    "float32",
    "float64",
    "longdouble",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
]
SCALARS: list[Any] = [np.dtype(name).type(1) for name in LETTERS]
SCALARS += [
    np.str_("log"),
    np.str_(""),
    np.bytes_(b"x"),
    np.datetime64("2024-05-06T07:08", "m"),
    np.timedelta64(90, "s"),
    np.datetime64("NaT"),
]


def read(content: object, path: Path, numpy_1: bool, is_zip: bool = True) -> Any:
    """Write a checkpoint with torch, and open it with the stand-ins."""
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    if numpy_1:
        as_numpy_1(path)
    with torch.serialization.safe_globals(list(STANDINS)):
        return torch.load(path, map_location="cpu", weights_only=True)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("numpy_1", [True, False], ids=["numpy 1", "numpy 2"])
def test_scalars_of_every_kind_come_back(tmp_path: Path, numpy_1: bool, is_zip: bool) -> None:
    path = tmp_path / "log.pth"
    values = read(SCALARS, path, numpy_1, is_zip)
    assert (b"numpy._core" in path.read_bytes()) is not numpy_1
    for value, original in zip(values, SCALARS, strict=True):
        assert type(value) is type(original)
        assert value.dtype == original.dtype
        np.testing.assert_array_equal(value, original)  # NaT is not equal to itself


@settings(max_examples=40)
@given(
    array=hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), hnp.unicode_string_dtypes(max_len=4)),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    fortran=st.booleans(),
    numpy_1=st.booleans(),
)
def test_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, fortran: bool, numpy_1: bool
) -> None:
    array = np.asfortranarray(array) if fortran else array
    value = np.asarray(read([array], tmp_path_factory.mktemp("log") / "a.pth", numpy_1)[0])
    if array.size and array.dtype.itemsize:
        assert (value.dtype, value.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(value, array)
    else:
        assert not value.size  # the shape of nothing is not kept


BY_NAME = {name: call for call, name in STANDINS}
RECORD = np.dtype([("dice", "f4"), ("name", "O")])


@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}], dtype=object),
        np.array([Path.cwd()], dtype=object),
        np.dtype("O"),
        np.zeros(2, RECORD),
        np.zeros((), RECORD)[()],
        np.zeros(1, np.dtype([("x", "f4", (2, 2))])),
        np.random.default_rng(0),
        np.float32,
        slice(1, 2),
    ],
)
def test_objects_records_and_code_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read([value], tmp_path / "log.pth", False)


class Composed:
    """Pickles as a numpy type with a state of one's own choosing."""

    def __init__(self, state: tuple) -> None:
        self.state = state

    def __reduce__(self) -> tuple:
        return np.dtype, ("f8", False, True), self.state


@pytest.mark.parametrize(
    "state",
    [
        (3, "<", (np.dtype("O"), (2,)), None, None, -1, -1, 0),
        (3, "<", None, ("a",), {"a": (np.dtype("f8"), 0)}, -1, -1, 0),
    ],
)
def test_a_type_does_not_become_another_by_its_state(tmp_path: Path, state: tuple) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read([Composed(state)], tmp_path / "log.pth", False)
    with pytest.raises(pickle.UnpicklingError, match="composed of others"):
        PickledType("f8").__setstate__((3, "<", PickledType("f8"), None, None, -1, -1, 0))


def test_a_flag_that_would_make_numbers_pointers_does_nothing() -> None:
    kind = PickledType("f8")
    kind.__setstate__((3, "<", None, None, None, -1, -1, 63))  # NPY_ITEM_REFCOUNT and the others
    assert kind.dtype == np.dtype("f8") and not kind.dtype.hasobject


@pytest.mark.parametrize(
    "call",
    [
        lambda: dict((n, c) for c, n in STANDINS)["numpy.core.multiarray.scalar"](
            "f8", b"12345678"
        ),
        lambda: PickledType(8),
        lambda: PickledType("f8,O"),
        lambda: PickledType("O8"),
        lambda: PickledType("V8"),
        lambda: BY_NAME["builtins.bytes"](10**12),
        lambda: PickledArray().__setstate__((1, (2,), PickledType("f8"), False, b"123")),
        lambda: PickledArray().__setstate__((1, (2,), PickledType("f8"), False, [object()])),
    ],
)
def test_what_numpy_does_not_write_is_refused(call: Callable) -> None:
    with pytest.raises(pickle.UnpicklingError):
        call()


def test_nothing_of_numpy_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(SCALARS, stream := io.BytesIO())
    (tmp_path / "log.pth").write_bytes(stream.getvalue())

    def trap(*arguments: object) -> None:
        raise AssertionError("numpy's own unpickling")

    for home in ("numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct"):
        monkeypatch.setattr(home, trap)
    with torch.serialization.safe_globals(list(STANDINS)):
        assert len(torch.load(tmp_path / "log.pth", weights_only=True)) == len(SCALARS)
