"""How much of the model one person has to bear: errors noticed, questions asked, answers told.

Promises that a person whose budget is spent is told so in plain words instead of getting another
answer, and that rows of one person in one run count one after the other. What is told counts when
it is judged, before anybody knows whether it arrives, so a budget is never passed; a stretch of
time is counted in whole buckets of a twenty-fourth, so what is almost past still counts. Several
processes agree within the second in which they share what they counted. Must never keep whom it
counts: a person is known by a digest only.
"""

import math
import threading
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.model import Contract, columns_of
from mainstay.contract.people import Exposure
from mainstay.contract.people_rules import BUDGETS
from mainstay.contract.quotas import quota
from mainstay.judge.model import ASKED, DECLINED, OPTIONS, Case, Means
from mainstay.tally.port import Tally

_PARTS: Final = 24
_PROMPTS: Final = frozenset({ASKED, OPTIONS})
_WORDS: Final = {
    "errors": "We were wrong for you too often lately, so we say nothing for now.",
    "prompts": "We asked you enough for now, so we leave this one to you.",
    "answers": "You heard enough from us for now.",
}
_NOUNS: Final = {"errors": "errors noticed", "prompts": "questions", "answers": "answers"}
_TURN: Final = threading.Lock()
"""Between looking what is left and counting it, no other run may look."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One thing that is limited."""

    kind: str
    said: str
    """As the contract has it."""
    name: str
    """What it is counted as: the model, and the length of its buckets."""
    most: int
    period_ns: int

    def spent(self, tally: Tally, key: str, now_ns: int) -> int:
        """How much of it a person has spent."""
        return int(tally.read(self.name, key, now_ns - self.period_ns, now_ns)[0])


def budgets_of(contract: Contract, tally: Tally) -> dict[str, Budget]:
    """The budgets that a contract sets, made known to whoever counts them."""
    exposure = contract.judge.exposure
    found: dict[str, Budget] = {}
    for kind in BUDGETS:
        text: str = getattr(exposure, kind) if exposure is not None else ""
        if text:
            most = quota(text)
            bucket_ns = max(most.period_ns // _PARTS, 1)
            name = f"exposure {contract.model} {kind} {bucket_ns}"
            tally.declare(name, bucket_ns, _PARTS + 2, 1)
            found[kind] = Budget(kind, text, name, most.most, most.period_ns)
    return found


class ExposureStage:
    """Declines what is beyond a person's budgets, and counts what is not."""

    def __init__(self, contract: Contract, exposure: Exposure, means: Means) -> None:
        self._unit = exposure.unit
        self._tally = means.tally
        self._budgets = budgets_of(contract, means.tally)
        self._unless = None
        if exposure.unless:
            names = columns_of(contract.inputs, contract.context)
            at = ("judge", "exposure", "unless")
            self._unless = compile_expression(exposure.unless, names, at, kind="boolean")

    def __call__(self, case: Case) -> None:
        standing = case.standing()
        if self._unless is not None:
            standing &= ~self._unless(case.column, case.rows)
        rows: list[int] = np.flatnonzero(standing).tolist()
        if not rows:
            return
        keys = self._keys(case)
        beyond: dict[int, Budget] = {}
        with _TURN:
            for row in rows:
                budget = self._spend(keys[row], int(case.statuses[row]), case.time_ns)
                if budget is not None:
                    beyond[row] = budget
        if not beyond:
            return
        mask = np.zeros(case.rows, dtype=np.bool_)
        mask[list(beyond)] = True
        case.turn(mask, DECLINED, lambda row: _reason(beyond[row]))
        for row, budget in beyond.items():
            case.words[row] = _WORDS[budget.kind]

    def _spend(self, key: str, status: int, now_ns: int) -> Budget | None:
        """Count one row, or say which budget has nothing left for it."""
        counted: list[Budget] = []
        for kind, budget in self._budgets.items():
            if kind == "prompts" and status not in _PROMPTS:
                continue
            if budget.spent(self._tally, key, now_ns) >= budget.most:
                return budget
            if kind != "errors":
                counted.append(budget)
        for budget in counted:
            self._tally.add(budget.name, key, (1.0,), now_ns)
        return None

    def _keys(self, case: Case) -> list[str]:
        """Whose budget each row is counted against."""
        if not self._unit:
            return [key_of(None, caller) for caller in case.callers()]
        values: list[Any] = case.column(self._unit).tolist()
        return [key_of(value, caller) for value, caller in zip(values, case.callers(), strict=True)]


def key_of(value: Any, caller: str) -> str:
    """A person as a digest: by the value of the unit, or the caller where there is none. 7 and 7.0
    are one person."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        said = f"caller {caller}"
    elif isinstance(value, float) and value.is_integer():
        said = f"unit {int(value)}"
    else:
        said = f"unit {value}"
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _reason(budget: Budget) -> str:
    return f"exposure: this person's {_NOUNS[budget.kind]} are at their limit of {budget.said}"
