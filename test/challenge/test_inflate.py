"""Compressed bytes: no more than asked for, complete or an error."""

import gzip
import zlib
from io import BytesIO
from pathlib import Path

import pytest
import stored
from hypothesis import given
from hypothesis import strategies as st

from challenge.inflate import CHUNK_BYTES, first_bytes, inflate

TEXT = bytes(range(256)) * 40


@given(count=st.integers(0, 11_000), members=st.integers(1, 4), packed=st.booleans())
def test_the_first_bytes_of_any_number_of_members(count: int, members: int, packed: bool) -> None:
    size = len(TEXT) // members
    parts = [TEXT[i * size : (i + 1) * size] for i in range(members)]
    whole = b"".join(parts)
    pack = gzip.compress if packed else zlib.compress
    stream = BytesIO(b"".join(map(pack, parts)))
    assert inflate(stream, count) == whole[:count]


def test_a_bomb_is_left_alone(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64 * CHUNK_BYTES))
    assert len(first_bytes(stored.placed(tmp_path / "bomb", bomb), 10)) == 10


def test_a_wrong_checksum_is_damage() -> None:
    packed = gzip.compress(TEXT)
    with pytest.raises(zlib.error, match="incorrect data check"):
        inflate(BytesIO(packed[:-8] + b"\0\0\0\0" + packed[-4:]), len(TEXT))


def test_junk_behind_is_no_ones_business() -> None:
    assert inflate(BytesIO(gzip.compress(TEXT) + b"junk"), len(TEXT)) == TEXT


def test_what_ends_early_is_shorter() -> None:
    assert len(inflate(BytesIO(gzip.compress(TEXT)[:-30]), len(TEXT))) < len(TEXT)


def test_a_plain_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = stored.placed(tmp_path / "plain.nii.gz", TEXT)
    assert first_bytes(path, 100) == TEXT[:100]
