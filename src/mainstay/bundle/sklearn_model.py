"""scikit-learn estimators: to ONNX with skl2onnx, else as a skops file of trusted types.

A model that was trained on a matrix, or on a frame of numbers alone, takes one matrix; one whose
ColumnTransformer picks columns by name, or that takes text, gets one named input per column.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import label_text
from mainstay.bundle.extras import library
from mainstay.bundle.frames import matrix_of
from mainstay.bundle.onnx_model import keep_output
from mainstay.bundle.skops_runner import load_skops
from mainstay.bundle.trained import Candidate, Form, Given, json_parameters
from mainstay.contract.columns import Column, Columns

_OPSET = {"": 21, "ai.onnx.ml": 3}


class SklearnModel:
    """An estimator of scikit-learn, or a Pipeline of them."""

    def __init__(self, model: Any) -> None:
        base = library("sklearn.base", "packing a scikit-learn model")
        validation = library("sklearn.utils.validation", "packing a scikit-learn model")
        exceptions = library("sklearn.exceptions", "packing a scikit-learn model")
        if isinstance(model, type):
            raise InvalidUsage(
                "model is a class, not a model",
                field="model",
                expected=f"a fitted object: {model.__name__}().fit(X, y)",
            )
        try:
            validation.check_is_fitted(model)
        except exceptions.NotFittedError:
            raise InvalidUsage(
                f"the model is not fitted: {type(model).__qualname__}",
                field="model",
                expected="model.fit(X, y) before pack",
            ) from None
        self._model = model
        self.libraries = ("sklearn", *_foreign_libraries(model))
        names = getattr(model, "feature_names_in_", None)
        self.feature_names = None if names is None else tuple(str(name) for name in names)
        width = getattr(model, "n_features_in_", None)
        self.width = None if width is None else int(width)
        classes = getattr(model, "classes_", None)
        if isinstance(classes, list):
            raise InvalidUsage(
                "the model answers several classifications at once",
                field="model",
                expected="one model per classification",
            )
        self.classes = None if classes is None else tuple(label_text(c) for c in classes.tolist())
        self.form: Form = "number"
        if base.is_classifier(model):
            self.form = "probability" if hasattr(model, "predict_proba") else "label"
        parameters: dict[str, Any] = model.get_params() if hasattr(model, "get_params") else {}
        self.parameters = json_parameters(parameters)

    def layout(self, features: Columns, form: str) -> Literal["matrix", "columns"]:
        """Named columns where text is among them or columns are picked by name."""
        numbers = all(column.dtype.kind in "fiub" for column in features.values())
        picks = form != "matrix" and "ColumnTransformer" in _type_names(self._model)
        return "matrix" if numbers and not picks else "columns"

    def answer(self, given: Given) -> Column:
        """predict_proba, or predict."""
        if given.layout == "matrix" and self.feature_names is None:
            rows: Any = matrix_of(given.columns, "the confidence set")
        else:
            rows = library("pandas", "a model that takes named columns").DataFrame(given.columns)
        method = "predict_proba" if self.form == "probability" else "predict"
        raw = np.asarray(getattr(self._model, method)(rows))
        if self.form == "number" and raw.ndim == 2 and raw.shape[1] > 1:
            self.form = "vector"
        return raw

    def ways(self) -> Sequence[Callable[[Given], Candidate]]:
        """ONNX, then skops."""
        return self._onnx, self._skops

    def _onnx(self, given: Given) -> Candidate:
        skl2onnx = library("skl2onnx", "converting a scikit-learn model to ONNX")
        types = library("skl2onnx.common.data_types", "converting a scikit-learn model to ONNX")
        if given.layout == "matrix":
            inputs = [("features", types.FloatTensorType([None, len(given.columns)]))]
        else:
            inputs = [(name, _tensor_type(types, c)) for name, c in given.columns.items()]
        options: Any = {id(self._model): {"zipmap": False}} if self.classes is not None else None
        try:
            _register_foreign(self.libraries)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = skl2onnx.convert_sklearn(
                    self._model, "mainstay", inputs, options=options, target_opset=_OPSET
                )
        except Exception as error:  # because converters raise whatever they meet
            raise InvalidUsage(f"skl2onnx cannot convert it: {str(error)[:300]}") from error
        outputs = [node.name for node in model.graph.output]
        wanted = outputs[1] if self.form == "probability" and len(outputs) > 1 else outputs[0]
        return Candidate(
            format="onnx",
            data=keep_output(model, wanted),
            layout=given.layout,
            numbers="float32",
            output=wanted,
        )

    def _skops(self, given: Given) -> Candidate:
        skops = library("skops.io", "keeping a scikit-learn model that ONNX cannot express")
        try:
            data: bytes = skops.dumps(self._model)
        except Exception as error:  # because serialisers raise whatever they meet
            raise InvalidUsage(f"skops cannot write it: {str(error)[:300]}") from error
        load_skops(data)
        return Candidate(format="skops", data=data, layout=given.layout, numbers="float64")


def _tensor_type(types: Any, column: Column) -> Any:
    if column.dtype == object:
        return types.StringTensorType([None, 1])
    if column.dtype.kind in "iu":
        return types.Int64TensorType([None, 1])
    if column.dtype.kind == "b":
        return types.BooleanTensorType([None, 1])
    return types.FloatTensorType([None, 1])


def _estimators(model: Any) -> Iterator[Any]:
    """An estimator and everything inside it."""
    yield model
    inner: list[Any] = [step for _, step in getattr(model, "steps", [])]
    inner += [item[1] for item in getattr(model, "transformers_", [])]
    inner += [
        getattr(model, name)
        for name in ("best_estimator_", "estimator", "estimator_")
        if hasattr(model, name)
    ]
    for step in inner:
        if hasattr(step, "get_params") and not isinstance(step, type):
            yield from _estimators(step)


def _type_names(model: Any) -> set[str]:
    return {type(step).__name__ for step in _estimators(model)}


def _foreign_libraries(model: Any) -> tuple[str, ...]:
    roots = {type(step).__module__.partition(".")[0] for step in _estimators(model)}
    return tuple(sorted(roots & {"lightgbm", "xgboost"}))


def _register_foreign(libraries: tuple[str, ...]) -> None:
    """Teach skl2onnx the boosters that may sit at the end of a Pipeline."""
    if len(libraries) == 1:
        return
    skl2onnx = library("skl2onnx", "converting a Pipeline to ONNX")
    shapes = library("skl2onnx.common.shape_calculator", "converting a Pipeline to ONNX")
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    classifier = shapes.calculate_linear_classifier_output_shapes
    regressor = shapes.calculate_linear_regressor_output_shapes
    if "lightgbm" in libraries:
        lightgbm = library("lightgbm", "packing a LightGBM model")
        convert = library(
            "onnxmltools.convert.lightgbm.operator_converters.LightGbm", "converting LightGBM"
        ).convert_lightgbm
        skl2onnx.update_registered_converter(
            lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", classifier, convert, options=options
        )
        skl2onnx.update_registered_converter(
            lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", regressor, convert
        )
    if "xgboost" in libraries:
        xgboost = library("xgboost", "packing an XGBoost model")
        convert = library(
            "onnxmltools.convert.xgboost.operator_converters.XGBoost", "converting XGBoost"
        ).convert_xgboost
        skl2onnx.update_registered_converter(
            xgboost.XGBClassifier, "XGBoostXGBClassifier", classifier, convert, options=options
        )
        skl2onnx.update_registered_converter(
            xgboost.XGBRegressor, "XGBoostXGBRegressor", regressor, convert
        )
