"""The rules of keeping snapshots, whatever they are kept in."""

from collections.abc import Iterable, Sequence
from typing import Final

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.renew.snapshots.model import SHOWN_CHARACTERS, Snapshot

_LEAST_CHARACTERS: Final = 6
_ID_CHARACTERS: Final = 64


def is_beginning(id_: str) -> bool:
    """Whether a text can be the beginning of an id."""
    return _LEAST_CHARACTERS <= len(id_) <= _ID_CHARACTERS and not set(id_) - set(
        "0123456789abcdef"
    )


def the_one(id_: str, found: Sequence[Snapshot]) -> Snapshot:
    """The one snapshot whose id begins so."""
    if len(found) > 1:
        raise InvalidUsage(
            f"{len(found)} snapshots begin with {id_!r}",
            field="id",
            got=id_,
            expected=" or ".join(each.id[: SHOWN_CHARACTERS + 8] for each in found[:5]),
        )
    if not found:
        raise NotFound(
            "there is no such snapshot",
            field="id",
            got=ascii(id_[:64]),
            expected="an id that `mainstay snapshot list` shows, or its first six characters",
        )
    return found[0]


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """The order of a list."""
    return sorted(snapshots, key=lambda each: (-each.made_ns, each.id))
