"""Cold start: rows about somebody or something that the model never learned from.

Promises that a value outside those that the model learned from is never answered for as if it were
known: the row goes to the fallback, is declined, or is told with the question whether it is right,
as the contract says of that input; and that the record and the metrics name the input. What is
known are the values that were marked when the version was packed (see `bundle/known.py` for how
rarely a new one is taken for one of them), else those that the contract lists. A missing value is
not a new one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from mainstay.bundle.frames import is_missing
from mainstay.bundle.known import Marks
from mainstay.contract.model import Category, Contract, Input
from mainstay.judge.model import ASKED, DECLINED, Case, Mask

COLD: Final = "cold"
_BLANKS_KEPT: Final = 256


class ColdStage:
    """Takes back what is said of the unknown."""

    def __init__(self, contract: Contract, known: Mapping[str, Marks]) -> None:
        self._looks: list[tuple[str, Callable[[list[Any]], Mask], str]] = []
        for name, then in contract.judge.cold.items():
            marks = known.get(name)
            know = _listed(contract.inputs[name]) if marks is None else marks.know
            self._looks.append((name, know, then))
        self._blanks: dict[int, np.ndarray[tuple[int], np.dtype[np.object_]]] = {}

    def __call__(self, case: Case) -> None:
        """Look at every declared input."""
        told = self._blank(case.rows)
        for name, know, then in self._looks:
            known = know(case.column(name).tolist())
            if known.all():
                continue
            new: Mask = ~known
            case.count(COLD, name, by=int(np.count_nonzero(new)))
            if not told.flags.writeable:
                told = told.copy()
            for row in np.flatnonzero(new).tolist():
                told[row] = name if told[row] is None else f"{told[row]}, {name}"
            self._take(case, new, name, then)
        case.judged[COLD] = told

    @staticmethod
    def _take(case: Case, new: Mask, name: str, then: str) -> None:
        why = f"`{name}` is new to the model"
        changed = case.turn(new, ASKED if then == "ask" else DECLINED, why)
        if then == "ask":
            for row in np.flatnonzero(changed).tolist():
                case.words[row] = "This is new to us. Is the answer right?"
        elif then == "decline":
            case.final = new if case.final is None else case.final | new

    def _blank(self, rows: int) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        """The column of a run in which nothing was new; made once, and never written to."""
        blank = self._blanks.get(rows)
        if blank is None:
            blank = np.full(rows, None, dtype=object)
            blank.flags.writeable = False
            if rows <= _BLANKS_KEPT:
                self._blanks[rows] = blank
        return blank


def _listed(kind: Input) -> Callable[[list[Any]], Mask]:
    """Knows the values that a category lists; of another kind nothing."""
    known = frozenset(kind.values if isinstance(kind, Category) else ())
    fine = known | {None}

    def know(values: list[Any]) -> Mask:
        if fine.issuperset(values):  # as a rule
            return np.ones(len(values), dtype=np.bool_)
        return np.array([is_missing(value) or value in known for value in values], dtype=np.bool_)

    return know
