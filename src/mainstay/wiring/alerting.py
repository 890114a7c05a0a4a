"""Alerts in one workspace: what its keeper does, and what `mainstay alerts` asks."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

from mainstay.base.errors import Conflict, MainstayError, NotFound, StorageFailed
from mainstay.contract.alerting import Alerting
from mainstay.contract.model import Contract, kinds_from_models
from mainstay.journal.model import Event, Wanted
from mainstay.journal.port import News
from mainstay.watch.alerts.alerter import LOOK_BACK_NS, Alerter
from mainstay.watch.alerts.apprise import ApprisePost
from mainstay.watch.alerts.by_hand import acknowledge, call_false, call_true, find, silence
from mainstay.watch.alerts.deliver import Delivery
from mainstay.watch.alerts.model import Alert, Book, Health, Message, Silence
from mainstay.watch.alerts.notice import KINDS
from mainstay.watch.alerts.port import Post
from mainstay.watch.alerts.sql import SqlAlertStore
from mainstay.watch.alerts.words import moment
from mainstay.watch.monitors.model import Saved
from mainstay.watch.monitors.port import MonitorStore
from mainstay.watch.monitors.sql import SqlMonitorStore
from mainstay.watch.monitors.tolerance import retuned
from mainstay.wiring.workspace import Workspace

_TRIES = 20
T = TypeVar("T")


class _Names:
    """What a description says of versions, from the registry and the contracts in force."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._contracts: dict[str, Contract] = {}

    def version(self, model: str, subject: str) -> str:
        """`v3`, or as much of the fingerprint as is known."""
        try:
            for version in self._workspace.registry.versions(model):
                if version.fingerprint.startswith(subject):
                    return f"v{version.number}"
        except MainstayError:
            pass
        return subject[:12]

    def downstream(self, model: str) -> Sequence[str]:
        """The models in force that take from this one."""
        try:
            routes = self._workspace.chain.all_current()
            return [each.model for each in routes if model in self._sources(each.fingerprint)]
        except MainstayError:
            return []

    def _sources(self, fingerprint: str) -> set[str]:
        if fingerprint not in self._contracts:
            manifest = self._workspace.unpacked(fingerprint).manifest
            self._contracts[fingerprint] = manifest.contract
        kinds = kinds_from_models(self._contracts[fingerprint])
        return {kind.from_model for kind in kinds.values()}


class Alerts:
    """The alerts of one workspace, opened when they are first asked for."""

    def __init__(self, workspace: Workspace, post: Post | None = None) -> None:
        """`post` is Apprise unless a test has another."""
        self._workspace = workspace
        self._post: Post = post or ApprisePost()
        self._news: dict[str, News] = {}

    @cached_property
    def _alerter(self) -> Alerter:
        store = SqlAlertStore(self._workspace.database)
        names = _Names(self._workspace)
        return Alerter(store, self._workspace.record, names, self._workspace.clock)

    @cached_property
    def _delivery(self) -> Delivery:
        return Delivery(self._alerter.change, self._post, os.environ, self._workspace.clock)

    @cached_property
    def _monitors(self) -> MonitorStore:
        return SqlMonitorStore(self._workspace.database)

    @property
    def policy(self) -> Alerting:
        """Who is told of what."""
        return self._workspace.places.settings.alerts

    @property
    def book(self) -> Book:
        """How things stand."""
        return self._alerter.book()

    def find(self, number: str) -> Alert:
        """One of them; `NotFound`."""
        return find(self.book, number)

    def problems(self) -> list[str]:
        """What is wrong with telling people, in sentences."""
        book, found = self.book, list[str]()
        for name in self.policy.channels:
            health = book.channels.get(name, Health())
            if health.failing_since_ns:
                since = moment(health.failing_since_ns)
                waiting = sum(
                    each.channel == name and each.state == "waiting" for each in book.messages
                )
                found.append(
                    f"alerts do not get through to {name} since {since}: {health.why} "
                    f"({waiting} waiting)"
                )
        return found

    def take_in(self) -> None:
        """Make alerts of what was found since, and messages of what is due."""
        self._alerter.look(self.policy, self._events())

    def look(self) -> None:
        """Take in, and tell whoever is to be told now."""
        self.take_in()
        self._delivery.look(self.policy)

    def change(self, step: Callable[[Book], T | None]) -> T | None:
        """Change the newest book; a step that returns nothing has changed nothing."""
        return self._alerter.change(step)

    def tidy(self) -> None:
        """Let go of what nobody asks about again."""
        self._alerter.tidy()

    def acknowledge(self, number: str, who: str) -> Alert:
        """Somebody sees to it."""
        return _changed(
            self._alerter.change(lambda book: acknowledge(book, number, who, self._now_ns()))
        )

    def silence(self, wanted: Silence) -> None:
        """Tell nobody for a while."""
        models = {route.model for route in self._workspace.chain.all_current()}
        models |= {alert.model for alert in self.book.alerts.values()}
        if wanted.model not in models:
            raise NotFound(
                f"no version of {wanted.model!r} answers here",
                field="model",
                got=wanted.model,
                expected="a model that `mainstay status` shows",
            )

        def change(book: Book) -> Silence:
            silence(book, wanted, self._now_ns())
            return wanted

        self._alerter.change(change)

    def call_false(self, number: str, who: str, reason: str) -> tuple[Alert, dict[str, float]]:
        """It was no trouble; what is asked more tolerantly from now on."""

        def change(book: Book) -> tuple[Alert, dict[str, float]]:
            tuned = call_false(book, number, who, reason, self._now_ns())
            return book.alerts[number.removeprefix("#")], tuned

        alert, tuned = _changed(self._alerter.change(change))
        self._tune(alert, tuned)
        return alert, tuned

    def call_true(self, number: str, who: str) -> Alert:
        """It was trouble after all."""
        alert = _changed(
            self._alerter.change(lambda book: call_true(book, number, who, self._now_ns()))
        )
        self._tune(alert, {})
        return alert

    def tolerances(self) -> dict[str, dict[str, dict[str, float]]]:
        """By model, column and question: what was raised, and by which alerts."""
        found = {model: self._monitors.load(model)[0].tuned for model in self._monitors.models()}
        return {model: tuned for model, tuned in found.items() if tuned}

    def test(self, channel: str, who: str) -> None:
        """Send a message to a channel now; `StorageFailed` when it did not arrive."""
        if channel not in self.policy.channels:
            raise NotFound(
                f"there is no channel {channel!r} in mainstay.toml",
                field="channel",
                got=channel,
                expected=", ".join(sorted(self.policy.channels)) or "a part [alerts.channels.NAME]",
            )
        now_ns = self._now_ns()
        message = Message(
            id=f"test-{now_ns // 1_000_000_000}", channel=channel, kind="opened", alerts=[],
            title="Mainstay: this is a test",
            body=f"{who} tries whether alerts arrive here. Nothing is wrong.", made_ns=now_ns,
        )  # fmt: skip
        why = self._delivery.try_to_send(self.policy, message)

        def log(book: Book) -> Message:
            book.log("tested", None, now_ns, actor=who, channel=channel, why=why)
            if not why and channel in book.channels:
                book.channels[channel].failing_since_ns = 0
            return message

        self._alerter.change(log)
        if why:
            raise StorageFailed(f"channel {channel}: {why}", field="channel", got=channel)

    def _tune(self, alert: Alert, tolerances: dict[str, float]) -> None:
        for _ in range(_TRIES):
            saved, revision = self._monitors.load(alert.model)
            after: Saved = retuned(saved, alert.id, tolerances)
            if after == saved or self._monitors.save(alert.model, after, revision):
                return
        raise Conflict(f"what monitors of {alert.model} remember is changed again and again")

    def _events(self) -> list[Event]:
        """What is new of every model that is in force, or of which an alert is open."""
        models = {route.model for route in self._workspace.chain.all_current()}
        models |= {alert.model for alert in self.book.open_alerts()} - {""}
        since_ms = max(0, self._now_ns() - LOOK_BACK_NS) // 1_000_000
        found: list[Event] = []
        for model in sorted(models):
            if model not in self._news:
                wanted = Wanted(
                    model=model, since_ms=since_ms, columns=(), kinds=KINDS, decisions=False
                )
                self._news[model] = self._workspace.journal.news(wanted)
            found += self._news[model].read().events
        first_ns = since_ms * 1_000_000
        return [event for event in found if event.time_ns >= first_ns]

    def _now_ns(self) -> int:
        return self._workspace.clock.now_ns()


def _changed(found: T | None) -> T:
    assert found is not None
    return found
