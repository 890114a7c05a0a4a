"""Which versions can stand beside each other, and what names a unit: in words (S31 O17)."""

import re
from typing import Any

import pytest

from mainstay.contract.model import (
    Contract,
    FromRequest,
    FunctionSource,
    Integer,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Vector,
    VectorOutput,
)
from mainstay.serve.mixture import unit_of, why_not
from tests.serve.world import contract_of


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (None, ""),
        (float("nan"), ""),
        ("7", "7"),
        (True, "True"),
        (float("inf"), "inf"),
        (-0.0, "0"),
    ],
)
def test_a_value_names_a_unit_however_it_is_written(value: Any, unit: str) -> None:
    assert unit_of(value) == unit


@pytest.mark.parametrize(
    ("changes", "unit", "says"),
    [
        ({}, "", ""),
        ({}, "a", ""),
        ({"inputs": {"a": Number(max=5), "b": Number()}}, "", ""),
        ({"output": Probability(classes=("low", "high"), threshold=0.9)}, "", ""),
        ({"inputs": {"b": Number(), "a": Number()}}, "", "their order"),
        ({"inputs": {"a": Number(), "b": Number(), "c": Number()}}, "", r"inputs .*\(c\)"),
        ({"inputs": {"a": Number(), "b": Integer()}}, "", "input b has another type"),
        ({"inputs": {"a": Number(optional=True), "b": Number()}}, "", "input a has another type"),
        ({"inputs": {"a": Number(), "b": Vector(length=3)}}, "", "input b has another type"),
        ({"output": NumberOutput()}, "", "output has another shape"),
        ({"output": Probability(classes=("high", "low"))}, "", "output has another shape"),
        ({"context": {"c": FromRequest(value=Number(), otherwise=0)}}, "", "its context"),
        ({"lookups": {"accounts": FunctionSource(function="look")}}, "", "its context"),
        ({}, "country", "unit 'country' is no input of sum: it has a, b"),
    ],
)
def test_what_does_not_fit_beside_the_live_version_is_said(
    changes: dict[str, Any], unit: str, says: str
) -> None:
    """S31, O17: callers must be understood, and answered in one form, by either version."""
    why = why_not(contract_of(), contract_of(**changes), unit)
    assert bool(why) == bool(says)
    assert re.search(says, why)


def test_a_vector_names_nobody() -> None:
    contract = Contract(model="m", inputs={"v": Vector(length=2)}, output=NumberOutput())
    assert "vector" in why_not(contract, contract, "v")


@pytest.mark.parametrize(
    ("live", "arm"),
    [
        (NumberOutput(unit="m"), NumberOutput(unit="km")),
        (Ranking(items=("a", "b", "c"), top=2), Ranking(items=("a", "b", "c"), top=1)),
        (Ranking(items=("a", "b", "c"), top=2), Ranking(items=("a", "c", "b"), top=2)),
        (VectorOutput(length=2), VectorOutput(length=3)),
        (VectorOutput(length=2, space="one"), VectorOutput(length=2, space="two")),
        (Label(classes=("a", "b")), Probability(classes=("a", "b"))),
    ],
)
def test_answers_of_arms_mean_the_same(live: Output, arm: Output) -> None:
    """S31, O17: another unit, order, length or embedding space is another answer."""
    whys = [why_not(contract_of(output=one), contract_of(output=two), "")
            for one, two in ((live, arm), (arm, live))]  # fmt: skip
    assert all("its output has another shape" in why for why in whys)
    assert not why_not(contract_of(output=live), contract_of(output=live), "")


def test_vectors_of_arms_are_of_one_space() -> None:
    """O17: a vector of another embedding space would be read as one of this."""
    one, two = (
        contract_of(inputs={"a": Number(), "v": Vector(length=2, space=space)})
        for space in ("one", "two")
    )
    assert "input v has another type" in why_not(one, two, "")
    assert not why_not(one, one, "a")
