"""A trained model becomes a format that loads without unpickling, and is proven to be the same.

Promises that every row of the confidence set was answered by the kept model and by the model that
was handed over, within the tolerance: ONNX is tried first, then the library's own safe format. The
largest difference is recorded; when no way to keep the model agrees, it is refused, saying for
each way what stood against it. Must never keep a pickle.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.bundle.answers import largest_distance
from mainstay.bundle.lightgbm_model import LightGbmModel
from mainstay.bundle.load import assemble
from mainstay.bundle.model import Manifest, ModelPart, Parity
from mainstay.bundle.onnx_model import OnnxModel
from mainstay.bundle.outputs import Meaning
from mainstay.bundle.plain_model import PlainModel
from mainstay.bundle.sklearn_model import SklearnModel
from mainstay.bundle.trained import Candidate, Given, TrainedModel
from mainstay.bundle.trial import answer_all
from mainstay.bundle.xgboost_model import XgboostModel
from mainstay.contract.columns import Column, Columns

_FILES = {
    "onnx": "model/model.onnx",
    "lightgbm": "model/model.txt",
    "xgboost": "model/model.ubj",
    "skops": "model/model.skops",
    "source": "model/state.columns",
}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the form it will be served in."""

    part: ModelPart
    data: bytes
    parity: Parity
    raw: Column
    """The kept model's answers on the confidence set."""
    notes: tuple[str, ...] = ()


def recognise(
    model: Any, output: str | None = None, classes: tuple[str, ...] | None = None
) -> TrainedModel:
    """The adapter that knows this model; `InvalidUsage` names what can be packed."""
    if model is None:
        raise InvalidUsage("there is no model", field="model", expected="a trained model")
    kind: type = model if isinstance(model, type) else type(model)
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    if isinstance(model, (bytes, bytearray, str, Path)) or "onnx" in roots:
        return OnnxModel(model, output, classes)
    if "lightgbm" in roots:
        return LightGbmModel(model)
    if "xgboost" in roots:
        return XgboostModel(model)
    if kind.__module__.partition(".")[0] in ("sklearn", "imblearn"):
        return SklearnModel(model)
    if "torch" in roots or "tensorflow" in roots or "keras" in roots or "catboost" in roots:
        raise InvalidUsage(
            f"a model of {kind.__module__.partition('.')[0]} is packed as ONNX",
            field="model",
            expected="the file that its own exporter writes: pack(name, model='model.onnx', …)",
        )
    if hasattr(model, "predict") or hasattr(model, "predict_proba"):
        return PlainModel(model, classes)
    raise InvalidUsage(
        f"a {kind.__qualname__} is not a model",
        field="model",
        expected="a fitted model of scikit-learn, LightGBM or XGBoost, an ONNX model (bytes, path "
        "or ModelProto), or an object with predict",
    )


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a way to keep a model is tried with."""

    manifest: Manifest
    """All but how the model runs, which is what is being found."""
    module: ModuleType | None
    inputs: Columns
    tolerance: float
    meaning: Meaning


def convert(trained: TrainedModel, given: Given, expected: Column, trial: Trial) -> Kept:
    """The best way to keep a model that agrees with it on every row."""
    against: list[str] = []
    rows = int(expected.shape[0])
    for way in trained.ways():
        try:
            candidate = way(given)
        except MainstayError as error:
            against.append(error.message)
            continue
        part = part_of(candidate, trial)
        try:
            manifest = msgspec.structs.replace(trial.manifest, runs=part)
            loaded = assemble(candidate.data, manifest, "0" * 64, trial.module)
            raw = answer_all(loaded, trial.inputs)
        except MainstayError as error:
            against.append(f"as {candidate.format}: {error.message}")
            continue
        difference = largest_distance(trial.manifest.contract.output, raw, expected)
        if difference <= trial.tolerance:
            parity = Parity(rows=rows, largest_difference=difference, tolerance=trial.tolerance)
            return Kept(
                part=part, data=candidate.data, parity=parity, raw=raw, notes=tuple(against)
            )
        against.append(
            f"as {candidate.format} its answers differ by up to {difference:.3g} from the "
            f"model's own, more than the tolerance {trial.tolerance:g}"
        )
    raise InvalidUsage(
        "the model cannot be kept in a form that is safe to load: " + "; ".join(against),
        field="model",
        rule="conversion",
        expected="a model that ONNX can express, a greater tolerance=…, or features scaled so "
        "that 32 bits hold them",
    )


def part_of(candidate: Candidate, trial: Trial) -> ModelPart:
    """How a candidate would stand in the manifest."""
    return ModelPart(
        format=candidate.format,
        file=_FILES[candidate.format],
        layout=candidate.layout,
        output=candidate.output,
        tolerance=trial.tolerance,
        numbers=candidate.numbers,
        labels=trial.meaning.labels,
        order=trial.meaning.order,
    )
