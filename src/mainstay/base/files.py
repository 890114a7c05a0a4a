"""Small files that one process writes and others read at any moment."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file so that a reader sees the old content or the new one, never a part.

    Not synced to disk: after a power cut such a file is written anew by whoever owns it.
    """
    parts = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(parts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    parts.replace(path)
