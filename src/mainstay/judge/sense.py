"""Whether each row of a model's raw output makes sense: finite, in range, of the right form.

Promises a verdict for every row, whatever the output holds; a row that a NaN or an infinity
touched never passes. Costs a few NumPy calls per batch.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column
from mainstay.contract.fields import between
from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    VectorOutput,
)

Mask = npt.NDArray[np.bool_]

_SUM_TOLERANCE: Final = 1e-3
_ROUNDING: Final = 1e-6
"""How far a probability may leave [0, 1] because 32-bit floats are rounded."""


class Sense:
    """The check of one contract's output, compiled once."""

    def __init__(self, contract: Contract) -> None:
        self._output: Output = contract.output
        self._width = _width(contract.output)

    def __call__(self, output: Column) -> Mask:
        """Which rows may be shown."""
        if not self._fits(output):
            return np.zeros(output.shape[0] if output.ndim else 0, dtype=np.bool_)
        match self._output:
            case Probability():
                return _probable(output)
            case Label():
                known: Mask = np.asarray((output >= 0) & (output < len(self._output.classes)))
                return known
            case NumberOutput():
                return self._in_range(output)
            case Ranking() | VectorOutput():
                return np.asarray(np.isfinite(output).all(axis=1))

    def _fits(self, output: Column) -> bool:
        if isinstance(self._output, Label):
            return output.ndim == 1 and output.dtype.kind in "iu"
        if output.dtype.kind != "f":
            return False
        return output.ndim == 1 if self._width is None else output.shape[1:] == (self._width,)

    def _in_range(self, output: Column) -> Mask:
        assert isinstance(self._output, NumberOutput)
        good: Mask = np.isfinite(output)
        if self._output.min is not None:
            good &= output >= self._output.min
        if self._output.max is not None:
            good &= output <= self._output.max
        return good

    def reason(self, output: Column, row: int) -> str:
        """Why a row may not be shown, in words for the journal."""
        if not self._fits(output):
            return f"the output has the type {output.dtype} and shape {list(output.shape)}"
        value: Any = output[row]
        if output.dtype.kind == "f" and not np.isfinite(value).all():
            return "the output is not finite"
        match self._output:
            case Probability():
                if (value < -_ROUNDING).any() or (value > 1 + _ROUNDING).any():
                    return "a probability lies outside 0 to 1"
                return f"the probabilities sum to {float(value.sum()):.6g} instead of 1"
            case Label():
                return f"there is no class number {int(value)}"
            case NumberOutput():
                wanted = between("a number", self._output.min, self._output.max)
                return f"the output is {float(value):.6g}; expected {wanted}"
            case _:
                return "the output makes no sense"


def _width(output: Output) -> int | None:
    match output:
        case Probability():
            return len(output.classes)
        case Ranking():
            return len(output.items)
        case VectorOutput():
            return output.length
        case _:
            return None


def _probable(output: Column) -> Mask:
    # NaN and infinity fail the comparisons, so they need no look of their own.
    within: Mask = (output >= -_ROUNDING) & (output <= 1 + _ROUNDING)
    if np.count_nonzero(within) == within.size:
        return _sums_to_one(output)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(within.all(axis=1) & _sums_to_one(output))


def _sums_to_one(output: Column) -> Mask:
    two = output.shape[1] == 2
    total = output[:, 0] + output[:, 1] if two else np.add.reduce(output, axis=1)
    return np.asarray(np.abs(total - 1) <= _SUM_TOLERANCE)
