"""How sure the model is of each answer, and what becomes of answers that are not sure enough.

Promises that no answer below the contract's bar leaves as `answered`: it is declined, asked about,
or told as one of several options; that the confidence which is compared is the one that is shown
and recorded, corrected as the version learned to when it was packed; and that a confidence that
cannot be had is below every bar.
"""

from typing import Final

import numpy as np

from mainstay.bundle.calibration import confidence, correction
from mainstay.bundle.judgement import Calibration
from mainstay.contract.confidence_rules import options_of
from mainstay.contract.judging import Confidence
from mainstay.contract.model import Contract, Probability
from mainstay.judge.model import ASKED, DECLINED, OPTIONS, Case, Mask
from mainstay.judge.present import Shown, present

CONFIDENCE: Final = "confidence"
"""The column of `judged`."""


class ConfidenceStage:
    """Measures confidence, and takes back what is below the bar."""

    def __init__(self, contract: Contract, calibration: Calibration | None) -> None:
        """`calibration` is what the version learned; without one its probabilities are taken."""
        output = contract.output
        assert isinstance(output, Probability), "the contract's rules refuse other outputs"
        stated = contract.judge.confidence or Confidence()
        self._bar = stated.at_least
        self._options = options_of(stated.otherwise)
        self._status = {"ask": ASKED, "decline": DECLINED}.get(stated.otherwise, OPTIONS)
        self._sure = confidence(output, calibration)
        self._present = present(contract, correction(calibration, len(output.classes)))

    def __call__(self, case: Case) -> None:
        """Measure every row; take back the rows below the bar."""
        sure = self._sure(case.output)
        case.judged[CONFIDENCE] = sure
        # The least of them is not a number where one of them is not, and then it is no way out.
        if self._bar <= 0 or sure.min() >= self._bar:
            return
        low: Mask = np.logical_not(sure >= self._bar)
        changed = case.turn(
            low, self._status, lambda row: f"confidence {sure[row]:.6g} is below {self._bar:g}"
        )
        if self._status != DECLINED:
            self._say(case, changed)

    def _say(self, case: Case, changed: Mask) -> None:
        presented = self._present(case.output, {})
        for row in np.flatnonzero(changed).tolist():
            shown = presented[row]
            if self._options is None:
                case.words[row] = f"We are not sure. Is it {shown.answer}?"
                continue
            likeliest = shown.options[: self._options]
            case.shown[row] = Shown(None, None, likeliest)
            case.words[row] = (
                f"We are not sure. It could be {either([o.answer for o in likeliest])}."
            )


def either(names: list[str]) -> str:
    """Names as a person lists what it could be."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
