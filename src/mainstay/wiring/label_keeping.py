"""What a keeper does for labelling: set aside, settle, tell the journal, and say what was found.

Promises that a label is in the journal once it is settled, also where a process dies in between,
and once: what is told again has the same id, and only where the journal does not have it.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from msgspec.structs import replace

from mainstay.base.errors import NotFound
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.journal.model import Event
from mainstay.renew.labelling.gold import Probed, excluded, probed
from mainstay.renew.labelling.model import (
    DAY_NS,
    KEPT_DAYS,
    SOURCE,
    Asked,
    Task,
    Terms,
    Turn,
    body_of,
)
from mainstay.renew.labelling.set_aside import SetAside
from mainstay.renew.labelling.settle import settle
from mainstay.renew.labelling.sql_reservoirs import SqlReservoirStore
from mainstay.renew.labels.model import answers_of
from mainstay.wiring.labelling import Labelling
from mainstay.wiring.quarantining import new_id
from mainstay.wiring.telling import Telling

ENOUGH: Final = "labels.enough"
"""The finding that there are labels enough to train the next version, which rules can act on."""
_AGAIN_NS: Final = 60_000_000_000
"""A label that is not in the journal so long after it was settled is told again."""


class LabelKeeper:
    """Lives in the keeper."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._workspace = labelling.workspace
        self._in_force: dict[str, Terms] = {}
        self._seen: dict[str, tuple[tuple[str, int, int, int], int]] = {}
        """By model, what there was at the last look, and when that was."""
        self._telling = Telling(self._workspace, SOURCE)
        self._ids = DecisionIds(new_incarnation(), self._workspace.clock)

    @cached_property
    def _aside(self) -> SetAside:
        store = SqlReservoirStore(self._workspace.database)
        lake, queue = self._workspace.places.lake, self._labelling.queue
        return SetAside(lake, store, queue, self._terms_in_force)

    def _terms_in_force(self, model: str) -> Terms | None:
        return self._in_force.get(model)

    def tick(self) -> None:
        """Look once."""
        routes = self._workspace.chain.all_current()
        found = {route.model: self._labelling.terms_of(route.fingerprint) for route in routes}
        self._in_force = {model: terms for model, terms in found.items() if terms is not None}
        if self._in_force:
            self._aside.look(self._now_ns())
        newest = {version.model: version.fingerprint for version in self._newest()}
        for model, terms in self._in_force.items():
            mark = newest[model], *self._labelling.mark(model)
            seen, at_ns = self._seen.get(model, (None, 0))
            if mark != seen or self._now_ns() - at_ns >= _AGAIN_NS:
                self._settle(model, terms)
                self._seen[model] = mark, self._now_ns()

    def _newest(self) -> list[Version]:
        return [self._workspace.registry.versions(model)[-1] for model in self._in_force]

    def tidy(self) -> None:
        """Forget what nobody asks about again."""
        self._aside.tidy(self._now_ns())
        self._labelling.forget(self._now_ns() - KEPT_DAYS * DAY_NS)

    def _settle(self, model: str, terms: Terms) -> None:
        queue = self._labelling.queue
        asked = queue.of(model)
        known = probed(asked, terms)
        classes = answers_of(self._labelling.contract(model))
        turns = {task.id: said for task, said in asked}
        settled: list[Asked] = []
        for task in settle(asked, terms, classes, excluded(known, terms), self._now_ns()):
            after = self._with_answer(task) if task.state == "settled" else task
            if queue.change(after, "open") and after.state == "settled":
                settled.append((after, turns[after.id]))
        self._tell(settled, terms)
        self._tell_again(asked, terms)
        self._note(model, known, terms, queue.of(model))

    def _with_answer(self, task: Task) -> Task:
        """What the model had answered is kept with the label."""
        assert task.settled is not None
        try:
            decision = self._workspace.journal.find(task.decision)
        except NotFound:
            return replace(task, state="gone", settled=None)
        answer = self._labelling.answered(decision)
        event = new_id(self._ids)
        done = replace(task.settled, answer=answer, version=decision.version, event=event)
        return replace(task, settled=done)

    def _tell(self, settled: Sequence[Asked], terms: Terms) -> None:
        """Tell the journal, all of it at once: a spool is opened for it."""
        if settled:
            self._workspace.record([self._event(*each, terms) for each in settled])
            for task, _ in settled:
                self._told(task)

    def _event(self, task: Task, turns: tuple[Turn, ...], terms: Terms) -> Event:
        assert task.settled is not None
        return Event(
            id=task.settled.event,
            kind="outcome",
            time_ns=task.settled.at_ns,
            known_ns=self._now_ns(),
            model=task.model,
            actor=SOURCE,
            subject=task.decision,
            body=body_of(task, turns, terms.ask.by),
        )

    def _told(self, task: Task) -> None:
        assert task.settled is not None
        after = replace(task, settled=replace(task.settled, told=True))
        self._labelling.queue.change(after, "settled", untold=True)

    def _tell_again(self, asked: Iterable[Asked], terms: Terms) -> None:
        """What was settled by somebody who died before they could tell."""
        for task, turns in asked:
            done = task.settled
            if done is None or done.told or self._now_ns() - done.at_ns < _AGAIN_NS:
                continue
            heard = self._workspace.journal.about(task.model, task.decision)
            if any(event.id == done.event for event in heard):
                self._told(task)
            else:
                self._tell([(task, turns)], terms)

    # Findings ---------------------------------------------------------------------------------

    def _note(
        self, model: str, known: Sequence[Probed], terms: Terms, asked: Sequence[Asked]
    ) -> None:
        for each in known:
            key = f"{SOURCE}|{each.labeler}"
            failed = each.finding.verdict == "fail"
            self._telling.is_so(model, key, key, each.finding, now=failed)
        newest = self._workspace.registry.versions(model)[-1]
        since = [
            task
            for task, _ in asked
            if task.settled is not None
            and task.state == "settled"
            and task.settled.at_ns >= newest.registered_at_ns
        ]
        words = (
            f"v{newest.number} has not learned from the {len(since):,} labels of people that came"
            f" since; they are enough to train the next version: `mainstay retrain {model}`"
        )
        finding = Finding(
            check=ENOUGH, verdict="fail", words=words, figure=float(len(since)),
            limit=float(terms.ask.enough), samples=len(since),
        )  # fmt: skip
        enough = len(since) >= terms.ask.enough
        self._telling.is_so(model, ENOUGH, newest.fingerprint, finding, now=enough)

    def _now_ns(self) -> int:
        return self._workspace.clock.now_ns()
