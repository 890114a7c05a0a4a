"""Making a choice: while the way back is open, and as an event that the journal keeps."""

from collections.abc import Callable
from datetime import UTC, datetime

from mainstay.base.clock import Clock
from mainstay.base.errors import NotFound
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.journal.model import Event
from mainstay.serve.choices.follow import Choices
from mainstay.serve.choices.model import Which
from mainstay.serve.routes.model import News, Route

Keep = Callable[[list[Event]], object]


class Chooser:
    """What one worker does with a choice that it hears of."""

    def __init__(self, choices: Choices, keep: Keep, ids: DecisionIds, clock: Clock) -> None:
        """`keep` hands events to the operating system, from when on no crash of this process
        loses them."""
        self._choices = choices
        self._keep = keep
        self._ids = ids
        self._clock = clock

    def news(self, route: Route) -> News | None:
        """What people are told, while they may go back."""
        told = route.news
        return told if told is not None and self._clock.now_ns() < told.until_ns else None

    def open_in(self, route: Route) -> News:
        """What people are told; `NotFound` when there is nothing to choose."""
        news = self.news(route)
        if news is None:
            over = f" any more; v{route.number} answers everybody" if route.news else ""
            raise NotFound(
                f"{route.model} has no version to go back to{over or ' now'}",
                field="model",
                got=route.model,
                expected="a model that was deployed with the strategy opt_back, until its day",
            )
        return news

    def choose(self, route: Route, caller: str, unit: str, which: Which) -> str:
        """Keep a choice and follow it; the id of its event."""
        self.open_in(route)
        time_ms, sequence = self._ids.take(1)
        identity = str(DecisionId(time_ms, self._ids.incarnation, sequence))
        self._choices.choose(route, unit, which, identity)
        number, fingerprint = version_of(route, which)
        now_ns = self._clock.now_ns()
        event = Event(
            id=identity,
            kind="choice",
            time_ns=now_ns,
            known_ns=now_ns,
            model=route.model,
            actor=caller,
            subject=fingerprint,
            body={"unit": unit, "version": which, "number": number, "rollout": route.salt},
        )
        self._keep([event])
        return identity

    def chosen(self, route: Route, unit: str) -> Which:
        """What a unit chose; the current version where it did not."""
        self.open_in(route)
        return "previous" if self._choices.went_back(route, unit) else "current"


def version_of(route: Route, which: Which) -> tuple[int, str]:
    """Number and fingerprint of one of the two versions."""
    arm = route.opt_back
    if which == "previous" and arm is not None:
        return arm.number, arm.fingerprint
    return route.number, route.fingerprint


def day_of(news: News) -> str:
    """The end of the way back, in RFC 3339."""
    moment = datetime.fromtimestamp(news.until_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
