"""The bundle file: written so that the same content is the same bytes, read so that nothing slips.

A bundle file is a plain zip that every unzip tool opens, but in one canonical form only: members
stored uncompressed, `manifest.json` first, then the signature if there is one, then the files of
the manifest in order of name; no times, no attributes, no comments, no gaps. So the reader needs
no tolerant zip parser: it walks the file front to back and expects each byte, hashes each member
while it copies it, and compares the directory at the end with the one it would have written.
A flipped bit anywhere, a cut, an added, missing, renamed or doubled member is `InvalidBundle`.

An unpacked folder appears whole, by rename, under the name of its fingerprint, or not at all.
Nothing here interprets a member other than the manifest. Limits: 4 GiB a file (no zip64),
`BUNDLE_FILES_MAX` members, `MANIFEST_MAX_BYTES` of manifest.
"""

import hashlib
import os
import secrets
import shutil
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mainstay.base import limits
from mainstay.base.errors import InvalidBundle, StorageFailed
from mainstay.bundle.folder import verify_folder
from mainstay.bundle.manifest import (
    NAME_MAX_CHARACTERS,
    changed,
    check_name,
    fingerprint_of,
    read_manifest,
)
from mainstay.bundle.model import MANIFEST_FILE, SIGNATURE_FILE, Manifest

SUFFIX: Final = ".mainstay"

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_DOS_DATE: Final = (1980 - 1980) << 9 | 1 << 5 | 1
_PLAIN_FILE: Final = 0o100644 << 16
_SIZE_MAX: Final = min(limits.BUNDLE_MAX_BYTES, 0xFFFF_FFFF)
_SIGNATURE_MAX_BYTES: Final = 4096
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A bundle whose every byte was checked."""

    folder: Path
    fingerprint: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    crc: int
    size: int
    offset: int

    def local(self) -> bytes:
        """The header in front of the member."""
        raw = self.name.encode("ascii")
        return (
            _LOCAL.pack(
                b"PK\x03\x04", 20, 0, 0, 0, _DOS_DATE, self.crc, self.size, self.size, len(raw), 0
            )
            + raw
        )

    def central(self) -> bytes:
        """The entry in the directory at the end."""
        raw = self.name.encode("ascii")
        return (
            _CENTRAL.pack(
                b"PK\x01\x02",
                0x0314,
                20,
                0,
                0,
                0,
                _DOS_DATE,
                self.crc,
                self.size,
                self.size,
                len(raw),
                0,
                0,
                0,
                0,
                _PLAIN_FILE,
                self.offset,
            )
            + raw
        )


def write_archive(folder: Path, into: Path) -> str:
    """Write the bundle file of a folder, whole or not at all; returns the fingerprint."""
    manifest = read_manifest((folder / MANIFEST_FILE).read_bytes())
    names = [MANIFEST_FILE]
    if (folder / SIGNATURE_FILE).is_file():
        names.append(SIGNATURE_FILE)
    names.extend(sorted(manifest.files))
    temporary = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as out:
            members = [_write_member(out, name, folder / name) for name in names]
            out.write(_directory(members, out.tell()))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(into)
    finally:
        temporary.unlink(missing_ok=True)
    return fingerprint_of((folder / MANIFEST_FILE).read_bytes())


def _write_member(out: BinaryIO, name: str, source: Path) -> _Member:
    crc = size = 0
    with source.open("rb") as content:
        while chunk := content.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
        if out.tell() + size > _SIZE_MAX:
            raise InvalidBundle(
                "the bundle is too large",
                field=name,
                rule="size",
                got=out.tell() + size,
                expected=f"at most {_SIZE_MAX} bytes in all",
            )
        member = _Member(name, crc, size, out.tell())
        out.write(member.local())
        content.seek(0)
        shutil.copyfileobj(content, out, _CHUNK)
    return member


def _directory(members: list[_Member], offset: int) -> bytes:
    central = b"".join(member.central() for member in members)
    count = len(members)
    return central + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(central), offset, 0)


def unpack(file: Path, cache_folder: Path, expected: str | None = None) -> Unpacked:
    """Check every byte of a bundle file and unpack it to `cache_folder/<fingerprint>`.

    `expected` is the fingerprint it must have. A folder that is there and whole is kept; one that
    is there and damaged is replaced.
    """
    cache_folder.mkdir(parents=True, exist_ok=True)
    temporary = cache_folder / f".unpacking-{secrets.token_hex(8)}"
    temporary.mkdir()
    try:
        fingerprint, manifest = _read_archive(file, expected, temporary)
        target = cache_folder / fingerprint
        _put_in_place(temporary, target, fingerprint)
    except OSError as error:
        raise StorageFailed(f"the bundle cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Unpacked(target, fingerprint, manifest)


def _put_in_place(temporary: Path, target: Path, fingerprint: str) -> None:
    if target.exists() or target.is_symlink():
        try:
            verify_folder(target, fingerprint)
            os.utime(target)  # in use, for whoever tidies
            return
        except InvalidBundle:
            aside = target.with_name(f".damaged-{secrets.token_hex(8)}")
            target.rename(aside)
            if aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink()
    try:
        temporary.rename(target)
    except OSError:
        # Another process unpacked the same version at the same moment: theirs must be whole.
        verify_folder(target, fingerprint)


def check_archive(file: Path, expected: str | None = None) -> tuple[str, Manifest]:
    """Check every byte of a bundle file without unpacking it: its fingerprint and manifest."""
    return _read_archive(file, expected, None)


def _read_archive(file: Path, expected: str | None, into: Path | None) -> tuple[str, Manifest]:
    try:
        size = file.stat().st_size
        source = file.open("rb")
    except OSError as error:
        raise InvalidBundle(f"the bundle file cannot be read: {error}", got=str(file)) from error
    with source:
        if size > _SIZE_MAX:
            raise InvalidBundle(
                "the bundle is too large", rule="size", got=size, expected=f"at most {_SIZE_MAX}"
            )
        reader = _Reader(source, size, into)
        raw = reader.first()
        fingerprint = fingerprint_of(raw)
        if expected is not None and fingerprint != expected:
            raise InvalidBundle(
                "this is another version than the one asked for",
                rule="fingerprint",
                got=fingerprint,
                expected=expected,
            )
        manifest = read_manifest(raw)
        reader.rest(manifest)
    return fingerprint, manifest


class _Reader:
    """Walks one canonical bundle file front to back."""

    def __init__(self, source: BinaryIO, size: int, into: Path | None) -> None:
        self._source = source
        self._size = size
        self._into = into
        self._offset = 0
        self._members: list[_Member] = []

    def first(self) -> bytes:
        """The manifest, which must come first: nothing else is looked at before it is known."""
        member = self._header()
        if member.name != MANIFEST_FILE:
            raise InvalidBundle(
                "the bundle does not begin with its manifest",
                field=member.name,
                rule="order",
                expected=f"{MANIFEST_FILE} as the first file in it",
            )
        if member.size > limits.MANIFEST_MAX_BYTES:
            raise InvalidBundle(
                "the manifest is too large",
                field=MANIFEST_FILE,
                rule="size",
                got=member.size,
                expected=f"at most {limits.MANIFEST_MAX_BYTES} bytes",
            )
        raw = self._take(member.size)
        if zlib.crc32(raw) != member.crc:
            raise changed(MANIFEST_FILE)
        if self._into is not None:
            (self._into / MANIFEST_FILE).write_bytes(raw)
        return raw

    def rest(self, manifest: Manifest) -> None:
        """Every other member, in order, and the directory; nothing may be left over."""
        names = sorted(manifest.files)
        signature = self._offset < self._size and self._peek_name() == SIGNATURE_FILE
        for name in ([SIGNATURE_FILE] if signature else []) + names:
            member = self._header()
            if member.name != name:
                raise _not_the_expected(member.name, name, manifest)
            if name == SIGNATURE_FILE and member.size > _SIGNATURE_MAX_BYTES:
                raise InvalidBundle(
                    "the signature is too large",
                    field=name,
                    rule="size",
                    got=member.size,
                    expected=f"at most {_SIGNATURE_MAX_BYTES} bytes",
                )
            self._copy(member, manifest.files.get(name), manifest)
        left = self._take(self._size - self._offset, directory=True)
        if left != _directory(self._members, self._size - len(left)):
            if left[:4] == b"PK\x03\x04":
                raise InvalidBundle(
                    "the bundle holds a file that its manifest does not name", rule="extra file"
                )
            raise InvalidBundle(
                "the end of the bundle file is damaged, or it was not written by mainstay pack",
                rule="directory",
            )

    def _peek_name(self) -> str:
        head = self._source.read(_LOCAL.size + len(SIGNATURE_FILE))
        self._source.seek(self._offset)
        return head[_LOCAL.size :].decode("ascii", "replace")

    def _take(self, count: int, *, directory: bool = False) -> bytes:
        if directory and count > limits.BUNDLE_FILES_MAX * (NAME_MAX_CHARACTERS + 64):
            raise InvalidBundle("there is data after the last file", rule="extra data", got=count)
        data = self._source.read(count)
        self._offset += len(data)
        if len(data) != count:
            raise InvalidBundle(
                "the bundle file is truncated",
                rule="length",
                got=self._size,
                expected="the whole file; copy it again",
            )
        return data

    def _header(self) -> _Member:
        offset = self._offset
        head = self._take(_LOCAL.size)
        fields = _LOCAL.unpack(head)
        name_length = fields[9]
        if fields[0] != b"PK\x03\x04" or name_length > NAME_MAX_CHARACTERS:
            missing = fields[0] == b"PK\x01\x02"
            raise InvalidBundle(
                "the bundle lacks a file that its manifest names"
                if missing
                else "this is not a bundle file, or it is damaged",
                rule="missing file" if missing else "header",
                got=offset,
                expected="a file that `mainstay pack` wrote",
            )
        raw = self._take(name_length)
        name = raw.decode("ascii", "replace")
        check_name(name)
        member = _Member(name, fields[6], fields[7], offset)
        if member.local() != head + raw:
            raise InvalidBundle(
                f"the header of {name!r} is damaged, compressed or not written by mainstay pack",
                field=name,
                rule="header",
            )
        if self._offset + member.size > self._size:
            raise InvalidBundle(
                "the bundle file is truncated",
                field=name,
                rule="length",
                got=self._size,
                expected="the whole file; copy it again",
            )
        self._members.append(member)
        return member

    def _copy(self, member: _Member, digest: str | None, manifest: Manifest) -> None:
        crc, left, sha = 0, member.size, hashlib.sha256()
        with self._sink(member.name) as out:
            while left:
                chunk = self._take(min(left, _CHUNK))
                left -= len(chunk)
                crc = zlib.crc32(chunk, crc)
                sha.update(chunk)
                if out is not None:
                    out.write(chunk)
        if digest is not None and sha.hexdigest() != digest:
            raise changed(member.name, sha.hexdigest(), manifest)
        if crc != member.crc:
            raise changed(member.name)

    @contextmanager
    def _sink(self, name: str) -> Generator[BinaryIO | None]:
        if self._into is None:
            yield None
            return
        path = self._into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            yield out


def _not_the_expected(got: str, expected: str, manifest: Manifest) -> InvalidBundle:
    if got in manifest.files or got == SIGNATURE_FILE:
        return InvalidBundle(
            "the bundle lacks a file that its manifest names, or its files are out of order",
            field=expected,
            rule="missing file",
            got=got,
            expected=expected,
        )
    return InvalidBundle(
        "the bundle holds a file that its manifest does not name",
        field=got,
        rule="extra file",
        got=got,
        expected=expected,
    )
