"""Watching one workspace: what its keeper does with every look, and what `mainstay watch` reads."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

from msgspec import structs

from mainstay.base.errors import MainstayError
from mainstay.base.ids import DecisionId
from mainstay.bundle.reference import read_reference
from mainstay.contract.model import Contract, FromLookup, columns_of
from mainstay.journal.model import Event
from mainstay.renew.health.look import look_at_sources
from mainstay.summaries.origins import FORMAT, SOURCE
from mainstay.summaries.reference import Reference
from mainstay.watch.callers.gather import Callers
from mainstay.watch.chosen import held_to
from mainstay.watch.gather.gatherer import Beside, Gatherer
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.sql import SqlSummaryStore
from mainstay.watch.labels.labeller import Labeller
from mainstay.watch.monitors.columns import Versions
from mainstay.watch.monitors.model import Change
from mainstay.watch.monitors.port import MonitorStore
from mainstay.watch.monitors.sql import SqlMonitorStore
from mainstay.watch.overview import Overview, overview
from mainstay.watch.recommend.lists import Lists
from mainstay.watch.sources import Sources
from mainstay.watch.watcher import Watched, Watcher
from mainstay.wiring.workspace import Workspace

_VERSIONS_REMEMBERED = 10
"""Of each model, the newest versions of which monitors remember what they saw."""
_ACTOR = "watch"


class BundleVersions:
    """What watching asks about versions, answered from their bundles."""

    def __init__(self, workspace: Workspace, summaries: SummaryStore) -> None:
        self._workspace = workspace
        self._summaries = summaries
        self._contracts: dict[str, Contract | None] = {}
        self._references: dict[str, Reference] = {}

    def contract(self, fingerprint: str) -> Contract | None:
        """The contract in the version's bundle; nothing when the version is gone."""
        if fingerprint not in self._contracts:
            try:
                manifest = self._workspace.unpacked(fingerprint).manifest
            except MainstayError:
                return None  # asked again: the store may be away for a moment
            self._contracts[fingerprint] = manifest.contract
        return self._contracts[fingerprint]

    def reference(self, fingerprint: str) -> Reference | None:
        """What its columns looked like when it was made, or what its first decisions did."""
        known = self._references.get(fingerprint)
        if known is None:
            known = self._packed(fingerprint) or self._summaries.reference(fingerprint)
            if known is not None:
                self._references[fingerprint] = known
        return known

    def _packed(self, fingerprint: str) -> Reference | None:
        try:
            unpacked = self._workspace.unpacked(fingerprint)
            return read_reference(unpacked.folder, unpacked.manifest)
        except MainstayError:
            return None  # without its bundle, a version is held to its first decisions

    def slices(self, fingerprint: str) -> Sequence[str]:
        """The inputs by which its contract parts the data."""
        contract = self.contract(fingerprint)
        return () if contract is None else contract.watch.slices

    def source(self, fingerprint: str, column: str) -> str:
        """Where a column comes from, in words."""
        contract = self.contract(fingerprint)
        if contract is None:
            return ""
        name = column.removeprefix(FORMAT)
        if name.startswith(SOURCE):
            return _fed_by(contract, name.removeprefix(SOURCE))
        kinds = columns_of(contract.inputs, contract.context)
        kind = kinds.get(name.removeprefix("input_").removeprefix("context_"))
        if kind is not None and (kind.source or kind.from_model):
            return kind.source or f"the model {kind.from_model}"
        source = contract.context.get(name.removeprefix("context_").split(".")[0])
        return f"the lookup {source.lookup}" if isinstance(source, FromLookup) else ""


def _fed_by(contract: Contract, lookup: str) -> str:
    """What hangs on a look-up."""
    fields = [
        f"{name}.{field}"
        for name, context in contract.context.items()
        if isinstance(context, FromLookup) and context.lookup == lookup
        for field in context.fields
    ]
    return f"outside, and {', '.join(fields[:5])} with it"


class Watching:
    """The watch of one workspace, opened when it is first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def summaries(self) -> SummaryStore:
        """What was kept of the decisions."""
        return SqlSummaryStore(self._workspace.database)

    @cached_property
    def monitors(self) -> MonitorStore:
        """What monitors remember."""
        return SqlMonitorStore(self._workspace.database)

    @cached_property
    def versions(self) -> BundleVersions:
        """What is known of versions."""
        return BundleVersions(self._workspace, self.summaries)

    @property
    def _besides(self) -> Sequence[Beside]:
        return Lists(self.versions), Callers(self.versions), Sources(self.versions)

    @cached_property
    def _watcher(self) -> Watcher:
        lake = self._workspace.places.lake
        query = self._workspace.journal.query
        return Watcher(
            Gatherer(lake, self.summaries, self.versions, self._besides),
            Labeller(lake, query, self.summaries, self.versions),
            (self.summaries, self.monitors),
            self.versions,
            self._tell,
            [look_at_sources],
        )

    def tick(self) -> int:
        """Look once; how many sealed pieces were taken in."""
        return self._watcher.tick(self._watched(), self._now_ms())

    def tidy(self) -> None:
        """Make longer stretches of what is long over."""
        self._watcher.tidy(self._now_ms())

    def overviews(self, model: str | None = None) -> list[Overview]:
        """How the models fare, or one of them."""
        now_ms = self._now_ms()
        found: list[Overview] = []
        for each in self._watched():
            if model in {None, each.model}:
                saved, _ = self.monitors.load(each.model)
                versions = held_to(self.versions, saved.chosen, self.summaries)
                found.append(overview(each, self.summaries, saved, versions, now_ms))
        return found

    def watched(self, model: str) -> Watched | None:
        """A model as it is watched; nothing where no version of it answers."""
        return next((each for each in self._watched() if each.model == model), None)

    def held(self, model: str) -> Versions:
        """What is known of its versions, with what they are held against."""
        return held_to(self.versions, self.monitors.load(model)[0].chosen, self.summaries)

    def _now_ms(self) -> int:
        return self._workspace.clock.now_ns() // 1_000_000

    def _watched(self) -> list[Watched]:
        found: list[Watched] = []
        for route in self._workspace.chain.all_current():
            contract = self.versions.contract(route.fingerprint)
            if contract is not None:
                newest = self._workspace.registry.versions(route.model)[-_VERSIONS_REMEMBERED:]
                marks = {version.fingerprint for version in newest} | {route.fingerprint}
                marks |= {arm.fingerprint for arm in route.arms}
                found.append(Watched(route.model, contract, frozenset(marks), route.fingerprint))
        return found

    def _tell(self, model: str, change: Change) -> None:
        """One event; told again after a crash it has the same id."""
        time_ns = change.at_ms * 1_000_000
        event = Event(
            id=str(_identity(change)),
            kind="finding",
            time_ns=time_ns,
            known_ns=self._workspace.clock.now_ns(),
            model=model,
            actor=_ACTOR,
            subject=change.key.split("|")[0],
            body={
                "state": change.kind,
                "key": change.key,
                "since_ms": change.since_ms,
                **({"touched_ms": list(change.touched)} if change.touched else {}),
                **structs.asdict(change.finding),
            },
        )
        self._workspace.record([event])


def _identity(change: Change) -> DecisionId:
    """An id that follows from what is told."""
    mark = hashlib.sha256(f"{change.kind}|{change.key}|{change.at_ms}".encode()).digest()
    return DecisionId(
        change.at_ms, int.from_bytes(mark[:4], "big"), int.from_bytes(mark[4:8], "big")
    )
