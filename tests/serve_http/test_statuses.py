"""Every status through every door: who is told what (S19 S21 S23 S30)."""

import json

import numpy as np
import pytest

from mainstay.base.errors import Withheld
from mainstay.contract.model import Contract, Number
from mainstay.journal.model import STATUSES
from mainstay.judge.present import Option, Shown, present
from mainstay.serve.http.openapi import openapi
from mainstay.serve.http.wire.model import ALL_BINARY, ALL_JSON, Parsed, Wanted
from mainstay.serve.model import Answer
from tests.serve_http.test_oip_answer import parsed, read, values
from tests.serve_http.test_openapi import validator
from tests.serve_http.world import OUTPUTS, answer, body, decide, mlflow, oip

CHOICE = [Option("fraud", 0.75), Option("ok", 0.25)]


def contract_of(kind: str) -> Contract:
    return Contract(model="m", inputs={"x": Number()}, output=OUTPUTS[kind][0])


def given(kind: str, status: str, words: str = "") -> Answer:
    """An answered row, and one with this status."""
    told = {0: words} if words else {}
    instead = {0: Shown(None, None, CHOICE)} if status == "options" else {}
    contract = contract_of(kind)
    return answer(
        contract,
        OUTPUTS[kind][1],
        [status, "answered"],
        shown=present(contract)(OUTPUTS[kind][1], instead),
        words=told,
    )


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("status", STATUSES)
def test_values_leave_for_what_is_answered_and_for_nothing_else(kind: str, status: str) -> None:
    """S21: who does not look at the status gets an answer that may be used, or an error that names
    the decision; who looks sees an asked value, and nothing of what is withheld."""
    usable = status in {"answered", "fallback"}
    said = given(kind, status)
    for wanted in (ALL_JSON, ALL_BINARY):
        if usable:
            head = read(*oip(said.contract).encode(said, parsed(wanted)))
            assert values(head)["status"] == [status, "answered"]
        else:
            with pytest.raises(Withheld) as refused:
                oip(said.contract).encode(said, parsed(wanted))
            assert refused.value.as_dict()["decisions"] == [said.ids[0]]
    if usable:
        assert (
            len(json.loads(mlflow(said.contract).encode(said, Parsed({}, {}, 2)))["predictions"])
            == 2
        )
    else:
        with pytest.raises(Withheld):
            mlflow(said.contract).encode(said, Parsed({}, {}, 2))
    names = tuple(o["name"] for o in json.loads(oip(said.contract).metadata([3]))["outputs"])
    looking = Wanted(names, (False,) * len(names), status=True)
    got = values(read(*oip(said.contract).encode(said, parsed(looking))))
    whole = given(kind, "answered")
    everything = values(read(*oip(whole.contract).encode(whole, parsed())))
    for name in set(names) - {"decision", "status"}:
        half = len(got[name]) // 2
        assert got[name][half:] == everything[name][half:]
        if usable or status == "asked":
            assert got[name][:half] == everything[name][:half]
        else:
            assert set(got[name][:half]) <= {0.0, ""}


@pytest.mark.parametrize("status", STATUSES)
def test_a_decision_says_its_status_in_words_and_keeps_to_the_schema(status: str) -> None:
    """S23 S33: an answer, a choice, or words; never a value where there is none to use."""
    said = given("probability", status, "Is this right?" if status != "answered" else "")
    contract, door = said.contract, decide(said.contract)
    rows = door.parse(body(rows=[{"inputs": {"x": 1}}] * 2))
    got = json.loads(door.encode(said, rows))
    schema = json.loads(openapi({"m": contract}))
    assert not [error.message for error in validator("m.DecideAnswer", schema).iter_errors(got)]
    assert status in schema["components"]["schemas"]["m.Decision"]["properties"]["status"]["enum"]
    row = got["rows"][0]
    assert row["status"] == status
    assert (row["answer"] is not None) == (status in {"answered", "asked", "fallback"})
    assert bool(row["options"]) == (status in {"answered", "asked", "fallback", "options"})
    assert bool(row["words"]) == (status != "answered")


def test_an_error_says_what_the_contract_says_for_that_row() -> None:
    """S30: the honest words of a chain reach who has no place for a status."""
    said = given("number", "declined", "A person will look.")
    with pytest.raises(Withheld, match=r"A person will look\."):
        mlflow(said.contract).encode(said, Parsed({}, {}, 2))


def test_a_short_list_of_a_fallback_is_filled_up() -> None:
    """S30 N14: a tensor has one shape, however few items a rule names."""
    contract = contract_of("ranking")
    raw = np.array([[0.0, 1.0, 0.0]])
    shown = present(contract)(raw, {0: Shown(["y"])})
    said = answer(contract, raw, ["fallback"], shown=shown)
    assert values(read(*oip(contract).encode(said, parsed())))["answer"] == ["y", ""]
