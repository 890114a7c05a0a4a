"""Versions kept as skops files: scikit-learn models that ONNX cannot express.

skops builds objects of named types from JSON and arrays and never unpickles; only types of
scikit-learn, NumPy and SciPy are let through. Tree types among them do not check their own node
indices, which is one more reason why digests come first and the first load is a child's.
"""

from typing import Any

import numpy as np

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import shaper
from mainstay.bundle.extras import library
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import MATRIX, Column, Columns
from mainstay.contract.model import Probability

_TRUSTED = ("sklearn.", "numpy.", "scipy.")


def load_skops(data: bytes) -> Any:
    """Build the estimator, refusing every type from elsewhere."""
    skops = library("skops.io", "running a scikit-learn model that ONNX cannot express")
    try:
        asked: list[str] = skops.get_untrusted_types(data=data)
        strangers = [name for name in asked if not name.startswith(_TRUSTED)]
        if not strangers:
            return skops.loads(data, trusted=asked)
    except Exception as error:  # because a parser of a foreign format may raise anything
        raise InvalidBundle(
            f"skops cannot load the model: {error}", field="model", rule="skops"
        ) from error
    raise InvalidBundle(
        "the model holds types that are not scikit-learn's own",
        field="model",
        rule="skops",
        got=", ".join(strangers[:10]),
        expected="types of scikit-learn, NumPy and SciPy only",
    )


class SkopsRunner:
    """An estimator fed with a matrix, or with a data frame where it was trained on one."""

    def __init__(self, model: bytes, manifest: Manifest) -> None:
        self._estimator = load_skops(model)
        probability = isinstance(manifest.contract.output, Probability)
        method = "predict_proba" if probability else "predict"
        self._predict: Any = getattr(self._estimator, method, None)
        if self._predict is None:
            raise InvalidBundle(f"the model has no {method}", field="model", rule="skops")
        self._names = list(manifest.features)
        self._matrix = manifest.runs.layout == "matrix"
        self._framed = getattr(self._estimator, "feature_names_in_", None) is not None
        self._shape = shaper(manifest.contract.output, manifest.runs)

    def run(self, features: Columns) -> Column:
        """Rows through the estimator, in the form it was trained with."""
        if self._matrix and not self._framed:
            given: Any = features[MATRIX]
            rows = int(given.shape[0])
        else:
            pandas = library("pandas", "a scikit-learn model that was trained on a data frame")
            columns = (
                {name: features[MATRIX][:, i] for i, name in enumerate(self._names)}
                if self._matrix
                else {name: features[name] for name in self._names}
            )
            given = pandas.DataFrame(columns)
            rows = len(given)
        return self._shape(np.asarray(self._predict(given)), rows)
