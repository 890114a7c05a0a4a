"""What follows from what people say of a decision: what may be undone, and what counts as an error.

Pure functions of a decision as it is shown (with what was said and done about it since), the
contract in force and the time. Promises that a decision is undone once and counts once as an error
that a person noticed, however often somebody says so.
"""

from collections.abc import Mapping
from typing import Any, Final

from mainstay.base.errors import Conflict
from mainstay.base.ids import parse_decision_id
from mainstay.contract.model import Contract
from mainstay.contract.times import duration_ns
from mainstay.judge.exposure import Budget, budgets_of, key_of
from mainstay.tally.port import Tally

WRONG: Final = frozenset({"corrected"})
"""Reactions that say that the answer was wrong."""
_TOLD_NOTHING: Final = frozenset({"declined", "held"})

Shown = Mapping[str, Any]
"""A decision as `GET /decisions/{id}` shows it."""


def undone_by(decision: Shown) -> Mapping[str, Any] | None:
    """The first event that undid a decision, if there is one."""
    return next((event for event in decision.get("since", ()) if _undoes(event)), None)


def _undoes(event: Mapping[str, Any]) -> bool:
    return event["kind"] == "outcome" and "undo" in event


def check_undo(decision: Shown, contract: Contract, now_ns: int) -> None:
    """Refuse to undo what cannot be undone, or cannot any more."""
    undo = contract.judge.undo
    if undo is None:
        raise Conflict(
            f"what {contract.model} answers cannot be undone: its contract does not say how",
            field="judge.undo",
            got=decision["id"],
            expected="a model whose contract has `judge: undo: {within: 24h}`",
        )
    if decision.get("shadows"):
        raise Conflict(
            "this decision is a shadow's: nobody saw it, so nothing followed from it",
            field="id",
            got=decision["id"],
            expected=f"the decision that was shown, {decision['shadows']}",
        )
    if decision["status"] in _TOLD_NOTHING and not _was_released(decision):
        raise Conflict(
            f"this decision was {decision['status']}: nothing was told that could be undone",
            field="id",
            got=decision["id"],
            expected="a decision with an answer",
        )
    passed_ns = now_ns - parse_decision_id(decision["id"]).time_ms * 1_000_000
    if passed_ns > duration_ns(undo.within):
        raise Conflict(
            f"this decision was made at {decision['time']}, and {contract.model} can be undone "
            f"for {undo.within} only",
            field="judge.undo.within",
            got=decision["id"],
            expected="a person who sets right by hand what followed from it",
        )


def _was_released(decision: Shown) -> bool:
    """Whether a person let a held answer go."""
    return any(event.get("did") == "released" for event in decision.get("since", ()))


def says_wrong(event: Mapping[str, Any]) -> bool:
    """Whether an event says that a person noticed an error."""
    if event.get("kind") != "outcome":
        return False
    return "report" in event or "undo" in event or event.get("reaction") in WRONG


class Errors:
    """Counts the errors that people notice, for contracts that limit them."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._budgets: dict[tuple[str, str], Budget] = {}

    def limited(self, contract: Contract) -> bool:
        """Whether noticed errors of this model are counted."""
        exposure = contract.judge.exposure
        return exposure is not None and bool(exposure.errors)

    def note(self, decision: Shown, contract: Contract, now_ns: int) -> None:
        """Count a decision as an error for its person, unless it was counted before."""
        exposure = contract.judge.exposure
        if exposure is None or not exposure.errors:
            return
        if any(says_wrong(event) for event in decision.get("since", ())):
            return
        known = self._budgets.get((contract.model, exposure.errors))
        if known is None:
            known = budgets_of(contract, self._tally)["errors"]
            self._budgets[contract.model, exposure.errors] = known
        unit = decision["inputs"].get(exposure.unit) if exposure.unit else None
        self._tally.add(known.name, key_of(unit, decision["caller"]), (1.0,), now_ns)
