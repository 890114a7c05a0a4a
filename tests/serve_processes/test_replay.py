"""A replay is the same bit for bit, within tolerance, or names what differs (L3)."""

import msgspec
import numpy as np
import pytest

from mainstay.bundle.model import Card, Manifest, ModelPart
from mainstay.contract.columns import MATRIX, Column, Columns, encode
from mainstay.contract.model import Contract, Number, Probability
from mainstay.journal.model import DecisionBatch, Layout
from mainstay.judge.model import DECLINED
from mainstay.serve.replay import replay

CONTRACT = Contract(
    model="m", inputs={"a": Number(), "b": Number()}, output=Probability(classes=("no", "yes"))
)
LAYOUT = Layout(
    fingerprint="f", model="m", number=1, inputs=("a", "b"), features=("twice", "sum"),
    outputs=("no", "yes"),
)  # fmt: skip


class Doubler:
    """A version whose features and output can be bent a little."""

    manifest = Manifest(
        model="m", contract=CONTRACT, features=("twice", "sum"), files={}, card=Card(packed_at=""),
        runs=ModelPart(format="onnx", file="m", layout="matrix", tolerance=1e-4),
    )  # fmt: skip
    fingerprint = "f"
    extracts = True
    known = {}  # noqa: RUF012  # because nothing is ever put in

    def __init__(self, features: float = 0.0, output: float = 0.0, dtype: str = "f4") -> None:
        self._features, self._output, self._dtype = features, output, dtype

    def extract(self, columns: Columns) -> Columns:
        a, b = columns["a"], columns["b"]
        made = np.column_stack([2 * a, a + b]).astype(np.float32)
        made[-1, 1] += self._features
        return {MATRIX: made}

    def predict(self, features: Columns) -> Column:
        yes = 1 / (1 + np.exp(-features[MATRIX].sum(axis=1)))
        raw = np.column_stack([1 - yes, yes]).astype(self._dtype)
        raw[-1, 1] += self._output
        return raw

    def lookup(self, name: str):
        raise AssertionError(name)


INPUTS: Columns = {"a": np.array([0.1, 0.2, np.nan]), "b": np.array([1.0, -1.0, 3.0])}


def recorded(by: Doubler, inputs: Columns = INPUTS) -> DecisionBatch:
    features = by.extract(inputs)
    output = by.predict(features)
    statuses = bytes(DECLINED if bad else 0 for bad in np.isnan(output).any(axis=1))
    return DecisionBatch(
        fingerprint="f", route=1, door="decide", time_ms=1, incarnation=1, first_sequence=0,
        rows=3, callers=("local",), inputs=encode(inputs), features=encode(features),
        outputs=encode({"output": output}), statuses=statuses,
    )  # fmt: skip


CLEAN: Columns = {"a": np.array([0.1, 0.2, 0.3]), "b": np.array([1.0, -1.0, 3.0])}


@pytest.mark.parametrize("inputs", [INPUTS, CLEAN])
def test_the_same_version_gives_the_same_bits(inputs):
    """L3: NaN included."""
    found = replay(Doubler(), recorded(Doubler(), inputs), LAYOUT)
    assert found.verdict == "same"
    assert found.differences == ()
    assert "bit for bit" in str(found)


def test_a_tiny_difference_is_within_the_tolerance_and_told():
    found = replay(Doubler(output=1e-6), recorded(Doubler(), CLEAN), LAYOUT)
    assert found.verdict == "within"
    assert 0 < found.largest_difference < 1e-5
    assert "within" in str(found)
    assert found.differences[0].where == "output.yes"


def test_another_output_is_named():
    found = replay(Doubler(output=0.25), recorded(Doubler(), CLEAN), LAYOUT)
    assert found.verdict == "different"
    assert [(each.row, each.where) for each in found.differences] == [(2, "output.yes")]
    assert "output.yes was" in str(found)


def test_another_feature_is_named_before_the_output_is_looked_at():
    """L3: the first cause, not its consequence."""
    found = replay(Doubler(features=0.5), recorded(Doubler(), CLEAN), LAYOUT)
    assert found.verdict == "different"
    assert found.compared == ("features",)
    assert {each.where for each in found.differences} == {"features.sum"}


def test_another_shape_or_type_is_a_difference():
    found = replay(Doubler(dtype="f8"), recorded(Doubler(), CLEAN), LAYOUT)
    assert found.verdict == "different"
    assert "float64" in found.differences[0].replayed
    short = msgspec.structs.replace(
        recorded(Doubler(), CLEAN), outputs=encode({"output": np.zeros((2, 2), np.float32)})
    )
    found = replay(Doubler(), short, LAYOUT)
    assert found.verdict == "different"
    assert "shape" in found.differences[0].recorded


def test_nan_where_a_number_was_is_a_difference():
    found = replay(Doubler(output=float("nan")), recorded(Doubler(), CLEAN), LAYOUT)
    assert found.verdict == "different"
    assert found.largest_difference == float("inf")


def test_a_run_without_the_model_says_so_and_what_there_is_of_it_is_compared():
    """L3 S30: its version was stopped or failed, so something else answered."""
    made = recorded(Doubler(), CLEAN)
    nothing = encode({"output": np.full((3, 2), np.nan)})
    failed = msgspec.structs.replace(
        made, outputs=nothing, steps_ns={"extract": 1, "judge": 1}, statuses=bytes([DECLINED] * 3)
    )
    found = replay(Doubler(), failed, LAYOUT)
    assert (found.without_model, found.verdict, found.compared) == (
        True, "same", ("features", "judgement"),
    )  # fmt: skip
    assert str(found).startswith(
        "it was answered without the model (3 rows); its features and judgement"
    )
    other = replay(Doubler(features=1.0), failed, LAYOUT)
    assert other.verdict == "different"
    assert "features.sum was" in str(other)
    stopped = msgspec.structs.replace(failed, features=b"", steps_ns={"judge": 1})
    assert replay(Doubler(), stopped, LAYOUT).compared == ("judgement",)
    whole = msgspec.structs.replace(made, steps_ns={"extract": 1, "predict": 1})
    assert not replay(Doubler(), whole, LAYOUT).without_model


def test_judgement_is_made_again_where_it_looks_at_the_run_alone():
    """L3 S19: a row that would be told otherwise now is named."""
    made = recorded(Doubler(), CLEAN)
    assert "judgement" in replay(Doubler(), made, LAYOUT).compared
    other = msgspec.structs.replace(made, statuses=bytes([0, 5, 0]))
    found = replay(Doubler(), other, LAYOUT)
    assert found.verdict == "different"
    assert (found.differences[0].row, found.differences[0].where) == (1, "status")
    assert "status was declined and is answered" in str(found)
