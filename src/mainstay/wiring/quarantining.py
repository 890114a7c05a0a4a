"""Quarantine in one workspace: kept, and told to the journal."""

from typing import Any

from mainstay.base.ids import DecisionId, DecisionIds, new_incarnation
from mainstay.bundle.database import storable
from mainstay.journal.rows import rfc3339
from mainstay.renew.quarantine.model import Quarantine
from mainstay.renew.quarantine.port import QuarantineStore
from mainstay.renew.quarantine.sql import SqlQuarantineStore
from mainstay.serve.outcomes import event_about
from mainstay.wiring.workspace import Workspace, whoever_runs_this


def quarantines_of(workspace: Workspace) -> QuarantineStore:
    """Where the quarantines of a workspace are."""
    return SqlQuarantineStore(workspace.database)


def quarantine(
    workspace: Workspace,
    model: str,
    window: tuple[int, int],
    reason: str,
    *,
    actor: str | None = None,
    id_: str = "",
) -> Quarantine:
    """Let no snapshot of a model use a stretch of time from now on; `id_` is for who may have to
    ask again, and then finds it done."""
    workspace.registry.find(model, None)  # a model that nobody knows is told here
    ids = DecisionIds(new_incarnation(), workspace.clock)
    made = Quarantine(
        id=id_ or new_id(ids),
        model=model,
        begin_ns=window[0],
        end_ns=window[1],
        reason=reason if storable(reason) else ascii(reason),
        actor=actor or whoever_runs_this(),
        at_ns=workspace.clock.now_ns(),
    )
    quarantines_of(workspace).add(made)
    _tell(workspace, ids, made, {"quarantined": shown(made)}, made.actor)
    return made


def lift(workspace: Workspace, id_: str, *, actor: str | None = None) -> Quarantine:
    """Take a quarantine back: later snapshots use its stretch again."""
    store, now_ns = quarantines_of(workspace), workspace.clock.now_ns()
    lifted = store.lift(id_, now_ns)
    if lifted.lifted_at_ns == now_ns:
        ids = DecisionIds(new_incarnation(), workspace.clock)
        who = actor or whoever_runs_this()
        _tell(workspace, ids, lifted, {"quarantine lifted": shown(lifted)}, who)
    return lifted


def shown(quarantine: Quarantine) -> dict[str, Any]:
    """A quarantine for people and programs."""
    lifted = quarantine.lifted_at_ns
    return {
        "id": quarantine.id,
        "model": quarantine.model,
        "begin": rfc3339(quarantine.begin_ns // 1000),
        "end": rfc3339(quarantine.end_ns // 1000),
        "reason": quarantine.reason,
        "actor": quarantine.actor,
        "since": rfc3339(quarantine.at_ns // 1000),
        "lifted": None if lifted is None else rfc3339(lifted // 1000),
    }


def new_id(ids: DecisionIds) -> str:
    """An id that nothing else has."""
    time_ms, sequence = ids.take(1)
    return str(DecisionId(time_ms, ids.incarnation, sequence))


def _tell(
    workspace: Workspace, ids: DecisionIds, about: Quarantine, body: dict[str, Any], actor: str
) -> None:
    whose = (about.model, actor, about.id)
    workspace.record([event_about(ids, workspace.clock, whose, body, "action")])
