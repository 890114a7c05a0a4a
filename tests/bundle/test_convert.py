"""S9: every library's models are kept in a safe form that answers as they do, or refused."""

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from onnx import TensorProto, helper, numpy_helper
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.archive import unpack
from mainstay.bundle.convert import recognise
from mainstay.bundle.load import load
from mainstay.bundle.pack import pack
from mainstay.bundle.trial import answer_all
from mainstay.contract.model import Label, NumberOutput, Probability, VectorOutput
from tests.bundle import carried_code

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(300, 4))
BINARY = (X[:, 0] > 0).astype(int)
THREE = np.array(["low", "mid", "top"])[np.digitize(X[:, 0], [-0.5, 0.5])]
AMOUNT = X[:, 0] * 1e5 + 3e6
QUIET = {"verbose": -1, "num_threads": 1, "n_estimators": 8}


def lgb(kind, y):
    return kind(**QUIET).fit(X, y)


def xgb(kind, y):
    return kind(n_estimators=8, n_jobs=1).fit(X, y)


CASES = {
    "logistic": (lambda: LogisticRegression().fit(X, BINARY), "onnx", Probability),
    "classes as text": (lambda: LogisticRegression().fit(X, THREE), "onnx", Probability),
    "boosted trees": (
        lambda: HistGradientBoostingClassifier(max_iter=8).fit(X, BINARY),
        "onnx",
        Probability,
    ),
    "forest": (lambda: RandomForestRegressor(8).fit(X, AMOUNT), "onnx", NumberOutput),
    "two targets": (lambda: LinearRegression().fit(X, X[:, :2]), "onnx", VectorOutput),
    "no probabilities": (lambda: RidgeClassifier().fit(X, THREE), "onnx", Label),
    "lightgbm classifier": (lambda: lgb(lightgbm.LGBMClassifier, THREE), "onnx", Probability),
    "lightgbm booster": (
        lambda: lgb(lightgbm.LGBMClassifier, BINARY).booster_,
        "onnx",
        Probability,
    ),
    "lightgbm regressor": (lambda: lgb(lightgbm.LGBMRegressor, AMOUNT), "onnx", NumberOutput),
    "xgboost classifier": (lambda: xgb(xgboost.XGBClassifier, BINARY), "onnx", Probability),
    "xgboost booster": (
        lambda: xgb(xgboost.XGBClassifier, np.digitize(X[:, 0], [-1, 1])).get_booster(),
        "onnx",
        Probability,
    ),
    "xgboost poisson": (
        lambda: xgboost.XGBRegressor(n_estimators=8, objective="count:poisson").fit(
            X, np.abs(AMOUNT) / 1e6
        ),
        None,
        NumberOutput,
    ),
}


def answers(model, rows):
    if isinstance(model, lightgbm.Booster):
        raw = model.predict(rows)
    elif isinstance(model, xgboost.Booster):
        raw = model.inplace_predict(rows)
    elif hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    else:
        raw = model.predict(rows)
    return np.column_stack([1 - raw, raw]) if isinstance(model, lightgbm.Booster) else raw


@pytest.mark.parametrize("case", CASES)
def test_the_kept_model_answers_as_the_one_handed_over(case, tmp_path):
    """S9: compared on rows that pack never saw, with the library itself as the second oracle."""
    make, form, output = CASES[case]
    model = make()
    packed = pack("m", model=model, confidence=X[:100], into=tmp_path)
    assert form in (None, packed.manifest.runs.format)
    assert isinstance(packed.manifest.contract.output, output)
    assert packed.manifest.card.parity.largest_difference <= 1e-4
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    got = loaded.predict(loaded.extract({"matrix": X[100:]}))
    expected = answers(model, X[100:])
    if output is Label:
        expected = np.searchsorted(model.classes_, expected)
    scale = max(1.0, float(np.abs(expected).mean()))
    np.testing.assert_allclose(got / scale, expected / scale, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (lambda x, y: lightgbm.LGBMClassifier(**QUIET).fit(x, y), "lightgbm"),
        (lambda x, y: HistGradientBoostingClassifier(max_iter=2).fit(x, y), "skops"),
    ],
)
def test_what_32_bits_cannot_tell_apart_falls_back_to_the_own_format(make, form, tmp_path):
    """S9: when ONNX answers differently, the model is kept in its library's safe format."""
    fine = np.round(X[:150] * 50) + 1e9
    labels = (fine[:, 0] % 2).astype(int)
    model = make(fine, labels)
    packed = pack("m", model=model, confidence=(fine[:100], labels[:100]), into=tmp_path)
    assert packed.manifest.runs.format == form
    assert "onnx" in packed.manifest.card.notes
    loaded = load(unpack(packed.file, tmp_path / "cache").folder, packed.fingerprint)
    np.testing.assert_allclose(
        answer_all(loaded, {"matrix": fine}), model.predict_proba(fine), atol=1e-9
    )


def frame():
    return pd.DataFrame(
        {
            "amount": X[:, 0],
            "count": np.arange(300) % 7,
            "country": np.array(["DE", "FR", "US"])[np.arange(300) % 3],
        }
    )


@pytest.mark.parametrize(
    "last",
    [LogisticRegression(), lightgbm.LGBMClassifier(**QUIET), xgboost.XGBClassifier(n_estimators=8)],
)
def test_a_pipeline_over_a_frame_gets_one_input_per_column(last, tmp_path):
    rows = frame()
    model = make_pipeline(
        ColumnTransformer(
            [
                ("words", OneHotEncoder(handle_unknown="ignore"), ["country"]),
                ("numbers", StandardScaler(), ["amount", "count"]),
            ]
        ),
        last,
    ).fit(rows, BINARY)
    packed = pack("m", model=model, confidence=(rows, BINARY), into=tmp_path)
    assert packed.manifest.runs.format == "onnx"
    assert packed.manifest.runs.layout == "columns"
    assert set(packed.manifest.features) == set(rows.columns)


def onnx_model(*, rows="rows", external=False, zipmap=False):
    weights = numpy_helper.from_array(np.eye(4, 2, dtype=np.float32), "w")
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="../secret")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Softmax", ["y"], ["probabilities"]),
    ]
    outputs = [
        helper.make_tensor_value_info("y", 1, [rows, 2]),
        helper.make_tensor_value_info("probabilities", 1, [rows, 2]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", 1, [rows, 4])], outputs, [weights]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_an_onnx_model_is_packed_as_it_is(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(onnx_model(), path)
    for model in (path, str(path), path.read_bytes()):
        assert recognise(model, None, ("a", "b")).classes == ("a", "b")
    packed = pack("m", model=onnx_model(), confidence=X, classes=["a", "b"], into=tmp_path)
    assert packed.manifest.runs.output == "probabilities"
    packed = pack("m", model=path, output="y", confidence=X, into=tmp_path)
    assert packed.manifest.contract.output == VectorOutput(length=2)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (onnx_model(external=True), "another file"),
        (onnx_model(rows=1), "fixed number of rows"),
        (b"not onnx", "not an ONNX model"),
        ("/does/not/exist.onnx", "cannot be read"),
        (LogisticRegression(), "not fitted"),
        (LogisticRegression, "class, not a model"),
        (lightgbm.LGBMClassifier(), "not fitted"),
        (xgboost.XGBClassifier(), "not fitted"),
        (42, "not a model"),
        (None, "no model"),
    ],
)
def test_a_model_that_cannot_be_packed_is_refused_in_words(model, words, tmp_path):
    with pytest.raises(InvalidUsage, match=words) as refused:
        pack("m", model=model, confidence=X, into=tmp_path)
    assert refused.value.expected
    assert not list(tmp_path.glob("*.mainstay"))


def test_a_model_that_no_safe_form_can_hold_says_why(tmp_path):
    model = make_pipeline(FunctionTransformer(carried_code.logged), LinearRegression())
    with pytest.raises(InvalidUsage, match=r"skl2onnx(.|\n)*scikit-learn's own"):
        pack("m", model=model.fit(X, AMOUNT), confidence=X, into=tmp_path)


def test_clusters_are_numbers(tmp_path):
    """A model that is neither classifier nor regressor still keeps its answers."""
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    packed = pack("m", model=model, confidence=X, into=tmp_path)
    assert isinstance(packed.manifest.contract.output, NumberOutput)
