"""Strict JSON: typed decoding whose every failure is an `InvalidRequest`, and no key twice.

A typed decoder keeps the last of two equal keys and says nothing, so which of two amounts was
checked and which was meant is unknown. Finding that out for every body would cost more than the
decoding, so a body is first only counted: each key and each string has two quotation marks. When
there are exactly as many as what was decoded accounts for, nothing was dropped. Only otherwise
(a key twice, or an escaped quotation mark in a string) is it read again, slowly, to know.
"""

import json
import math
import re
from typing import Any, TypeVar

import msgspec

from mainstay.base.errors import InvalidRequest
from mainstay.base.limits import JSON_DEPTH_MAX
from mainstay.contract.problems import brief

T = TypeVar("T")

UNKNOWN_QUOTES = 1 << 60
"""Added to a count that is not worth making: the body is then read again to know."""

_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_TYPE = re.compile(r"Expected `(.*)`, got `(.*)`$", re.DOTALL)
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.([^.\[]+)")
_NOT_NUMBERS = re.compile(rb"(?<![\w\"])(?:-?Infinity|NaN|-?inf|nan)(?![\w\"])")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, field: str = "") -> T:
    """Decode, or refuse in words; `field` is where in the request these bytes stand."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_value(str(error), bytes(body), field) from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error), bytes(body), field) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(error, field) from None
    except RecursionError:
        raise _too_deep(field) from None


def refuse_duplicate_keys(body: bytes | msgspec.Raw, quotes: int) -> None:
    """Refuse a body in which an object has a key twice.

    `quotes` is how many quotation marks the decoded request accounts for.
    """
    text = bytes(body)
    if text.count(b'"') == quotes:
        return
    try:
        # Numbers are of no interest here, and reading a long one as an integer is quadratic.
        json.loads(text, object_pairs_hook=_unique, parse_int=len, parse_float=len)
    except RecursionError:
        raise _too_deep("") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(error, "") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} (byte {error.pos})", text, "") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        before: set[str] = set()
        twice = next(key for key, _ in pairs if key in before or before.add(key))
        raise InvalidRequest(
            f"{brief(twice)!r} is there twice in one object",
            field=brief(twice),
            rule="duplicate",
            got=brief(twice),
            expected="every key once",
        )
    return seen


def _too_deep(field: str) -> InvalidRequest:
    return InvalidRequest(
        "the JSON is nested too deeply",
        field=field or "body",
        rule="depth",
        expected=f"at most {JSON_DEPTH_MAX} levels",
    )


def _not_utf8(error: UnicodeDecodeError, field: str) -> InvalidRequest:
    return InvalidRequest(
        "a string is not UTF-8",
        field=field or "body",
        rule="utf-8",
        got=brief(bytes(error.object[error.start : error.start + 16]).hex(" ")),
        expected="text in UTF-8",
    )


def _malformed(words: str, body: bytes, field: str) -> InvalidRequest:
    if not body.strip():
        return InvalidRequest(
            "the body is empty", field=field or "body", rule="json", got="", expected="JSON"
        )
    found = _NOT_NUMBERS.search(body)
    if found is not None:
        return InvalidRequest(
            "JSON has no NaN or Infinity",
            field=field or "body",
            rule="finite",
            got=_excerpt(body, found.start()),
            expected="a finite number, or null where a value may be missing",
        )
    place = re.search(r"\(byte (\d+)\)", words)
    return InvalidRequest(
        f"the body is not JSON: {words}",
        field=field or "body",
        rule="json",
        got=_excerpt(body, int(place.group(1)) if place else len(body)),
        expected="one JSON value and nothing after it",
    )


def _excerpt(body: bytes, place: int) -> str:
    """The text around a place, which is easier to find than a number of bytes."""
    return body[max(0, place - 30) : place + 20].decode("utf-8", "replace")


def _wrong_value(words: str, body: bytes, field: str) -> InvalidRequest:
    place = _PLACE.search(words)
    path = place.group(1) if place else ""
    plain = words[: place.start()] if place else words
    where = f"{field}{path}" if field else path.removeprefix(".")
    missing = _MISSING.match(plain)
    if missing:
        name = f"{where}.{missing.group(1)}" if where else missing.group(1)
        return InvalidRequest(
            f"{brief(name)} is missing",
            field=brief(name),
            rule="missing",
            expected=f"a value for {brief(missing.group(1))}",
        )
    surplus = _UNKNOWN.match(plain)
    if surplus:
        name = f"{where}.{surplus.group(1)}" if where else surplus.group(1)
        return InvalidRequest(
            f"{brief(name)} is not part of this request",
            field=brief(name),
            rule="unknown",
            got=brief(surplus.group(1)),
            expected="only what the OpenAPI document of this server names",
        )
    kind = _TYPE.match(plain)
    name, value = _find(body, path, kind.group(2) if kind else "")
    got = brief(value)
    field = field or brief(name or where) or "body"
    if kind:
        return InvalidRequest(
            f"{brief(name or where) or 'the body'} is {_word(kind.group(2))}, "
            f"not {_word(kind.group(1))}",
            field=field,
            rule="type",
            got=got,
            expected=_word(kind.group(1)),
        )
    rule = "range" if "out of range" in plain else "value"
    return InvalidRequest(
        f"{brief(name or where) or 'the body'}: {brief(plain)}",
        field=field,
        rule=rule,
        got=got,
        expected="a finite 64-bit number" if rule == "range" else brief(plain),
    )


_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _word(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))


class _TooLong(str):
    """The digits of a whole number that nothing here can hold."""

    __slots__ = ()


_TYPES: dict[str, tuple[type, ...]] = {
    "float": (float,),
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
    "": (_TooLong,),
}


def _find(body: bytes, path: str, kind: str) -> tuple[str, Any]:
    """The value that was refused, and its name where the decoder did not say it.

    The decoder names no key of a free mapping (`[...]`); there it is the first value of the
    kind that was refused, or the first number that is beyond all bounds.
    """
    name = ""
    try:
        value: Any = json.loads(body, parse_int=_shortened)
        for index, key in _STEP.findall(path):
            if index == "...":
                name = next(key for key in value if _is(value[key], kind))
                value = value[name]
            else:
                value = value[int(index)] if index else value[key]
    except (ValueError, LookupError, TypeError, RecursionError, StopIteration):
        return name, None
    return name, value


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, float) and not kind:
        return value in (math.inf, -math.inf)
    return type(value) in _TYPES.get(kind, ())


def _shortened(digits: str) -> int | str:
    """A whole number, or the beginning of one that is too long to be read."""
    return int(digits) if len(digits) < 300 else _TooLong(digits)
