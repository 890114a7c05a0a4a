"""Small files that one process writes and others read at any moment."""

import os
from pathlib import Path

Stamp = tuple[int, int, int]
"""Another one means another file: when it was written, its place on the disk, its size."""


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> Stamp:
    """Replace a file so that a reader sees the old content or the new one, never a part.

    Not synced to disk: after a power cut such a file is written anew by whoever owns it.
    """
    parts = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(parts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        written = _stamp(os.fstat(descriptor))
    parts.replace(path)
    return written


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file as it is now; looking costs microseconds."""
    return _stamp(path.stat())


def _stamp(state: os.stat_result) -> Stamp:
    return state.st_mtime_ns, state.st_ino, state.st_size
