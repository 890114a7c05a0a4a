"""A plain Python object with `predict` or `predict_proba`: kept as source and state.

Its class is carried as source (`source.py`), its attributes as data (`state.py`). It is given what
it was given in training: a float64 matrix, or a dictionary of columns where it was trained on a
data frame or a dictionary, because the serving process has no data frames.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import label_text
from mainstay.bundle.frames import matrix_of
from mainstay.bundle.state import encode_state
from mainstay.bundle.trained import Candidate, Form, Given, json_parameters
from mainstay.contract.columns import Column, Columns


class PlainModel:
    """An object of a class of the user's own."""

    libraries: tuple[str, ...] = ()
    feature_names: tuple[str, ...] | None = None
    width: int | None = None

    def __init__(self, model: Any, classes: tuple[str, ...] | None) -> None:
        if not hasattr(model, "__dict__") or isinstance(model, type):
            raise InvalidUsage(
                "the model has no attributes that could be kept",
                field="model",
                got=type(model).__qualname__,
                expected="an ordinary object of a class of yours",
            )
        self.model = model
        own = getattr(model, "classes_", None)
        if own is None:
            own = getattr(model, "classes", None)
        named = None if own is None else tuple(label_text(c) for c in np.asarray(own).tolist())
        self.classes = named or classes
        self.form: Form = "number"
        if hasattr(model, "predict_proba"):
            self.form = "probability"
        elif self.classes is not None:
            self.form = "label"
        if self.form == "probability" and self.classes is None:
            raise InvalidUsage(
                "the model does not say what its classes are called",
                field="classes",
                expected="classes=[…] in the order of predict_proba, or an attribute classes_",
            )
        self.parameters = json_parameters(dict(model.__dict__))

    def layout(
        self,
        features: Columns,
        form: str,  # because the port asks it of all
    ) -> Literal["matrix", "columns"]:
        """As it was trained."""
        return "matrix" if form == "matrix" else "columns"

    def answer(self, given: Given) -> Column:
        """Its own method."""
        rows: Any = (
            matrix_of(given.columns, "the confidence set")
            if given.layout == "matrix"
            else dict(given.columns)
        )
        method = "predict_proba" if self.form == "probability" else "predict"
        try:
            raw = np.asarray(getattr(self.model, method)(rows))
        except Exception as error:  # because a user's model may raise anything
            what = "a float64 matrix" if given.layout == "matrix" else "a dictionary of columns"
            raise InvalidUsage(
                f"the model's {method} raised {type(error).__name__}: {error}",
                field="model",
                expected=f"a model that takes {what}, as it will in service",
            ) from error
        if self.form == "number" and raw.ndim == 2 and raw.shape[1] > 1:
            self.form = "vector"
        return raw

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """Its state; the class travels with the code."""
        return (self._state,)

    def _state(self, given: Given) -> Candidate:
        state = encode_state(dict(self.model.__dict__))
        return Candidate(format="source", data=state, layout=given.layout, numbers="float64")
