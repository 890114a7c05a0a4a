"""Subjects as lists of words and phrases, and whether a text names one of them.

Promises time in proportion to the length of the text: a text is taken apart into words once, and
every run of words that is as long as some phrase is looked up. Case, accents of writing (full width
and the like) and whatever stands between words make no difference; a word that ends in `*` stands
for all that begin with it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

_WORD: Final = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Subjects:
    """Named lists of phrases."""

    def __init__(self, subjects: Mapping[str, Sequence[str]]) -> None:
        self._phrases: dict[tuple[str, ...], str] = {}
        self._beginnings: dict[str, str] = {}
        for subject, phrases in subjects.items():
            for phrase in phrases:
                words = words_of(phrase)
                if phrase.rstrip().endswith("*") and len(words) == 1:
                    self._beginnings[words[0]] = subject
                elif words:
                    self._phrases[tuple(words)] = subject
        self._lengths = sorted({len(phrase) for phrase in self._phrases})
        self._starts = sorted({len(beginning) for beginning in self._beginnings})

    def named_in(self, text: str) -> str | None:
        """The first subject that a text names."""
        words = words_of(text)
        for place, word in enumerate(words):
            for length in self._lengths:
                subject = self._phrases.get(tuple(words[place : place + length]))
                if subject is not None:
                    return subject
            for length in self._starts:
                subject = self._beginnings.get(word[:length])
                if subject is not None:
                    return subject
        return None
