"""Telling other systems of corrected values, by command and by a keeper, until they have heard.

Promises at-least-once: a value that says something else now is in the journal before anybody is
told, and counts as told only after an answer of 2xx, as an event that names every value; so a
process that dies between the two tells again, with the same key where nothing changed meanwhile,
and with the same `by` in any case. One process of a machine tells a model's corrections at a time,
the oldest first, and nothing of a receiver that failed until it is tried again.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from mainstay.base.errors import Conflict
from mainstay.contract.correcting import Receiver, receivers_of
from mainstay.contract.finding import Finding
from mainstay.journal.model import Wanted
from mainstay.journal.port import News
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import rfc3339
from mainstay.release.reprocess.deliver import DELIVERED, FORM, Correction, Delivery, deliveries
from mainstay.release.reprocess.model import REPLACED, Told
from mainstay.serve.webhook import Address, Post, Webhook, pause_ns
from mainstay.wiring.alone import only_one
from mainstay.wiring.posting import poster
from mainstay.wiring.telling import Telling
from mainstay.wiring.workspace import Workspace, whoever_runs_this

ACTOR: Final = "corrections"
CHECK: Final = "corrections"
_ROWS: Final = 20_000
TOLD: Final = f"""
SELECT unnest(json_extract_string(body, '$.{DELIVERED}.values[*]')) AS made,
    json_extract_string(body, '$.{DELIVERED}.to') AS receiver, epoch_us(time) AS told_us
FROM events WHERE kind = 'action' AND model = {{model}} AND body LIKE '%"{DELIVERED}":%'"""  # noqa: S608  # because it is made of our own words
"""Which values were told to whom, and when."""
_WAITING: Final = f"""
FROM events ANTI JOIN (SELECT made FROM ({TOLD}) WHERE receiver = {{receiver}}) told
    ON told.made = json_extract_string(events.body, '$.{REPLACED}.by')
WHERE kind = 'action' AND model = {{model}} AND body LIKE '%"{REPLACED}":%'
    AND CAST(json_extract(body, '$.{REPLACED}.changed') AS BOOLEAN)"""  # noqa: S608  # because it is made of our own words
_PAGE: Final = f"""
SELECT id, subject AS replaces, epoch_us(time) AS time, body {_WAITING} AND id > '{{after}}'
ORDER BY id LIMIT {_ROWS}"""
_COUNT: Final = f"SELECT count(*) AS n {_WAITING}"


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of telling one receiver."""

    values: int
    """How many it was told."""
    left: int = 0
    why: str = ""
    """Why the rest was not told; empty where all was."""


class Corrections:
    """What is told of the models of one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        actor: str | None = None,
        wait: Callable[[float], None] | None = None,
        post: Post | None = None,
    ) -> None:
        """`wait` lets seconds pass before the next attempt; without it there is one."""
        self._workspace = workspace
        self._actor = actor or whoever_runs_this()
        self._wait = wait
        self._webhook = Webhook(post or poster("receiver"), os.environ, workspace.clock)

    def receivers(self, model: str) -> dict[str, Receiver]:
        """Who is told of a model's corrections."""
        return receivers_of(self._workspace.places.settings.corrections, model)

    def tell(self, model: str, attempts: int = 1) -> dict[str, Heard]:
        """Tell every receiver what it was not told yet; `Conflict` where somebody is at it."""
        receivers = self.receivers(model)
        if not receivers:
            return {}
        with only_one(self._workspace, "corrections", model):
            return {
                name: self._tell_one(model, name, receiver, attempts)
                for name, receiver in receivers.items()
            }

    def _tell_one(self, model: str, name: str, receiver: Receiver, attempts: int) -> Heard:
        address = Address(receiver.url_env, receiver.secret_env)
        told = 0
        for delivery in deliveries(name, self._waiting(model, name)):
            status, why = self._deliver(address, delivery, attempts)
            if why:
                left: int = self._ask(_COUNT, model, name)[0]["n"]
                return Heard(values=told, left=left, why=why)
            body = {DELIVERED: {"to": name, "status": status, "values": delivery.values}}
            self._workspace.say_of(model, delivery.key, body, kind="action", actor=self._actor)
            told += len(delivery.values)
        return Heard(values=told)

    def _deliver(self, address: Address, delivery: Delivery, attempts: int) -> tuple[int, str]:
        for attempt in range(1, attempts + 1):
            status, why = self._webhook.tell(address, delivery.key, delivery.body, FORM)
            if not why or attempt == attempts or self._wait is None:
                return status, why
            self._wait(pause_ns(attempt) / 1e9)
        raise AssertionError("there is at least one attempt")

    def _waiting(self, model: str, name: str) -> Iterator[Correction]:
        """What a receiver was not told yet, the oldest first, page by page."""
        after = ""
        while rows := self._ask(_PAGE, model, name, after=after):
            for row in rows:
                replaced = msgspec.json.decode(row["body"])[REPLACED]
                yield Correction(
                    replaces=row["replaces"],
                    by=replaced["by"],
                    model=model,
                    time=rfc3339(row["time"]),
                    before=msgspec.convert(replaced["before"], Told),
                    after=msgspec.convert(replaced["after"], Told),
                )
            after = rows[-1]["id"]

    def _ask(self, question: str, model: str, name: str, **terms: str) -> list[dict[str, Any]]:
        named = question.format(model=quoted(model), receiver=quoted(name), **terms)
        table: Any = self._workspace.journal.query(named)
        return table.to_pylist()


@dataclass(slots=True)
class _Model:
    """What a keeper knows of one model."""

    news: News
    wanted: bool = True
    attempts: int = 0
    next_ns: int = 0
    failed: set[str] = field(default_factory=set[str])


class CorrectionKeeper:
    """The keeper's duty: whoever was not told yet is told."""

    def __init__(self, workspace: Workspace, post: Post | None = None) -> None:
        self._workspace = workspace
        self._corrections = Corrections(workspace, actor=ACTOR, post=post)
        self._telling = Telling(workspace, ACTOR)
        self._models: dict[str, _Model] = {}

    def look(self) -> None:
        """Tell what is new, and what could not be told before, once it is its turn."""
        for route in self._workspace.chain.all_current():
            if self._corrections.receivers(route.model):
                self._look(route.model, self._models.get(route.model) or self._begin(route.model))

    def _begin(self, model: str) -> _Model:
        since_ms = self._workspace.clock.now_ns() // 1_000_000
        wanted = Wanted(
            model=model, since_ms=since_ms, columns=(), kinds=("action",), decisions=False
        )
        self._models[model] = _Model(self._workspace.journal.news(wanted))
        return self._models[model]

    def _look(self, model: str, known: _Model) -> None:
        known.wanted |= any(REPLACED in event.body for event in known.news.read().events)
        now_ns = self._workspace.clock.now_ns()
        if not known.wanted or now_ns < known.next_ns:
            return
        try:
            heard = self._corrections.tell(model)
        except Conflict:  # a command is at it
            return
        known.wanted = any(each.why for each in heard.values())
        known.attempts = known.attempts + 1 if known.wanted else 0
        known.next_ns = now_ns + pause_ns(known.attempts) if known.wanted else 0
        self._say(model, heard)

    def _say(self, model: str, heard: Mapping[str, Heard]) -> None:
        """A receiver that does not hear is a finding, until it does."""
        for name, each in heard.items():
            words = f"{name} was not told of {each.left:,} corrected values: {each.why}"
            finding = Finding(check=CHECK, verdict="fail", words=words, samples=each.left)
            self._telling.is_so(model, f"{CHECK}|{name}", name, finding, now=bool(each.why))
