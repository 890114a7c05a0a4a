"""The text of `mainstay.toml` while its parts are read: every mistake is named with its line."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from mainstay.base.errors import InvalidUsage

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class Page:
    """The text that was read, for the lines of mistakes."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def wrong(self, place: Sequence[str | int], got: Any, expected: str) -> InvalidUsage:
        """A mistake at a place, and what would be right there."""
        named = ".".join(str(each) for each in place)
        return InvalidUsage(
            f"{self._path}:{self._line(place)}: `{named}` cannot be {str(got)[:60]!r}",
            field=named,
            got=got if isinstance(got, (str, int, float, bool)) else str(got)[:60],
            expected=expected,
        )

    def _line(self, place: Sequence[str | int]) -> int:
        """The line of the innermost part that is found, in the table that it belongs to."""
        at = 0
        rule = next((each for each in place if isinstance(each, int)), None)
        if rule is not None:
            heads = [n for n, line in enumerate(self._lines) if "alerts.rules" in line]
            at = heads[min(rule, len(heads) - 1)] if heads else 0
        for name in place:
            if isinstance(name, str) and name != "rules":
                pattern = re.compile(rf"^\s*[\[\w\"'.\s]*\b{re.escape(name)}\b")
                found = (n for n in range(at, len(self._lines)) if pattern.match(self._lines[n]))
                at = next(found, at)
        return at + 1


def list_of(found: Any) -> list[Any] | None:
    """A list, or nothing where it is none."""
    return cast("list[Any]", found) if isinstance(found, list) else None


def check_name(page: Page, place: Sequence[str | int], name: str) -> None:
    """What people call something in the settings."""
    if not _NAME.fullmatch(name):
        raise page.wrong(place, name, "lower-case letters, digits, - and _")


def check_variable(page: Page, place: Sequence[str | int], found: Any, such_as: str) -> None:
    """The name of an environment variable; what is in it never stands in the settings."""
    if not isinstance(found, str) or not _VARIABLE.fullmatch(found):
        raise page.wrong(
            place, "what is not the name of a variable", "the name of an environment variable, "
            f"such as {such_as}; what is in it is a secret and belongs in there",
        )  # fmt: skip


def check_patterns(page: Page, place: Sequence[str | int], found: Any) -> None:
    """Names, or patterns with `*`."""
    given = list_of(found)
    if not given or not all(isinstance(each, str) and each for each in given):
        raise page.wrong(place, found, 'a list of names, such as ["fraud*"]')


def table_of(
    page: Page, place: Sequence[str | int], found: Any, kind: type[msgspec.Struct] | None
) -> dict[str, Any]:
    """A part of the settings; only what `kind` names may stand in it."""
    if not isinstance(found, dict):
        raise page.wrong(place, found, "a part of its own, with settings below it")
    table = cast("dict[str, Any]", found)
    known = [field.name for field in msgspec.structs.fields(kind)] if kind else list(table)
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f"did you mean `{near[0]}`? " if near else ""
            right = f"{guess}The settings here are {', '.join(known)}"
            raise page.wrong((*place, name), "a setting", right)
    return table
