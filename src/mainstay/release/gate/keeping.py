"""What every store of verdicts says alike."""

from collections.abc import Sequence

from mainstay.base.errors import Conflict, NotFound
from mainstay.release.gate.model import Verdict

SHOWN_MAX = 5


def only_one(verdict_id: str, found: Sequence[Verdict]) -> Verdict:
    """The one verdict that was meant."""
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(
            f"there is no verdict {verdict_id[:64]!r}",
            field="verdict",
            got=verdict_id[:64],
            expected="the id that `mainstay deploy` printed, or the name of a model for its newest",
        )
    raise NotFound(
        f"several verdicts begin with {verdict_id!r}",
        field="verdict",
        got=verdict_id,
        expected="more of the id: " + ", ".join(each.id for each in found[:SHOWN_MAX]),
    )


def taken(verdict: Verdict) -> Conflict:
    """Somebody kept another verdict under this id."""
    return Conflict(f"there is a verdict {verdict.id} already", field="id", got=verdict.id)
