"""Every error has a status, the headers HTTP wants, and a body in its door's form."""

import json

import pytest

from mainstay.base import errors
from mainstay.base.errors import (
    Failed,
    InvalidRequest,
    MainstayError,
    NotAuthenticated,
    NotFound,
    NotReady,
    Overloaded,
    Refused,
    Withheld,
    WrongMethod,
)
from mainstay.serve.http.status import STATUS, error_body, headers_of, status_of

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, MainstayError)
]


def made(kind: type[MainstayError]) -> MainstayError:
    if kind is Withheld:
        return Withheld("no", decisions=["1"])
    return kind("no", field="f", rule="r", got="g", expected="e")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_refusals_are_4xx_and_failures_5xx(kind: type[MainstayError]) -> None:
    status = status_of(made(kind))
    assert status // 100 == (4 if issubclass(kind, Refused) else 5)


def test_an_error_that_the_table_does_not_name_has_the_status_of_its_parent() -> None:
    class Novel(NotFound):
        """A kind that somebody adds later."""

    assert Novel not in STATUS
    assert status_of(Novel("no")) == 404


def test_headers_say_when_to_come_back_how_to_sign_in_and_which_method_is_right() -> None:
    assert headers_of(Overloaded("no")) == headers_of(NotReady("no")) == [(b"retry-after", b"1")]
    assert headers_of(NotAuthenticated("no"))[0][0] == b"www-authenticate"
    assert headers_of(WrongMethod("no", expected="POST")) == [(b"allow", b"POST")]
    assert headers_of(InvalidRequest("no")) == []


@pytest.mark.parametrize("door", ["infer", "decide", "", "features"])
def test_a_body_says_what_where_and_what_would_be_right(door: str) -> None:
    """S3"""
    error = InvalidRequest("bad", field="a", rule="min", got=-1, expected="0 or more")
    assert json.loads(error_body(error, door)) == {
        "error": "bad",
        "code": "invalid_request",
        "field": "a",
        "rule": "min",
        "got": -1,
        "expected": "0 or more",
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("bad"), "BAD_REQUEST"),
        (NotFound("bad"), "RESOURCE_DOES_NOT_EXIST"),
        (Withheld("bad", decisions=["1"]), "INVALID_PARAMETER_VALUE"),
        (Failed("bad"), "INTERNAL_ERROR"),
    ],
)
def test_mlflow_has_its_own_names_beside_ours(error: MainstayError, code: str) -> None:
    got = json.loads(error_body(error, "invocations"))
    assert (got["error_code"], got["message"], got["error"]) == (code, "bad", "bad")
    assert got["code"] == error.code


def test_a_withheld_answer_names_its_decisions() -> None:
    got = json.loads(error_body(Withheld("no", decisions=["a", "b"]), "infer"))
    assert got["decisions"] == ["a", "b"]


UNSPEAKABLE: dict[str, object] = {
    "NaN": float("nan"),
    "a number too long to print": 10**5000,
    "bytes": b"\xff",
    "half a character": "\ud800",
    "an object": {1: object()},
    "a long list": ["x"] * 9999,
}


@pytest.mark.parametrize("case", UNSPEAKABLE)
def test_whatever_came_the_body_is_short_json_without_nan(case: str) -> None:
    """S3: an answer to bad input never fails itself."""
    got = UNSPEAKABLE[case]
    words = f"bad {got}" if isinstance(got, str) else "bad"
    body = error_body(InvalidRequest(words, got=got), "infer")
    assert len(body) < 600

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(body, parse_constant=refuse)["code"] == "invalid_request"
