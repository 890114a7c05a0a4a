"""Telling whoever acted on a decision that it was undone, until they have heard.

Promises at-least-once: what was undone is in the journal before anybody is told, so a keeper that
died finds it again and goes on; it is told again, after longer and longer pauses, until the answer
is 2xx, for at most a week; and how that went is an event about the decision. Whoever is told twice
knows it by the `idempotency-key`, which is the decision. What is sent is signed, so nobody else can
undo anything. Must never be called from a request's path: the other side may be slow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mainstay.base.clock import Clock
from mainstay.base.limits import UNDO_WAITING_MAX
from mainstay.contract.people import Undo
from mainstay.journal.model import Event, Wanted
from mainstay.journal.port import News
from mainstay.serve.webhook import Address, Post, Webhook, pause_ns

DELIVERY: Final = "undo_delivery"
"""What events about it have in their body."""
_GIVE_UP_NS: Final = 7 * 86_400_000_000_000

Tell = Callable[[str, str, Mapping[str, Any]], object]
"""Keeps an event about a decision: model, decision, body."""


@dataclass(slots=True)
class _Waiting:
    event: Event
    attempts: int = 0
    next_ns: int = 0
    said: bool = False
    """It is in the journal that it could not be told yet."""


class _Model:
    """What is known of one model."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.waiting: dict[str, _Waiting] = {}
        self.settled: set[str] = set()


class Undoing:
    """The keeper's side of undoing."""

    def __init__(
        self,
        news: Callable[[Wanted], News],
        post: Post,
        tell: Tell,
        variables: Mapping[str, str],
        clock: Clock,
    ) -> None:
        """`variables` is the environment, in which URLs and secrets are."""
        self._news = news
        self._webhook = Webhook(post, variables, clock)
        self._tell = tell
        self._clock = clock
        self._models: dict[str, _Model] = {}

    def look(self, wanted: Mapping[str, Undo]) -> None:
        """Learn what was undone, and tell whoever is to be told and whose turn it is."""
        for model, undo in wanted.items():
            if undo.webhook_env:
                known = self._models.get(model) or self._begin(model)
                self._learn(known)
                self._tell_all(model, known, undo)

    def _begin(self, model: str) -> _Model:
        since_ms = max(0, self._clock.now_ns() - _GIVE_UP_NS) // 1_000_000
        kinds = ("outcome", "action")
        wanted = Wanted(model=model, since_ms=since_ms, columns=(), kinds=kinds, decisions=False)
        self._models[model] = _Model(self._news(wanted))
        return self._models[model]

    def _learn(self, known: _Model) -> None:
        for event in known.news.read().events:
            decision = event.subject
            if event.kind == "outcome" and "undo" in event.body:
                if decision not in known.settled:
                    known.waiting.setdefault(decision, _Waiting(event))
            elif event.body.get(DELIVERY) in {"told", "given up"}:
                known.settled.add(decision)
        for decision in known.settled & known.waiting.keys():
            del known.waiting[decision]

    def _tell_all(self, model: str, known: _Model, undo: Undo) -> None:
        now_ns = self._clock.now_ns()
        surplus = len(known.waiting) - UNDO_WAITING_MAX
        for place, (decision, waiting) in enumerate(list(known.waiting.items())):
            if place < surplus or now_ns - waiting.event.time_ns > _GIVE_UP_NS:
                self._settle(model, known, waiting, {DELIVERY: "given up"})
            elif now_ns >= waiting.next_ns:
                status, why = self._try(decision, waiting, undo)
                if why:
                    self._failed(model, waiting, why)
                else:
                    self._settle(model, known, waiting, {DELIVERY: "told", "status": status})

    def _try(self, decision: str, waiting: _Waiting, undo: Undo) -> tuple[int, str]:
        """The status, or why it could not be told."""
        waiting.attempts += 1
        address = Address(undo.webhook_env, undo.secret_env)
        return self._webhook.tell(address, decision, body_of(waiting.event))

    def _failed(self, model: str, waiting: _Waiting, why: str) -> None:
        waiting.next_ns = self._clock.now_ns() + pause_ns(waiting.attempts)
        if not waiting.said:
            waiting.said = True
            self._tell(model, waiting.event.subject, {DELIVERY: "not yet", "why": why})

    def _settle(
        self, model: str, known: _Model, waiting: _Waiting, body: Mapping[str, Any]
    ) -> None:
        """First the journal: a keeper that dies before tells again, and never too little."""
        decision = waiting.event.subject
        self._tell(model, decision, {**body, "attempts": waiting.attempts})
        known.settled.add(decision)
        del known.waiting[decision]


def body_of(event: Event) -> bytes:
    """What is sent: which decision of which model, why, by whom and when."""
    return msgspec.json.encode(
        {
            "undo": event.subject,
            "model": event.model,
            "reason": event.body["undo"].get("reason", ""),
            "by": event.actor,
            "event": event.id,
            "time_ns": event.time_ns,
        }
    )
