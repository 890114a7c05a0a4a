"""LightGBM models, boosters and their scikit-learn wrappers: to ONNX, else as LightGBM's text."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import label_text
from mainstay.bundle.extras import library
from mainstay.bundle.frames import matrix_of
from mainstay.bundle.onnx_model import keep_output
from mainstay.bundle.trained import Candidate, Form, Given, json_parameters
from mainstay.contract.columns import Column, Columns

_OPSET = 15


class LightGbmModel:
    """A Booster, or an LGBMClassifier, LGBMRegressor or LGBMRanker."""

    libraries: tuple[str, ...] = ("lightgbm",)

    def __init__(self, model: Any) -> None:
        lightgbm = library("lightgbm", "packing a LightGBM model")
        self._wrapper: Any = None
        if isinstance(model, lightgbm.Booster):
            self._booster = model
            self.parameters = json_parameters(dict(model.params))
        else:
            if getattr(model, "_Booster", None) is None:
                raise InvalidUsage(
                    f"the model is not fitted: {type(model).__qualname__}",
                    field="model",
                    expected="model.fit(X, y) before pack",
                )
            self._wrapper = model
            self._booster = model.booster_
            self.parameters = json_parameters(model.get_params())
        if getattr(self._booster, "pandas_categorical", None):
            raise InvalidUsage(
                "the LightGBM model was trained on pandas category columns, whose codes only "
                "pandas knows",
                field="model",
                expected="category columns made into numbers by a features function, or a "
                "scikit-learn Pipeline with an OrdinalEncoder in front",
            )
        self.width: int | None = int(self._booster.num_feature())
        names = [str(name) for name in self._booster.feature_name()]
        invented = names == [f"Column_{place}" for place in range(len(names))]
        self.feature_names = None if invented else tuple(names)
        self.classes: tuple[str, ...] | None
        self.form: Form
        self.classes, self.form = self._outputs()

    def _outputs(self) -> tuple[tuple[str, ...] | None, Form]:
        if self._wrapper is not None:
            classes = getattr(self._wrapper, "classes_", None)
            if classes is None:
                return None, "number"
            return tuple(label_text(name) for name in classes), "probability"
        objective = str(self._booster.dump_model(num_iteration=1).get("objective", ""))
        name = objective.partition(" ")[0]
        if name in ("multiclass", "multiclassova"):
            count = int(self._booster.num_model_per_iteration())
            return tuple(str(place) for place in range(count)), "probability"
        if name == "binary":
            return ("0", "1"), "probability"
        return None, "number"

    def layout(
        self,
        features: Columns,
        form: str,  # because the port asks it of all
    ) -> Literal["matrix", "columns"]:
        """Always one matrix."""
        return "matrix"

    def answer(self, given: Given) -> Column:
        """The booster's own answers on 64-bit numbers."""
        matrix = matrix_of(given.columns, "the confidence set")
        raw = self._booster.predict(matrix, num_threads=1, validate_features=False)
        return np.asarray(raw)

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """ONNX, then LightGBM's own text."""
        return self._onnx, self._text

    def _text(self, _given: Given) -> Candidate:
        text: str = self._booster.model_to_string()
        return Candidate(
            format="lightgbm", data=text.encode("utf-8"), layout="matrix", numbers="float64"
        )

    def _onnx(self, given: Given) -> Candidate:
        tools = library("onnxmltools", "converting a LightGBM model to ONNX")
        types = library("onnxmltools.convert.common.data_types", "converting a LightGBM model")
        inputs = [("features", types.FloatTensorType([None, len(given.columns)]))]
        try:
            model = tools.convert_lightgbm(
                self._booster, "mainstay", inputs, target_opset=_OPSET, zipmap=False
            )
        except Exception as error:  # because converters raise whatever they meet
            raise InvalidUsage(f"onnxmltools cannot convert it: {str(error)[:300]}") from error
        outputs = [node.name for node in model.graph.output]
        wanted = outputs[-1] if self.form == "probability" else outputs[0]
        return Candidate(
            format="onnx",
            data=keep_output(model, wanted),
            layout="matrix",
            numbers="float32",
            output=wanted,
        )
