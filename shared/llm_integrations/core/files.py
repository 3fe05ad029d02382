"""Writing files so that a reader, or a crash, never meets half of one; what a system refuses."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

__all__ = ["atomic_write", "locked", "reason_of"]

_KINDS: Final = {
    errno.EISDIR: "it is a folder, where a file is meant",
    errno.ENOTDIR: "it is a file, where a folder is meant",
    errno.EEXIST: "it is a file, where a folder is meant",
}

_UNFINISHED: Final = ".tmp"
_DEVICES: Final = ("/dev", "/dev/fd", "/proc/self/fd")
"""Folders of devices, and of what is open already."""


def reason_of(error: OSError) -> str:
    """Why the system refused a file, without its name: what is there, or the system's words."""
    known = _KINDS.get(error.errno or 0)
    return known or error.strerror or type(error).__name__


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; on leaving, sync it and rename it to ``path``.

    An exception, or a crash, leaves what was there before. ``mode`` holds from the first byte.
    A device, a pipe or what is open already (``/dev/stdout``) is written into as it is.
    """
    if _is_special(path):
        with path.open("wb") as stream:
            yield stream
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path):
        prefix = f".{path.name[:40]}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=_UNFINISHED, dir=path.parent)
    try:
        with _named(path):
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _is_special(path: Path) -> bool:
    """What is there, and neither a file nor a folder; links to open files too."""
    is_other = path.exists() and not path.is_file() and not path.is_dir()
    return is_other or str(path.parent) in _DEVICES


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors name the file that is meant, not none (a full disk) or the temporary one."""
    try:
        yield
    except OSError as error:
        named = error.filename is not None and not str(error.filename).endswith(_UNFINISHED)
        if named or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold a folder among threads and processes: many share it, or one has it alone.

    The lock goes with its process, however that ends. Windows cannot open folders: there is no
    lock there.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        # Closing is not enough: a process forked meanwhile has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows cannot open folders and needs no such step."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
