"""Raw output as answers that people read: a class, a number, a list of items best first.

Promises plain Python values that JSON can carry, and the same answer for the same output on
every door. Must never be asked to decide whether an answer may be shown: that is `sense.py`'s
part, and rows it refused are presented as no answer here.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from mainstay.base.limits import OPTIONS_SHOWN_MAX
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
)


class Option(msgspec.Struct, frozen=True, gc=False):
    """One possible class with its probability."""

    answer: str
    probability: float


class Scored(msgspec.Struct, frozen=True, gc=False):
    """One item of a ranking with its score."""

    answer: str
    score: float


class Shown(msgspec.Struct, frozen=True):
    """What a person is shown of one row."""

    answer: str | float | list[str] | list[float] | None
    confidence: float | None = None
    """The probability of the answered class, where the model gives probabilities."""
    options: list[Option] | list[Scored] = []
    """What else it could have been, best first; at most 100."""


Present = Callable[[Column], list[Shown]]

_NOTHING = Shown(None)


def present(contract: Contract) -> Present:
    """The presentation of a contract's output, compiled once."""
    output = contract.output
    match output:
        case Probability() if len(output.classes) == 2:
            return _two_classes(output)
        case Probability():
            return _many_classes(output)
        case Label():
            return _labels(output)
        case NumberOutput():
            return _numbers
        case Ranking():
            return _ranking(output)
        case VectorOutput():
            return _vectors


def _two_classes(output: Probability) -> Present:
    other, wanted = output.classes
    threshold = output.threshold

    def shown(raw: Column) -> list[Shown]:
        answers: list[Shown] = []
        add = answers.append
        # The comparison runs in the output's own precision, as a reader of the raw numbers would.
        reached: list[bool] = (raw[:, 1] >= raw.dtype.type(threshold)).tolist()
        pairs: list[tuple[float, float]] = raw.tolist()
        for (first, second), speaks in zip(pairs, reached, strict=True):
            if second >= first:
                options = [Option(wanted, second), Option(other, first)]
            else:
                options = [Option(other, first), Option(wanted, second)]
            add(Shown(wanted, second, options) if speaks else Shown(other, first, options))
        return answers

    return shown


def _best_first(raw: Column, count: int) -> tuple[list[list[int]], list[list[float]]]:
    """Places and values of the highest scores of each row; ties keep the contract's order."""
    order = np.argsort(-raw, axis=1, kind="stable")[:, :count]
    return order.tolist(), np.take_along_axis(raw, order, axis=1).tolist()


def _many_classes(output: Probability) -> Present:
    classes = output.classes
    count = min(len(classes), OPTIONS_SHOWN_MAX)

    def shown(raw: Column) -> list[Shown]:
        answers: list[Shown] = []
        for places, values in zip(*_best_first(raw, count), strict=True):
            options = [
                Option(classes[place], value) for place, value in zip(places, values, strict=True)
            ]
            answers.append(Shown(options[0].answer, values[0], options))
        return answers

    return shown


def _labels(output: Label) -> Present:
    known: list[Shown] = [Shown(name) for name in output.classes]

    def shown(raw: Column) -> list[Shown]:
        places: list[Any] = raw.tolist()
        return [known[p] if 0 <= p < len(known) else _NOTHING for p in places]

    return shown


def _numbers(raw: Column) -> list[Shown]:
    return [Shown(value) for value in raw.tolist()]


def _ranking(output: Ranking) -> Present:
    items = output.items
    count = min(len(items), output.top)

    def shown(raw: Column) -> list[Shown]:
        answers: list[Shown] = []
        for places, values in zip(*_best_first(raw, count), strict=True):
            names = [items[place] for place in places]
            scored = [
                Scored(name, value)
                for name, value in zip(names[:OPTIONS_SHOWN_MAX], values, strict=False)
            ]
            answers.append(Shown(names, None, scored))
        return answers

    return shown


def _vectors(raw: Column) -> list[Shown]:
    return [Shown(value) for value in raw.tolist()]
