"""Telling the journal: one event for every version that came, route that changed, and refusal.

The chain and the registry are the truth; these events are its history for queries, beside the
decisions that were made under it. Must never change what a deployment does: when the journal
cannot be told, whoever deployed is told that, and that the route has changed all the same.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError, StorageFailed
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.journal.model import Event
from mainstay.release.gate.model import Verdict, name_of
from mainstay.release.rollout.model import Plan
from mainstay.serve.routes.model import Draft, Route
from mainstay.serve.routes.port import RouteChain

Record = Callable[[Event], None]

_GOT_MAX_CHARACTERS = 200


class Events:
    """Builds the events of one process."""

    def __init__(self, ids: DecisionIds, clock: Clock) -> None:
        self._ids = ids
        self._clock = clock

    def route(self, route: Route, replaced: Route | None) -> Event:
        """A route changed."""
        body: dict[str, Any] = {
            "epoch": route.epoch,
            "number": route.number,
            "reason": route.reason,
        }
        if route.arms:
            body["arms"] = [structs.asdict(arm) for arm in route.arms]
            body["salt"], body["unit"] = route.salt, route.unit
        if route.stopped:
            body["stopped"] = route.stopped
        if route.news is not None:
            body["news"] = structs.asdict(route.news)
        if replaced is not None:
            body["replaced"] = {"number": replaced.number, "fingerprint": replaced.fingerprint}
        return Event(
            id=self._new_id(),
            kind="route",
            time_ns=route.time_ns,
            known_ns=self._clock.now_ns(),
            model=route.model,
            actor=route.actor,
            subject=route.fingerprint,
            body=body,
        )

    def version(self, version: Version, actor: str) -> Event:
        """A version came to be known."""
        return Event(
            id=self._new_id(),
            kind="version",
            time_ns=version.registered_at_ns,
            known_ns=self._clock.now_ns(),
            model=version.model,
            actor=actor,
            subject=version.fingerprint,
            body={"number": version.number, "size_bytes": version.size_bytes},
        )

    def verdict(self, verdict: Verdict) -> Event:
        """The gate judged a candidate."""
        body: dict[str, Any] = {
            "verdict": verdict.id,
            "judged": verdict.verdict,
            "number": verdict.number,
            "baseline": verdict.baseline,
            "epoch": verdict.epoch,
            "open": [name_of(each) for each in verdict.findings if each.verdict != "pass"][:100],
            "accepted": list(verdict.accepted),
            "unsure_accepted": verdict.unsure_accepted,
            "forced": verdict.forced,
            "reason": verdict.reason,
        }
        return Event(
            id=self._new_id(),
            kind="finding",
            time_ns=verdict.time_ns,
            known_ns=self._clock.now_ns(),
            model=verdict.model,
            actor=verdict.actor,
            subject=verdict.candidate,
            body=body,
        )

    def noticed(self, version: Version, actor: str, finding: Finding) -> Event:
        """Something was found about a version that somebody should know."""
        now_ns = self._clock.now_ns()
        return Event(
            id=self._new_id(),
            kind="finding",
            time_ns=now_ns,
            known_ns=now_ns,
            model=version.model,
            actor=actor,
            subject=version.fingerprint,
            body=structs.asdict(finding),
        )

    def finding(self, rollout_of: Plan, finding: Finding) -> Event:
        """A look at a rollout found what somebody should act on."""
        now_ns = self._clock.now_ns()
        return Event(
            id=self._new_id(),
            kind="finding",
            time_ns=now_ns,
            known_ns=now_ns,
            model=rollout_of.model,
            actor=rollout_of.actor,
            subject=rollout_of.candidate.fingerprint,
            body={"rollout": rollout_of.salt, **structs.asdict(finding)},
        )

    def refusal(
        self, model: str, actor: str, subject: str, wanted: str, error: MainstayError
    ) -> Event:
        """Somebody wanted something that was refused, or could not be done."""
        said = error.as_dict()
        if "got" in said and not isinstance(said["got"], (bool, int, float, str)):
            said["got"] = repr(said["got"])[:_GOT_MAX_CHARACTERS]
        now_ns = self._clock.now_ns()
        return Event(
            id=self._new_id(),
            kind="refusal",
            time_ns=now_ns,
            known_ns=now_ns,
            model=model,
            actor=actor,
            subject=subject,
            body={"wanted": wanted, **said},
        )

    @contextmanager
    def refusals(
        self, record: Record, *, model: str, actor: str, subject: str, wanted: str
    ) -> Generator[None]:
        """Record the error that ends what is done within, and let it pass on."""
        try:
            yield
        except MainstayError as error:
            try:
                record(self.refusal(model, actor, subject, wanted, error))
            except MainstayError as unrecorded:
                error.add_note(f"and the journal could not be told: {unrecorded}")
            raise

    def _new_id(self) -> str:
        time_ms, sequence = self._ids.take(1)
        return str(DecisionId(time_ms, self._ids.incarnation, sequence))


class RecordedChain:
    """A chain of routes that tells the journal of every entry it appends."""

    def __init__(self, chain: RouteChain, events: Events, record: Record) -> None:
        self._chain = chain
        self._events = events
        self._record = record

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add the entry with epoch `replaces + 1`, then tell the journal."""
        replaced = self._chain.current(draft.model)
        route = self._chain.append(draft, replaces)
        self._tell(route, replaced)
        return route

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add the entries at the same moment, then tell the journal of each."""
        replaced = {route.model: route for route in self._chain.all_current()}
        routes = self._chain.append_all(wanted, seen)
        for route in routes:
            self._tell(route, replaced.get(route.model))
        return routes

    def _tell(self, route: Route, replaced: Route | None) -> None:
        try:
            self._record(self._events.route(route, replaced))
        except MainstayError as error:
            raise StorageFailed(
                f"{route.model} v{route.number} is live as epoch {route.epoch}, but the journal"
                f" could not be told: {error.message}",
                field="journal",
                expected="a journal that can be written; the route needs no repair",
            ) from error

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        return self._chain.current(model)

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        return self._chain.all_current()

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        return self._chain.history(model)
