"""Going back to the version before, and coming again: one unit at a time.

    POST /models/{model}/choice   {"unit": "ann", "version": "previous"}
    GET  /models/{model}/choice?unit=ann

Without an input that names the unit the caller is the unit, and can only choose for itself.
"""

from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np

from mainstay.base.errors import InvalidRequest, NotAllowed
from mainstay.base.limits import TEXT_MAX_CHARACTERS
from mainstay.contract.model import Boolean, Contract, Integer
from mainstay.contract.problems import brief, raise_first
from mainstay.contract.values import Checker, FieldSet
from mainstay.serve.choices.make import day_of, version_of
from mainstay.serve.choices.model import Which
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys
from mainstay.serve.mixture import unit_of
from mainstay.serve.routes.model import News, Route

Unit = str | int | float | bool | None


class ChoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice as a caller tells it."""

    version: Which
    unit: Unit = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, as every answer of the time tells it."""

    words: str
    until: str


_decoder = msgspec.json.Decoder(ChoiceBody)
_encode = msgspec.json.Encoder().encode


def told(news: News | None) -> Told | None:
    """What changed, for an answer."""
    return None if news is None else Told(words=news.words, until=day_of(news))


def parse_choice(body: bytes) -> ChoiceBody:
    """Read a body, or refuse it in words."""
    said = decode(_decoder, body)
    refuse_duplicate_keys(body, UNKNOWN_QUOTES)
    return said


def unit_asked(query: bytes, contract: Contract, name: str) -> Unit:
    """The unit that a query names, as the value that a body would carry."""
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=10)
    texts = asked.get("unit")
    if not texts:
        return None
    text = texts[0]
    kind = contract.inputs.get(name)
    if isinstance(kind, Boolean):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(kind, Integer) and text.removeprefix("-").isdecimal() and len(text) <= 20:
        return int(text)
    return text


def unit_meant(unit: Unit, contract: Contract, checker: Checker, name: str, caller: str) -> str:
    """The unit as assignment knows it; refused where the caller may not speak for it."""
    if not name:
        if unit is None or unit == caller:
            return caller
        raise NotAllowed(
            f"{caller} can choose for itself only: no input of {contract.model} names who is meant",
            field="unit",
            got=brief(unit),
            expected=f"{caller}, or no unit",
        )
    if unit is None:
        raise InvalidRequest(
            f"whose choice is this? The input {name} names the unit",
            field="unit",
            rule="missing",
            expected=f"`unit` with a value of {name}",
        )
    if isinstance(unit, str) and len(unit) > TEXT_MAX_CHARACTERS:
        raise InvalidRequest("the unit is too long", field="unit", rule="length", got=brief(unit))
    columns, problems = FieldSet({name: contract.inputs[name]}).from_rows([{name: unit}])
    raise_first(problems, 1)
    column = columns[name]
    if checker.numeric:
        column = column.astype(np.float64)  # as the rows of such a model are joined
    return unit_of(column.tolist()[0])


def choice_answer(
    route: Route, news: News, unit: str, which: Which, event: str | None = None
) -> bytes:
    """What holds for a unit now."""
    number, _ = version_of(route, which)
    answer: dict[str, Any] = {} if event is None else {"id": event}
    answer |= {
        "model": route.model,
        "unit": unit,
        "version": which,
        "number": number,
        "changed": told(news),
    }
    return _encode(answer)
