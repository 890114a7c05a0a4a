"""The rules by which a chain of routes grows, whatever it is kept in.

Pure; shared by the chain in memory and the one in a database, so that a deployer who was too late
hears the same words from both.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import structs

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.base.limits import ARMS_MAX, NAME_MAX_CHARACTERS
from mainstay.serve.routes.model import Draft, Route

AS_SEEN = "as seen"
"""The rule of a `Conflict` over a model that the deployer only looked at."""

_WORDS_MAX_CHARACTERS = 1000
_PROSE = frozenset({"reason", "news.words"})
"""Fields that may have several lines."""
_SHARES_MAX = 1 + 1e-9
"""The sum of shares, with what adding up tenths in binary may be off."""


def entry(draft: Draft, replaces: int, time_ns: int) -> Route:
    """A draft as the entry that follows epoch `replaces`; what cannot be kept is refused."""
    _check_words(draft)
    _check_arms(draft)
    return Route(**structs.asdict(draft), epoch=replaces + 1, time_ns=time_ns)


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


def entries(wanted: Sequence[tuple[Draft, int]], time_ns: int) -> list[Route]:
    """Drafts of several models as the entries that follow; what cannot be kept is refused."""
    models = [draft.model for draft, _ in wanted]
    for model in models:
        if models.count(model) > 1:
            raise InvalidUsage(
                f"{model} is twice among the routes that are to change together",
                field="model",
                got=model,
                expected="every model once",
            )
    return [entry(draft, replaces, time_ns) for draft, replaces in wanted]


def next_routes(
    current: Mapping[str, Route], wanted: Sequence[Route], seen: Mapping[str, int] | None
) -> list[Route]:
    """The entries that may follow those in force, or `Conflict` says which may not, and why."""
    routes = [next_route(current.get(route.model), route) for route in wanted]
    if seen is not None:
        newest = {model: route.epoch for model, route in current.items()}
        changing = {route.model for route in wanted}
        for model in sorted(({*newest, *seen}) - changing):
            if newest.get(model, 0) != seen.get(model, 0):
                raise _not_as_seen(model, current.get(model), seen.get(model, 0))
    return routes


def _not_as_seen(model: str, current: Route | None, seen: int) -> Conflict:
    there = f"now has epoch {current.epoch}" if current is not None else "has no route"
    return Conflict(
        f"{model}, which was looked at, {there}",
        field="seen",
        rule=AS_SEEN,
        got=seen,
        expected=str(current.epoch if current is not None else 0),
    )


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


def _check_words(draft: Draft) -> None:
    """Refuse names and reasons that cannot be kept or shown on one screen."""
    for field in ("model", "fingerprint", "actor"):
        _check(field, getattr(draft, field), wanted=True)
    for field in ("reason", "stopped"):
        _check(field, getattr(draft, field), wanted=False)


def _check(field: str, text: str, *, wanted: bool) -> None:
    prose = field in _PROSE
    kept = all(each.isprintable() or (each in "\n\t" and prose) for each in text)
    if (text or not wanted) and len(text) <= _WORDS_MAX_CHARACTERS and kept:
        return
    raise InvalidUsage(
        f"the {field} of a route cannot be kept like this",
        field=field,
        got=ascii(text[:80]),
        expected=f"{'1' if wanted else '0'} to {_WORDS_MAX_CHARACTERS} printable characters",
    )


def _check_opt_back(draft: Draft) -> None:
    """Refuse a way back that nobody was told of, or that is drawn instead of chosen."""
    ways = [arm for arm in draft.arms if arm.role == "opt_back"]
    if len(ways) > 1 or any(arm.share for arm in ways):
        raise InvalidUsage(
            "there is one version to go back to, and nobody is drawn to it",
            field="arms",
            got=len(ways),
            expected="one arm of the role opt_back, with the share 0",
        )
    if bool(ways) != (draft.news is not None):
        raise InvalidUsage(
            "people may go back to a version exactly while they are told what changed",
            field="news",
            expected="an arm of the role opt_back together with `news`, or neither",
        )
    if draft.news is not None:
        _check("news.words", draft.news.words, wanted=True)


def _check_arms(draft: Draft) -> None:
    """Refuse shares that are none, and versions that are there twice."""
    _check_opt_back(draft)
    if not draft.arms:
        if draft.salt or draft.unit:
            raise InvalidUsage(
                "a route without arms has nobody to draw units for",
                field="salt" if draft.salt else "unit",
                expected="arms, or neither salt nor unit",
            )
        return
    if draft.stopped:
        raise InvalidUsage(
            "beside a version that was stopped nothing answers but its fallback",
            field="arms",
            got=len(draft.arms),
            expected="no arms",
        )
    if len(draft.arms) > ARMS_MAX:
        raise InvalidUsage(
            "this route has more arms than one worker should hold in memory",
            field="arms",
            got=len(draft.arms),
            expected=f"at most {ARMS_MAX} beside the live version",
        )
    for arm in draft.arms:
        _check("fingerprint", arm.fingerprint, wanted=True)
        if not (math.isfinite(arm.share) and 0 <= arm.share <= 1):
            raise InvalidUsage(
                f"the share of v{arm.number} is no part of all units",
                field="arms.share",
                got=arm.share,
                expected="a number from 0 to 1",
            )
    places = [(arm.fingerprint, arm.role == "shadow") for arm in draft.arms]
    places += [(draft.fingerprint, False), (draft.fingerprint, True)]
    if len(set(places)) != len(places):
        raise InvalidUsage(
            "a version is in this route twice",
            field="arms.fingerprint",
            got=next(each[0][:12] for each in places if places.count(each) > 1),
            expected="every version once: live, or as one of the arms; one that answers a share "
            "may shadow the rest",
        )
    shares = math.fsum(arm.share for arm in draft.arms if arm.role == "share")
    if shares > _SHARES_MAX:
        raise InvalidUsage(
            "the arms of this route share out more than there is",
            field="arms.share",
            got=shares,
            expected="shares that add up to at most 1; the live version keeps the rest",
        )
    for field, text in (("salt", draft.salt), ("unit", draft.unit)):
        if (not text and field == "salt") or len(text) > NAME_MAX_CHARACTERS:
            raise InvalidUsage(
                f"the {field} of a route with arms cannot be this",
                field=field,
                got=ascii(text[:80]),
                expected=f"{int(field == 'salt')} to {NAME_MAX_CHARACTERS} characters",
            )
        _check(field, text, wanted=bool(text))
