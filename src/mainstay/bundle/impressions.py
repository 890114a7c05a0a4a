"""First-impression examples: what a user would try first, and the answer in a user's words.

A person who meets a model asks it the obvious and stops trusting it when the obvious goes wrong.
What is right is said in words, not in digits, so that it survives a retraining:

    probability, label   a class, or several: `fraud`, `cat or dog`
    ranking              an item that must be among those shown, or several: `jam or honey`
    number               `10 to 20`, `at least 10`, `at most 20`

Vectors have no words. Must never accept words that cannot be held against an answer.
"""

import math
import re
from typing import Any, Final

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import chosen_classes
from mainstay.contract.columns import Column
from mainstay.contract.model import Label, NumberOutput, Output, Probability, Ranking
from mainstay.contract.words import did_you_mean, one_of

_NUMBER: Final = r"([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)"
_BETWEEN: Final = re.compile(rf"{_NUMBER} to {_NUMBER}")
_BOUND: Final = re.compile(rf"at (least|most) {_NUMBER}")
_NUMBER_WORDS: Final = "words such as `10 to 20`, `at least 10` or `at most 20`"


def wrong_words(output: Output, words: str) -> str | None:
    """Why these words cannot be held against an answer; nothing when they can."""
    names = _names(output)
    if names is not None:
        unknown = next((name for name in _either(names, words) if name not in names), None)
        if unknown is None:
            return None
        guess = did_you_mean(unknown, names)
        return f"{unknown[:60]!r} is never answered{guess}; answers are {one_of(names)}"
    if not isinstance(output, NumberOutput):
        return "a vector has no words to expect it in"
    low, high = _bounds(words)
    return None if low <= high else f"{words[:60]!r} is no range of numbers; write {_NUMBER_WORDS}"


def words_column(answers: Any, output: Output, rows: int) -> Column:
    """The answers to some rows as the asset keeps them; `InvalidUsage` where they will not do."""
    words = [] if answers is None else [str(one) for one in answers]
    if len(words) != rows:
        raise InvalidUsage(
            "first_impressions needs the answer to each row, in words",
            field="first_impressions",
            got=len(words),
            expected=f"{rows} answers: first_impressions=(X, answers)",
        )
    for row, said in enumerate(words):
        fault = wrong_words(output, said)
        if fault is not None:
            raise InvalidUsage(
                f"first_impressions, answer {row + 1}: {fault}",
                field="first_impressions",
                got=said[:60],
            )
    column = np.empty(rows, dtype=object)
    column[:] = words
    return column


def unlike(output: Output, raw: Column, words: str) -> str | None:
    """What the raw output of one row is called when it is not what the words say."""
    names = _names(output)
    if names is None:
        low, high = _bounds(words)
        number = float(raw)
        return None if low <= number <= high else f"{number:.6g}"
    said = _said(output, names, raw)
    if set(said) & set(_either(names, words)):
        return None
    return ", ".join(said[:6]) + (f", … ({len(said)} shown)" if len(said) > 6 else "")


def _names(output: Output) -> tuple[str, ...] | None:
    if isinstance(output, (Probability, Label)):
        return output.classes
    return output.items if isinstance(output, Ranking) else None


def _said(output: Output, names: tuple[str, ...], raw: Column) -> list[str]:
    """What a person is shown: the class, or the best items."""
    if isinstance(output, Ranking):
        best: list[int] = np.argsort(-raw.astype(np.float64), kind="stable").tolist()
        return [names[place] for place in best[: output.top]]
    return [names[int(chosen_classes(output, raw[np.newaxis])[0])]]


def _either(names: tuple[str, ...], words: str) -> list[str]:
    """The names that words mean: a name that has ` or ` in it is first of all a name."""
    return [words] if words in names else words.split(" or ")


def _bounds(words: str) -> tuple[float, float]:
    """The lowest and highest number that fit; the wrong way round where there are none."""
    between, bound = _BETWEEN.fullmatch(words), _BOUND.fullmatch(words)
    if between is not None:
        return float(between[1]), float(between[2])
    if bound is None:
        return math.inf, -math.inf
    number = float(bound[2])
    return (number, math.inf) if bound[1] == "least" else (-math.inf, number)
