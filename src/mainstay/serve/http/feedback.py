"""The doors for what is said of a decision after it was made: outcome, report, undo.

Each is answered once it is recorded. Must never wait for whoever acted on a decision: the keeper
tells them, and goes on until they have heard.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from mainstay.access.model import authorise
from mainstay.base.clock import Clock
from mainstay.base.ids import parse_decision_id
from mainstay.contract.model import Contract
from mainstay.journal.model import Event
from mainstay.serve.engine import Engine
from mainstay.serve.feedback import WRONG, Errors, check_undo, undone_by
from mainstay.serve.http.request import Reply, Request
from mainstay.serve.http.wire.feedback import (
    parse_report,
    parse_undo,
    report_answer,
    said_of,
    undo_answer,
)
from mainstay.serve.http.wire.outcome import outcome_answer, parse_outcome, said_by

FindDecision = Callable[[str], Awaitable[bytes]]
RecordOutcome = Callable[[str, str, str, Mapping[str, Any]], Event]
"""Keeps what was said of a decision (model, caller, decision, what); returns the event."""
_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class Feedback:
    """What one worker does with what it hears of decisions."""

    def __init__(
        self, engine: Engine, find: FindDecision, record: RecordOutcome, clock: Clock
    ) -> None:
        self._engine = engine
        self._find = find
        self._record = record
        self._clock = clock
        self._errors = Errors(engine.tally)

    async def outcome(self, request: Request, body: bytes) -> Reply:
        """What the world said of a decision, and what a person did with the answer."""
        identity = request.target.name
        parse_decision_id(identity)
        said = parse_outcome(body)
        model, decision = said.model, None
        if not model:
            decision = await self._found(identity)
            model = decision["model"]
        caller = _allowed(request, model)
        contracts = contracts_of(self._engine, model)
        kept = said_by(said, contracts)
        if said.reaction in WRONG and self._errors.limited(contracts[0]):
            decision = decision or await self._found(identity)
            self._errors.note(decision, contracts[0], self._clock.now_ns())
        event = self._record(model, caller, identity, kept)
        return 200, outcome_answer(event.id, identity, model, kept), [_JSON]

    async def report(self, request: Request, body: bytes) -> Reply:
        """That a person noticed an error; kept with everything that led to it."""
        identity = request.target.name
        parse_decision_id(identity)
        said = parse_report(body)
        decision = await self._found(identity)
        model = decision["model"]
        caller = _allowed(request, model)
        contracts = contracts_of(self._engine, model)
        kept = said_of(said, contracts, decision)
        self._errors.note(decision, contracts[0], self._clock.now_ns())
        event = self._record(model, caller, identity, kept)
        return 200, report_answer(event, contracts[0].judge.report.say), [_JSON]

    async def undo(self, request: Request, body: bytes) -> Reply:
        """That what followed from a decision is to be taken back; once for each decision."""
        identity = request.target.name
        parse_decision_id(identity)
        said = parse_undo(body)
        decision = await self._found(identity)
        model = decision["model"]
        caller = _allowed(request, model)
        contract = contracts_of(self._engine, model)[0]
        about = {"decision": identity, "model": model}
        before = undone_by(decision)
        if before is not None:
            return 200, undo_answer(about | {"id": before["id"]}, already=True, told=False), [_JSON]
        check_undo(decision, contract, self._clock.now_ns())
        self._errors.note(decision, contract, self._clock.now_ns())
        event = self._record(model, caller, identity, {"undo": {"reason": said.reason}})
        told = contract.judge.undo is not None and bool(contract.judge.undo.webhook_env)
        return 200, undo_answer(about | {"id": event.id}, already=False, told=told), [_JSON]

    async def _found(self, identity: str) -> dict[str, Any]:
        return msgspec.json.decode(await self._find(identity))


def contracts_of(engine: Engine, model: str) -> list[Contract]:
    """Of the versions in force; the live one's first."""
    serving = engine.find(model)
    others = [version.pipeline.contract for version in serving.versions.values()]
    return [serving.pipeline.contract, *others]


def _allowed(request: Request, model: str) -> str:
    """The name of a caller who may speak of this model's decisions."""
    assert request.caller is not None
    authorise(request.caller, model)
    return request.caller.name
