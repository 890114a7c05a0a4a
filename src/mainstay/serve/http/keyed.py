"""The door for who knows what was right, but not of which decision: outcomes by a declared key.

    POST /models/{m}/outcome   {"key": "A-17", "label": "fraud", "time": "2026-11-20T12:03:00Z"}

Answered once it is recorded. Which decision a key stands for is found afterwards, by the keeper: a
worker looks nothing up, and what is told may be earlier here than the decision is.
"""

from collections.abc import Callable, Mapping, Sequence

from mainstay.base.clock import Clock
from mainstay.base.errors import Conflict
from mainstay.contract.keyed import Key, key_of
from mainstay.contract.model import Contract
from mainstay.journal.model import Event
from mainstay.serve.engine import Engine
from mainstay.serve.http.feedback import contracts_of
from mainstay.serve.http.request import Reply, Request
from mainstay.serve.http.wire.keyed import keyed_answer, parse_keyed, told_of
from mainstay.serve.outcomes import KeyedOutcome

RecordKeyed = Callable[[str, str, Sequence[KeyedOutcome]], list[Event]]
"""Keeps what was told (model, caller, what), all of it or nothing; returns the events."""
_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class KeyedDoor:
    """What one worker does with what it hears of keys."""

    def __init__(self, engine: Engine, record: RecordKeyed, clock: Clock) -> None:
        self._engine = engine
        self._record = record
        self._clock = clock
        self._keys: dict[str, tuple[Contract, Key]] = {}
        """By model, compiled once for each contract."""

    @property
    def handlers(self) -> Mapping[str, Callable[[Request, bytes], Reply]]:
        """By kind of question."""
        return {"keyed": self.outcome}

    def outcome(self, request: Request, body: bytes) -> Reply:
        """What the world said of decisions, by their keys."""
        model = request.target.model
        rows, alone = parse_keyed(body)
        contracts = contracts_of(self._engine, model)
        told = told_of(rows, self._key(contracts[0]), contracts, self._clock.now_ns())
        assert request.caller is not None
        events = self._record(model, request.caller.name, told)
        return 200, keyed_answer(model, events, told[0].said if alone else None), [_JSON]

    def _key(self, contract: Contract) -> Key:
        known = self._keys.get(contract.model)
        if known is None or known[0] is not contract:
            known = self._keys[contract.model] = contract, asked_key(contract)
        return known[1]


def asked_key(contract: Contract) -> Key:
    """The key of a contract; `Conflict` where it has none."""
    key = key_of(contract)
    if key is None:
        raise Conflict(
            f"by what a decision of {contract.model} is known its contract does not say",
            field="labels.key",
            expected="a contract with `labels: {key: order_id, within: 7d}`, or the decision's id:"
            " POST /decisions/{id}/outcome",
        )
    return key
