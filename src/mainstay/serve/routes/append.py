"""The rules by which a chain of routes grows, whatever it is kept in.

Pure; shared by the chain in memory and the one in a database, so that a deployer who was too late
hears the same words from both.
"""

from datetime import UTC, datetime

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.serve.routes.model import Route

_WORDS_MAX_CHARACTERS = 1000


def next_route(current: Route | None, wanted: Route) -> Route:
    """The entry that may follow the one in force: the wanted one, or `Conflict` says why not."""
    newest = current.epoch if current is not None else 0
    if wanted.epoch == newest + 1:
        return wanted
    if current is None or wanted.epoch > newest + 1:
        there = f"the newest is {newest}" if newest else "it has none yet"
        raise Conflict(
            f"{wanted.model} has no route with epoch {wanted.epoch - 1} to replace: {there}",
            field="replaces",
            got=wanted.epoch - 1,
            expected=str(newest),
        )
    raise lost_to(current, wanted.epoch - 1)


def lost_to(winner: Route, replaces: int) -> Conflict:
    """What the one who came second is told: who was first, with what, and when."""
    moment = datetime.fromtimestamp(winner.time_ns // 1_000_000_000, UTC)
    return Conflict(
        f"{winner.actor} was first: {winner.model} v{winner.number} ({winner.fingerprint[:12]})"
        f" went live as epoch {winner.epoch} at {moment:%Y-%m-%d %H:%M:%S} UTC"
        + (f", because: {winner.reason}" if winner.reason else ""),
        field="replaces",
        rule="first come",
        got=replaces,
        expected=f"{winner.epoch}, once you have seen what {winner.actor} did and still want it",
    )


def check_words(route: Route) -> Route:
    """Refuse names and reasons that cannot be kept or shown on one screen."""
    for field in ("model", "fingerprint", "actor"):
        _check(field, getattr(route, field), wanted=True)
    _check("reason", route.reason, wanted=False)
    return route


def _check(field: str, text: str, *, wanted: bool) -> None:
    kept = all(each.isprintable() or (each in "\n\t" and not wanted) for each in text)
    if (text or not wanted) and len(text) <= _WORDS_MAX_CHARACTERS and kept:
        return
    raise InvalidUsage(
        f"the {field} of a route cannot be kept like this",
        field=field,
        got=ascii(text[:80]),
        expected=f"{'1' if wanted else '0'} to {_WORDS_MAX_CHARACTERS} printable characters",
    )
