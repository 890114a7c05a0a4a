"""Making, listing and revoking keys.

Promises that a secret is shown once, to whoever made the key, and is kept nowhere: what is stored
is its digest. Must never print, log or return a secret a second time.
"""

import difflib
import re
from collections.abc import Sequence

from msgspec import structs

from mainstay.access.model import LOCAL, PRODUCTION, PURPOSES, Caller, Key, Purpose, digest_of
from mainstay.access.port import KeyStore
from mainstay.base.errors import Conflict, InvalidUsage, NotFound
from mainstay.base.ids import new_secret
from mainstay.base.limits import NAME_MAX_CHARACTERS

PREFIX = "ms_"
"""What every secret begins with, so that scanners for leaked secrets can know it."""

ENVIRONMENT_EXPECTED = "1 to 40 lower-case letters, digits, - and _, such as production or test"

_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_ID_LENGTH = 12
_MODELS_MAX = 1000


def create_key(
    store: KeyStore,
    name: str,
    models: Sequence[str] = ("*",),
    environment: str = PRODUCTION,
    purposes: Sequence[Purpose] = ("call",),
) -> tuple[str, Key]:
    """Make a key for a caller; returns the secret, which cannot be had again, and the key."""
    caller = _caller(name, models, environment)
    caller = structs.replace(caller, purposes=tuple(p for p in PURPOSES if p in purposes))
    secret = PREFIX + new_secret()
    digest = digest_of(secret)
    # The beginning of the digest tells nothing of the secret, and lets an id be found from one.
    return secret, store.add(digest[:_ID_LENGTH], digest, caller)


def list_keys(store: KeyStore) -> Sequence[Key]:
    """All keys, revoked or not, oldest first."""
    return store.keys()


def revoke_key(store: KeyStore, key_id: str) -> Key:
    """Let a key be of no use from now on, by its id."""
    if key_id.startswith(PREFIX):
        raise InvalidUsage(
            "this looks like the secret of a key; a key is revoked by its id",
            field="id",
            expected=f"the id, which for this secret is {digest_of(key_id)[:_ID_LENGTH]}",
        )
    return store.revoke(key_id)


def unknown_key(key_id: str, known: Sequence[str]) -> NotFound:
    """What is said when no key has this id."""
    close = difflib.get_close_matches(key_id, known, n=1)
    return NotFound(
        "no key has this id",
        field="id",
        got=key_id[:80],
        expected=f"did you mean {close[0]}?" if close else "an id that `mainstay key list` shows",
    )


def taken_key(key_id: str) -> Conflict:
    """What is said when a key is there already."""
    return Conflict(
        "a key with this id or this secret is there already",
        field="id",
        got=key_id,
        expected="a new key",
    )


def unknown_trust(name: str, known: Sequence[str]) -> NotFound:
    """What is said when no trusted key has this name."""
    return NotFound(
        f"no trusted key is called {name!r}",
        field="name",
        got=name,
        expected="one of " + ", ".join(sorted(known)) if known else "none is trusted yet",
    )


def taken_trust(name: str) -> Conflict:
    """What is said when a name stands for another key."""
    return Conflict(
        f"the name {name!r} stands for another key already",
        field="name",
        got=name,
        expected="another name, or to distrust that key first",
    )


def is_environment(text: str) -> bool:
    """Whether an environment may be called this."""
    return _ENVIRONMENT.fullmatch(text) is not None


def _caller(name: str, models: Sequence[str], environment: str) -> Caller:
    check_name("name", name)
    if name == LOCAL:
        raise InvalidUsage(
            f"{LOCAL!r} is how a caller without a key is recorded, so no key may be called that",
            field="name",
            got=name,
            expected="the name of the program or person that will hold the key",
        )
    if not models or len(models) > _MODELS_MAX:
        raise InvalidUsage(
            "a key must say which models it reaches",
            field="models",
            got=len(models),
            expected=f"1 to {_MODELS_MAX} names of models, or * for every model",
        )
    for model in models:
        check_name("models", model)
    if not is_environment(environment):
        raise InvalidUsage(
            "no environment is called this",
            field="environment",
            got=ascii(environment[:80]),
            expected=ENVIRONMENT_EXPECTED,
        )
    return Caller(name=name, models=tuple(dict.fromkeys(models)), environment=environment)


def check_name(field: str, name: str) -> None:
    """Refuse a name that cannot be kept, shown or told apart from another on a screen."""
    if 0 < len(name) <= NAME_MAX_CHARACTERS and name.isprintable() and name == name.strip():
        return
    raise InvalidUsage(
        f"the {field} of a key cannot be kept like this",
        field=field,
        got=ascii(name[:NAME_MAX_CHARACTERS]),
        expected=f"1 to {NAME_MAX_CHARACTERS} printable characters without spaces around them",
    )
