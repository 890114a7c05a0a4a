"""Findings of a keeper that fail, begin and end: told to the journal once each, over restarts."""

from typing import Any

import msgspec

from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.contract.finding import Finding
from mainstay.journal.model import Event
from mainstay.journal.quoting import quoted
from mainstay.wiring.quarantining import new_id
from mainstay.wiring.workspace import Workspace


class Telling:
    """What one source of findings has said. What goes on is known from the journal, so a keeper
    that starts anew does not say it again."""

    def __init__(self, workspace: Workspace, source: str) -> None:
        self._workspace = workspace
        self._source = source
        self._ids = DecisionIds(new_incarnation(), workspace.clock)
        self._open: dict[str, dict[str, bool]] = {}

    def is_so(self, model: str, key: str, subject: str, finding: Finding, *, now: bool) -> bool:
        """Tell what begins to be so, and what ends; whether there was anything to tell."""
        if self._known(model).get(key, False) == now:
            return False
        now_ns = self._workspace.clock.now_ns()
        event = Event(
            id=new_id(self._ids),
            kind="finding",
            time_ns=now_ns,
            known_ns=now_ns,
            model=model,
            actor=self._source,
            subject=subject,
            body={
                "state": "opened" if now else "resolved",
                "key": key,
                "since_ms": now_ns // 1_000_000,
                **msgspec.structs.asdict(finding),
                # What ends is told by what it was, so that whoever heard of it hears this too.
                "verdict": "fail",
            },
        )
        self._workspace.record([event])
        self._known(model)[key] = now
        return True

    def going_on(self, model: str) -> list[str]:
        """The keys of what was told and has not ended."""
        return sorted(key for key, open_ in self._known(model).items() if open_)

    def _known(self, model: str) -> dict[str, bool]:
        """What was told and goes on, as the journal has it."""
        if model not in self._open:
            named = quoted(model)
            table: Any = self._workspace.journal.query(
                "SELECT body FROM events WHERE kind = 'finding'"  # noqa: S608  # because the name is quoted
                f" AND actor = '{self._source}' AND model = {named} ORDER BY known_ns, id"
            )
            bodies = [msgspec.json.decode(text) for text in table.column("body").to_pylist()]
            self._open[model] = {body["key"]: body["state"] == "opened" for body in bodies}
        return self._open[model]
