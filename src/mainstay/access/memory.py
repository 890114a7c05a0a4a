"""Keys and trust in the memory of one process: the twin of the store in a database."""

import threading
from collections.abc import Mapping, Sequence

from msgspec import structs

from mainstay.access.keys import (
    check_name,
    taken_key,
    taken_trust,
    unknown_key,
    unknown_trust,
)
from mainstay.access.model import Caller, Key
from mainstay.base.clock import Clock


class MemoryKeyStore:
    """Keeps keys and forgets them with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def add(self, key_id: str, digest: str, caller: Caller) -> Key:
        """Keep a new key; `Conflict` when its id or its digest is there already."""
        key = Key(id=key_id, digest=digest, caller=caller, created_at_ns=self._clock.now_ns())
        with self._lock:
            if key_id in self._keys or any(each.digest == digest for each in self._keys.values()):
                raise taken_key(key_id)
            self._keys[key_id] = key
            return key

    def revoke(self, key_id: str) -> Key:
        """Let a key be of no use from now on; revoking it again changes nothing; `NotFound`."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None:
                raise unknown_key(key_id, list(self._keys))
            if key.revoked_at_ns is None:
                key = structs.replace(key, revoked_at_ns=self._clock.now_ns())
                self._keys[key_id] = key
            return key

    def keys(self) -> Sequence[Key]:
        """All keys, revoked or not, oldest first."""
        return sorted(dict(self._keys).values(), key=lambda key: (key.created_at_ns, key.id))


class MemoryTrustStore:
    """Keeps trusted public keys and forgets them with the process."""

    def __init__(self) -> None:
        self._trusted: dict[str, str] = {}
        self._lock = threading.Lock()

    def trust(self, name: str, public_key: str) -> None:
        """Trust a public key under a name; `Conflict` when the name stands for another key."""
        check_name("name", name)
        with self._lock:
            if self._trusted.setdefault(name, public_key) != public_key:
                raise taken_trust(name)

    def distrust(self, name: str) -> None:
        """Trust the key of this name no longer; `NotFound`."""
        with self._lock:
            if self._trusted.pop(name, None) is None:
                raise unknown_trust(name, list(self._trusted))

    def trusted(self) -> Mapping[str, str]:
        """Name to public key, in the order of the names."""
        return dict(sorted(dict(self._trusted).items()))
