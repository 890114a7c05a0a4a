"""What is remembered of alerts: one book for a workspace."""

from typing import Any, Final, Literal

import msgspec

from mainstay.contract.alerting import Do

HOUR_NS: Final = 3_600_000_000_000
DAY_NS: Final = 24 * HOUR_NS

Origin = Literal["watch", "stopped", "rollout", "held", "noticed"]
Kind = Literal["opened", "more", "repeat", "escalated", "resolved", "digest"]
ONE_OFF: Final = frozenset({"rollout", "held", "noticed"})
"""What happens at a moment, and does not go on until something ends it."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What an event of the journal says to alerts."""

    event: str
    model: str
    kind: Literal["opened", "resolved", "routed"]
    at_ns: int
    key: str = ""
    """What is found, in a form that stays the same while it goes on."""
    origin: Origin = "watch"
    check: str = ""
    verdict: str = "fail"
    words: str = ""
    figure: float | None = None
    compared: float | None = None
    samples: int = 0
    slice: str = ""
    subject: str = ""
    """The version, or as much of its fingerprint as is known."""
    since_ns: int = 0
    versions: tuple[str, ...] = ()
    """Where a route changed: the versions that answer now."""


class Item(msgspec.Struct, kw_only=True):
    """One thing that is found, within an alert."""

    notice: Notice
    """The newest that says so."""
    opened_ns: int
    last_ns: int
    """When it was last heard of."""
    count: int = 1
    resolved_ns: int = 0
    flapping: bool = False
    """It comes and goes; it is told as that, and over once it has stayed away for a day."""
    away_ns: int = 0
    """Since when something that flaps is away; 0 while it is there."""
    told: Literal["", "opened", "flapping"] = ""
    events: list[str] = []
    """The newest few that made it."""


class Alert(msgspec.Struct, kw_only=True):
    """What began together in one model."""

    id: str
    model: str
    channel: str
    """Empty where nobody is told."""
    opened_ns: int
    items: dict[str, Item] = {}
    closed_ns: int = 0
    closed_why: str = ""
    first_told_ns: int = 0
    told_ns: int = 0
    escalated_to: str = ""
    ended_to: list[str] = []
    """The channels that were told that it is over."""
    acknowledged_ns: int = 0
    acknowledged_by: str = ""
    messages: int = 0
    """How many were made of it."""
    hushed: bool = False
    """It was silenced when it was last looked at."""
    false_alarm: str = ""
    """Why somebody called it one."""


class Action(msgspec.Struct, kw_only=True):
    """What is to be done about something that was found, without asking anybody."""

    id: str
    alert: str
    model: str
    do: Do
    check: str
    subject: str
    """The version, or as much of its fingerprint as is known; empty where none is meant. Of a
    training that follows from a recall, the recall."""
    since_ns: int
    until_ns: int
    """The stretch of time it is about."""
    wanted_ns: int
    attempts: int = 0
    next_ns: int = 0
    claimed_ns: int = 0
    """Until then somebody is at it."""
    state: Literal["waiting", "done", "left out", "failed"] = "waiting"
    settled_ns: int = 0
    words: str = ""
    """What was done, or why it was not."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is told of this until then."""

    model: str
    check: str
    """Empty for all of them."""
    until_ns: int
    reason: str
    by: str


class Message(msgspec.Struct, kw_only=True):
    """What is to be told to a channel."""

    id: str
    channel: str
    kind: Kind
    alerts: list[str]
    title: str
    body: str
    made_ns: int
    attempts: int = 0
    next_ns: int = 0
    """When it is tried again."""
    claimed_ns: int = 0
    """Until then somebody is sending it."""
    state: Literal["waiting", "sent", "given up"] = "waiting"
    settled_ns: int = 0
    why: str = ""
    """Why it could not be told the last time."""


class Health(msgspec.Struct, kw_only=True):
    """What is known of a channel."""

    queued: list[int] = []
    """When messages of the last hour were made."""
    failing_since_ns: int = 0
    why: str = ""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """A step, on its way into the journal."""

    number: int
    did: str
    alert: str
    model: str
    at_ns: int
    actor: str = "alerts"
    body: dict[str, Any] = {}


class Book(msgspec.Struct, kw_only=True):
    """Everything."""

    next_alert: int = 1
    next_digest: int = 1
    next_log: int = 1
    alerts: dict[str, Alert] = {}
    tracks: dict[str, list[int]] = {}
    """By model and key, when it began in the last day."""
    silences: list[Silence] = []
    messages: list[Message] = []
    channels: dict[str, Health] = {}
    actions: list[Action] = []
    next_action: int = 1
    unlogged: list[Log] = []

    def log(self, did: str, alert: Alert | None, at_ns: int, **body: Any) -> None:
        """Write down a step."""
        number, model = ("", "") if alert is None else (alert.id, alert.model)
        actor = str(body.pop("actor", "alerts"))
        step = Log(
            number=self.next_log, did=did, alert=number, model=model, at_ns=at_ns, actor=actor,
            body=body,
        )  # fmt: skip
        self.next_log += 1
        self.unlogged.append(step)

    def open_alerts(self) -> list[Alert]:
        """Those that are not over, oldest first."""
        return [alert for alert in self.alerts.values() if not alert.closed_ns]

    def silenced(self, item: Item, now_ns: int) -> bool:
        """Whether nobody is to be told of it now."""
        notice = item.notice
        return any(
            each.until_ns > now_ns
            and each.model == notice.model
            and each.check in {"", notice.check}
            for each in self.silences
        )
