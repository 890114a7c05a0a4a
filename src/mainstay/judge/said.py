"""What a safeguard is shown: what the main model was asked, and what it said.

Promises the same columns for a request and for a logged decision, so that a safeguard is asked in
service as it was taught; that every column of the main model's inputs and context is among them
under its own name, with `_` for the dot of a looked-up one; and that what was said comes as
`said_answer`, `said_confidence` and `said_probabilities`, or as `said_number`.
"""

from collections.abc import Callable

import msgspec
import numpy as np

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibration import confidence
from mainstay.bundle.judgement import Calibration
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import (
    Category,
    Contract,
    Input,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Vector,
    columns_of,
)
from mainstay.contract.safeguards import SAID

ANSWER = f"{SAID}answer"
CONFIDENCE = f"{SAID}confidence"
PROBABILITIES = f"{SAID}probabilities"
NUMBER = f"{SAID}number"


def asked_kinds(contract: Contract) -> dict[str, tuple[str, Input]]:
    """By the name under which a safeguard is shown it: the main model's own column and its kind."""
    found: dict[str, tuple[str, Input]] = {}
    for name, kind in columns_of(contract.inputs, contract.context).items():
        shown = name.replace(".", "_")
        if shown not in found:
            plain = {"from_model": "", "sensitivity": "public", "subject": ""}
            found[shown] = (name, msgspec.structs.replace(kind, **plain))
    return found


def said_kinds(output: Output) -> dict[str, Input]:
    """What is shown of an answer."""
    match output:
        case Probability():
            return {
                ANSWER: Category(values=output.classes),
                CONFIDENCE: Number(),
                PROBABILITIES: Vector(length=len(output.classes)),
            }
        case Label():
            return {ANSWER: Category(values=output.classes)}
        case NumberOutput():
            return {NUMBER: Number()}
        case _:
            return {}


def offered(contract: Contract) -> dict[str, Input]:
    """All that a safeguard of such a model may take."""
    asked = {name: kind for name, (_, kind) in asked_kinds(contract).items()}
    return {**asked, **said_kinds(contract.output)}


def sayer(output: Output, calibration: Calibration | None) -> Callable[[Column], Columns]:
    """From raw output that makes sense to what is shown of it."""
    match output:
        case Probability():
            sure = confidence(output, calibration)
            names = np.array(output.classes, dtype=object)

            def of_probabilities(raw: Column) -> Columns:
                return {
                    ANSWER: names[chosen_classes(output, raw)],
                    CONFIDENCE: sure(raw),
                    PROBABILITIES: np.asarray(raw, dtype=np.float64),
                }

            return of_probabilities
        case Label():
            names = np.array(output.classes, dtype=object)
            return lambda raw: {ANSWER: names[raw]}
        case NumberOutput():
            return lambda raw: {NUMBER: np.asarray(raw, dtype=np.float64)}
        case _:
            raise TypeError(f"no safeguard can be shown an output of type {type(output).__name__}")


def wrong_answers(output: Output, raw: Column, truth: Column, wrong_by: float | None) -> Column:
    """Which answers were wrong: another class than the truth, or too far from it."""
    if isinstance(output, NumberOutput):
        return np.abs(raw - truth) > (wrong_by or 0.0)
    return chosen_classes(output, raw) != truth
