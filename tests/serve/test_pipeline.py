"""S3: of calls that are joined, each that breaks the contract is refused, and no other."""

import numpy as np

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.base.ids import DecisionIds
from mainstay.base.limits import PROBLEMS_PER_CALL_MAX
from mainstay.contract.columns import MATRIX
from mainstay.serve.model import Call
from mainstay.serve.pipeline import Pipeline
from tests.serve.world import SumModel, route_of


def test_however_many_joined_calls_are_bad_each_is_refused():
    """S3: a look tells so many problems at most; the calls behind them are looked at as well."""
    clock, model = ManualClock(), SumModel()
    pipeline = Pipeline(
        model, route_of(fingerprint=model.fingerprint), DecisionIds(1, clock), clock
    )
    rows = PROBLEMS_PER_CALL_MAX + 7
    values = [np.full((rows, 2), 1.0), np.full((rows, 2), 1e6), np.full((1, 2), 2.0),
              np.full((rows, 2), np.nan), np.full((1, 2), 1e6)]  # fmt: skip
    calls = [
        Call(
            caller=Caller(name="ann"),
            door="http",
            request="",
            inputs={MATRIX: each},
            context={},
            rows=len(each),
            received_ns=0,
        )
        for each in values
    ]
    run, refusals = pipeline.run(calls)
    assert run is not None
    assert sorted(refusals) == [1, 3, 4]
    assert "'a'" in refusals[4].message
    assert run.rows == rows + 1
    assert run.inputs[MATRIX].tolist() == [[1.0, 1.0]] * rows + [[2.0, 2.0]]
    nobody, refusals = pipeline.run([calls[1], calls[3], calls[4]])
    assert nobody is None
    assert sorted(refusals) == [0, 1, 2]
