"""The manifest as bytes: its fingerprint, how it is read, and what its names may be.

Nothing here opens a file: whoever has the bytes of a manifest learns what they say, or why they
are not one.
"""

import hashlib
import re
from typing import Final

import msgspec

from mainstay.base import limits
from mainstay.base.errors import InvalidBundle
from mainstay.bundle.model import MANIFEST_FILE, SIGNATURE_FILE, Manifest

NAME_MAX_CHARACTERS: Final = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,7}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def fingerprint_of(manifest: bytes) -> str:
    """The fingerprint of a version: the SHA-256 of the bytes of its manifest."""
    return hashlib.sha256(manifest).hexdigest()


def is_fingerprint(text: str) -> bool:
    """Whether this is a whole fingerprint, and so safe as the name of a file."""
    return _FINGERPRINT.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Refuse a path that could leave the bundle's folder or mean two files on some machine."""
    if len(name) > NAME_MAX_CHARACTERS or _NAME.fullmatch(name) is None:
        raise InvalidBundle(
            "a file in the bundle has a name that is not allowed",
            rule="file name",
            got=name[:NAME_MAX_CHARACTERS],
            expected="a relative path of letters, digits, `_`, `-` and `.`",
        )


def read_manifest(raw: bytes) -> Manifest:
    """Read a manifest and check that it fits together."""
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidBundle(
            f"the manifest cannot be read: {error}", field=MANIFEST_FILE, rule="manifest"
        ) from error
    if len(manifest.files) > limits.BUNDLE_FILES_MAX:
        raise InvalidBundle(
            "the bundle has too many files",
            rule="count",
            got=len(manifest.files),
            expected=f"at most {limits.BUNDLE_FILES_MAX}",
        )
    seen: set[str] = {MANIFEST_FILE, SIGNATURE_FILE}
    for name, digest in manifest.files.items():
        check_name(name)
        if name.lower() in seen:
            raise InvalidBundle("a file is named twice", field=name, rule="duplicate file")
        seen.add(name.lower())
        if not is_fingerprint(digest):
            raise InvalidBundle(
                "a file has no SHA-256",
                field=name,
                rule="digest",
                got=digest[:80],
                expected="64 hexadecimal digits",
            )
    needed = [manifest.runs.file] + ([manifest.code.file] if manifest.code else [])
    needed += [known.file for known in manifest.known.values()]
    for name in needed:
        if name not in manifest.files:
            raise InvalidBundle(
                "the manifest does not list a file that it needs", field=name, rule="missing file"
            )
    if manifest.model != manifest.contract.model:
        raise InvalidBundle(
            "the manifest and its contract name different models",
            field="model",
            rule="model",
            got=manifest.contract.model,
            expected=manifest.model,
        )
    return manifest


def changed(name: str, digest: str = "", manifest: Manifest | None = None) -> InvalidBundle:
    """The refusal of a file whose digest is not the recorded one."""
    for other, known in (manifest.files if manifest else {}).items():
        if known == digest and other != name:
            return InvalidBundle(
                f"{name!r} was swapped: it holds what belongs to {other!r}",
                field=name,
                rule="swapped file",
            )
    return InvalidBundle(
        f"{name!r} was changed after the bundle was packed: its digest is not the recorded one",
        field=name,
        rule="digest",
        got=digest or None,
        expected=manifest.files.get(name) if manifest else None,
    )
