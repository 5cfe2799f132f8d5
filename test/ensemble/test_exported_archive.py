"""A .pt2 file is data: what could run code, or is no plain tensor, is refused unopened."""

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from exported import Small, change_json, rewrite
from torch import nn

from ensemble.exported_archive import ExportedError, read_archive

WEIGHTS = "data/weights/model_weights_config.json"


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def first_weight(content: dict[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = next(iter(content["config"].values()))
    return payload


def test_the_tensors_are_those_of_the_network(program: Path) -> None:
    tensors, weights = read_archive(program).tensors, Small().state_dict()
    assert sorted(tensors) == sorted(weights)
    for name, value in weights.items():
        assert torch.equal(tensors[name], value)


def test_code_in_a_pickled_weight_does_not_run(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    def change(files: dict[str, bytes]) -> None:
        buffer = io.BytesIO()
        torch.save(Touch(marker), buffer)
        files["data/weights/weight_0"] = buffer.getvalue()
        change_json(files, WEIGHTS, lambda c: first_weight(c).update(use_pickle=True))

    with pytest.raises(ExportedError, match="weight_0 is a pickle"):
        read_archive(rewrite(program, change))
    assert not marker.exists()
    with contextlib.suppress(Exception):
        torch.export.load(program)  # that is why it is not called: it opens the pickle
    assert marker.exists()


@pytest.mark.parametrize("name", ["data/weights/model.pt", "data/constants/model.pt"])
def test_code_in_the_pickles_of_older_versions_does_not_run(
    program: Path, tmp_path: Path, name: str
) -> None:
    marker = tmp_path / "ran"
    for content in (pickle.dumps(Touch(marker)), _saved({"w": Touch(marker)})):
        path = rewrite(program, lambda files, c=content: files.update({name: c}))
        with pytest.raises(ExportedError, match=f"{name} holds more than plain tensors"):
            read_archive(path)
    assert not marker.exists()


def test_sample_inputs_are_never_opened(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    sample = pickle.dumps(Touch(marker))
    rewrite(program, lambda files: files.update({"data/sample_inputs/model.pt": sample}))
    assert read_archive(program).tensors
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../etc/passwd", "points outside"),
        ("/etc/passwd", "points outside"),
        ("data/../../x", "points outside"),
        ("data\\x", "points outside"),
        ("data/aotinductor/model/wrapper.so", "neither a graph nor a plain tensor"),
        ("data/constants/custom_obj_0", "neither a graph nor a plain tensor"),
        ("code/model.py", "neither a graph nor a plain tensor"),
        ("models/other.json", "2 programs"),
    ],
)
def test_files_that_have_no_business_there_are_refused(
    program: Path, name: str, message: str
) -> None:
    rewrite(program, lambda files: files.update({name: b"{}"}))
    with pytest.raises(ExportedError, match=message):
        read_archive(program)


def test_ten_gigabytes_of_zeros_are_not_unpacked(program: Path) -> None:
    name = "program/data/weights/weight_99"
    with zipfile.ZipFile(program, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(2**24))
        archive.getinfo(name).file_size = 10 * 2**30  # the directory is written at the end
    assert zipfile.ZipFile(program).getinfo(name).file_size == 10 * 2**30
    with pytest.raises(ExportedError, match="is compressed"):
        read_archive(program)


def test_a_size_beyond_the_archive_is_refused(program: Path) -> None:
    _claim(program, b"data/weights/weight_0", 2**31)
    with pytest.raises(ExportedError, match="larger than the archive"):
        read_archive(program)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": [{"as_int": 2**40}] * 5}, "too few"),
        ({"storage_offset": {"as_int": 10**6}}, "too few"),
        ({"strides": [{"as_int": 10**6}] * 5}, "too few"),
        ({"sizes": [{"as_int": -1}] * 5}, "not whole numbers"),
        ({"sizes": [{"as_expr": {"expr_str": "__import__('os')"}}] * 5}, "not whole numbers"),
        ({"dtype": 9}, "not plain"),
        ({"layout": 1}, "not plain"),
    ],
)
def test_a_tensor_stays_within_its_bytes(
    program: Path, changes: dict[str, Any], message: str
) -> None:
    def change(content: dict[str, Any]) -> None:
        first_weight(content)["tensor_meta"].update(changes)

    rewrite(program, lambda files: change_json(files, WEIGHTS, change))
    with pytest.raises(ExportedError, match=message):
        read_archive(program)


@pytest.mark.parametrize("path_name", ["../models/model.json", "/etc/passwd", "weight_77"])
def test_a_tensor_is_a_file_of_the_archive(program: Path, path_name: str) -> None:
    def change(content: dict[str, Any]) -> None:
        first_weight(content)["path_name"] = path_name

    rewrite(program, lambda files: change_json(files, WEIGHTS, change))
    with pytest.raises(ExportedError, match=r"no tensor of the archive|neither a graph"):
        read_archive(program)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"[" * 100_000, b"not a zip", pickle.dumps(nn.Conv3d(1, 1, 1))]
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "program.pt2"
    path.write_bytes(content)
    with pytest.raises(ExportedError, match=r"program\.pt2: no sound \.pt2 file"):
        read_archive(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"{", b"\xff\xfe"])
def test_a_graph_that_is_no_json_object_is_refused(program: Path, content: bytes) -> None:
    rewrite(program, lambda files: files.update({"models/model.json": content}))
    with pytest.raises(ExportedError, match=r"program\.pt2"):
        read_archive(program)


def _saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _claim(path: Path, name: bytes, claimed: int) -> None:
    """Let the central directory claim another size for a file."""
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(name))
    for at in (20, 24):
        content[start + at : start + at + 4] = claimed.to_bytes(4, "little")
    path.write_bytes(content)
