"""A workspace of alerts in simulated time: findings go in, messages come out."""

from collections.abc import Sequence

from mainstay.base.clock import ManualClock
from mainstay.contract.alerting import Alerting, Channel, Rule
from mainstay.journal.model import Event
from mainstay.watch.alerts.alerter import Alerter
from mainstay.watch.alerts.deliver import Delivery
from mainstay.watch.alerts.memory import MemoryAlertStore, MemoryPost
from mainstay.watch.alerts.model import Book
from mainstay.watch.alerts.plan import WAIT_NS

WAIT = WAIT_NS / 1e9
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
TEAM, ONCALL = "memory://team", "memory://oncall"
CHANNELS = {"team": Channel(url_env="TEAM"), "oncall": Channel(url_env="ONCALL")}
VARIABLES = {"TEAM": TEAM, "ONCALL": ONCALL}


class Known:
    """What is known of versions."""

    def version(self, model: str, subject: str) -> str:
        return f"v7 of {model}"

    def downstream(self, model: str) -> Sequence[str]:
        return ["pricing"] if model == "fraud" else []


class World:
    """Keepers that come and go over one store."""

    def __init__(self, *rules: Rule, per_hour: int = 100, channels=CHANNELS, store=None) -> None:
        self.clock = ManualClock()
        self.store = store or MemoryAlertStore()
        self.post = MemoryPost()
        self.policy = Alerting(
            channels=channels, rules=rules or (Rule(to="team"),), per_hour=per_hour
        )
        self.journal: list[Event] = []
        self.events: list[Event] = []
        self.number = 0
        self.new_keeper()

    def new_keeper(self, post=None) -> None:
        """The one before is gone; this one reads everything anew."""
        self.alerter = Alerter(self.store, self.journal.extend, Known(), self.clock)
        self.delivery = Delivery(self.alerter.change, post or self.post, VARIABLES, self.clock)
        self.unread = list(self.events)

    def happens(self, body: dict, model: str = "fraud", kind="finding", actor="watch",
                subject="ab" * 8) -> Event:  # fmt: skip
        self.number += 1
        event = Event(
            id=f"{self.number:028x}", kind=kind, time_ns=self.clock.now_ns(),
            known_ns=self.clock.now_ns(), model=model, actor=actor, subject=subject, body=body,
        )  # fmt: skip
        self.events.append(event)
        self.unread.append(event)
        return event

    def found(self, check: str = "input amount: place", state: str = "opened",
              model: str = "fraud", **more) -> Event:  # fmt: skip
        """A monitor says that something began or ended."""
        column, _, what = check.partition(": ")
        part = more.get("slice", "")
        body = {
            "state": state, "key": f"{'ab' * 8}|{part}|{column.replace(' ', '_')}|{what}",
            "since_ms": self.clock.now_ns() // 1_000_000 - 600_000, "check": check,
            "verdict": "fail", "words": f"{check} has moved.", "figure": 0.6, "compared": 0.5,
            "samples": 3120, "slice": "", **more,
        }  # fmt: skip
        return self.happens(body, model)

    def over(self, check: str = "input amount: place", model: str = "fraud") -> Event:
        return self.found(check, "resolved", model)

    def look(self) -> None:
        """The keeper looks once, and sends."""
        unread, self.unread = self.unread, []
        self.alerter.look(self.policy, unread)
        self.delivery.look(self.policy)

    def passes(self, seconds: float, every: float = 10.0) -> None:
        """Time passes, and the keeper looks."""
        while seconds > 0:
            step = min(every, seconds)
            self.clock.advance(step)
            seconds -= step
            self.look()

    @property
    def book(self) -> Book:
        return self.store.load()[0]

    def titles(self, url: str = TEAM) -> list[str]:
        return [title for to, title, _ in self.post.sent if to == url]

    def bodies(self, url: str = TEAM) -> list[str]:
        return [body for to, _, body in self.post.sent if to == url]

    def steps(self) -> list[str]:
        """What the journal was told, each step once."""
        return [
            event.body["alerts"] for event in {event.id: event for event in self.journal}.values()
        ]
