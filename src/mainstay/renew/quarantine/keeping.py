"""The rules of keeping quarantines, whatever they are kept in."""

from collections.abc import Iterable

from mainstay.base.errors import NotFound
from mainstay.renew.quarantine.model import Quarantine


def in_order(quarantines: Iterable[Quarantine]) -> list[Quarantine]:
    """By model, then the earliest stretch first."""
    return sorted(quarantines, key=lambda each: (each.model, each.begin_ns, each.end_ns, each.id))


def no_quarantine(id_: str) -> NotFound:
    """Nothing was quarantined under this id."""
    return NotFound(
        "there is no such quarantine",
        field="id",
        got=ascii(id_[:64]),
        expected="an id that `mainstay quarantine list` shows",
    )
