"""Cold start: rows about somebody or something that the model never learned from.

Promises that a value outside those that the contract knows is never answered for as if it were
known: the row goes to the fallback, is declined, or is told with the question whether it is right,
as the contract says of that input; and that the record and the metrics name the input. A missing
value is not a new one.
"""

from typing import Final

import numpy as np

from mainstay.contract.model import Category, Contract
from mainstay.judge.model import ASKED, DECLINED, Case, Mask

COLD: Final = "cold"
_BLANKS_KEPT: Final = 256


class ColdStage:
    """Takes back what is said of the unknown."""

    def __init__(self, contract: Contract) -> None:
        self._looks: list[tuple[str, frozenset[str | None], str]] = []
        for name, then in contract.judge.cold.items():
            kind = contract.inputs[name]
            assert isinstance(kind, Category), "the contract's rules refuse other inputs"
            self._looks.append((name, frozenset((*kind.values, None)), then))
        self._blanks: dict[int, np.ndarray[tuple[int], np.dtype[np.object_]]] = {}

    def __call__(self, case: Case) -> None:
        """Look at every declared input."""
        told = self._blank(case.rows)
        for name, known, then in self._looks:
            values: list[str | None] = case.column(name).tolist()
            if known.issuperset(values):
                continue
            new: Mask = np.array([value not in known for value in values])
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
