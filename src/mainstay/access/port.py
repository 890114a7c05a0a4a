"""Where keys and trust are kept."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mainstay.access.model import Caller, Key


class KeyStore(Protocol):
    """Keeps the digests of keys, never a secret. Nothing is deleted: a revoked key stays listed."""

    def add(self, key_id: str, digest: str, caller: Caller) -> Key:
        """Keep a new key; `Conflict` when its id or its digest is there already."""
        ...

    def revoke(self, key_id: str) -> Key:
        """Let a key be of no use from now on; revoking it again changes nothing; `NotFound`."""
        ...

    def keys(self) -> Sequence[Key]:
        """All keys, revoked or not, oldest first."""
        ...


class TrustStore(Protocol):
    """Keeps the public keys whose signatures let a bundle's code run."""

    def trust(self, name: str, public_key: str) -> None:
        """Trust a public key under a name; `Conflict` when the name stands for another key."""
        ...

    def distrust(self, name: str) -> None:
        """Trust the key of this name no longer; `NotFound`."""
        ...

    def trusted(self) -> Mapping[str, str]:
        """Name to public key, in the order of the names."""
        ...
