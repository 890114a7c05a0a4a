"""Choosing a version over HTTP: who may speak for whom, and how a unit is named (S31 S3)."""

import json
from typing import Any

import pytest
from msgspec import structs

from mainstay.base.errors import InvalidRequest, MainstayError, NotAllowed, WrongMethod
from mainstay.contract.values import Checker
from mainstay.serve.http.request import resolve
from mainstay.serve.http.status import headers_of
from mainstay.serve.http.wire.choice import (
    Told,
    choice_answer,
    parse_choice,
    unit_asked,
    unit_meant,
)
from mainstay.serve.routes.model import Arm, News
from tests.serve.world import route_of
from tests.serve_http.world import MIXED, NUMERIC, OUTPUTS, answer, decide

CHECKERS = {contract.model: Checker(contract) for contract in (MIXED, NUMERIC)}


def meant(unit: Any, name: str, contract: Any = MIXED, caller: str = "shop") -> str:
    return unit_meant(unit, contract, CHECKERS[contract.model], name, caller)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{}", "version"),
        (b'{"version": "older"}', "version"),
        (b'{"version": "previous", "unti": 1}', "unti"),
        (b'{"version": "previous", "version": "current"}', "version"),
        (b'{"version": "previous", "unit": [1]}', "unit"),
        (b"[]", "body"),
    ],
)
def test_bad_choices_are_refused_in_words(body: bytes, field: str) -> None:
    """S3"""
    with pytest.raises(InvalidRequest) as refused:
        parse_choice(body)
    assert refused.value.field == field


def test_a_caller_chooses_for_itself_where_no_input_names_the_unit() -> None:
    """S31 S2: and for nobody else."""
    assert meant(None, "") == meant("shop", "") == "shop"
    for other in ("bob", 7, ""):
        with pytest.raises(NotAllowed, match="can choose for itself only"):
            meant(other, "")


@pytest.mark.parametrize(
    ("contract", "name", "unit", "expected"),
    [
        (MIXED, "country", "DE", "DE"),
        (MIXED, "count", 7, "7"),
        (MIXED, "note", "hällo", "hällo"),
        (NUMERIC, "count", 7, "7"),
        (NUMERIC, "vip", True, "1"),
        (NUMERIC, "amount", 2.5, "2.5"),
    ],
)
def test_a_unit_is_named_as_the_rows_of_a_request_name_it(
    contract: Any, name: str, unit: Any, expected: str
) -> None:
    """S31: 7 and 7.0 are one user; in a model of numbers alone true is 1, as in its matrix."""
    assert meant(unit, name, contract) == expected


@pytest.mark.parametrize("unit", ["XX", 7, None, "x" * 200_000])
def test_a_unit_that_could_never_ask_is_refused(unit: Any) -> None:
    """S3: by the rules of its input."""
    with pytest.raises(MainstayError) as refused:
        meant(unit, "country")
    assert refused.value.field in {"country", "unit"}


@pytest.mark.parametrize(
    ("query", "name", "unit"),
    [
        (b"unit=DE", "country", "DE"),
        (b"unit=7", "count", 7),
        (b"unit=-7", "count", -7),
        (b"unit=seven", "count", "seven"),
        (b"unit=7", "note", "7"),
        (b"unit=h%C3%A4llo+x", "note", "hällo x"),
        (b"", "count", None),
        (b"other=1", "count", None),
    ],
)
def test_a_query_names_a_unit_as_a_body_would(query: bytes, name: str, unit: Any) -> None:
    """S31"""
    assert unit_asked(query, MIXED, name) == unit
    assert unit_asked(b"unit=true", NUMERIC, "vip") is True


def test_an_answer_says_which_version_and_until_when() -> None:
    """S31: in RFC 3339, with the words that people are told."""
    arm = Arm(role="opt_back", number=1, fingerprint="1" * 64, share=0.0)
    news = News(words="It adds one.", until_ns=1_796_000_000_000_000_000)
    route = structs.replace(route_of(2), arms=(arm,), salt="s", news=news)
    told = json.loads(choice_answer(route, news, "7", "previous", "e1"))
    assert told == {
        "id": "e1",
        "model": "sum",
        "unit": "7",
        "version": "previous",
        "number": 1,
        "changed": {"words": "It adds one.", "until": "2026-11-30T00:53:20Z"},
    }
    assert json.loads(choice_answer(route, news, "7", "current"))["number"] == 2


def test_a_choice_is_asked_with_get_and_made_with_post() -> None:
    """S3: any other method hears of both."""
    kinds = [resolve(method, "/models/fraud/choice").kind for method in ("GET", "HEAD", "POST")]
    assert kinds == ["choice", "choice", "choose"]
    with pytest.raises(WrongMethod, match="is asked with GET or POST") as refused:
        resolve("PUT", "/models/fraud/choice")
    assert headers_of(refused.value) == [(b"allow", b"GET, POST")]


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("request_id", ["", "r 1"])
def test_what_changed_is_told_once_with_every_answer(single: bool, request_id: str) -> None:
    """S31: beside one decision, and beside the rows of several; never without a way back."""
    output, values = OUTPUTS["probability"]
    contract = structs.replace(NUMERIC, output=output)
    door = decide(contract)
    row = {"inputs": {"amount": 1, "count": 1, "vip": True}}
    body: dict[str, Any] = row if single else {"rows": [row, row]}
    if request_id:
        body = body | {"request": request_id}
    parsed = door.parse(json.dumps(body).encode())
    given = answer(contract, values[: parsed.rows])
    told = json.loads(
        door.encode(given, parsed, Told(words='It "adds".', until="2026-11-30T00:00:00Z"))
    )
    assert told["changed"] == {"words": 'It "adds".', "until": "2026-11-30T00:00:00Z"}
    assert told.get("request", "") == request_id
    assert ("rows" in told) is not single
    assert "changed" not in json.loads(door.encode(given, parsed))
