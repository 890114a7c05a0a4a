"""Signatures: who vouches for the code in a bundle.

A signature is ed25519 over the fingerprint, so it covers the model, the code, the contract, the
assets and the card at once. A bundle that carries code (an extractor, a look-up, a model that
runs from source) is refused unless a key that this workspace trusts signed it; for a bundle of
plain data a signature is optional, but one that is there and wrong is refused all the same.

Keys are files: the private one readable by its owner only, the public one, one line of text, made
to be handed around. The secret never leaves its file. `cryptography` is imported when it is needed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.model import SIGNATURE_FILE, Manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIX: Final = "mainstay-ed25519:"
_CONTEXT: Final = b"mainstay bundle signature 1\n"


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `signature.json` holds."""

    key: str
    """The public key, as text."""
    signature: str
    """In hexadecimal."""


def new_key(path: Path) -> str:
    """Make a key pair: the private key at `path`, the public one at `path` + `.pub`; returns the
    public key as text. A file that is there is never overwritten."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = Ed25519PrivateKey.generate()
    pem = secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidUsage(
            f"{path} exists; a key is never overwritten",
            field="path",
            expected="a path at which there is no file yet",
        ) from None
    with os.fdopen(descriptor, "wb") as out:
        out.write(pem)
    public = _public_text(secret)
    path.with_name(path.name + ".pub").write_text(public + "\n", encoding="ascii")
    return public


def public_key(path: Path) -> str:
    """The public key in a file, be it a public or a private key file."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidUsage(f"the key file cannot be read: {error}", field="key") from error
    if text.startswith(_PREFIX):
        return check_public_key(text)
    return _public_text(_private(path))


def check_public_key(text: str) -> str:
    """Refuse what is not a public key."""
    raw = text.removeprefix(_PREFIX)
    try:
        if not text.startswith(_PREFIX) or len(bytes.fromhex(raw)) != 32:
            raise ValueError(text)
    except ValueError:
        raise InvalidUsage(
            "this is not a public key",
            field="key",
            got=text[:100],
            expected=f"{_PREFIX} and 64 hexadecimal digits, as `mainstay key new` writes it",
        ) from None
    return text


def sign(fingerprint: str, key: Path) -> Signature:
    """Vouch for a version."""
    secret = _private(key)
    return Signature(key=_public_text(secret), signature=secret.sign(_message(fingerprint)).hex())


def write_signature(folder: Path, signature: Signature) -> None:
    """Put a signature into a bundle's folder."""
    (folder / SIGNATURE_FILE).write_bytes(msgspec.json.encode(signature))


def read_signature(folder: Path) -> Signature | None:
    """The signature in a bundle's folder, if there is one."""
    path = folder / SIGNATURE_FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Signature)
    except msgspec.MsgspecError as error:
        raise InvalidBundle(
            f"the signature cannot be read: {error}", field=SIGNATURE_FILE, rule="signature"
        ) from error


def carries_code(manifest: Manifest) -> bool:
    """Whether loading or using this version runs code that came with it."""
    return manifest.code is not None or manifest.runs.format == "source"


def check_signature(
    manifest: Manifest,
    fingerprint: str,
    signature: Signature | None,
    trusted_keys: Sequence[str],
) -> str | None:
    """The trusted key that vouches for a version; None for plain data that nobody signed or whose
    signer is unknown. `InvalidBundle` for a wrong signature, and for code that no trusted key
    signed."""
    if signature is not None:
        _verify(fingerprint, signature)
        if signature.key in trusted_keys:
            return signature.key
    if not carries_code(manifest):
        return None
    if signature is None:
        raise InvalidBundle(
            "this bundle carries code and nobody signed it",
            field=SIGNATURE_FILE,
            rule="signature",
            expected="a bundle packed with sign_with=KEY (`mainstay key new KEY` makes one), whose "
            "public key is trusted here: `mainstay key trust KEY.pub`",
        )
    raise InvalidBundle(
        "this bundle carries code, signed by a key that is not trusted here",
        field=SIGNATURE_FILE,
        rule="signature",
        got=signature.key,
        expected="a signature by a trusted key; if you know the owner of this one, put it in a "
        "file and run `mainstay key trust FILE`",
    )


def _verify(fingerprint: str, signature: Signature) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = bytes.fromhex(check_public_key(signature.key).removeprefix(_PREFIX))
        Ed25519PublicKey.from_public_bytes(raw).verify(
            bytes.fromhex(signature.signature), _message(fingerprint)
        )
    except (InvalidSignature, InvalidUsage, ValueError):
        raise InvalidBundle(
            "the signature does not belong to this version",
            field=SIGNATURE_FILE,
            rule="signature",
            got=signature.key[:100],
            expected="a signature over the fingerprint " + fingerprint,
        ) from None


def _message(fingerprint: str) -> bytes:
    return _CONTEXT + fingerprint.encode("ascii")


def _private(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        secret = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidUsage(
            f"{path} is not a private key: {error}",
            field="key",
            expected="a file that `mainstay key new` wrote",
        ) from error
    if not isinstance(secret, Ed25519PrivateKey):
        raise InvalidUsage(
            f"{path} is a key of another kind", field="key", expected="an ed25519 private key"
        )
    return secret


def _public_text(secret: "Ed25519PrivateKey") -> str:
    return _PREFIX + secret.public_key().public_bytes_raw().hex()
