"""The names that a rule of a contract may use: inputs, context, and what the model answers."""

from collections.abc import Mapping
from typing import Final

from mainstay.contract.model import (
    Category,
    Context,
    Input,
    Kind,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    columns_of,
)

ANSWER: Final = "answer"
CONFIDENCE: Final = "confidence"
OUTPUT: Final = "output"


def names_of(inputs: Mapping[str, Input], context: Mapping[str, Context]) -> dict[str, Kind]:
    """What a row asks: `amount`, `account.age_days`."""
    return dict(columns_of(inputs, context))


def names_of_answer(output: Output) -> dict[str, Kind]:
    """What is answered; missing where nothing is. Of an input with such a name, the answer's
    meaning counts."""
    share = Number(min=0, max=1, optional=True)
    match output:
        case Probability():
            named: dict[str, Kind] = {f"probability.{name}": share for name in output.classes}
            answer = Category(values=output.classes, optional=True)
            return {ANSWER: answer, CONFIDENCE: share, **named}
        case Label():
            return {ANSWER: Category(values=output.classes, optional=True)}
        case NumberOutput():
            number = Number(min=output.min, max=output.max, optional=True)
            return {ANSWER: number, OUTPUT: number}
        case Ranking():
            scores: dict[str, Kind] = {
                f"score.{item}": Number(optional=True) for item in output.items
            }
            return {ANSWER: Category(values=output.items, optional=True), **scores}
        case _:
            return {}


def names_of_rule(
    inputs: Mapping[str, Input], context: Mapping[str, Context], output: Output | None
) -> dict[str, Kind]:
    """All of them."""
    found = names_of(inputs, context)
    if output is not None:
        found |= names_of_answer(output)
    return found
