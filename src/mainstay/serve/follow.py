"""A worker follows the orders of its machine's keeper and says how far it got.

The orders are one small file, replaced whole; looking at its stamp costs microseconds, so a worker
looks ten times a second and is never out of date for longer. Loading and warming happen in a
thread beside the traffic. An order that cannot be followed is refused once, in words, and the
version in force keeps serving; the same order is not tried again until it changes.

Only orders of this server start are followed: those of an earlier one may name keys that were
revoked and versions that were replaced since. They serve to load ahead of time what is likely to
be ordered, while the keeper looks for the first time.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from mainstay.access.model import KeyRing
from mainstay.base.clock import Clock
from mainstay.base.errors import InvalidBundle, InvalidUsage, MainstayError, NotFound
from mainstay.base.files import Stamp, stamp_of, write_whole
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence
from mainstay.contract.finding import Finding
from mainstay.serve.engine import Engine, LoadedArm, Serving
from mainstay.serve.gather import Sources
from mainstay.serve.mixture import why_not
from mainstay.serve.routes.model import (
    ORDERS_FILE,
    Checked,
    Order,
    Orders,
    Refusal,
    Route,
    Stop,
    WorkerState,
)
from mainstay.serve.standbys import Standbys
from mainstay.serve.validity import Validity

LOOK_EVERY_SECONDS = 0.1
FIRST_LOOK_EVERY_SECONDS = 0.01
"""While nothing was followed yet, and callers wait."""
BEAT_EVERY_SECONDS = 1.0

_orders = msgspec.json.Decoder(Orders)


Heard = Callable[[Route, str, Finding], None]


class Loader(Protocol):
    """Brings a bundle into memory; may take seconds, and is called in a thread."""

    def load(self, folder: Path, fingerprint: str) -> Loaded:
        """The version in that folder, its digests checked."""
        ...

    def sources(self, loaded: Loaded) -> Sources:
        """What its contract looks up."""
        ...

    def warm(self, loaded: Loaded) -> None:
        """Answer some of its own examples, so that the first caller does not pay for it."""
        ...

    def evidence(self, folder: Path, loaded: Loaded) -> Evidence:
        """The assets it must prove itself with, read from its folder; `InvalidBundle`."""
        ...


class FoundWrong(InvalidBundle):
    """A version that did not prove itself."""

    def __init__(self, loaded: Loaded, finding: Finding) -> None:
        super().__init__(finding.words, field=finding.check)
        self.loaded = loaded
        self.finding = finding

    @property
    def fingerprint(self) -> str:
        """Whose it is."""
        return self.loaded.fingerprint


class Follower:
    """Keeps one worker's engine in step with the orders."""

    def __init__(  # because a worker has so many parts that meet here
        self,
        engine: Engine,
        loader: Loader,
        run_folder: Path,
        slot: int,
        clock: Clock,
        heard: Heard = lambda _route, _fingerprint, _finding: None,
        start: str = "",
    ) -> None:
        """`heard` is told of every version that was found wrong; `start` is the mark of the
        server start, which orders must carry to be followed."""
        self._heard = heard
        self.keys: KeyRing | None = None
        self.draining = False
        self._engine = engine
        self._loader = loader
        self._orders_file = run_folder / ORDERS_FILE
        self._state_file = run_folder / f"worker-{slot}.json"
        self._slot = slot
        self._clock = clock
        self._started_at_ns = clock.now_ns()
        self._start = start
        self._stamp: Stamp | None = None
        self._ahead: dict[str, asyncio.Future[tuple[Loaded, list[Finding]]]] = {}
        self._refused: dict[str, Refusal] = {}
        self._refused_arms: dict[str, tuple[Refusal, ...]] = {}
        self._following: dict[str, Order] = {}
        self._checked: dict[str, Checked] = {}
        self._sick: dict[str, Stop] = {}
        self._standbys = Standbys(self._from_folder)
        self._standing_in: dict[str, Order] = {}
        self.followed = asyncio.Event()
        """Set for good once orders of this start were followed."""

    @property
    def ready(self) -> bool:
        """Every order was followed or refused once, and the worker is not on its way out. A
        model that is refused is not ready itself; its neighbours must not suffer for it."""
        return self.followed.is_set() and not self.draining

    async def follow(self, *, local: bool, each_beat: Callable[[], None]) -> None:
        """Look for new orders until cancelled."""
        beat_at = 0
        while True:
            changed = await self.look(local=local)
            now = self._clock.elapsed_ns()
            if changed or now >= beat_at:
                self.report()
                each_beat()
                beat_at = now + round(BEAT_EVERY_SECONDS * 1e9)
            followed = self.followed.is_set()
            await asyncio.sleep(LOOK_EVERY_SECONDS if followed else FIRST_LOOK_EVERY_SECONDS)

    async def look_ahead(self) -> None:
        """Load what orders of an earlier start name, until there are orders of this one. Nothing
        of it answers anybody before it is ordered."""
        try:
            orders = _orders.decode(self._orders_file.read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        loop = asyncio.get_running_loop()
        folders = {mark: each for order in orders.orders for mark, each in order.folders.items()}
        for fingerprint, folder in folders.items():
            if self._stamp is not None:
                return
            loading = loop.run_in_executor(None, self._load, Path(folder), fingerprint)
            self._ahead[fingerprint] = loading
            await asyncio.wait({loading})
            loading.exception()  # met again, and told, when this version is ordered

    async def look(self, *, local: bool) -> bool:
        """Follow the orders if they changed; whether they had."""
        try:
            stamp = stamp_of(self._orders_file)
            if stamp == self._stamp:
                return False
            orders = _orders.decode(self._orders_file.read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError):
            return False  # the keeper has not written yet; it replaces the file whole
        if orders.start != self._start:
            return False
        self._stamp = stamp
        keys = KeyRing(orders.keys, local=local, environment=orders.environment)
        if self.followed.is_set():
            self.keys = keys  # at once: loading may take its time
        for order in orders.orders:
            await self._follow_one(order)
        self.keys = keys
        ordered = {order.route.model for order in orders.orders}
        for model in {*self._engine.serving, *self._engine.stopped} - ordered:
            self._engine.withdraw(model)
            self._standing_in.pop(model, None)
            self._following.pop(model, None)
        for model in [name for name in self._refused if name not in ordered]:
            del self._refused[model]
        for model in [name for name in self._refused_arms if name not in ordered]:
            del self._refused_arms[model]
        self._ahead.clear()
        self._standbys.keep_only(orders.orders)
        self.followed.set()
        return True

    async def _follow_one(self, order: Order) -> None:
        route = order.route
        current = self._engine.serving.get(route.model)
        if current is not None and self._following.get(route.model) == order:
            self._refused.pop(route.model, None)
            return
        stopped = self._engine.stopped.get(route.model)
        if stopped is not None and stopped.epoch == route.epoch:
            await self._stand_in(order, current)
            return
        refused = self._refused.get(route.model)
        if refused is not None and refused.epoch == route.epoch:
            return
        try:
            if route.stopped:
                await self._stop_as_ordered(order, current)
                return
            self._engine.switch(await self._prepare(order, current))
        except MainstayError as error:
            alone = current is None or stopped is not None
            if isinstance(error, FoundWrong) and alone and await self._begin_without(order, error):
                return
            self._refused[route.model] = Refusal(
                epoch=route.epoch, fingerprint=route.fingerprint, error=error.message
            )
        else:
            self._refused.pop(route.model, None)
            self._following[route.model] = order

    async def _begin_without(self, order: Order, wrong: "FoundWrong") -> bool:
        """Where nothing else answers, the fallback of a version that was found wrong does, if it
        has one."""
        others, _ = await self._standbys.of(order, [wrong.loaded.manifest.contract])
        sources = self._loader.sources(wrong.loaded)
        serving = self._engine.prepare(wrong.loaded, order.route, sources, others=others)
        if not serving.pipeline.falls_back:
            return False
        self._engine.stop_before(serving, wrong.finding)
        self._refused.pop(order.route.model, None)
        self._standing_in[order.route.model] = order
        return True

    async def _stop_as_ordered(self, order: Order, current: Serving | None) -> None:
        """Answer no more with the version of a route that is stopped; its fallback does."""
        route = order.route
        try:
            loaded = await self._loaded(order, route.fingerprint, current)
        except FoundWrong as wrong:
            loaded = wrong.loaded  # it answers nobody
        others, _ = await self._standbys.of(order, [loaded.manifest.contract])
        sources = self._loader.sources(loaded)
        serving = self._engine.prepare(loaded, route, sources, others=others)
        finding = Finding(check="stopped", verdict="fail", words=route.stopped)
        self._engine.stop_before(serving, finding, ordered=True)
        self._refused.pop(route.model, None)
        self._following.pop(route.model, None)
        self._standing_in[route.model] = order

    async def _stand_in(self, order: Order, current: Serving | None) -> None:
        """Keep the fallback of a stopped version in step with what it names."""
        model = order.route.model
        if current is None or self._standing_in.get(model) == order:
            return
        others, _ = await self._standbys.of(order, [current.pipeline.contract])
        self._engine.stand_in(current, others)
        self._standing_in[model] = order

    async def _prepare(self, order: Order, current: Serving | None) -> Serving:
        route = order.route
        loaded = await self._loaded(order, route.fingerprint, current)
        arms: list[LoadedArm] = []
        refused: list[Refusal] = []
        # One that answers a share may be a shadow too, and is in memory once.
        for fingerprint in dict.fromkeys(arm.fingerprint for arm in route.arms):
            try:
                arm_loaded = await self._loaded(order, fingerprint, current)
                _check_arm(loaded, arm_loaded, route.unit)
                sources = self._loader.sources(arm_loaded)
            except MainstayError as error:
                refused.append(
                    Refusal(epoch=route.epoch, fingerprint=fingerprint, error=error.message)
                )
                continue
            roles = [arm for arm in route.arms if arm.fingerprint == fingerprint]
            arms += [(arm, arm_loaded, sources) for arm in roles]
        contracts = [one.manifest.contract for one in (loaded, *(each for _, each, _ in arms))]
        others, missing = await self._standbys.of(order, contracts)
        refused += missing
        serving = self._engine.prepare(loaded, route, self._loader.sources(loaded), arms, others)
        if refused:
            self._refused_arms[route.model] = tuple(refused)
        else:
            self._refused_arms.pop(route.model, None)
        return serving

    async def _loaded(self, order: Order, fingerprint: str, current: Serving | None) -> Loaded:
        """A version in memory: from before, or from its folder."""
        sick = self._sick.get(fingerprint)
        if sick is not None and sick.epoch == order.route.epoch:
            raise InvalidBundle(sick.finding.words, field=sick.finding.check)
        known = current.versions.get(fingerprint) if current is not None else None
        if known is not None and sick is None:
            return known.loaded
        folder = order.folders.get(fingerprint)
        if folder is None:
            raise NotFound(
                f"version {fingerprint[:12]} of {order.route.model} could not be brought to this"
                " machine",
                field="arms",
                got=fingerprint,
                expected="a bundle that can be fetched and checked; the keeper's log says more",
            )
        loaded, findings = await self._from_folder(Path(folder), fingerprint)
        self.keep(fingerprint, findings)
        for finding in findings:
            if finding.verdict == "fail":
                self._heard(order.route, fingerprint, finding)
                raise FoundWrong(loaded, finding)
        self._sick.pop(fingerprint, None)
        return loaded

    async def _from_folder(self, folder: Path, fingerprint: str) -> tuple[Loaded, list[Finding]]:
        ahead = self._ahead.pop(fingerprint, None)
        if ahead is not None:
            await asyncio.wait({ahead})
            if ahead.exception() is None:
                return ahead.result()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._load, folder, fingerprint)

    def _load(self, folder: Path, fingerprint: str) -> tuple[Loaded, list[Finding]]:
        """Nothing is switched in before it has proved itself in this very process."""
        loaded = self._loader.load(folder, fingerprint)
        self._loader.warm(loaded)
        return loaded, Validity(loaded, self._loader.evidence(folder, loaded)).check()

    @property
    def checked(self) -> Mapping[str, Checked]:
        """By fingerprint: what the last check of each version found."""
        return self._checked

    def keep(self, fingerprint: str, findings: Sequence[Finding]) -> None:
        """Show in the state what a check found."""
        at_ns = self._clock.now_ns()
        self._checked[fingerprint] = Checked(at_ns=at_ns, findings=tuple(findings))

    def evidence(self, model: str, loaded: Loaded) -> Evidence:
        """The assets of a version in force; may take a while, and is called in a thread."""
        folder = self._following[model].folders[loaded.fingerprint]
        return self._loader.evidence(Path(folder), loaded)

    async def stop(self, model: str, fingerprint: str, finding: Finding) -> None:
        """Answer no more with a version that was found wrong. The live one takes its model with
        it; an arm leaves its units to the live one."""
        serving = self._engine.serving.get(model)
        order = self._following.get(model)
        if serving is None or order is None or fingerprint not in serving.versions:
            return  # another route took over meanwhile
        number = serving.versions[fingerprint].route.number
        if fingerprint == serving.route.fingerprint:
            self._engine.stop(model, finding)
            self._following.pop(model, None)
            self._standing_in[model] = order
        self._sick[fingerprint] = Stop(
            epoch=order.route.epoch,
            number=number,
            fingerprint=fingerprint,
            at_ns=self._clock.now_ns(),
            finding=finding,
        )
        if fingerprint != serving.route.fingerprint:
            self._following.pop(model, None)
            await self._follow_one(order)
        self._heard(order.route, fingerprint, finding)
        self.report()

    def report(self) -> None:
        """Say what is in force, in a file that is replaced whole."""
        serving: dict[str, Route] = {
            model: serving.route
            for model, serving in self._engine.serving.items()
            if model not in self._engine.stopped
        }
        held = {mark for serving in self._engine.serving.values() for mark in serving.versions}
        held.update(stop.fingerprint for stop in self._engine.stopped.values())
        self._checked = {mark: each for mark, each in self._checked.items() if mark in held}
        self._sick = {
            mark: each
            for mark, each in self._sick.items()
            if any(order.route.epoch == each.epoch for order in self._following.values())
        }
        state = WorkerState(
            slot=self._slot,
            pid=os.getpid(),
            started_at_ns=self._started_at_ns,
            beat_at_ns=self._clock.now_ns(),
            ready=self.ready,
            draining=self.draining,
            serving=serving,
            refused=self._refused,
            refused_arms=self._refused_arms,
            checked=self._checked,
            stopped=dict(self._engine.stopped),
        )
        write_whole(self._state_file, msgspec.json.encode(state))


def _check_arm(live: Loaded, arm: Loaded, unit: str) -> None:
    """Refuse an arm whose callers and answers would not fit the live version's."""
    why = why_not(live.manifest.contract, arm.manifest.contract, unit)
    if why:
        raise InvalidUsage(
            f"version {arm.fingerprint[:12]} cannot be an arm of this route: {why}",
            field="arms",
            got=arm.fingerprint,
            expected="a version with the same inputs, context and form of output; one that differs"
            " can be deployed directly",
        )
