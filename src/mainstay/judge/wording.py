"""A contract's own words for what is asked, offered, or told in place of an answer.

Promises that the words name what is shown, and never an answer that is not told: words with an
answer in them belong to statuses that tell it. Must never change a status.
"""

from typing import Final

import numpy as np

from mainstay.contract.model import Contract, NumberOutput
from mainstay.contract.people import Words
from mainstay.judge.confidence import either
from mainstay.judge.model import ASKED, FALLBACK, OPTIONS, Case
from mainstay.judge.present import Said, Shown, present

_LISTED_MAX: Final = 5


class WordingStage:
    """Puts the contract's words in the place of ours."""

    def __init__(self, contract: Contract, words: Words) -> None:
        pairs = ((ASKED, words.asked), (OPTIONS, words.options), (FALLBACK, words.fallback))
        self._templates = [(status, template) for status, template in pairs if template]
        self._present = present(contract)
        output = contract.output
        self._unit = f" {output.unit}" if isinstance(output, NumberOutput) and output.unit else ""

    def __call__(self, case: Case) -> None:
        for status, template in self._templates:
            rows: list[int] = np.flatnonzero(case.statuses == status).tolist()
            if rows:
                presented = self._present(case.output, case.shown)
                for row in rows:
                    case.words[row] = self._filled(template, presented[row])

    def _filled(self, template: str, shown: Shown) -> str:
        words = template.replace("{answer}", self._spoken(shown.answer))
        names = [self._spoken(option.answer) for option in shown.options[:_LISTED_MAX]]
        return words.replace("{options}", either(names) if names else "something else")

    def _spoken(self, answer: Said) -> str:
        if isinstance(answer, list):
            return either([self._spoken(each) for each in answer[:_LISTED_MAX]])
        if isinstance(answer, float):
            return f"{answer:.6g}{self._unit}"
        return str(answer)
