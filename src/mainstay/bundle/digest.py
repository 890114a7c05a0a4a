"""SHA-256, the one digest of the bundle room."""

import hashlib


def sha256_of(data: bytes) -> str:
    """The digest of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
