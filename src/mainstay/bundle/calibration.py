"""From a model's probabilities to confidence: how often such an answer is right.

Promises that corrected probabilities lie between 0 and 1 and add up to 1, and that a version
without a correction says exactly what its model said. The answer itself never changes: it is
chosen by the model's own probabilities. Pure NumPy, a few calls for any number of rows.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.bundle.judgement import Calibration
from mainstay.contract.columns import Column
from mainstay.contract.model import Contract, Probability, threshold_of

Floats = npt.NDArray[np.float64]
Correct = Callable[[Column], Floats]

SMALLEST: Final = 1e-6
"""A model that says 0 or 1 is taken for this sure; more cannot be told from a finite set."""


def correction(calibration: Calibration | None, classes: int) -> Correct | None:
    """From raw to corrected probabilities, one column for each class; nothing where they stay."""
    if calibration is None or calibration.method == "none":
        return None
    if classes == 2:
        second = _second(calibration)

        def two(raw: Column) -> Floats:
            corrected = np.empty((raw.shape[0], 2))
            corrected[:, 1] = second(raw[:, 1])
            np.subtract(1.0, corrected[:, 1], out=corrected[:, 0])
            return corrected

        return two
    if calibration.method == "temperature":
        return lambda raw: tempered(raw, calibration.temperature)
    said, true = _points(calibration)
    return lambda raw: _shared_out(raw, _interpolated(_highest(raw), said, true))


def correction_for(contract: Contract, calibration: Calibration | None) -> Correct | None:
    """The correction of a contract's output; nothing where it is no probabilities."""
    if not isinstance(contract.output, Probability):
        return None
    return correction(calibration, len(contract.output.classes))


def confidence(output: Probability, calibration: Calibration | None = None) -> Correct:
    """From raw probabilities to the confidence in the class that is answered."""
    if calibration is not None and calibration.method == "none":
        calibration = None
    if len(output.classes) == 2:
        second = None if calibration is None else _second(calibration)
        threshold = threshold_of(output)

        def of_two(raw: Column) -> Floats:
            own = raw[:, 1]
            # As the presentation compares: in the output's own precision.
            reached = own >= own.dtype.type(threshold)
            if second is None:
                return np.where(reached, own, raw[:, 0]).astype(np.float64)
            corrected = second(own)
            return np.where(reached, corrected, 1.0 - corrected)

        return of_two
    if calibration is None:
        return _highest
    if calibration.method == "temperature":
        heat = calibration.temperature
        return lambda raw: _highest(tempered(raw, heat))
    said, true = _points(calibration)
    return lambda raw: _interpolated(_highest(raw), said, true)


def _second(calibration: Calibration) -> Correct:
    """The probability of the second of two classes, corrected."""
    if calibration.method == "isotonic":
        said, true = _points(calibration)
        return lambda own: _interpolated(own, said, true)
    sharpness = 1.0 / calibration.temperature

    def cooled(own: Column) -> Floats:
        # Not `np.clip`, which takes as long as all the rest.
        inside = np.minimum(np.maximum(own.astype(np.float64), SMALLEST), 1 - SMALLEST)
        return 1.0 / (1.0 + (1.0 / inside - 1.0) ** sharpness)

    return cooled


def _highest(raw: Column) -> Floats:
    highest: Column = raw.max(axis=1)
    return highest.astype(np.float64)


def _interpolated(at: Column, said: Floats, true: Floats) -> Floats:
    return np.interp(at, said, true)


def _points(calibration: Calibration) -> tuple[Floats, Floats]:
    points = np.array(calibration.points, dtype=np.float64)
    return points[:, 0].copy(), points[:, 1].copy()


def tempered(raw: Column, temperature: float) -> Floats:
    """Probabilities whose logarithms are divided by a temperature."""
    logs = np.log(np.clip(raw.astype(np.float64), SMALLEST, 1.0)) / temperature
    logs -= logs.max(axis=1, keepdims=True)
    powers = np.exp(logs)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _shared_out(raw: Column, highest: Floats) -> Floats:
    """The corrected confidence for the likeliest class; the others share the rest as they did."""
    shares = raw.astype(np.float64)
    rows = np.arange(len(shares))
    best = np.argmax(raw, axis=1)
    shares[rows, best] = 0.0
    total = shares.sum(axis=1)
    alone = total <= 0
    if alone.any():
        shares[alone] = 1.0
        shares[rows[alone], best[alone]] = 0.0
        total = shares.sum(axis=1)
    shares *= ((1.0 - highest) / total)[:, np.newaxis]
    shares[rows, best] = highest
    return shares
