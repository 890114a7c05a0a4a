"""What the keeper of one machine does: follow the routes, look into the inbox, seal the journal.

Promises that the orders of the workers change only as a whole and only when something changed;
that a version which cannot be brought to this machine leaves the one before it in force; and that
with the database away the last orders stay, and the failing duty says so.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from mainstay.access.model import Key
from mainstay.base.errors import MainstayError, StorageFailed
from mainstay.base.files import write_whole
from mainstay.bundle.model import Version
from mainstay.release.gate.run import Wish
from mainstay.release.inbox import Inbox
from mainstay.serve.keeper import Duty
from mainstay.serve.routes.model import Order, Orders, Route
from mainstay.wiring.rollouts import RolloutKeeper, Wanted, start_rollout, strategy_of
from mainstay.wiring.workspace import Workspace

ORDERS_FILE = "orders.json"
FOLLOW_DUTY = "follow the routes"
FOLLOW_EVERY_SECONDS = 0.2
INBOX_EVERY_SECONDS = 0.5
ROLLOUTS_EVERY_SECONDS = 1.0
SEAL_EVERY_SECONDS = 2.0
TIDY_EVERY_SECONDS = 600.0
_KEPT_PER_MODEL = 3
_FINGERPRINT_LENGTH = 64

Say = Callable[[str], None]


class OrderWriter:
    """Turns the routes in force into orders for the workers of this machine."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._file = workspace.places.run / ORDERS_FILE
        self._orders: dict[str, Order] = {}
        self._keys: tuple[Key, ...] = ()
        self._written = False
        self._refused: dict[str, str] = {}
        self._start_from_last()

    def _start_from_last(self) -> None:
        """Begin with what was in force, for the case that a route cannot be followed now."""
        try:
            last = msgspec.json.decode(self._file.read_bytes(), type=Orders)
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        self._orders = {order.route.model: order for order in last.orders}
        self._keys = last.keys

    def look(self) -> None:
        """Write the orders anew if the routes or the keys changed."""
        routes = self._workspace.chain.all_current()
        keys = tuple(key for key in self._workspace.all_keys() if key.revoked_at_ns is None)
        failed: list[str] = []
        orders: dict[str, Order] = {}
        for route in routes:
            known = self._orders.get(route.model)
            try:
                orders[route.model] = self._order(route, known, failed)
            except MainstayError as error:
                failed.append(f"{route.model} v{route.number}: {error.message}")
                if known is not None:
                    orders[route.model] = known
        if orders != self._orders or keys != self._keys or not self._written:
            self._write(orders, keys)
        if failed:
            raise StorageFailed("cannot bring here " + "; ".join(failed))

    def _order(self, route: Route, known: Order | None, failed: list[str]) -> Order:
        """The route with the folders of its versions; without the live one there is no order,
        without an arm there is, and the live version answers for it until it can be had."""
        before = known.folders if known is not None else {}
        folders = {route.fingerprint: self._folder(route.fingerprint, before)}
        for arm in route.arms:
            try:
                folders[arm.fingerprint] = self._folder(arm.fingerprint, before)
            except MainstayError as error:
                failed.append(f"{route.model} v{arm.number} ({arm.role}): {error.message}")
        return Order(route=route, folders=folders)

    def _folder(self, fingerprint: str, before: Mapping[str, str]) -> str:
        folder = before.get(fingerprint)
        if folder is not None and Path(folder).is_dir():
            return folder
        return str(self._workspace.unpacked(fingerprint).folder)

    def _write(self, orders: dict[str, Order], keys: tuple[Key, ...]) -> None:
        content = Orders(
            written_at_ns=self._workspace.clock.now_ns(),
            orders=tuple(orders[model] for model in sorted(orders)),
            keys=keys,
            environment=self._workspace.places.settings.environment,
        )
        # The digests of keys are nobody else's business.
        write_whole(self._file, msgspec.json.encode(content), mode=0o600)
        self._orders, self._keys, self._written = orders, keys, True

    def tidy(self) -> None:
        """Remove unpacked bundles that have not been in force for long; they can be fetched."""
        wanted = {
            Path(folder).name
            for order in self._orders.values()
            for folder in order.folders.values()
        }
        for model in self._orders:
            recent = self._workspace.chain.history(model)[-_KEPT_PER_MODEL:]
            wanted.update(route.fingerprint for route in recent)
        for folder in self._workspace.places.cache.iterdir():
            if len(folder.name) == _FINGERPRINT_LENGTH and folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)


def duties_of(workspace: Workspace, say: Say) -> list[Duty]:
    """The keeper's duties on one workspace."""
    writer: list[OrderWriter] = []

    def follow() -> None:
        if not writer:
            writer.append(OrderWriter(workspace))
        writer[0].look()

    def tidy() -> None:
        if writer:
            writer[0].tidy()

    keepers: list[RolloutKeeper] = []

    def drive() -> None:
        if not keepers:
            keepers.append(RolloutKeeper(workspace, say))
        keepers[0].tick()

    found = [
        Duty(FOLLOW_DUTY, FOLLOW_EVERY_SECONDS, follow),
        Duty("drive the rollouts", ROLLOUTS_EVERY_SECONDS, drive),
        Duty("seal the journal", SEAL_EVERY_SECONDS, lambda: _seal(workspace)),
        Duty("tidy the cache", TIDY_EVERY_SECONDS, tidy),
    ]
    if workspace.places.settings.inbox:
        found.append(Duty("look into the inbox", INBOX_EVERY_SECONDS, _inbox(workspace, say)))
    return found


def _seal(workspace: Workspace) -> None:
    workspace.journal.seal()


def _inbox(workspace: Workspace, say: Say) -> Callable[[], None]:
    inboxes: list[Inbox] = []

    def put_live(version: Version, epoch: int) -> Route:
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
        if not inboxes:
            places = workspace.places
            inboxes.append(Inbox(places.inbox, workspace.chain, workspace.clock))
        for outcome in inboxes[0].take_in(lambda file: workspace.admit(file, "inbox"), put_live):
            say(f"Inbox: {outcome.file}: {outcome.words.splitlines()[0]}")

    return look
