"""An unpacked bundle: a folder whose every byte is checked before anything in it is parsed."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

from mainstay.base import limits
from mainstay.base.errors import InvalidBundle
from mainstay.bundle.manifest import changed, fingerprint_of, read_manifest
from mainstay.bundle.model import MANIFEST_FILE, SIGNATURE_FILE, Manifest

_CHUNK: Final = 1 << 20
_SIZE_MAX: Final = limits.BUNDLE_MAX_BYTES


def verify_folder(folder: Path, fingerprint: str) -> Manifest:
    """Check every digest of an unpacked bundle; run before anything in it is parsed."""
    raw = _read_regular(folder / MANIFEST_FILE, MANIFEST_FILE, limits.MANIFEST_MAX_BYTES)
    got = fingerprint_of(raw)
    if got != fingerprint:
        raise InvalidBundle(
            "the folder holds another version than its name says, or its manifest was changed",
            rule="fingerprint",
            got=got,
            expected=fingerprint,
        )
    manifest = read_manifest(raw)
    present: set[str] = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidBundle("the bundle holds a link or a device", field=name, rule="file type")
        if path.is_file():
            present.add(name)
    extra = present - set(manifest.files) - {MANIFEST_FILE, SIGNATURE_FILE}
    if extra:
        raise InvalidBundle(
            "the bundle holds a file that its manifest does not name",
            field=min(extra),
            rule="extra file",
        )
    for name, digest in sorted(manifest.files.items()):
        with _open_regular(folder / name, name) as content:
            sha = hashlib.sha256()
            while chunk := content.read(_CHUNK):
                sha.update(chunk)
        actual = sha.hexdigest()
        if actual != digest:
            raise changed(name, actual, manifest)
    return manifest


def read_checked(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The bytes of one file, checked after they were read, so that they cannot change between."""
    data = _read_regular(folder / name, name, _SIZE_MAX)
    actual = hashlib.sha256(data).hexdigest()
    if actual != manifest.files.get(name):
        raise changed(name, actual, manifest)
    return data


def _read_regular(path: Path, name: str, most: int) -> bytes:
    with _open_regular(path, name) as content:
        # Room is made for what is there, not for what might be.
        size = os.fstat(content.fileno()).st_size
        data = content.read(size + 1) if size <= most else b""
    if size > most or len(data) > size:
        raise InvalidBundle("a file in the bundle is too large", field=name, rule="size")
    return data


def _open_regular(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidBundle(
            "the bundle lacks a file that it needs", field=name, rule="missing file"
        ) from error
