"""What the keeper of one machine does: follow the routes, look into the inbox, seal the journal.

Light on purpose: what takes long to import is imported by the duty that needs it, in its own
thread, so that a server that starts is not kept waiting.
"""

import threading
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from mainstay.serve.choices.keep import ChoiceKeeper
from mainstay.serve.choices.model import rollouts_of
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.settle import due, forget
from mainstay.serve.keeper import Duty
from mainstay.wiring.folders import Places
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.telemetry import telemetry_of

if TYPE_CHECKING:
    from mainstay.bundle.model import Version
    from mainstay.serve.routes.model import Route
    from mainstay.wiring.workspace import Workspace

FOLLOW_DUTY = "follow the routes"
FOLLOW_EVERY_SECONDS = 0.2
INBOX_EVERY_SECONDS = 0.5
ROLLOUTS_EVERY_SECONDS = 1.0
SEAL_EVERY_SECONDS = 2.0
UNDO_EVERY_SECONDS = 0.5
TIDY_EVERY_SECONDS = 600.0
HELD_EVERY_SECONDS = 10.0
SAFEGUARDS_EVERY_SECONDS = 600.0
RENEW_EVERY_SECONDS = 600.0
SKEW_EVERY_SECONDS = 30.0
WATCH_EVERY_SECONDS = 10.0
MEASURE_EVERY_SECONDS = 10.0
ALERTS_EVERY_SECONDS = 5.0
LABELS_EVERY_SECONDS = 2.0
CORRECTIONS_EVERY_SECONDS = 5.0
JOIN_EVERY_SECONDS = 2.0
_ALERTS_TIDY_EVERY = 720
_LABELS_TIDY_EVERY = 1800
_WATCH_TIDY_EVERY = 360
"""Every so many looks, what is long over is made shorter: about once an hour."""

_CHOICES_KEPT_NS = 3600 * 1_000_000_000
"""So long after its last choice a rollout may still be beginning, as far as this machine knows."""

Say = Callable[[str], None]
Open = Callable[[], "Workspace"]


class Late:
    """A workspace that is opened, and imported, when somebody first needs it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._opening = threading.Lock()
        self._opened: Workspace | None = None

    def __call__(self) -> "Workspace":
        """The workspace; the first caller may wait for it."""
        with self._opening:
            if self._opened is None:
                from mainstay.wiring.workspace import Workspace

                self._opened = Workspace(self._places)
            return self._opened

    def bring(self, fingerprint: str) -> Path:
        """Unpack a version on this machine."""
        return self().bring(fingerprint)


def duties_of(writer: OrderWriter, late: Open, say: Say) -> list[Duty]:
    """The keeper's duties on one workspace. Workers wait for what follows the routes; everything
    else is work in bursts, and where cores are few, answers come first."""

    def seal() -> None:
        late().journal.seal()

    duties = [
        Duty(FOLLOW_DUTY, FOLLOW_EVERY_SECONDS, writer.look),
        Duty("keep the choices", FOLLOW_EVERY_SECONDS, _choices(writer, late)),
        Duty("drive the rollouts", ROLLOUTS_EVERY_SECONDS, _rollouts(late, say), gently=True),
        Duty("tell what was undone", UNDO_EVERY_SECONDS, _undoing(writer, late), gently=True),
        Duty("seal the journal", SEAL_EVERY_SECONDS, seal, gently=True),
        Duty("watch", WATCH_EVERY_SECONDS, _watching(late), gently=True),
        Duty("measure", MEASURE_EVERY_SECONDS, _measuring(late), gently=True),
        Duty("join outcomes", JOIN_EVERY_SECONDS, _joining(writer, late), gently=True),
        Duty("ask for labels", LABELS_EVERY_SECONDS, _labelling(writer, late), gently=True),
        Duty("tell people", ALERTS_EVERY_SECONDS, _alerting(late), gently=True),
        Duty("act on findings", ALERTS_EVERY_SECONDS, _acting(writer, late), gently=True),
        Duty("train safeguards", SAFEGUARDS_EVERY_SECONDS, _guards(writer, late, say), gently=True),
        Duty("make features again", SKEW_EVERY_SECONDS, _skew(late), gently=True),
        Duty("see what is to be trained", RENEW_EVERY_SECONDS, _renewing(late), gently=True),
        Duty("tidy the cache", TIDY_EVERY_SECONDS, writer.tidy, gently=True),
        Duty("reject what waited too long", HELD_EVERY_SECONDS, _held(writer, late), gently=True),
        Duty("forget what was decided", TIDY_EVERY_SECONDS, _forgetting_held(writer), gently=True),
        Duty("forget old choices", TIDY_EVERY_SECONDS, _forgetting(late), gently=True),
    ]
    telemetry = telemetry_of(writer.places.settings.telemetry)
    if telemetry.metrics:
        send = _sending(writer, telemetry.metrics)
        duties.append(Duty("send metrics", telemetry.every_seconds, send, gently=True))
    if writer.places.settings.corrections:
        correct = _correcting(late)
        duties.append(Duty("tell corrections", CORRECTIONS_EVERY_SECONDS, correct, gently=True))
    if writer.places.settings.inbox:
        look = _inbox(late, say)
        duties.append(Duty("look into the inbox", INBOX_EVERY_SECONDS, look, gently=True))
    return duties


def _choices(writer: OrderWriter, late: Open) -> Callable[[], None]:
    def in_force() -> Mapping[str, str]:
        return rollouts_of(writer.routes)

    return ChoiceKeeper(lambda: late().choices, in_force, writer.places.run).look


def _forgetting(late: Open) -> Callable[[], None]:
    """Once a rollout is over, nobody needs to know who chose what in it."""

    def forget() -> None:
        stores = late()
        in_force = rollouts_of(stores.chain.all_current())
        stores.choices.forget(in_force, stores.clock.now_ns() - _CHOICES_KEPT_NS)

    return forget


def _undoing(writer: OrderWriter, late: Open) -> Callable[[], None]:
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.undoing import UndoKeeper

            looks.append(UndoKeeper(late(), lambda: writer.routes).look)
        looks[0]()

    return look


def _correcting(late: Open) -> Callable[[], None]:
    """Tell other systems which values are others now."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.correcting import CorrectionKeeper

            looks.append(CorrectionKeeper(late()).look)
        looks[0]()

    return look


def _watching(late: Open) -> Callable[[], None]:
    """Take in what was sealed, and see whether all is as it was."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.referencing import keep_out_quarantined
            from mainstay.wiring.watching import Watching

            watching = Watching(late())
            numbers = count()

            def tick() -> None:
                keep_out_quarantined(late(), watching)
                while watching.tick():
                    pass
                if next(numbers) % _WATCH_TIDY_EVERY == _WATCH_TIDY_EVERY - 1:
                    watching.tidy()

            looks.append(tick)
        looks[0]()

    return look


def _measuring(late: Open) -> Callable[[], None]:
    """Read what machine and workers use."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.measuring import Measuring

            looks.append(Measuring(late()).look)
        looks[0]()

    return look


def _labelling(writer: OrderWriter, late: Open) -> Callable[[], None]:
    """Set decisions aside, and make labels of what labelers said."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            if not any(map(writer.asks_for_labels, writer.routes)):
                return
            from mainstay.wiring.label_keeping import LabelKeeper
            from mainstay.wiring.labelling import labelling_of

            keeper = LabelKeeper(labelling_of(late()))
            numbers = count()

            def tick() -> None:
                keeper.tick()
                if next(numbers) % _LABELS_TIDY_EVERY == 0:
                    keeper.tidy()

            looks.append(tick)
        looks[0]()

    return look


def _joining(writer: OrderWriter, late: Open) -> Callable[[], None]:
    """Find the decisions of what was told of keys."""
    looks: list[Callable[[], None]] = []

    def models() -> list[str]:
        return [route.model for route in writer.routes if writer.hears_of_keys(route)]

    def look() -> None:
        if not looks:
            if not models():
                return
            from mainstay.wiring.joining import JoinKeeper

            looks.append(JoinKeeper(late(), models).look)
        looks[0]()

    return look


def _sending(writer: OrderWriter, endpoint: str) -> Callable[[], None]:
    """Tell a collector what was counted."""
    sends: list[Callable[[], None]] = []

    def send() -> None:
        if not sends:
            from mainstay.wiring.sending import MetricSender

            sends.append(MetricSender(writer.places, writer.clock, endpoint).send)
        sends[0]()

    return send


def _guards(writer: OrderWriter, late: Open, say: Say) -> Callable[[], None]:
    keepers: list[Callable[[Route], None]] = []

    def look() -> None:
        for route in writer.routes:
            if not writer.trains_safeguard(route):
                continue
            if not keepers:
                from mainstay.wiring.guarding import SafeguardKeeper

                keepers.append(SafeguardKeeper(late(), say).look)
            keepers[0](route)

    return look


def _renewing(late: Open) -> Callable[[], None]:
    """Say which models should be trained anew."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.renewing import Renewing

            looks.append(Renewing(late()).look)
        looks[0]()

    return look


def _skew(late: Open) -> Callable[[], None]:
    """See whether features come out again as they were served."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.skewing import SkewKeeper

            looks.append(SkewKeeper(late()).look)
        looks[0]()

    return look


def _alerting(late: Open) -> Callable[[], None]:
    """Make alerts of what was found, and tell people."""
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            from mainstay.wiring.alerting import Alerts

            alerts = Alerts(late())
            numbers = count()

            def tick() -> None:
                alerts.look()
                if next(numbers) % _ALERTS_TIDY_EVERY == 0:
                    alerts.tidy()

            looks.append(tick)
        looks[0]()

    return look


def _acting(writer: OrderWriter, late: Open) -> Callable[[], None]:
    """Do what rules want done; where none does, nothing is imported."""
    looks: list[Callable[[], object]] = []

    def look() -> None:
        if not looks:
            if not any(rule.do for rule in writer.places.settings.alerts.rules):
                return
            from mainstay.wiring.acting import acting_of

            looks.append(acting_of(late()).look)
        looks[0]()

    return look


def _held(writer: OrderWriter, late: Open) -> Callable[[], None]:
    """What nobody released or rejected in time is rejected."""
    desk = FolderDesk(writer.places.held)

    def look() -> None:
        if due(desk, writer.clock.now_ns()):
            with late().settling() as settler:
                settler.tick()

    return look


def _forgetting_held(writer: OrderWriter) -> Callable[[], None]:
    desk = FolderDesk(writer.places.held)

    def look() -> None:
        forget(desk, writer.clock.now_ns())

    return look


def _rollouts(late: Open, say: Say) -> Callable[[], None]:
    ticks: list[Callable[[], None]] = []

    def drive() -> None:
        if not ticks:
            from mainstay.wiring.rollouts import RolloutKeeper

            ticks.append(RolloutKeeper(late(), say).tick)
        ticks[0]()

    return drive


def _inbox(late: Open, say: Say) -> Callable[[], None]:
    looks: list[Callable[[], None]] = []

    def look() -> None:
        if not looks:
            looks.append(_opened_inbox(late(), say))
        looks[0]()

    return look


def _opened_inbox(workspace: "Workspace", say: Say) -> Callable[[], None]:
    from mainstay.release.gate.run import Wish
    from mainstay.release.inbox import Inbox
    from mainstay.wiring.rollouts import Wanted, start_rollout, strategy_of

    inbox = Inbox(workspace.places.inbox, workspace.chain, workspace.clock)

    def put_live(version: "Version", epoch: int) -> "Route":
        wanted = Wanted()
        if strategy_of(workspace, version, wanted) != "direct":
            wish = Wish(reason="dropped into the inbox")
            start_rollout(workspace, version, wanted, wish, actor="inbox", expected_epoch=epoch)
            current = workspace.chain.current(version.model)
            assert current is not None
            return current
        return workspace.deploy(
            version.model,
            version.number,
            "dropped into the inbox",
            actor="inbox",
            expected_epoch=epoch,
        )

    def look() -> None:
        for outcome in inbox.take_in(lambda file: workspace.admit(file, "inbox"), put_live):
            say(f"Inbox: {outcome.file}: {outcome.words.splitlines()[0]}")

    return look
