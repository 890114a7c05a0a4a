"""The words and signs of an expression, each with its place.

Promises that every character belongs to a token, is a space, or is refused with what to write
instead.
"""

import re
from typing import Final, Literal, NamedTuple

from mainstay.contract.expressions.model import BadText

_TOKEN: Final = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*(?:\.\w+)*)"
    r"|(?P<quoted>`[^`]+`)"
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/%<>()\[\],])",
    re.DOTALL,
)
_SPACE: Final = re.compile(r"\s*")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_INSTEAD: Final = {
    "=": "`==` to compare",
    "&": "`and`",
    "|": "`or`",
    "!": "`not`",
    "^": "`**`",
    "?": "`a if condition else b`",
    ":": "`a if condition else b`",
    "{": "a list in [ ]",
    "×": "`*`",
    "÷": "`/`",
    "≤": "`<=`",
    "≥": "`>=`",
    "≠": "`!=`",
}
KEYWORDS: Final = frozenset(
    {"and", "or", "not", "in", "if", "else", "is", "missing", "between", "true", "false"}
)
_PLAIN: Final = re.compile(r"[^\W\d]\w*(?:\.\w+)*")

Sort = Literal["number", "name", "text", "sign", "keyword", "end"]


class Token(NamedTuple):
    """One word or sign; `value` is the text that is meant."""

    sort: Sort
    value: str
    at: int


def tokens(text: str) -> list[Token]:
    """The tokens of a text, with an end at its end."""
    found: list[Token] = []
    place = _after_space(text, 0)
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise BadText(place, _refused(text, place))
        found.append(_token(match))
        place = _after_space(text, match.end())
    found.append(Token("end", "", len(text)))
    return found


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()


def _token(match: re.Match[str]) -> Token:
    text, at = match.group(), match.start()
    match match.lastgroup:
        case "number":
            return Token("number", text, at)
        case "quoted":
            return Token("name", text[1:-1], at)
        case "text":
            return Token("text", _ESCAPE.sub(r"\1", text[1:-1]), at)
        case "name" if text in KEYWORDS:
            return Token("keyword", text, at)
        case "name":
            return Token("name", text, at)
        case _:
            return Token("sign", text, at)


def _refused(text: str, place: int) -> str:
    sign = text[place]
    if sign in "\"'`":
        return f"the {sign} that starts here does not end"
    instead = _INSTEAD.get(sign)
    return f"{sign!r} has no meaning here" + (f"; write {instead}" if instead else "")


def spelled(name: str) -> str:
    """A name as it must be written: in backquotes when it is no plain word."""
    plain = _PLAIN.fullmatch(name) and name not in KEYWORDS
    return name if plain else f"`{name}`"
