"""Subjects as words, phrases and patterns, and whether a text names one of them.

Promises time in proportion to the length of the text: a text is taken apart into words once, every
run of words that is as long as some phrase is looked up, and patterns never go back. Case, accents
of writing (full width and the like) and whatever stands between words make no difference; a word
that ends in `*` stands for all that begin with it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mainstay.contract.model import Category, Input
from mainstay.contract.patterns import compile_pattern
from mainstay.contract.people import Pattern, Private

_WORD: Final = re.compile(r"[^\W_]+")
Words = tuple[str, ...]

PRIVATE_SAID: Final = "This is something that we do not speak about."
ASKED_SAID: Final = "Is this right?"
OPTIONS_SAID: Final = "It could be one of these."
"""What is said in place of words that name a private subject."""


def words_of(text: str) -> Words:
    """The words of a text, as they are compared."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def within(phrase: Words, words: Words) -> bool:
    """Whether a phrase stands somewhere among words."""
    length = len(phrase)
    return any(words[place : place + length] == phrase for place in range(len(words) - length + 1))


class Subjects:
    """Named lists of phrases and patterns."""

    def __init__(
        self,
        subjects: Mapping[str, Sequence[str | Pattern]],
        values: Iterable[tuple[str, Words]] = (),
    ) -> None:
        """`values` are phrases too, each with its subject, and mean no more than they say."""
        self._phrases: dict[Words, str] = {words: subject for subject, words in values if words}
        self._beginnings: dict[str, str] = {}
        self._patterns = [
            (compile_pattern(phrase.pattern), subject)
            for subject, phrases in subjects.items()
            for phrase in phrases
            if isinstance(phrase, Pattern)
        ]
        for subject, phrases in subjects.items():
            for phrase in phrases:
                if not isinstance(phrase, Pattern):
                    self._add(subject, phrase)
        self._lengths = sorted({len(phrase) for phrase in self._phrases})
        self._starts = sorted({len(beginning) for beginning in self._beginnings})

    def _add(self, subject: str, phrase: str) -> None:
        words = words_of(phrase)
        if phrase.rstrip().endswith("*") and len(words) == 1:
            self._beginnings[words[0]] = subject
        elif words:
            self._phrases[words] = subject

    def named_in(self, text: str) -> str | None:
        """The first subject that a text names."""
        words = words_of(text)
        for place, word in enumerate(words):
            for length in self._lengths:
                subject = self._phrases.get(words[place : place + length])
                if subject is not None:
                    return subject
            for length in self._starts:
                subject = self._beginnings.get(word[:length])
                if subject is not None:
                    return subject
        for found_in, subject in self._patterns:
            if found_in(text):
                return subject
        return None


def subjects_of(private: Private, kinds: Mapping[str, Input]) -> Subjects:
    """The subjects of a contract whose columns are of these kinds: what it lists, and the values
    that its columns of such a subject list."""
    values = (
        (kind.subject, words_of(value))
        for kind in kinds.values()
        if kind.subject in private.subjects and isinstance(kind, Category)
        for value in kind.values
    )
    return Subjects(private.subjects, values)
