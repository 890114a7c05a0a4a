"""Versions kept as XGBoost's own UBJ format, for models whose ONNX form does not agree."""

from mainstay.base.errors import InvalidBundle
from mainstay.bundle.answers import shaper
from mainstay.bundle.extras import library
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import MATRIX, Column, Columns


class XgboostRunner:
    """A booster on one thread."""

    def __init__(self, model: bytes, manifest: Manifest) -> None:
        xgboost = library("xgboost", "running an XGBoost model")
        try:
            self._booster = xgboost.Booster(params={"nthread": 1}, model_file=bytearray(model))
            self._booster.set_param({"nthread": 1})
            got = int(self._booster.num_features())
        except Exception as error:  # because a parser of a foreign format may raise anything
            raise InvalidBundle(
                f"XGBoost cannot load the model: {error}", field="model", rule="xgboost"
            ) from error
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
        raw = self._booster.inplace_predict(matrix, validate_features=False)
        return self._shape(raw, matrix.shape[0])
