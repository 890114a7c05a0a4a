"""Versions that run from source: a class the bundle carries, filled with the state it had.

The state is JSON and plain arrays (`state.py`), never a pickle; the object is made without calling
its constructor. Such a bundle is only ever admitted when a trusted key signed it.
"""

from types import ModuleType
from typing import Any

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import shaper
from mainstay.bundle.carried import member
from mainstay.bundle.model import Manifest
from mainstay.bundle.state import decode_state
from mainstay.contract.columns import MATRIX, Column, Columns, rows_of
from mainstay.contract.model import Output, Probability


def method_name(output: Output, model: Any) -> str:
    """Which method of a plain model gives the answer."""
    if isinstance(output, Probability) and hasattr(model, "predict_proba"):
        return "predict_proba"
    return "predict"


class SourceRunner:
    """An object of the carried class."""

    def __init__(self, model: bytes, manifest: Manifest, module: ModuleType | None) -> None:
        code = manifest.code
        if module is None or code is None or code.model is None:
            raise InvalidBundle(
                "the model runs from source but the bundle names no class for it",
                field="code.model",
                rule="source",
            )
        kind: Any = member(module, code.model, code.file)
        instance: Any = object.__new__(kind)
        for name, value in decode_state(model).items():
            object.__setattr__(instance, name, value)
        self._predict: Any = getattr(instance, method_name(manifest.contract.output, instance))
        self._matrix = manifest.runs.layout == "matrix"
        self._shape = shaper(manifest.contract.output, manifest.runs)

    def run(self, features: Columns) -> Column:
        """A matrix, or a dictionary of columns, to the object's own method."""
        if self._matrix:
            matrix = features[MATRIX]
            return self._shape(self._predict(matrix), matrix.shape[0])
        return self._shape(self._predict(dict(features)), rows_of(features))
