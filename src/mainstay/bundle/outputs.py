"""What a model's answers are called: its own classes brought together with the contract's.

A model knows its classes by the labels it was trained with, often sorted by the alphabet; a
contract names them for people and in the order that its threshold means. They are matched by name
and reordered; numbered classes may be given names; anything else is refused, never guessed.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import label_text, width_of
from mainstay.bundle.frames import is_missing
from mainstay.bundle.trained import TrainedModel
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    VectorOutput,
)


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """The contract's output, and how the model's own answers map to it."""

    output: Output
    labels: tuple[str, ...] = ()
    order: tuple[int, ...] = ()


def output_of(trained: TrainedModel, raw: Column, classes: Sequence[str] | None) -> Output:
    """The output that a model suggests, where there is no contract yet."""
    if trained.form == "number":
        return NumberOutput()
    if trained.form == "vector":
        return VectorOutput(length=int(raw.shape[1]))
    own = trained.classes or ()
    names = tuple(str(name) for name in classes) if classes is not None else own
    if len(names) != len(own):
        raise InvalidUsage(
            "classes names another number of classes than the model has",
            field="classes",
            got=len(names),
            expected=f"{len(own)} names, for {', '.join(own[:20])}",
        )
    return Probability(classes=names) if trained.form == "probability" else Label(classes=names)


def meaning_of(trained: TrainedModel, output: Output, classes: Sequence[str] | None) -> Meaning:
    """Match the model's classes with the output's; `InvalidUsage` where they do not fit."""
    _check_form(trained, output)
    if not isinstance(output, (Probability, Label)):
        return Meaning(output=output)
    own = trained.classes or output.classes
    names = tuple(str(name) for name in classes) if classes is not None else own
    if len(names) != len(own) or len(own) != len(output.classes):
        raise InvalidUsage(
            "the contract and the model have different numbers of classes",
            field="output.classes",
            got=", ".join(output.classes[:20]),
            expected=f"{len(own)} classes: {', '.join(own[:20])}",
        )
    if set(names) == set(output.classes):
        order = tuple(names.index(name) for name in output.classes)
    elif classes is None and own == tuple(str(place) for place in range(len(own))):
        order = tuple(range(len(own)))
    else:
        raise InvalidUsage(
            "the contract's classes are not the model's",
            field="output.classes",
            got=", ".join(output.classes[:20]),
            expected=", ".join(names[:20]) + "; or classes=[…], the contract's names in the order "
            "of the model's",
        )
    labels = tuple(own[place] for place in order)
    straight = order == tuple(range(len(own)))
    if isinstance(output, Probability):
        return Meaning(output=output, labels=labels, order=() if straight else order)
    return Meaning(output=output, labels=labels)


def _check_form(trained: TrainedModel, output: Output) -> None:
    fits = {
        "probability": isinstance(output, Probability),
        "label": isinstance(output, Label),
        "number": isinstance(output, NumberOutput),
        "vector": width_of(output) is not None,
    }
    if not fits[trained.form]:
        got = str(output.__struct_config__.tag)
        raise InvalidUsage(
            f"the contract's output is a {got}, the model answers with a {trained.form}",
            field="output.type",
            got=got,
            expected=trained.form,
        )


def labels_of(y: Any, meaning: Meaning, rows: int, what: str) -> Column:
    """Labels as the assets keep them: indices of classes or items with −1 where unknown, or
    numbers."""
    flat = np.asarray(y)
    if flat.ndim == 2 and flat.shape[1] == 1:
        flat = flat.reshape(-1)
    if flat.shape[:1] != (rows,):
        raise InvalidUsage(
            f"{what} has another number of rows than X",
            field=what,
            got=int(flat.shape[0]) if flat.ndim else 0,
            expected=f"{rows} labels, one per row of X",
        )
    output = meaning.output
    if not isinstance(output, (Probability, Label, Ranking)):
        return _numbers(flat, what)
    names = output.items if isinstance(output, Ranking) else output.classes
    noun = "an item" if isinstance(output, Ranking) else "a class"
    known = {label: place for place, label in enumerate(meaning.labels)}
    known.update({name: place for place, name in enumerate(names) if name not in known})
    made: list[int] = []
    for value in flat.tolist():
        name = label_text(value)
        if not is_missing(value) and name not in known:
            raise InvalidUsage(
                f"{what} has {noun} that the model does not have",
                field=what,
                got=name,
                expected="one of " + ", ".join(names[:20]),
            )
        made.append(-1 if is_missing(value) else known[name])
    return np.array(made, dtype=np.int64)


def _numbers(flat: Column, what: str) -> Column:
    try:
        numbers = flat.astype(np.float64)
    except (TypeError, ValueError):
        raise InvalidUsage(
            f"{what} must be numbers for this model", field=what, got=str(flat.dtype)
        ) from None
    if np.isinf(numbers).any():
        raise InvalidUsage(
            f"{what} holds infinity",
            field=what,
            expected="finite numbers, or NaN where a label is not known",
        )
    return numbers


def expected_of(expected: Any, meaning: Meaning, rows: int) -> Column:
    """The answers of an end-to-end set as a user writes them: raw output, or classes by name."""
    array = np.asarray(expected)
    output = meaning.output
    if isinstance(output, Label):
        return labels_of(expected, meaning, rows, "end_to_end's expected answers")
    width = width_of(output)
    if isinstance(output, Probability) and array.ndim == 1:
        if array.dtype.kind == "f" and width == 2 and array.shape == (rows,):
            return np.column_stack([1 - array, array]).astype(np.float64)
        places = labels_of(expected, meaning, rows, "end_to_end's expected answers")
        names = np.empty(rows, dtype=object)
        names[:] = [output.classes[place] for place in places.tolist()]
        return names
    shape = (rows,) if width is None else (rows, width)
    if array.shape != shape or array.dtype.kind not in "fiub":
        raise InvalidUsage(
            "end_to_end's expected answers have a wrong shape",
            field="end_to_end",
            got=f"{array.dtype} {list(array.shape)}",
            expected=f"numbers in the shape {list(shape)}"
            + (", or the class of each row by name" if isinstance(output, Probability) else ""),
        )
    return array.astype(np.float64)
