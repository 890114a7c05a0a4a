"""A trained model as pack sees it, whatever library it comes from."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from mainstay.bundle.anything import is_list, is_tuple
from mainstay.contract.columns import Column, Columns

Form = Literal["probability", "label", "number", "vector"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to keep a model."""

    format: Literal["onnx", "lightgbm", "xgboost", "skops", "source"]
    data: bytes
    layout: Literal["matrix", "columns"]
    numbers: Literal["float32", "float64"]
    output: str = ""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Features of some rows, in the order the model takes them."""

    columns: Columns
    layout: Literal["matrix", "columns"]
    """Whether the model was trained on a matrix of numbers or on named columns."""


class TrainedModel(Protocol):
    """What pack must know of a model, and what it can do with it."""

    libraries: tuple[str, ...]
    """Import names of the libraries it comes from."""
    feature_names: tuple[str, ...] | None
    width: int | None
    """How many features it takes, where the model says so."""
    classes: tuple[str, ...] | None
    """What it calls its classes, in the order of its answers."""
    form: Form
    parameters: dict[str, Any]

    def layout(self, features: Columns, form: str) -> Literal["matrix", "columns"]:
        """How the model is to be fed, given the features and what they came as."""
        ...

    def answer(self, given: Given) -> Column:
        """The model's own raw answers, which every way to keep it is compared with."""
        ...

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """The ways to keep it, best first; `InvalidUsage` says why one is not possible."""
        ...


def json_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that JSON can hold."""
    kept: dict[str, Any] = {}
    for name, value in parameters.items():
        if value is None or isinstance(value, (bool, int, str)):
            kept[str(name)] = value
        elif isinstance(value, float):
            # A NumPy float is a float to Python and a stranger to JSON.
            kept[str(name)] = float(value) if value - value == 0 else str(float(value))
        elif (is_list(value) or is_tuple(value)) and all(
            isinstance(item, (bool, int, str)) for item in value
        ):
            kept[str(name)] = list(value)
    return kept
