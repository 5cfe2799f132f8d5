"""Compressed bytes, read up to a number that is known beforehand: no bomb unfolds here."""

import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

GZIP_MAGIC = b"\x1f\x8b"
ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS  # by the first two bytes
# Read and unpacked at a time: what lies between fits into a processor's cache.
CHUNK_BYTES, PIECE_BYTES = 2**17, 2**20


def is_plain_gz(path: Path) -> bool:
    """Return whether a file named .gz is not compressed."""
    with path.open("rb") as stream:
        return path.name.endswith(".gz") and stream.read(len(GZIP_MAGIC)) != GZIP_MAGIC


def first_bytes(path: Path, count: int) -> memoryview:
    """Return the first `count` bytes that a file holds, decompressed where it is gzip.

    Fewer are returned where there are no more. What the name says does not matter: zlib's own
    reader, and so ITK, takes a plain file named .nii.gz.

    Raises:
        OSError, zlib.error: the file cannot be read, or is damaged.
    """
    with path.open("rb") as stream:
        magic = stream.read(len(GZIP_MAGIC))
        stream.seek(0)
        if magic == GZIP_MAGIC:
            return inflate(stream, count)
        return memoryview(bytearray(stream.read(count)))


def inflate(stream: BinaryIO, count: int) -> memoryview:
    """Decompress zlib or gzip from where a stream stands, up to `count` bytes.

    Raises:
        zlib.error: damaged, which where a checksum within reach says so.
    """
    content, end = np.empty(count, np.uint8).data, 0  # unwritten pages take no memory
    part = zlib.decompressobj(ZLIB_OR_GZIP)
    while end < count:
        fed = part.unconsumed_tail
        if part.eof:  # another member follows, as bgzip writes them
            fed, part = part.unused_data, zlib.decompressobj(ZLIB_OR_GZIP)
        fed = fed or stream.read(CHUNK_BYTES)
        if not fed:
            return content[:end]
        piece = part.decompress(fed, min(count - end, PIECE_BYTES))
        content[end : end + len(piece)] = piece
        end += len(piece)
    if not part.eof:  # a wrong checksum right behind raises an error
        part.decompress(part.unconsumed_tail or stream.read(CHUNK_BYTES), 1)
    return content
