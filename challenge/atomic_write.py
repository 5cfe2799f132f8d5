"""Files written atomically: whole or not there, whenever the program is killed."""

import errno
import os
import secrets
from pathlib import Path

# What a system answers that has no unnamed files, or cannot name them.
NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS}
HIDDEN = ".partial-"


def write_atomically(content: bytes, target: Path) -> None:
    """Write a file at once: it is written without a name, read back, then named.

    A killed program leaves nothing behind, but for the moment in which a file is replaced: no
    system call names a file over another one, so the new one, which is whole by then, has a hidden
    name first. Where a file system has no unnamed files it is written under such a name.

    Raises:
        OSError: it cannot be written, or does not read back.
    """
    if not _write_unnamed(content, target):
        beside = target.with_name(HIDDEN + target.name[-200:])  # what a killed run left is reused
        try:
            beside.write_bytes(content)
            _check(beside, content)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def _write_unnamed(content: bytes, target: Path) -> bool:
    """Write without a name, then name; return whether that could be done here."""
    try:
        number = os.open(target.parent, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError as error:
        if error.errno in NO_UNNAMED:
            return False
        raise
    with os.fdopen(number, "wb") as stream:
        stream.write(content)
        stream.flush()
        unnamed = Path(f"/proc/self/fd/{number}")
        if not unnamed.exists():
            return False
        _check(unnamed, content)
        return _name(unnamed, target)


def _name(unnamed: Path, target: Path) -> bool:
    beside = target.with_name(f"{HIDDEN}{secrets.token_hex(4)}-{target.name[-200:]}")
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # The number of a folder makes this linkat, which alone follows the link in /proc.
        name = beside if target.exists() else target
        os.link(unnamed, name.name, dst_dir_fd=folder, follow_symlinks=True)
        if name is beside:
            beside.replace(target)
    except OSError:  # another program was faster, or the system has no such links
        return False
    finally:
        os.close(folder)
        beside.unlink(missing_ok=True)
    return True


def _check(path: Path, content: bytes) -> None:
    if path.read_bytes() != content:
        raise OSError(errno.EIO, "does not read back as it was written", str(path))
