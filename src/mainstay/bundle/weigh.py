"""What pack learns of a version's own judgement: its threshold, its calibration, its evidence.

Promises that a contract whose threshold is a rule becomes one with a number, and that the rule, the
curve and how sure it is travel with it; and that what a contract asks for and the confidence set
cannot give is refused in words.
"""

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.assets import Examples
from mainstay.bundle.calibrate import SURE_ROWS_MIN, calibrate, reliability
from mainstay.bundle.calibration import confidence
from mainstay.bundle.evidence import evidence_of
from mainstay.bundle.judgement import Calibration, Judgement, Reliability, ThresholdChoice
from mainstay.bundle.model import Manifest
from mainstay.bundle.threshold import choose
from mainstay.contract.columns import Column
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract, Probability, ThresholdRule

_FITTED_ROWS_MIN = 10


def weigh(contract: Contract, raw: Column, examples: Examples) -> tuple[Contract, Judgement]:
    """The contract with a number for a threshold, and what was learned; `raw` is what the version
    answered to the confidence set."""
    contract, threshold = _with_threshold(contract, raw, examples.label)
    output = contract.output
    calibration: Calibration | None = None
    before: Reliability | None = None
    after: Reliability | None = None
    rows = 0
    if isinstance(output, Probability):
        known = np.zeros(0, dtype=np.int64)
        if examples.label is not None:
            known = np.flatnonzero((examples.label >= 0) & np.isfinite(raw).all(axis=1))
        rows = len(known)
        asked = _asked(contract.judge)
        _check_rows(asked, rows)
        if rows:
            truth = (examples.label if examples.label is not None else known)[known]
            truth = truth.astype(np.int64)
            answered = raw[known]
            right = chosen_classes(output, answered) == truth
            before = reliability(confidence(output)(answered), right)
            if asked != "no":
                calibration, held_out = calibrate(output, answered, truth, asked)
                after = reliability(held_out, right)
    return contract, Judgement(
        calibration=calibration,
        before=before,
        after=after,
        sure=rows >= SURE_ROWS_MIN,
        threshold=threshold,
        evidence=evidence_of(contract, examples.inputs, raw, examples.label),
    )


def stated(manifest: Manifest) -> Contract:
    """The contract as somebody wrote it: with the rule where a rule led to the threshold."""
    chosen = None if manifest.judgement is None else manifest.judgement.threshold
    output = manifest.contract.output
    if chosen is None or not isinstance(output, Probability):
        return manifest.contract
    ruled = msgspec.structs.replace(output, threshold=chosen.rule)
    return msgspec.structs.replace(manifest.contract, output=ruled)


def _asked(judge: Judge) -> str:
    """Which correction a contract asks for: none, where nothing looks at confidence."""
    if judge.confidence is not None:
        return judge.confidence.calibrate
    return "no" if judge.cost is None else "auto"


def _check_rows(asked: str, rows: int) -> None:
    if asked in ("isotonic", "temperature") and rows < _FITTED_ROWS_MIN:
        raise InvalidUsage(
            "confidence cannot be corrected without rows whose true answer is known",
            field="judge.confidence.calibrate",
            got=f"{asked}, and a confidence set with {rows} labelled rows",
            expected=f"at least {_FITTED_ROWS_MIN} labelled rows, or `calibrate: auto`",
        )


def _with_threshold(
    contract: Contract, raw: Column, labels: Column | None
) -> tuple[Contract, ThresholdChoice | None]:
    output = contract.output
    if not isinstance(output, Probability) or not isinstance(output.threshold, ThresholdRule):
        return contract, None
    if labels is None or not (labels >= 0).any():
        raise InvalidUsage(
            "a threshold is chosen on a confidence set with labels, and there are none",
            field="output.threshold",
            expected="confidence=(X_test, y_test), or a number for a threshold",
        )
    known = (labels >= 0) & np.isfinite(raw).all(axis=1)
    choice = choose(output.threshold, raw[known, 1], labels[known] == 1)
    chosen = msgspec.structs.replace(output, threshold=choice.chosen)
    return msgspec.structs.replace(contract, output=chosen), choice
