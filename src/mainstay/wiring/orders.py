"""What a keeper tells the workers of its machine: one file, replaced whole.

Promises that the orders change only as a whole and only when something changed; that a version
which cannot be brought to this machine leaves the one before it in force; that with the database
away the last orders stay; and that orders carry the mark of the server start whose keeper looked,
so that no worker takes what was in force before an earlier stop for what is in force now.

Light on purpose: a server answers nobody before its keeper has looked once.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from mainstay.access.model import Key
from mainstay.base.errors import MainstayError, NotFound, StorageFailed
from mainstay.base.files import Stamp, stamp_of, write_whole
from mainstay.bundle.model import MANIFEST_FILE
from mainstay.contract.fallbacks import FallbackModel, FallbackStep
from mainstay.contract.safeguards import Safeguard, models_beside
from mainstay.serve.routes.model import ORDERS_FILE, Order, Orders, Route, StandIn
from mainstay.wiring.stores import Stores

_KEPT_PER_MODEL = 3
_KEPT_NS = 3600 * 1_000_000_000
"""So long after its last use a version is kept: somebody may be about to deploy it."""
_FINGERPRINT_LENGTH = 64


class _Judge(msgspec.Struct, frozen=True):
    fallback: tuple[FallbackStep, ...] = ()
    safeguard: Safeguard | None = None


class _Labels(msgspec.Struct, frozen=True):
    ask: dict[str, Any] | None = None
    key: str = ""


class _Contract(msgspec.Struct, frozen=True):
    model: str
    judge: _Judge = _Judge()
    labels: _Labels = _Labels()


class _Manifest(msgspec.Struct, frozen=True):
    """Of a manifest what orders are about."""

    contract: _Contract


Bring = Callable[[str], Path]
"""Unpacks the version of a fingerprint on this machine, every byte checked; returns its folder."""


class OrderWriter:
    """Turns the routes in force into orders for the workers of this machine."""

    def __init__(self, stores: Stores, bring: Bring, start: str = "") -> None:
        """`start` is the mark of the server start; without one no worker takes the orders for
        more than what it may load ahead of time."""
        self.places = stores.places
        self.clock = stores.clock
        self._stores = stores
        self._bring = bring
        self._start = start
        self._file = self.places.run / ORDERS_FILE
        self._orders: dict[str, Order] = {}
        self._keys: tuple[Key, ...] = ()
        self._stamp: Stamp | None = None
        self._known = False
        self._versions: dict[tuple[str, int], StandIn] = {}
        self._contracts: dict[str, _Contract] = {}
        """By folder, each read once."""
        self._start_from_last()

    def _start_from_last(self) -> None:
        """Begin with what was in force, for the case that a route cannot be followed now."""
        try:
            last = msgspec.json.decode(self._file.read_bytes(), type=Orders)
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        self._orders = {order.route.model: order for order in last.orders}
        self._keys = last.keys
        self._known = True

    @property
    def routes(self) -> list[Route]:
        """What is in force on this machine."""
        return [order.route for order in self._orders.values()]

    def trains_safeguard(self, route: Route) -> bool:
        """Whether the keeper is to train a safeguard for what is in force."""
        order = self._orders.get(route.model)
        folder = None if order is None else order.folders.get(route.fingerprint)
        safeguard = None if folder is None else self._contract(folder).judge.safeguard
        return safeguard is not None and safeguard.train == "auto"

    def asks_for_labels(self, route: Route) -> bool:
        """Whether people are asked to label what is in force."""
        return self._labels(route).ask is not None

    def hears_of_keys(self, route: Route) -> bool:
        """Whether what is in force is told of keys what was right."""
        return bool(self._labels(route).key)

    def _labels(self, route: Route) -> _Labels:
        order = self._orders.get(route.model)
        folder = None if order is None else order.folders.get(route.fingerprint)
        return _Labels() if folder is None else self._contract(folder).labels

    def first(self) -> None:
        """Look once, whatever comes of it: where the database is away, what was in force last is
        in force in this start as well. Never raises; the duty that looks again says what is
        wrong."""
        try:
            self.look()
        except Exception:  # noqa: BLE001  # because the workers of this start wait for these orders
            if self._known and self._stamp is None:
                self._write(self._orders, self._keys)

    def look(self) -> None:
        """Write the orders anew if the routes or the keys changed, or the file is not ours."""
        routes = self._stores.chain.all_current()
        keys = tuple(key for key in self._stores.all_keys() if key.revoked_at_ns is None)
        in_force = {route.model: route for route in routes}
        failed: list[str] = []
        orders: dict[str, Order] = {}
        for route in routes:
            known = self._orders.get(route.model)
            try:
                orders[route.model] = self._order(route, known, failed, in_force)
            except MainstayError as error:
                failed.append(f"{route.model} v{route.number}: {error.message}")
                if known is not None:
                    orders[route.model] = known
        if orders != self._orders or keys != self._keys or not self._is_ours():
            self._write(orders, keys)
        if failed:
            raise StorageFailed("cannot bring here " + "; ".join(failed))

    def _is_ours(self) -> bool:
        """Whether the file is what this object wrote: a command that found no server running may
        have written it at the moment of the start."""
        try:
            return self._stamp is not None and stamp_of(self._file) == self._stamp
        except FileNotFoundError:
            return False

    def _order(
        self, route: Route, known: Order | None, failed: list[str], routes: Mapping[str, Route]
    ) -> Order:
        """The route with the folders of its versions; without the live one there is no order,
        without an arm there is, and the live version answers for it until it can be had."""
        before = known.folders if known is not None else {}
        folders = {route.fingerprint: self._folder(route.fingerprint, before)}
        for arm in route.arms:
            try:
                folders[arm.fingerprint] = self._folder(arm.fingerprint, before)
            except MainstayError as error:
                failed.append(f"{route.model} v{arm.number} ({arm.role}): {error.message}")
        marks = tuple(folders)
        fallbacks = self._fallbacks(route, [folders[mark] for mark in marks], routes)
        for key, found in list(fallbacks.items()):
            try:
                folders[found.fingerprint] = self._folder(found.fingerprint, before)
            except MainstayError as error:
                del fallbacks[key]
                failed.append(f"fallback {key} of {route.model}: {error.message}")
        return Order(route=route, folders=folders, fallbacks=fallbacks)

    def _fallbacks(
        self, route: Route, folders: list[str], routes: Mapping[str, Route]
    ) -> dict[str, StandIn]:
        """What the fallback steps and safeguards of these versions come to now; what is not there
        is left out."""
        found: dict[str, StandIn] = {}
        for folder in folders:
            for key, step in self._steps(folder).items():
                if key in found:
                    continue
                if step.version is not None:
                    with suppress(NotFound):
                        found[key] = self._numbered(step.model, step.version)
                elif step.model in routes:
                    live = routes[step.model]
                    found[key] = StandIn(number=live.number, fingerprint=live.fingerprint)
        return {key: each for key, each in found.items() if each.fingerprint != route.fingerprint}

    def _numbered(self, model: str, number: int) -> StandIn:
        """A version by its number, which never means another one."""
        known = self._versions.get((model, number))
        if known is None:
            mark = self._stores.registry.find(model, number).fingerprint
            known = self._versions[model, number] = StandIn(number=number, fingerprint=mark)
        return known

    def _steps(self, folder: str) -> dict[str, FallbackModel]:
        """The models that a version asks beside itself."""
        contract = self._contract(folder)
        judge = contract.judge
        return models_beside(contract.model, judge.fallback, judge.safeguard)

    def _contract(self, folder: str) -> _Contract:
        known = self._contracts.get(folder)
        if known is None:
            data = (Path(folder) / MANIFEST_FILE).read_bytes()
            known = self._contracts[folder] = msgspec.json.decode(data, type=_Manifest).contract
        return known

    def _folder(self, fingerprint: str, before: Mapping[str, str]) -> str:
        folder = before.get(fingerprint)
        if folder is not None and Path(folder).is_dir():
            return folder
        return str(self._bring(fingerprint))

    def _write(self, orders: dict[str, Order], keys: tuple[Key, ...]) -> None:
        content = Orders(
            written_at_ns=self.clock.now_ns(),
            orders=tuple(orders[model] for model in sorted(orders)),
            keys=keys,
            environment=self.places.settings.environment,
            start=self._start,
        )
        # The digests of keys are nobody else's business.
        self._stamp = write_whole(self._file, msgspec.json.encode(content), mode=0o600)
        self._orders, self._keys, self._known = orders, keys, True

    def tidy(self) -> None:
        """Remove unpacked bundles that have not been in force for long; they can be fetched."""
        wanted = {
            Path(folder).name
            for order in self._orders.values()
            for folder in order.folders.values()
        }
        for model in self._orders:
            recent = self._stores.chain.history(model)[-_KEPT_PER_MODEL:]
            wanted.update(route.fingerprint for route in recent)
        before_ns = self.clock.now_ns() - _KEPT_NS
        for folder in self.places.cache.iterdir():
            if len(folder.name) != _FINGERPRINT_LENGTH or folder.name in wanted:
                continue
            with contextlib.suppress(FileNotFoundError):
                if folder.stat().st_mtime_ns < before_ns:
                    shutil.rmtree(folder, ignore_errors=True)
