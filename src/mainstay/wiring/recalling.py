"""Recalling in one workspace: quarantine, registry, routes, journal and gate brought together."""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from msgspec import structs
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage, MainstayError, NotFound
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.bundle.database import storable
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.journal.model import Event
from mainstay.release.cascade import Node
from mainstay.release.gate.model import Verdict
from mainstay.release.model import Deployed
from mainstay.release.recall.carry_out import BEGUN, begin, carry_out, standing, take_back
from mainstay.release.recall.model import Fed, Plan, Recall, Taint, Window
from mainstay.release.recall.plan import plan
from mainstay.release.recall.port import RecallStore
from mainstay.release.recall.reached import blast, decisions
from mainstay.release.recall.reaches import fed_by
from mainstay.release.recall.sql import SqlRecallStore
from mainstay.release.recall.taint import taint
from mainstay.release.rollout.drive import going_on
from mainstay.renew.quarantine.model import Quarantine
from mainstay.serve.outcomes import event_about
from mainstay.serve.routes.model import Route
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.workspace import Workspace, whoever_runs_this

CHECK: Final = "recall"
"""Of the findings that tell people of recalls."""
_CALLERS_TOLD: Final = 5
_TOLD: Final = """
SELECT model FROM events WHERE kind = 'action' AND subject = '{subject}'
AND json_extract_string(body, '$.did') = '{did}'"""


class Recalled(NamedTuple):
    """A recall that was carried out, or had been."""

    recall: Recall
    changed: bool
    """False when it was in force already, and nothing was left to do."""
    along: tuple[Route, ...] = ()
    """The routes of other models that changed at the same moment."""


def recalls_of(workspace: Workspace) -> RecallStore:
    """Where the recalls of a workspace are."""
    return SqlRecallStore(workspace.database)


def plan_recall(workspace: Workspace, model: str, window: Window, to: int | None = None) -> Plan:
    """What recalling a model comes to; nothing changes. `InvalidUsage` where the stretch is still
    to come, or `to` names a version that must not answer."""
    workspace.registry.find(model)
    now_ns = workspace.clock.now_ns()
    if window.begin_ns >= now_ns:
        raise InvalidUsage(
            "nothing can have learned from a stretch that is still to come",
            field="polluted",
            got=str(window),
            expected="a stretch that began before now",
        )
    if to is not None and _trained_since(workspace, model, window, to):
        to = None
    made = plan(_Known(workspace, model), model, window, to)
    going = going_on(workspace.rollouts, workspace.chain, model, now_ns) if made.moves else None
    ends = ""
    if going is not None:
        ends = f"{going.rollout.plan.strategy} of {going.rollout.plan.candidate}"
    fed = _fed(workspace, model, window)
    return replace(
        made,
        ends=ends,
        quarantined=(model, *(each.model for each in fed)),
        blast=blast(workspace.journal.query, made.suspects, fed),
    )


def _trained_since(workspace: Workspace, model: str, window: Window, to: int) -> bool:
    """Whether a recall to that version is in force, and what it trained answers: asking for it
    again changes nothing."""
    current = workspace.chain.current(model)
    return current is not None and any(
        recall.window == window
        and recall.status == "in force"
        and (recall.plan.to is not None and recall.plan.to.number == to)
        and (recall.trained is not None and recall.trained.fingerprint == current.fingerprint)
        for recall in recalls_of(workspace).of(model)
    )


def carry_out_recall(
    workspace: Workspace, made: Plan, reason: str, *, actor: str | None = None
) -> Recalled:
    """Do what a plan says; run again after it was killed, it comes to the same end."""
    workspace.check_environment()
    store, hands = recalls_of(workspace), WorkspaceHands(workspace)
    done = standing(store.of(made.model), made)
    if done is not None:
        return Recalled(done, changed=False)
    recall = begin(
        store,
        hands,
        made,
        actor or whoever_runs_this(),
        _reason(reason) or "polluted data",
        workspace.clock.now_ns(),
    )
    with _going_on(recall):
        after = carry_out(store, hands, recall)
    return Recalled(after, changed=True, along=hands.along)


@contextmanager
def _going_on(recall: Recall) -> Generator[None]:
    """Say with an error how one goes on."""
    try:
        yield
    except MainstayError as error:
        error.add_note(
            f"recall {recall.number} is begun: the same command again goes on with it, with "
            f"another --to where it must; `mainstay recall undo {recall.number}` takes it back"
        )
        raise


def take_back_recall(workspace: Workspace, number: int, *, actor: str | None = None) -> Recalled:
    """Lift the quarantine of a recall, and let what answered before it answer again."""
    workspace.check_environment()
    store, hands = recalls_of(workspace), WorkspaceHands(workspace)
    recall = store.find(number)
    if recall.status == "taken back":
        return Recalled(recall, changed=False)
    who = actor or whoever_runs_this()
    after = take_back(store, hands, recall, who, workspace.clock.now_ns())
    return Recalled(after, changed=True, along=hands.along)


def decisions_of(workspace: Workspace, recall: Recall) -> Iterator[list[dict[str, Any]]]:
    """Page by page, every decision of the versions that learned from the stretch, or may have."""
    return decisions(workspace.journal.query, recall.plan.suspects)


def _reason(text: str) -> str:
    """A reason that every store can keep."""
    if len(text) > WORDS_MAX_CHARACTERS // 2:
        raise InvalidUsage(
            "the reason is too long",
            field="reason",
            got=len(text),
            expected=f"at most {WORDS_MAX_CHARACTERS // 2} characters",
        )
    return text.strip() if storable(text) else ascii(text)


def _fed(workspace: Workspace, model: str, window: Window) -> list[Fed]:
    """The models that this one's answers reach, and which of their versions learned from it."""
    nodes, routes = workspace.cascades.in_force()
    versions: dict[str, list[Version]] = {}
    for version in workspace.registry.versions():
        versions.setdefault(version.model, []).append(version)
    found: list[Fed] = []
    for other in fed_by(model, _edges(nodes, versions)):
        judged = [taint(each, [window]) for each in reversed(versions.get(other, []))]
        live = routes.get(other)
        suspects = tuple(each for each in judged if each.judged != "clean")
        found.append(Fed(model=other, live=live.number if live else 0, suspects=suspects))
    return found


def _edges(
    nodes: Mapping[str, Node], versions: Mapping[str, Sequence[Version]]
) -> dict[str, set[str]]:
    """Model to those whose answers it takes or learned from, by contracts in force and cards."""
    edges = {name: set(node.learned_from) for name, node in nodes.items()}
    for name, theirs in versions.items():
        for version in theirs:
            edges.setdefault(name, set()).update(version.card.upstream, version.card.trained_on)
    return edges


class _Known:
    """What a plan asks for, of one model of a workspace."""

    def __init__(self, workspace: Workspace, model: str) -> None:
        self._workspace = workspace
        self._model = model

    def versions(self) -> Sequence[Version]:
        """All versions of the model, oldest first."""
        return self._workspace.registry.versions(self._model)

    def history(self) -> Sequence[Route]:
        """All its routes, oldest first."""
        return self._workspace.chain.history(self._model)

    def windows(self) -> Sequence[Window]:
        """What is quarantined for the model already."""
        there = quarantines_of(self._workspace).active(self._model)
        return [Window(each.begin_ns, each.end_ns) for each in there]

    def verdict(self, fingerprint: str) -> Verdict | None:
        """The newest verdict of the gate on a version."""
        return self._workspace.verdicts.about(self._model, fingerprint)

    def fits(self, version: Version) -> tuple[Sequence[str], str]:
        """What would change along with a version, and why it cannot answer at all."""
        try:
            self._workspace.unpacked(version.fingerprint)
            made = self._workspace.cascades.planned(version, newer=False).plan
        except MainstayError as error:
            return (), error.message
        return [str(node) for node in made.along], "; ".join(made.broken)


class WorkspaceHands:
    """What a recall does to the rest of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._quarantines = quarantines_of(workspace)
        self.along: tuple[Route, ...] = ()

    def current(self, model: str) -> Route | None:
        """The route in force."""
        return self._workspace.chain.current(model)

    def route(self, model: str, number: int, reason: str, epoch: int) -> Deployed:
        """Let a version answer, by the checks of going back."""
        done = self._workspace.rollback(model, number, reason, expected_epoch=epoch)
        self.along = done.along
        return done

    def quarantine(self, recall: Recall, model: str) -> None:
        """Keep the stretch out of a model's later snapshots."""
        self._quarantines.add(
            Quarantine(
                id=_quarantine_id(recall, model),
                model=model,
                begin_ns=recall.window.begin_ns,
                end_ns=recall.window.end_ns,
                reason=recall.mark + recall.reason,
                actor=recall.actor,
                at_ns=self._workspace.clock.now_ns(),
            )
        )

    def lift(self, recall: Recall, model: str) -> None:
        """Take that back, if it was done."""
        try:
            self._quarantines.lift(_quarantine_id(recall, model), self._workspace.clock.now_ns())
        except NotFound:
            return  # it was killed before it came to this model

    def tainted(self, recall: Recall, fingerprint: str) -> str:
        """Why a version cannot answer, whatever becomes of this recall."""
        others = [
            each
            for each in recalls_of(self._workspace).of(recall.model)
            if each.number != recall.number and each.status in {"begun", "in force"}
        ]
        try:
            version = self._workspace.registry.find_fingerprint(fingerprint)
        except NotFound:
            return "is not here any more"
        for other in others:
            if taint(version, [other.window]).judged != "clean":
                return f"is recalled by recall {other.number} too"
        return ""

    def tell(self, recall: Recall, did: str, *, again: bool) -> None:
        """Tell the journal what was done, an event for each model, once."""
        # Nobody waits for a look at the journal that cannot have heard of it.
        told = self._told(recall, did) if again else set[str]()
        ids = DecisionIds(new_incarnation(), self._workspace.clock)
        by = recall.actor if did == BEGUN else recall.taken_back_by
        events: list[Event] = []
        for model in recall.quarantined:
            about = (model, by, recall.subject)
            if model in told:
                continue
            if did == BEGUN:  # first, so that a death in between tells people twice, and never not
                body = structs.asdict(_finding(recall, model))
                events.append(event_about(ids, self._workspace.clock, about, body, "finding"))
            body = _body(recall, did, model)
            events.append(event_about(ids, self._workspace.clock, about, body, "action"))
        if events:
            self._workspace.record(events)

    def _told(self, recall: Recall, did: str) -> set[str]:
        table: Any = self._workspace.journal.query(_TOLD.format(subject=recall.subject, did=did))
        return set(table.column("model").to_pylist())


def _quarantine_id(recall: Recall, model: str) -> str:
    """The same at each attempt, and short, however long the model's name is."""
    return f"{recall.subject}-{hashlib.sha256(model.encode()).hexdigest()[:16]}"


def _body(recall: Recall, did: str, model: str) -> dict[str, Any]:
    """What an event about a recall says to one model."""
    body: dict[str, Any] = {
        "recall": recall.number,
        "did": did,
        "polluted": str(recall.window),
        "reason": recall.reason,
        "quarantine": _quarantine_id(recall, model),
    }
    if model != recall.model:
        return {**body, "of": recall.model}
    body["decisions"] = recall.plan.blast.decisions
    body["versions"] = [_shown(each) for each in recall.plan.suspects]
    if recall.before is not None:
        body["from"] = recall.before.number
    if recall.plan.to is not None:
        body["to"], body["epoch"] = recall.plan.to.number, recall.epoch
    if recall.words:
        body["came_to"] = recall.words
    return body


def _finding(recall: Recall, model: str) -> Finding:
    """What whoever sees to a model is told of a recall."""
    plan, reached = recall.plan, recall.plan.blast
    stretch = f"data of {recall.window} are bad ({recall.reason})"
    look = f"mainstay recall show {recall.number}"
    if model != recall.model:
        fed = next((each for each in reached.fed if each.model == model), Fed(model=model))
        learned = ", ".join(f"v{each.number}" for each in fed.suspects) or "none of its versions"
        words = (
            f"{recall.model} was recalled, whose answers it takes or learned from: {stretch}. "
            f"Learned from it, or may have: {learned}; decided since: {fed.decisions:,}. {look}"
        )
        return Finding(check=CHECK, verdict="fail", words=words, samples=fed.decisions)
    callers = ", ".join(f"{name} ({count:,})" for name, count in reached.callers[:_CALLERS_TOLD])
    more = reached.callers_in_all - len(reached.callers[:_CALLERS_TOLD])
    told_to = f", told to {callers}" + (f" and {more} more" if more > 0 else "") if callers else ""
    answers = "nothing answers" if plan.to is None else f"{plan.to} answers"
    words = (
        f"recalled: {stretch}; {answers} now. Versions that learned from it, or may have, decided "
        f"{reached.decisions:,} times{told_to}. {look}"
    )
    return Finding(check=CHECK, verdict="fail", words=words, samples=reached.decisions)


def _shown(suspects: Taint) -> dict[str, Any]:
    return {"number": suspects.number, "judged": suspects.judged}
