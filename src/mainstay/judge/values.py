"""What the rules of a contract look at, row by row: what was asked, and what is answered.

Promises that a rule sees the answer that would be told: the fallback's where a fallback answers,
and confidence and probabilities as they are shown. The names are those of
`contract/expressions/names.py`.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibration import Correct, correction_for
from mainstay.bundle.judgement import Calibration
from mainstay.contract.columns import Column
from mainstay.contract.expressions.names import ANSWER, CONFIDENCE, names_of_answer
from mainstay.contract.model import Contract, Label, NumberOutput, Output, Probability, Ranking
from mainstay.judge.model import FALLBACK, Case

Values = Callable[[str], Column]
_AFTER_DOT: Final = "."


class Views:
    """The values of one contract's cases."""

    def __init__(self, contract: Contract, calibration: Calibration | None) -> None:
        self._output: Output = contract.output
        self._answered = frozenset(names_of_answer(contract.output))
        self._correct: Correct = correction_for(contract, calibration) or _as_it_is
        self._places: dict[str, int] = {}
        match contract.output:
            case Probability() | Label():
                self._words = _texts(contract.output.classes)
                named = contract.output.classes
            case Ranking():
                self._words = _texts(contract.output.items)
                named = contract.output.items
            case _:
                self._words, named = _texts(()), ()
        for place, name in enumerate(named):
            for part in ("probability", "score"):
                self._places[f"{part}{_AFTER_DOT}{name}"] = place

    def of(self, case: Case) -> Values:
        """The values of one case; each is made once."""
        made: dict[str, Column] = {}

        def value(name: str) -> Column:
            found = made.get(name)
            if found is None:
                answered = name in self._answered
                found = made[name] = self._of_answer(case, name) if answered else case.column(name)
            return found

        return value

    def _of_answer(self, case: Case, name: str) -> Column:
        said, output = case.said, self._output
        if isinstance(output, Probability):
            if name == ANSWER:
                return self._words[chosen_classes(output, said)]
            shares = self._shown(case)
            if name == CONFIDENCE:
                return shares[np.arange(len(shares)), chosen_classes(output, said)]
            return shares[:, self._places[name]]
        if isinstance(output, NumberOutput):
            return said
        if isinstance(output, Ranking):
            if name == ANSWER:
                return self._words[np.argmax(said, axis=1)]
            return said[:, self._places[name]]
        known = (said >= 0) & (said < len(self._words) - 1)
        return self._words[np.where(known, said, len(self._words) - 1)]

    def _shown(self, case: Case) -> Column:
        """Probabilities as they are shown: corrected where the model itself answers."""
        if case.told is None:
            return self._correct(case.output)
        return np.where(
            (case.statuses == FALLBACK)[:, np.newaxis], case.told, self._correct(case.output)
        )


def _as_it_is(raw: Column) -> Column:
    return raw


def _texts(names: tuple[str, ...]) -> Column:
    """Names as a column, and at its end the one for what has none."""
    column = np.empty(len(names) + 1, dtype=object)
    column[:-1] = names
    return column
