"""Tasks of a workspace out to Label Studio, and its annotations in."""

from typing import Any

import msgspec

from mainstay.base.errors import MainstayError
from mainstay.renew.labelling.model import Task
from mainstay.renew.labelling.studio import Found, Problem, annotations_in, configuration, task_out
from mainstay.renew.labels.model import answers_of
from mainstay.serve.http.wire.outcome import check_label
from mainstay.wiring.labelling import Labelling


class Imported(msgspec.Struct, kw_only=True):
    """What became of an export."""

    answers: int = 0
    skipped: int = 0
    probes: int = 0
    known_already: int = 0
    problems: list[Problem] = []


def tasks_out(labelling: Labelling, model: str) -> list[dict[str, Any]]:
    """The tasks that wait, probes among them, in Label Studio's import form."""
    found: list[dict[str, Any]] = []
    for task, turns in labelling.queue.of(model):
        said = sum(turn.state == "answered" for turn in turns)
        if task.state == "open" and (task.gold is not None or said < task.wanted):
            shown = labelling.shown_of(task)
            if shown is not None:
                found.append(task_out(shown, shown["version"]))
    return found


def configuration_of(labelling: Labelling, model: str) -> str:
    """The labelling configuration that fits them."""
    terms, contract = labelling.terms(model), labelling.contract(model)
    return configuration(labelling.question(terms, model), answers_of(contract))


def annotations_of(labelling: Labelling, model: str, data: bytes) -> Imported:
    """Keep what was annotated; what cannot be kept is named and keeps nothing else out."""
    labelling.terms(model)
    now_ns = labelling.workspace.clock.now_ns()
    found, problems = annotations_in(data, now_ns)
    imported = Imported(problems=problems)
    for each in found:
        try:
            _keep(labelling, model, each, imported)
        except MainstayError as error:
            words = f"{error.message} (expected {error.expected})"
            imported.problems.append(Problem(each.task, each.field, words))
    return imported


def _keep(labelling: Labelling, model: str, found: Found, imported: Imported) -> None:
    turn, task = found.turn, labelling.task(model, found.task)
    if turn.label is not None:
        label = check_label(turn.label, [labelling.contract(model)])
        turn = msgspec.structs.replace(turn, label=label)
        if found.known:
            labelling.know(model, task.decision, label)
            imported.probes += 1
            return
    if not labelling.queue.put(turn):
        imported.known_already += 1
    elif turn.state == "skipped":
        imported.skipped += 1
    else:
        imported.answers += 1


def shown_task(task: Task) -> dict[str, Any]:
    """A task for people and programs who keep labelling."""
    return {"task": task.id, "model": task.model, "decision": task.decision, "known": task.gold}
