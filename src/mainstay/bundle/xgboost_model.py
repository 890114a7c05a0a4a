"""XGBoost models, boosters and their scikit-learn wrappers: to ONNX, else as XGBoost's UBJ."""

import json
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


class XgboostModel:
    """A Booster, or an XGBClassifier, XGBRegressor or XGBRanker."""

    libraries: tuple[str, ...] = ("xgboost",)

    def __init__(self, model: Any) -> None:
        xgboost = library("xgboost", "packing an XGBoost model")
        classes: Any = None
        if isinstance(model, xgboost.Booster):
            booster = model
            self.parameters: dict[str, Any] = {}
        else:
            if not model.__sklearn_is_fitted__():
                raise InvalidUsage(
                    f"the model is not fitted: {type(model).__qualname__}",
                    field="model",
                    expected="model.fit(X, y) before pack",
                )
            booster = model.get_booster()
            classes = getattr(model, "classes_", None)
            self.parameters = json_parameters(model.get_params())
            # The wrapper answers with the best iteration of early stopping, a booster with all.
            if getattr(model, "early_stopping_rounds", None) is not None:
                booster = booster[: int(model.best_iteration) + 1]
        if "c" in (booster.feature_types or ()):
            raise InvalidUsage(
                "the XGBoost model was trained on category columns, whose codes only its data "
                "frame knows",
                field="model",
                expected="category columns made into numbers by a features function",
            )
        names = booster.feature_names
        self.feature_names = None if names is None else tuple(str(name) for name in names)
        # Converters want names of their own, and a model in service takes a plain matrix.
        self._booster = xgboost.Booster(params={"nthread": 1}, model_file=booster.save_raw("ubj"))
        self._booster.feature_names = None
        self._booster.feature_types = None
        self._booster.set_param({"nthread": 1})
        self.width: int | None = int(self._booster.num_features())
        self.classes: tuple[str, ...] | None
        self.form: Form
        self.classes, self.form = self._outputs(classes)

    def _outputs(self, classes: Any) -> tuple[tuple[str, ...] | None, Form]:
        settings = json.loads(self._booster.save_config())["learner"]
        objective = str(settings["objective"]["name"])
        if objective == "multi:softmax" and classes is None:
            raise InvalidUsage(
                "a booster with the objective multi:softmax answers with class numbers only",
                field="model",
                got=objective,
                expected="the objective multi:softprob",
            )
        if objective == "multi:softmax":
            self._booster.set_param({"objective": "multi:softprob"})
        if classes is not None:
            return tuple(label_text(name) for name in np.asarray(classes).tolist()), "probability"
        if objective == "binary:logistic":
            return ("0", "1"), "probability"
        if objective == "multi:softprob":
            count = int(settings["learner_model_param"]["num_class"])
            return tuple(str(place) for place in range(count)), "probability"
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
        return np.asarray(self._booster.inplace_predict(matrix, validate_features=False))

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """ONNX, then XGBoost's own UBJ."""
        return self._onnx, self._ubj

    def _ubj(self, _given: Given) -> Candidate:
        data = bytes(self._booster.save_raw("ubj"))
        return Candidate(format="xgboost", data=data, layout="matrix", numbers="float64")

    def _onnx(self, given: Given) -> Candidate:
        tools = library("onnxmltools", "converting an XGBoost model to ONNX")
        types = library("onnxmltools.convert.common.data_types", "converting an XGBoost model")
        inputs = [("features", types.FloatTensorType([None, len(given.columns)]))]
        try:
            model = tools.convert_xgboost(self._booster, "mainstay", inputs, target_opset=_OPSET)
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
