"""Labelling in one workspace: what labelers ask of it, what is known already, and its report.

Promises that no labeler is told which tasks are probes, nor, unless declared, what was answered.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Final, cast

from msgspec.structs import replace

from mainstay.access.model import Caller, authorise
from mainstay.base.draws import draw
from mainstay.base.errors import Conflict, InvalidUsage, NotFound
from mainstay.base.ids import parse_decision_id
from mainstay.contract.model import Contract, Label, Probability
from mainstay.journal.model import Decision
from mainstay.journal.rows import rfc3339
from mainstay.judge.present import present
from mainstay.renew.labelling.keeping import no_task
from mainstay.renew.labelling.model import (
    Answer,
    Said,
    Task,
    Terms,
    probe,
    task_id,
    terms_of,
)
from mainstay.renew.labelling.port import TaskQueue
from mainstay.renew.labelling.report import Report, report
from mainstay.renew.labelling.sql_queue import SqlTaskQueue
from mainstay.renew.labels.model import answers_of
from mainstay.serve.asking import Labelling as Wanted
from mainstay.serve.http.wire.outcome import check_label
from mainstay.watch.labels.labeller import outputs_of
from mainstay.wiring.watching import BundleVersions, Watching
from mainstay.wiring.workspace import Workspace

_NOTHING: Final = "Nothing waits for a label now."
_GONE_MAX: Final = 50
_PUBLIC: Final = "public"


class Labelling:
    """The labelling of one workspace, opened when it is first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._terms: dict[str, Terms | None] = {}

    @cached_property
    def _kept(self) -> SqlTaskQueue:
        return SqlTaskQueue(self.workspace.database)

    @property
    def queue(self) -> TaskQueue:
        """Tasks and turns."""
        return self._kept

    def mark(self, model: str) -> tuple[int, int, int]:
        """What tells that something of its labelling changed."""
        return self._kept.mark(model)

    def forget(self, before_ns: int) -> None:
        """Forget tasks that are long over."""
        self._kept.forget(before_ns)

    @cached_property
    def _versions(self) -> BundleVersions:
        return Watching(self.workspace).versions

    # What is asked ----------------------------------------------------------------------------

    def contract(self, model: str) -> Contract:
        """The contract of the version that answers."""
        route = self.workspace.chain.current(model)
        if route is None:
            raise NotFound(
                f"nothing answers for {model[:80]!r}",
                field="model",
                got=model[:80],
                expected="a model that `mainstay status` shows",
            )
        return self._contract_of(route.fingerprint)

    def _contract_of(self, fingerprint: str) -> Contract:
        found = self._versions.contract(fingerprint)
        if found is None:
            raise NotFound("the version is gone", field="fingerprint", got=fingerprint[:12])
        return found

    def terms_of(self, fingerprint: str) -> Terms | None:
        """What the contract of a version says; nothing where nobody is asked."""
        if fingerprint not in self._terms:
            ask = self._contract_of(fingerprint).labels.ask
            self._terms[fingerprint] = None if ask is None else terms_of(ask)
        return self._terms[fingerprint]

    def terms(self, model: str) -> Terms:
        """What the contract in force says; `Conflict` where nobody is asked."""
        ask = self.contract(model).labels.ask
        if ask is None:
            raise Conflict(
                f"nobody is asked to label what {model} decides",
                field="labels.ask",
                got=model,
                expected="`labels: {ask: {most: 100 per 1d}}` in the contract of the version that "
                "answers",
            )
        return terms_of(ask)

    def classes(self, model: str) -> tuple[str, ...]:
        """What a label can be; nothing for numbers."""
        return answers_of(self.contract(model))

    # What labelers want -----------------------------------------------------------------------

    def told(self, wanted: Wanted) -> Mapping[str, Any]:
        """What is said to somebody who asked a worker."""
        if wanted.want == "next":
            return self.next(wanted.model, wanted.caller)
        label = wanted.label if wanted.want == "answer" else None
        return self.answer(wanted.task, wanted.caller, label)

    def next(self, model: str, caller: Caller) -> dict[str, Any]:
        """The task that the labeler has, or the next; where there is none, words that say so."""
        authorise(caller, model, "label")
        terms = self.terms(model)
        now_ns = self.workspace.clock.now_ns()
        # Whether it is a probe follows from nothing that the labeler knows beforehand.
        probing = draw(f"gold {model}", f"{caller.name} {now_ns}") < terms.gold
        for _ in range(_GONE_MAX):
            for gold in (True, False) if probing else (False,):
                found = self.queue.give(
                    model, caller.name, gold=gold, lease_ns=terms.lease_ns, now_ns=now_ns
                )
                if found is not None:
                    break
            else:
                return {"task": None, "model": model, "words": _NOTHING}
            decision = self._decision(found[0])
            if decision is not None:
                shown = self._shown(terms, found[0], decision)
                if not terms.ask.blind:
                    self.queue.saw(found[0].id, caller.name, shown["answer"])
                return shown | {"until": rfc3339(found[1].until_ns // 1000)}
        return {"task": None, "model": model, "words": _NOTHING}

    def answer(self, task: str, caller: Caller, label: Answer | None) -> dict[str, Any]:
        """Keep what a labeler says of a task; without a label they leave it to others."""
        found, _ = self.queue.find(task)
        authorise(caller, found.model, "label")
        if label is not None:
            label = check_label(label, [self.contract(found.model)])
        now_ns = self.workspace.clock.now_ns()
        turn, already = self.queue.answer(task, caller.name, Said(label=label), now_ns)
        return {"task": task, "model": found.model, "label": turn.label, "already": already}

    def _decision(self, task: Task) -> Decision | None:
        """The decision that a task is about; without it, there is nothing to ask any more."""
        try:
            return self.workspace.journal.find(task.decision)
        except NotFound:
            self.queue.change(replace(task, state="gone"), "open")
            return None

    def task(self, model: str, id_: str) -> Task:
        """A task of a model; `NotFound`."""
        found, _ = self.queue.find(id_)
        if found.model != model:
            raise no_task(id_)
        return found

    def shown_of(self, task: Task) -> dict[str, Any] | None:
        """What a labeler would see of a task, and which version answered; nothing where the
        decision is gone."""
        decision = self._decision(task)
        if decision is None:
            return None
        shown = self._shown(self.terms(task.model), task, decision)
        return shown | {"version": f"{task.model} v{decision.version}"}

    @staticmethod
    def question(terms: Terms, model: str) -> str:
        """What labelers are asked."""
        return terms.ask.question or f"What is right here, for {model}?"

    def _shown(self, terms: Terms, task: Task, decision: Decision) -> dict[str, Any]:
        """What a labeler sees of a task."""
        contract = self.contract(task.model)
        names = terms.ask.show or tuple(
            name
            for name, kind in contract.inputs.items()
            if kind.sensitivity == _PUBLIC and not kind.subject
        )
        shown: dict[str, Any] = {
            "task": task.id,
            "model": task.model,
            "question": self.question(terms, task.model),
            "answers": list(answers_of(contract)),
            "inputs": {n: decision.inputs[n] for n in names if n in decision.inputs},
        }
        if not terms.ask.blind:
            shown["answer"] = self.answered(decision)
        return shown

    def answered(self, decision: Decision) -> Answer | None:
        """What the model itself answered; nothing where it gave nothing that can be read."""
        contract = self._contract_of(decision.fingerprint)
        row = {f"output_{name}": value for name, value in decision.output.items()}
        if not row or any(not isinstance(value, int | float) for value in row.values()):
            return None
        answer: Any = present(contract)(outputs_of(contract, [row]), {}).answers()[0]
        # Of a ranking its first item.
        return cast("Answer", answer[0] if isinstance(answer, list) else answer)

    # What is known ----------------------------------------------------------------------------

    def know(self, model: str, decision: str, label: Answer) -> Task:
        """Let a decision whose answer is known be mixed in with the tasks."""
        self.terms(model)
        parse_decision_id(decision)
        found = self.workspace.journal.find(decision)
        if found.model != model:
            raise InvalidUsage(
                f"this decision is one of {found.model}",
                field="decision",
                got=decision,
                expected=f"a decision of {model}",
            )
        known = check_label(label, [self.contract(model)])
        self.queue.add([probe(model, decision, known, self.workspace.clock.now_ns())])
        return self.queue.find(task_id(model, decision))[0]

    def report(self, model: str) -> Report:
        """What is known of a model's labelling."""
        terms, contract = self.terms(model), self.contract(model)
        whole = isinstance(contract.output, Label | Probability)
        return report(model, self.queue.of(model), terms, answers_of(contract), whole=whole)


@cache
def labelling_of(workspace: Workspace) -> Labelling:
    """The labelling of a workspace."""
    return Labelling(workspace)
