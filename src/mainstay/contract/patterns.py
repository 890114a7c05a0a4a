"""Patterns that texts are looked through for, in a time that grows only with the text.

Promises that looking for a pattern takes time in proportion to the text, whatever the pattern and
whatever the text (RE2 has neither look-around nor back-references, and never goes back); that upper
and lower case make no difference, nor does the way of writing (full width and the like); and that a
pattern which is none, is too long or could be found in any text is refused in words. The engine is
imported when the first pattern is compiled, so who declares none does not pay for it.
"""

import re
import unicodedata
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import PATTERN_MAX_CHARACTERS

_MEMORY_MAX_BYTES: Final = 1024 * 1024
"""A pattern that takes more is refused; what is remembered while looking is less, too."""
_PROBES: Final = ("", "a", " ", "-", "a a")
_LOOKS_AROUND: Final = re.compile(r"\(\?<?[=!]")
_REFERS_BACK: Final = re.compile(r"escape sequence: \\[1-9]|\(\?P=")

FoundIn = Callable[[str], bool]
"""Whether a pattern is found in a text."""


def compile_pattern(pattern: str) -> FoundIn:
    """A pattern, ready to be looked for; `InvalidUsage` says what is wrong with it."""
    if not 1 <= len(pattern) <= PATTERN_MAX_CHARACTERS:
        raise InvalidUsage(
            f"must have 1 to {PATTERN_MAX_CHARACTERS} characters, got {len(pattern)}; several "
            "shorter patterns are as fast"
        )
    engine: Any = import_module("re2")
    options: Any = engine.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY_MAX_BYTES
    try:
        search: Any = engine.compile(pattern, options).search
    except (engine.error, UnicodeEncodeError) as error:
        raise InvalidUsage(_refused(pattern, error)) from error
    for probe in _PROBES:
        found = search(probe)
        if found is not None and found.start() == found.end():
            raise InvalidUsage(
                "is found where there is nothing, so in every text; let it need a character, such "
                r"as [0-9]+ in place of [0-9]*"
            )

    def found_in(text: str) -> bool:
        try:
            if search(text) is not None:
                return True
            usual = text if text.isascii() else unicodedata.normalize("NFKC", text)
            return usual != text and search(usual) is not None
        except UnicodeEncodeError:
            return True  # half a character: nobody can say what such a text says

    return found_in


def _refused(pattern: str, error: Exception) -> str:
    """Why there is no such pattern, and what would be one."""
    if isinstance(error, UnicodeEncodeError):
        return "holds a character that is not valid Unicode"
    said = error.args[0] if error.args else ""
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if _REFERS_BACK.search(words) or "(?P=" in pattern:
        return (
            "refers back to a group, which takes ever longer the longer the text is; write out "
            "what is meant"
        )
    if _LOOKS_AROUND.search(pattern):
        return (
            r"looks around itself with (?=, (?!, (?<= or (?<!, which is not possible here; \b "
            "stands for the edge of a word"
        )
    if r"\Z" in words:
        return r"ends with \Z, which is written \z here"
    return f"is no pattern that RE2 takes: {words}"
