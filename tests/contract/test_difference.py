"""N10: the resolved difference of two contracts, and what each change can break."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.contract.difference import difference
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Contract, NumberOutput
from mainstay.contract.values import Checker
from tests.contract.samples import contracts, kinds
from tests.contract.test_values import likely

BASE = """\
model: m
inputs:
  a: {type: number, min: 0, max: 9}
  c: {type: category, values: [x, y]}
  t: {type: text, max_length: 9, optional: true}
  v: {type: vector, length: 2, space: s}
  w: {type: timestamp, after: 2026-01-01T00:00:00Z}
context:
  d: {value: {type: text}, otherwise: web}
  l: {lookup: s, key: c, fields: {n: {type: integer}}, otherwise: {n: 0}}
lookups: {s: {function: f}}
output: {type: probability, classes: [ok, bad], threshold: 0.5}
"""


def resolved(contract: Contract) -> bytes:
    return msgspec.json.encode(contract)


@settings(max_examples=100, deadline=None)
@given(contracts(), contracts())
def test_no_difference_means_equal(one, other):
    """N10: the difference is empty exactly when the resolved contracts are equal."""
    assert difference(one, one) == []
    assert (difference(one, other) == []) == (
        one == other and list(one.inputs) == list(other.inputs)
    )


@pytest.mark.parametrize(
    ("old", "new", "setting", "breaks"),
    [
        ("model: m", "model: n", "model", True),
        ("model: m", "model: m\nabout: x", "about", False),
        ("min: 0", "min: 1", "inputs.a.min", True),
        ("min: 0", "min: -1", "inputs.a.min", False),
        ("min: 0, ", "", "inputs.a.min", False),
        ("max: 9}\n  c", "max: 10}\n  c", "inputs.a.max", False),
        ("max: 9}\n  c", "max: 8}\n  c", "inputs.a.max", True),
        ("type: number,", "type: integer,", "inputs.a", True),
        ("[x, y]", "[x, y, z]", "inputs.c.values", False),
        ("[x, y]", "[x, z]", "inputs.c.values", True),
        ("[x, y]", "[x, y], others: true", "inputs.c.others", False),
        ("max_length: 9", "max_length: 8", "inputs.t.max_length", True),
        ("max_length: 9", "min_length: 1, max_length: 9", "inputs.t.min_length", True),
        (", optional: true", "", "inputs.t.optional", True),
        ("[x, y]", "[x, y], optional: true", "inputs.c.optional", False),
        ("length: 2", "length: 3", "inputs.v.length", True),
        ("space: s", "space: t", "inputs.v.space", True),
        (", space: s", "", "inputs.v.space", False),
        ("2026-01-01T", "2026-01-02T", "inputs.w.after", True),
        ("2026-01-01T", "2025-01-02T", "inputs.w.after", False),
        ("  t: {type", "  new: {type: text, optional: true}\n  t: {type", "inputs.new", False),
        ("  t: {type", "  new: {type: text}\n  t: {type", "inputs.new", True),
        ("  t: {type: text, max_length: 9, optional: true}\n", "", "inputs.t", True),
        (", otherwise: web", "", "context.d.otherwise", True),
        ("otherwise: web", "otherwise: app", "context.d.otherwise", False),
        ("  d: {value: {type: text}, otherwise: web}\n", "", "context.d", True),
        ("  l: {", "  e: {value: {type: text}}\n  l: {", "context.e", True),
        ("  l: {", "  e: {value: {type: text}, otherwise: x}\n  l: {", "context.e", False),
        ("otherwise: {n: 0}", "otherwise: {n: 1}", "context.l.otherwise", False),
        ("function: f", "function: g", "lookups.s", False),
        ("[ok, bad]", "[ok, worse]", "output.classes", True),
        ("[ok, bad]", "[bad, ok]", "output.classes", True),
        ("threshold: 0.5", "threshold: 0.6", "output.threshold", False),
        ("model: m", "model: m\nlog: durable", "log", False),
        ("model: m", "model: m\nserve: {join: false}", "serve.join", False),
    ],
)
def test_each_change_is_named_and_judged(old, new, setting, breaks):
    """N10: one change, one line, and whether it can break a client."""
    assert old in BASE
    before, after = loads_contract(BASE, "a"), loads_contract(BASE.replace(old, new, 1), "b")
    (change,) = difference(before, after)
    assert (change.setting, change.breaks) == (setting, breaks)
    assert change.before != change.after
    assert change.words


@pytest.mark.parametrize(
    ("before", "after", "breaks"),
    [
        ("number, min: 0", "number, min: -1", True),
        ("number, min: 0", "number", True),
        ("number, min: 0", "number, min: 1", False),
        ("number", "number, max: 1", False),
        ("number", "number, unit: EUR", True),
        ("ranking, items: [a, b], top: 2", "ranking, items: [a, b], top: 1", True),
        ("ranking, items: [a, b], top: 1", "ranking, items: [a, b], top: 2", False),
        ("ranking, items: [a, b]", "ranking, items: [a, b, c]", True),
        ("vector, length: 1", "vector, length: 2", True),
        ("vector, length: 1", "vector, length: 1, space: x", True),
        ("number", "vector, length: 1", True),
    ],
)
def test_answers_may_narrow_but_not_widen(before, after, breaks):
    """N10: a client relies on what answers can be, so widening them can break it."""
    text = "model: m\ninputs: {a: {type: number}}\noutput: {type: %s}\n"
    (change,) = difference(loads_contract(text % before, "a"), loads_contract(text % after, "b"))
    assert change.breaks == breaks


def test_another_order_of_inputs_is_a_difference():
    """N10 S3: a matrix follows the order of the inputs, so their order is part of the promise."""
    one = loads_contract("model: m\ninputs: {a: {type: number}, b: {type: number}}\n"
                         "output: {type: number}", "a")  # fmt: skip
    other = msgspec.structs.replace(one, inputs=dict(reversed(one.inputs.items())))
    (change,) = difference(one, other)
    assert (change.setting, change.breaks) == ("inputs (order)", True)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_harmless_changes_refuse_nothing(data):
    """N10 S3: what passed before still passes after changes of which none is flagged."""
    inputs = st.fixed_dictionaries({"a": kinds})
    before, after = (
        Contract(model="m", inputs=data.draw(inputs), output=NumberOutput()) for _ in range(2)
    )
    if data.draw(st.booleans()):  # most random pairs differ in type: make near ones common
        kind = before.inputs["a"]
        near = msgspec.structs.replace(kind, optional=data.draw(st.booleans()))
        after = msgspec.structs.replace(after, inputs={"a": near})
    row = {"a": data.draw(likely(before.inputs["a"]))}
    taken = not Checker(before).columns_from_rows([row])[1]
    if taken and not any(change.breaks for change in difference(before, after)):
        assert Checker(after).columns_from_rows([row])[1] == []
