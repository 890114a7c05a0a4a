"""Undoing in one workspace: by command, and what its keeper does to have it heard."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs

from mainstay.base.errors import MainstayError, NotFound, StorageFailed
from mainstay.contract.people import Undo
from mainstay.journal.model import Event
from mainstay.serve.feedback import Errors, check_undo, undone_by
from mainstay.serve.routes.model import Route
from mainstay.serve.undoing import Undoing
from mainstay.tally.sqlite import SqliteTally
from mainstay.wiring.posting import poster
from mainstay.wiring.workspace import Workspace, whoever_runs_this

_KEEPER = "keeper"


class UndoKeeper:
    """The keeper's duty: whoever acted on what was undone hears of it."""

    def __init__(self, workspace: Workspace, routes: Callable[[], Sequence[Route]]) -> None:
        self._workspace = workspace
        self._routes = routes
        self._contracts: dict[str, Undo | None] = {}
        self._undoing = Undoing(
            workspace.journal.news,
            poster("undo webhook"),
            self._tell,
            os.environ,
            workspace.clock,
        )

    def look(self) -> None:
        """Tell whoever is to be told now."""
        wanted = {route.model: self._undo(route.fingerprint) for route in self._routes()}
        self._undoing.look({model: undo for model, undo in wanted.items() if undo is not None})

    def _undo(self, fingerprint: str) -> Undo | None:
        if fingerprint not in self._contracts:
            contract = self._workspace.unpacked(fingerprint).manifest.contract
            self._contracts[fingerprint] = contract.judge.undo
        return self._contracts[fingerprint]

    def _tell(self, model: str, decision: str, body: Mapping[str, Any]) -> None:
        self._workspace.say_of(model, decision, body, kind="action", actor=_KEEPER)


def undo(workspace: Workspace, decision_id: str, reason: str) -> tuple[Event | None, str]:
    """Undo a decision by command; the event (None where it was undone before), and the model."""
    found = workspace.journal.find_with_all(decision_id)
    shown: dict[str, Any] = structs.asdict(found)
    if undone_by(shown) is not None:
        return None, found.model
    route = workspace.chain.current(found.model)
    if route is None:
        raise NotFound(f"nothing answers for {found.model} now", field="model", got=found.model)
    try:
        contract = workspace.unpacked(route.fingerprint).manifest.contract
    except MainstayError as error:
        raise StorageFailed(f"the contract of {found.model} cannot be read: {error}") from error
    now_ns = workspace.clock.now_ns()
    check_undo(shown, contract, now_ns)
    tally = SqliteTally(workspace.places.tally, workspace.clock)
    Errors(tally).note(shown, contract, now_ns)
    tally.close()
    body = {"undo": {"reason": reason}}
    who = whoever_runs_this()
    return workspace.say_of(found.model, decision_id, body, kind="outcome", actor=who), found.model
