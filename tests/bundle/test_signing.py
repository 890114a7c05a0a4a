"""S9: code runs only when a trusted key signed it."""

from pathlib import Path

import msgspec
import pytest

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.model import CodePart
from mainstay.bundle.pack import Packed
from mainstay.bundle.signing import (
    Signature,
    check_signature,
    new_key,
    public_key,
    read_signature,
    sign,
    write_signature,
)


def test_keys_are_made_once_and_kept_private(tmp_path: Path):
    path = tmp_path / "a.key"
    public = new_key(path)
    assert path.stat().st_mode & 0o077 == 0
    assert public_key(path) == public == public_key(tmp_path / "a.key.pub")
    with pytest.raises(InvalidUsage, match="never overwritten"):
        new_key(path)


def test_code_needs_a_trusted_signature(packed: Packed, key: Path, tmp_path: Path):
    """S9: unsigned and strange signatures are refused, saying how to trust."""
    coded = msgspec.structs.replace(packed.manifest, code=CodePart(file="code/carried.py"))
    public = public_key(key)
    signature = sign(packed.fingerprint, key)
    assert check_signature(coded, packed.fingerprint, signature, [public]) == public
    with pytest.raises(InvalidBundle, match="nobody signed it") as refused:
        check_signature(coded, packed.fingerprint, None, [public])
    assert "mainstay key trust" in str(refused.value.expected)
    other = new_key(tmp_path / "other.key")
    with pytest.raises(InvalidBundle, match="not trusted here"):
        check_signature(coded, packed.fingerprint, signature, [other])
    sourced = msgspec.structs.replace(
        packed.manifest, runs=msgspec.structs.replace(packed.manifest.runs, format="source")
    )
    with pytest.raises(InvalidBundle, match="nobody signed it"):
        check_signature(sourced, packed.fingerprint, None, [public])


def test_plain_data_needs_none_but_a_wrong_one_is_refused(packed: Packed, key: Path):
    public = public_key(key)
    assert check_signature(packed.manifest, packed.fingerprint, None, []) is None
    signature = sign(packed.fingerprint, key)
    with pytest.raises(InvalidBundle, match="does not belong"):
        check_signature(packed.manifest, "0" * 64, signature, [public])
    flipped = f"{int(signature.signature, 16) ^ 1:0128x}"
    for wrong in (flipped, "", "zz", signature.signature[:-2]):
        with pytest.raises(InvalidBundle):
            check_signature(
                packed.manifest,
                packed.fingerprint,
                Signature(key=signature.key, signature=wrong),
                [public],
            )
    with pytest.raises(InvalidBundle):
        check_signature(
            packed.manifest,
            packed.fingerprint,
            Signature(key="mainstay-ed25519:00", signature=signature.signature),
            [],
        )


def test_a_signature_travels_in_the_folder(folder: Path, packed: Packed, key: Path):
    assert read_signature(folder) is None
    write_signature(folder, sign(packed.fingerprint, key))
    assert read_signature(folder) == sign(packed.fingerprint, key)
    (folder / "signature.json").write_bytes(b"{")
    with pytest.raises(InvalidBundle, match="cannot be read"):
        read_signature(folder)
