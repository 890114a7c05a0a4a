"""The rules of a contract: what must be true of every answer, whoever gives it.

Promises that no answer of which a rule is not true, or cannot be known to be, is told; and that
the record names the first rule that an answer broke.
"""

import numpy as np

from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.expressions.names import names_of_rule
from mainstay.contract.holding import Rule
from mainstay.contract.model import Contract
from mainstay.judge.model import DECLINED, Case, Means
from mainstay.judge.values import Views


class RulesStage:
    """Declines what breaks a rule."""

    def __init__(self, contract: Contract, means: Means) -> None:
        names = names_of_rule(contract.inputs, contract.context, contract.output)
        self._views = Views(contract, means.calibration)
        self._expressions = [
            compile_expression(_text(rule), names, ("judge", "rules", place), kind="boolean")
            for place, rule in enumerate(contract.judge.rules)
        ]
        self._words = [
            rule.otherwise if isinstance(rule, Rule) else "" for rule in contract.judge.rules
        ]

    def __call__(self, case: Case) -> None:
        values = self._views.of(case)
        for place, rule in enumerate(self._expressions):
            holds = rule(values, case.rows)
            if holds.all():
                continue
            changed = case.turn(~holds, DECLINED, f"rule {place + 1} is not so: {rule.text}")
            broken = int(np.count_nonzero(changed))
            if broken:
                case.count("rules_broken", str(place + 1), by=broken)
            if self._words[place]:
                for row in np.flatnonzero(changed).tolist():
                    case.words[row] = self._words[place]


def _text(rule: str | Rule) -> str:
    return rule if isinstance(rule, str) else rule.must
