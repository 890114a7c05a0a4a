"""Versions kept as LightGBM's own text format, for models whose ONNX form does not agree."""

import numpy as np

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import shaper
from mainstay.bundle.extras import library
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import MATRIX, Column, Columns


class LightGbmRunner:
    """A booster on one thread."""

    def __init__(self, model: bytes, manifest: Manifest) -> None:
        lightgbm = library("lightgbm", "running a LightGBM model")
        try:
            self._booster = lightgbm.Booster(model_str=model.decode("utf-8"))
        except Exception as error:  # because a parser of a foreign format may raise anything
            raise InvalidBundle(
                f"LightGBM cannot load the model: {error}", field="model", rule="lightgbm"
            ) from error
        got = self._booster.num_feature()
        if got != len(manifest.features):
            raise InvalidBundle(
                "the model and the manifest disagree about the number of features",
                field="features",
                rule="features",
                got=got,
                expected=str(len(manifest.features)),
            )
        self._shape = shaper(manifest.contract.output, manifest.runs)

    def run(self, features: Columns) -> Column:
        """One matrix through the booster."""
        matrix = features[MATRIX]
        raw = self._booster.predict(matrix, num_threads=1, validate_features=False)
        return self._shape(np.asarray(raw), matrix.shape[0])
