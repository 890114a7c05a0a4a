"""What an answer would cost if it were wrong, and who is asked before that happens.

The expected cost of an answer is (1 - confidence) × what a mistake costs. Promises that an answer
above a bar is asked about or not given, by the bars of the class that is answered; and that a cost
that cannot be worked out, because a value is missing, is above every bar there is.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from mainstay.bundle.answers import chosen_classes
from mainstay.contract.columns import Column
from mainstay.contract.expressions.compile import Expression, compile_expression
from mainstay.contract.judging import ActionCost, Cost
from mainstay.contract.model import Contract, Probability, columns_of
from mainstay.judge.confidence import CONFIDENCE
from mainstay.judge.model import ASKED, DECLINED, Case, Mask

COST: Final = "cost"
"""The column of `judged`."""
Values = Callable[[str], Column]


class Amounts:
    """What a mistake costs, row by row, by the class that is answered."""

    def __init__(self, contract: Contract, cost: Cost) -> None:
        output = contract.output
        assert isinstance(output, Probability), "the contract's rules refuse other outputs"
        self._output = output
        self._constants = np.full(len(output.classes), np.nan)
        self._formulas: list[tuple[Expression, list[int]]] = []
        texts: dict[str, list[int]] = {}
        for place, name in enumerate(output.classes):
            own = cost.actions.get(name, ActionCost()).of_error
            amount = cost.of_error if own is None else own
            if isinstance(amount, str):
                texts.setdefault(amount, []).append(place)
            else:
                self._constants[place] = amount
        names = columns_of(contract.inputs, contract.context)
        for text, places in texts.items():
            formula = compile_expression(text, names, ("judge", "cost", "of_error"), kind="number")
            self._formulas.append((formula, places))
        self._alone = len(self._formulas) == 1 and len(self._formulas[0][1]) == len(output.classes)

    def __call__(self, chosen: Column, values: Values) -> Column:
        """The amount of every row; NaN where it cannot be known."""
        rows = len(chosen)
        if self._alone:
            return self._formulas[0][0](values, rows)
        amounts: Column = self._constants[chosen]
        for formula, places in self._formulas:
            found = formula(values, rows)
            for place in places:
                np.copyto(amounts, found, where=chosen == place)
        return amounts


class CostStage:
    """Works the expected cost out, and takes back what costs too much."""

    def __init__(self, contract: Contract) -> None:
        cost, output = contract.judge.cost, contract.output
        assert cost is not None
        assert isinstance(output, Probability)
        self._output = output
        self._amounts = Amounts(contract, cost)
        self._ask = _bars(cost, output, "ask_above")
        self._decline = _bars(cost, output, "decline_above")
        every = [bars.min() for bars in (self._ask, self._decline) if bars is not None]
        self._lowest = float(min(every, default=np.inf))

    def __call__(self, case: Case) -> None:
        """Work out every row; take back the rows above their bars."""
        chosen = chosen_classes(self._output, case.output)
        amounts = self._amounts(chosen, case.column)
        expected = (1.0 - case.judged[CONFIDENCE]) * amounts
        case.judged[COST] = expected
        # The highest is not a number where one of them is not, and then it is no way out.
        if expected.max() <= self._lowest:
            return
        self._turn(case, expected, chosen, self._decline, DECLINED)
        changed = self._turn(case, expected, chosen, self._ask, ASKED)
        if changed is not None:
            for row in np.flatnonzero(changed).tolist():
                answer = self._output.classes[int(chosen[row])]
                case.words[row] = f"A mistake would be costly here. Is it really {answer}?"

    def _turn(
        self, case: Case, expected: Column, chosen: Column, bars: Column | None, status: int
    ) -> Mask | None:
        if bars is None:
            return None
        own = bars[chosen]
        # A missing cost fails the comparison, so it is above every bar that there is.
        above: Mask = np.logical_not(expected <= own) & (own < np.inf)
        if not above.any():
            return None
        return case.turn(above, status, lambda row: _why(expected[row], own[row]))


def _bars(cost: Cost, output: Probability, name: str) -> Column | None:
    """The bar of each class; nothing where no class has one."""
    bars: list[float] = []
    for each in output.classes:
        own: float | None = getattr(cost.actions.get(each, ActionCost()), name)
        stated: float | None = getattr(cost, name) if own is None else own
        bars.append(np.inf if stated is None else stated)
    return None if min(bars) == np.inf else np.array(bars)


def _why(expected: Any, bar: Any) -> str:
    if np.isnan(expected):
        return "the expected cost of a mistake is not known, because a value is missing"
    return f"the expected cost of a mistake, {expected:.6g}, is above {bar:g}"
