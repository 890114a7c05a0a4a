"""The version store in a directory: one file per fingerprint, written once, never changed.

A file appears whole, by a hard link that fails where one exists, or not at all; and nothing comes
out whose every byte does not hash to what its manifest says. So a damaged or exchanged file in the
store is refused by name instead of served. No limit but the disk's.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mainstay.base.errors import InvalidBundle, NotFound, StorageFailed
from mainstay.bundle.archive import SUFFIX, check_archive
from mainstay.bundle.manifest import is_fingerprint


class DirectoryStore:
    """See `port.Store`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, fingerprint: str, file: Path) -> None:
        """Keep a bundle file."""
        check_archive(file, check_fingerprint(fingerprint))
        target = self._folder / (fingerprint + SUFFIX)
        if target.exists():
            return
        temporary = self._folder / f".{fingerprint}.{secrets.token_hex(8)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, temporary.open("xb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(temporary, target)
            except FileExistsError:
                return
            _sync_folder(self._folder)
        except OSError as error:
            raise StorageFailed(f"the bundle cannot be kept: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def fetch(self, fingerprint: str, into: Path) -> Path:
        """Bring a bundle file to a local folder, checked."""
        source = self._folder / (check_fingerprint(fingerprint) + SUFFIX)
        if not source.is_file():
            raise not_kept(fingerprint)
        try:
            return place(_chunks(source), fingerprint, into)
        except OSError as error:
            raise StorageFailed(f"the bundle cannot be fetched: {error}") from error

    def fingerprints(self) -> Sequence[str]:
        """Everything that is kept."""
        if not self._folder.is_dir():
            return []
        names = (path.name.removesuffix(SUFFIX) for path in self._folder.iterdir())
        return sorted(name for name in names if is_fingerprint(name))


def place(chunks: Iterable[bytes], fingerprint: str, into: Path) -> Path:
    """Write what a store gave to a local file, whole and checked or not at all."""
    into.mkdir(parents=True, exist_ok=True)
    target = into / (fingerprint + SUFFIX)
    temporary = into / f".{fingerprint}.{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as out:
            for chunk in chunks:
                out.write(chunk)
        check_archive(temporary, fingerprint)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(1 << 20):
            yield chunk


def check_fingerprint(fingerprint: str) -> str:
    """Refuse what is not a whole fingerprint, before it becomes part of a path."""
    if not is_fingerprint(fingerprint):
        raise InvalidBundle(
            "this is not a fingerprint",
            rule="fingerprint",
            got=fingerprint[:80],
            expected="64 hexadecimal digits",
        )
    return fingerprint


def not_kept(fingerprint: str) -> NotFound:
    """The error for a version that a store does not have."""
    return NotFound(
        "the store has no version with this fingerprint",
        field="fingerprint",
        got=fingerprint,
        expected="a version that was packed and deployed here; `mainstay status` lists them",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
