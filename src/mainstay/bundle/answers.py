"""What a model's raw output means under a contract: its shape, its answer, its distance.

One set of rules for every format, so that a version answers in the same shape whether it runs as
ONNX, in its library's own format or from source, and so that pack, the trial and replay mean the
same by "the same answer".

Distance: for probabilities and vectors the largest absolute difference. For numbers and scores it
is relative: the difference over the larger of the answer itself and the mean size of the answers,
so that a target counted in millions and one counted in millionths are held to the same standard.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import ModelFailed
from mainstay.bundle.anything import is_array
from mainstay.bundle.model import ModelPart
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    VectorOutput,
    threshold_of,
)

Shaper = Callable[[Any, int], Column]


def width_of(output: Output) -> int | None:
    """How many numbers one row of raw output has; None where a row is a single value."""
    match output:
        case Probability():
            return len(output.classes)
        case Label() | NumberOutput():
            return None
        case Ranking():
            return len(output.items)
        case _:
            return output.length


def output_names(output: Output) -> tuple[str, ...]:
    """One name for each column of a raw output."""
    if isinstance(output, Probability):
        return output.classes
    if isinstance(output, Ranking):
        return output.items
    if isinstance(output, VectorOutput):
        return tuple(str(place) for place in range(output.length))
    return ("label",) if isinstance(output, Label) else ("number",)


def form_of(output: Output) -> tuple[object, ...]:
    """What two outputs share that are read alike."""
    match output:
        case Probability() | Label():
            return type(output), output.classes
        case NumberOutput():
            return type(output), output.unit
        case Ranking():
            return type(output), output.items, output.top
        case _:
            return type(output), output.length, output.space


def shaper(output: Output, part: ModelPart) -> Shaper:
    """The function that brings what a model returned into the contract's shape, or raises
    `ModelFailed` in words. It is chosen once, when a version is loaded."""
    if isinstance(output, Label):
        return _label_shaper(part.labels or output.classes)
    width = width_of(output)
    if width is None:
        return _shape_number
    binary = isinstance(output, Probability) and width == 2
    if part.order:
        in_own_order, order = shaper(output, msgspec.structs.replace(part, order=())), part.order
        return lambda raw, rows: in_own_order(raw, rows)[:, order]

    def shape(raw: Any, rows: int) -> Column:
        array: Column = raw if is_array(raw) else np.asarray(raw)
        if array.shape == (rows, width) and array.dtype.kind == "f":
            return array
        if binary and array.shape in ((rows,), (rows, 1)) and array.dtype.kind == "f":
            second = array.reshape(rows)
            return np.stack([1 - second, second], axis=1)
        if array.shape == (rows, width) and array.dtype.kind in "iub":
            return array.astype(np.float64)
        raise _wrong_shape(array, f"numbers in the shape [{rows}, {width}]")

    return shape


def _shape_number(raw: Any, rows: int) -> Column:
    array: Column = raw if is_array(raw) else np.asarray(raw)
    if array.shape not in ((rows,), (rows, 1)) or array.dtype.kind not in "fiub":
        raise _wrong_shape(array, f"numbers in the shape [{rows}]")
    flat = array.reshape(rows)
    return flat if flat.dtype.kind == "f" else flat.astype(np.float64)


def _label_shaper(labels: tuple[str, ...]) -> Shaper:
    index = {label: position for position, label in enumerate(labels)}

    def shape(raw: Any, rows: int) -> Column:
        array = np.asarray(raw)
        if array.shape not in ((rows,), (rows, 1)):
            raise _wrong_shape(array, f"labels in the shape [{rows}]")
        names = [label_text(value) for value in array.reshape(rows).tolist()]
        try:
            return np.array([index[name] for name in names], dtype=np.int64)
        except KeyError as error:
            raise ModelFailed(
                "the model answered with a class that the contract does not have",
                rule="classes",
                got=error.args[0],
                expected="one of " + ", ".join(labels[:20]),
            ) from None

    return shape


def label_text(value: Any) -> str:
    """A class as text: 1 and 1.0 are the same class, and True is `true`."""
    plain: Any = value.item() if hasattr(value, "dtype") else value
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float) and plain.is_integer():
        return str(int(plain))
    return str(plain)


def _wrong_shape(array: npt.NDArray[Any], expected: str) -> ModelFailed:
    return ModelFailed(
        "the model answered in a wrong shape or type",
        rule="output",
        got=f"{array.dtype} in the shape {list(array.shape)}",
        expected=expected,
    )


def chosen_classes(output: Output, raw: Column) -> npt.NDArray[np.int64]:
    """The index of the class that is answered, for outputs that have classes."""
    if isinstance(output, Label):
        return raw.astype(np.int64)
    if isinstance(output, Probability) and len(output.classes) == 2:
        return (raw[:, 1] >= threshold_of(output)).astype(np.int64)
    return np.argmax(raw, axis=1).astype(np.int64)


def distances(output: Output, got: Column, expected: Column) -> npt.NDArray[np.float64]:
    """How far each row's output is from what it should be; infinite where only one is NaN."""
    if isinstance(output, Label):
        return (got != expected).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        left, right = got.astype(np.float64), expected.astype(np.float64)
        apart = np.abs(left - right)
        if isinstance(output, (NumberOutput, Ranking)):
            size = np.abs(right)
            finite = size[np.isfinite(size)]
            typical = float(np.mean(finite)) if finite.size else 0.0
            scale = np.maximum(size, typical)
            apart = np.divide(apart, scale, out=apart.copy(), where=scale > 0)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    return apart if apart.ndim == 1 else apart.max(axis=1, initial=0.0)


def largest_distance(output: Output, got: Column, expected: Column) -> float:
    """The largest of the distances."""
    return float(distances(output, got, expected).max(initial=0.0))
