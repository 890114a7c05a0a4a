"""What rules want done, done on one workspace: going back, stopping, quarantine, recall, training.

Promises that doing it twice is doing it once, so that a keeper may die at any step: a version that
answers no more is not rolled back again, a quarantine has the id of its action, and a recall that
is in force is found.
"""

import hashlib
from typing import Final

from mainstay.base.errors import NotFound
from mainstay.base.ids import DecisionId
from mainstay.contract.alerting import Do
from mainstay.release.recall.model import Window
from mainstay.watch.alerts.acting import Acting
from mainstay.watch.alerts.model import Action
from mainstay.watch.alerts.words import moment, plain
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.quarantining import quarantine
from mainstay.wiring.recall_training import number_of, train_after, wants_training, with_training
from mainstay.wiring.recalling import carry_out_recall, plan_recall, recalls_of
from mainstay.wiring.stopping import stop
from mainstay.wiring.training import Asked, retrain
from mainstay.wiring.workspace import Workspace

ACTOR: Final = "alerts"


def acting_of(workspace: Workspace) -> Acting:
    """What a keeper does of what is wanted."""
    return Acting(Alerts(workspace).change, WorkspaceDoer(workspace), workspace.clock)


class WorkspaceDoer:
    """Does it with what people have commands for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def do(self, action: Action) -> str:
        """Done when it returns, in words."""
        match action.do:
            case "roll back":
                return self._roll_back(action)
            case "fall back" | "stop":
                return self._stop(action)
            case "quarantine":
                return self._quarantine(action)
            case "recall":
                return self._recall(action)
            case "retrain":
                return self._retrain(action)

    def then(self, action: Action) -> tuple[Do, str] | None:
        """After a recall the next version is trained, where the contract says how."""
        window = Window(action.since_ns, action.until_ns)
        if action.do == "recall":
            for recall in reversed(recalls_of(self._workspace).of(action.model)):
                if recall.window == window and wants_training(recall):
                    return "retrain", recall.subject
        return None

    def _roll_back(self, action: Action) -> str:
        current = self._workspace.chain.current(action.model)
        if current is None or not current.fingerprint.startswith(action.subject):
            return "the version that it is about does not answer any more"
        deployed = self._workspace.rollback(
            action.model, None, _why(action), actor=ACTOR, expected_epoch=current.epoch
        )
        return f"v{deployed.number} answers in the place of v{current.number}"

    def _stop(self, action: Action) -> str:
        version = stop(
            self._workspace,
            action.model,
            _why(action),
            actor=ACTOR,
            subject=action.subject,
            must_fall_back=action.do == "fall back",
        )
        if version is None:
            return "the version that it is about does not answer any more"
        return version.words

    def _quarantine(self, action: Action) -> str:
        mark = hashlib.sha256(f"action|{action.id}|{action.wanted_ns}".encode()).digest()
        number = int.from_bytes(mark[:4], "big"), int.from_bytes(mark[4:8], "big")
        made = quarantine(
            self._workspace,
            action.model,
            (action.since_ns, action.until_ns),
            _why(action),
            actor=ACTOR,
            id_=str(DecisionId(action.wanted_ns // 1_000_000, *number)),
        )
        since, until = moment(made.begin_ns), moment(made.end_ns)
        return f"nothing learns from {since} to {until}; `mainstay quarantine lift {made.id}`"

    def _recall(self, action: Action) -> str:
        window = Window(action.since_ns, action.until_ns)
        plan = with_training(self._workspace, plan_recall(self._workspace, action.model, window))
        if not plan.possible:
            raise NotFound(
                f"no version of {action.model} is known to be clean of {window}",
                field="model",
                got=action.model,
                expected="; ".join(plan.offers),
            )
        done = carry_out_recall(self._workspace, plan, _why(action), actor=ACTOR).recall
        answers = "nothing answers, as before" if plan.to is None else f"{plan.to} answers"
        return f"{answers}, nothing learns from {window}; `mainstay recall undo {done.number}`"

    def _retrain(self, action: Action) -> str:
        recall = number_of(action.subject)
        if recall:
            done = train_after(self._workspace, recall, actor=ACTOR)
        else:
            done = retrain(self._workspace, Asked(action.model), actor=ACTOR)
        version = "no version" if done.version is None else f"v{done.version.number}"
        if done.released:
            return f"{version} was trained and comes to answer: {done.released}"
        return f"{version} was trained and does not come to answer: {done.why_not}"


def _why(action: Action) -> str:
    return f"alert {action.alert}: {plain(action.check, 200)}"
