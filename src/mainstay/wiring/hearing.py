"""What one workspace heard of its decisions, and whether that can be learned from."""

from typing import Any

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.renew.health.heard import Heard, OfKeys, heard_of, of_keys
from mainstay.renew.health.unhealthy import TRUSTED
from mainstay.renew.labels.model import Unhealthy
from mainstay.serve.outcomes import event_about
from mainstay.wiring.snapshotting import define
from mainstay.wiring.workspace import Workspace, whoever_runs_this


class Hearing(msgspec.Struct, frozen=True, kw_only=True):
    """What was known at a moment."""

    model: str
    known_ns: int
    sources: tuple[Heard, ...]
    of_keys: tuple[OfKeys, ...]
    """What was told of keys, and how much of it found its decision."""
    unhealthy: tuple[Unhealthy, ...]
    """The decisions that no snapshot would have."""


def hearing(
    workspace: Workspace, model: str, since_ns: int, known_ns: int | None = None
) -> Hearing:
    """What was heard of a model's decisions from one moment to another, as it was known then."""
    definition = define(workspace, model, since_ns, known_ns=known_ns)
    known = definition.known_ns
    query = workspace.journal.query
    return Hearing(
        model=model,
        known_ns=known,
        sources=tuple(heard_of(query, model, since_ns, known)),
        of_keys=tuple(of_keys(query, model, since_ns, known)),
        unhealthy=definition.unhealthy,
    )


def trust_labels(
    workspace: Workspace, model: str, window: tuple[int, int], reason: str
) -> dict[str, Any]:
    """Say that labels were all right, whatever was found of them: what was decided in a stretch
    may be learned from."""
    workspace.registry.find(model, None)  # a model that nobody knows is told here
    if not reason.strip() or len(reason) > WORDS_MAX_CHARACTERS:
        raise InvalidUsage(
            "who trusts labels says why",
            field="reason",
            got=reason[:80],
            expected=f"1 to {WORDS_MAX_CHARACTERS} characters that say how it is known",
        )
    who = whoever_runs_this()
    ids = DecisionIds(new_incarnation(), workspace.clock)
    said = {"begin_ns": window[0], "end_ns": window[1], "reason": reason}
    event = event_about(ids, workspace.clock, (model, who, model), {TRUSTED: said}, "action")
    workspace.record([event])
    return {"model": model, "actor": who, "id": event.id, **said}
