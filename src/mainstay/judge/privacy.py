"""What a model may not speak about, and what is not shared without asking.

Promises that an answer which names a private subject is told to nobody: it is declined, and where
only some of the things that are named do so (options, items of a ranking), those are left out; that
no words and no reason beside an answer name one; and that an answer which would be shared on a
person's behalf is asked about first where something personal went into it, and declined where
something private did. A subject is named by its words and patterns, and by the values of columns
that are declared to be about it: those that a category lists always, others where they are sent.
Looking takes time in proportion to the text, whatever the text. Limits: what a text means in other
words is not known. Who asks for the raw numbers of an open inference protocol gets those of all
classes.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from mainstay.contract.columns import Column
from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.model import Category, Contract, Input, Text, columns_of, named_by
from mainstay.contract.people import Private, Share
from mainstay.contract.subjects import (
    ASKED_SAID,
    OPTIONS_SAID,
    PRIVATE_SAID,
    Words,
    subjects_of,
    within,
    words_of,
)
from mainstay.judge.model import ASKED, DECLINED, HELD, OPTIONS, Case, Mask
from mainstay.judge.present import Option, Scored, Shown, present

_SHARED: Final = "This would be seen by others, and something personal went into it. Is that right?"
_NOT_SHARED: Final = "Something private went into this, so it is not passed on."
_INSTEAD: Final = {ASKED: ASKED_SAID, OPTIONS: OPTIONS_SAID}
"""Words in place of words that name what is private, by what became of the answer."""


class Unspoken:
    """What a contract does not let be named, in a text beside some row."""

    def __init__(self, contract: Contract, private: Private) -> None:
        kinds = columns_of(contract.inputs, contract.context)
        self.subjects = subjects_of(private, kinds)
        self._sent = {
            name: kind.subject
            for name, kind in kinds.items()
            if kind.subject in private.subjects and _sends_words(kind)
        }

    @property
    def differs(self) -> bool:
        """Whether what may not be named differs from row to row."""
        return bool(self._sent)

    def sent(self, case: Case, row: int) -> Iterator[tuple[Words, str]]:
        """What was sent with a row of which nothing is said, as words, and its subject."""
        for name, subject in self._sent.items():
            value: Any = case.column(name)[row]
            words = () if value is None else words_of(value)
            if words:
                yield words, subject

    def named(self, case: Case, row: int, text: str) -> str | None:
        """The first subject that a text beside a row names."""
        found = self.subjects.named_in(text)
        if found is None and self._sent:
            words = words_of(text)
            for sent, subject in self.sent(case, row):
                if within(sent, words):
                    return subject
        return found


def _sends_words(kind: Input) -> bool:
    """Whether a column can hold words that its kind does not list."""
    return isinstance(kind, Text) or (isinstance(kind, Category) and kind.others)


class PrivateStage:
    """Keeps private subjects out of what is told."""

    def __init__(self, contract: Contract, private: Private) -> None:
        self._unspoken = Unspoken(contract, private)
        names = named_by(contract.output)
        self._named = {
            name: subject
            for name in names
            if (subject := self._unspoken.subjects.named_in(name)) is not None
        }
        self._by_word: dict[str, list[tuple[str, Words]]] = {}
        if self._unspoken.differs:
            for name in names:
                words = words_of(name)
                for word in set(words):
                    self._by_word.setdefault(word, []).append((name, words))
        self._present = present(contract)

    def __call__(self, case: Case) -> None:
        if not self._named and not self._by_word:
            return
        rows: list[int] = np.flatnonzero(case.standing()).tolist()
        if not rows:
            return
        presented = self._present(case.output, case.shown)
        refused: dict[int, str] = {}
        for row in rows:
            shown = presented[row]
            subject, allowed = _allowed(shown, self._names(case, row))
            if subject is not None:
                refused[row] = subject
            elif allowed is not shown:
                case.shown[row] = allowed
        if refused:
            mask: Mask = np.zeros(case.rows, dtype=np.bool_)
            mask[list(refused)] = True
            case.turn(mask, DECLINED, lambda row: f"private: the answer names {refused[row]}")
            for row in refused:
                case.words[row] = PRIVATE_SAID

    def _names(self, case: Case, row: int) -> Mapping[str, str]:
        """The answers that may not be given to a row, each with the subject that it names."""
        if not self._by_word:
            return self._named
        sent = {
            name: subject
            for words, subject in self._unspoken.sent(case, row)
            for name, all_words in self._by_word.get(words[0], ())
            if within(words, all_words)
        }
        return {**self._named, **sent} if sent else self._named


def _allowed(shown: Shown, named: Mapping[str, str]) -> tuple[str | None, Shown]:
    """The subject for which a row is refused, or what may be shown of it."""
    answer: Any = shown.answer
    if isinstance(answer, str) and answer in named:
        return named[answer], shown
    options: Any = [each for each in shown.options if each.answer not in named]
    cut = len(options) < len(shown.options)
    if isinstance(answer, list):
        items: list[Any] = answer  # pyright: ignore[reportUnknownVariableType]  # because items are texts or numbers
        left = [item for item in items if item not in named]
        if items and not left:
            return named[items[0]], shown
        cut = cut or len(left) < len(items)
        answer = left
    if cut and answer is None and not options:
        first: Option | Scored = shown.options[0]
        return named[first.answer], shown
    return None, Shown(answer, shown.confidence, options) if cut else shown


class DiscreetStage:
    """Keeps private subjects out of the words and the reasons beside what is told."""

    def __init__(self, contract: Contract, private: Private) -> None:
        self._unspoken = Unspoken(contract, private)

    def __call__(self, case: Case) -> None:
        for row, words in list(case.words.items()):
            if self._unspoken.named(case, row, words) is not None:
                case.words[row] = _INSTEAD.get(int(case.statuses[row]), PRIVATE_SAID)
        for row, reason in case.reasons.items():
            if case.statuses[row] != HELD and self._unspoken.named(case, row, reason) is not None:
                case.unsaid.add(row)


class ShareStage:
    """Asks before something personal is shared, and shares nothing private."""

    def __init__(self, contract: Contract, share: Share) -> None:
        kinds = columns_of(contract.inputs, contract.context)
        at = ("judge", "share", "when")
        self._when = compile_expression(share.when, kinds, at, kind="boolean")
        self._personal = [name for name, kind in kinds.items() if kind.sensitivity == "personal"]
        private = contract.judge.private
        subjects = () if private is None else private.subjects
        self._private = [
            name
            for name, kind in kinds.items()
            if kind.sensitivity == "private" or kind.subject in subjects
        ]
        self._unspoken = None if private is None else Unspoken(contract, private)
        self._texts = [
            name
            for name, kind in kinds.items()
            if isinstance(kind, (Text, Category)) and name not in self._private
        ]

    def __call__(self, case: Case) -> None:
        shared: Mask = case.standing() & self._when(case.column, case.rows)
        if not shared.any():
            return
        private = {name: shared & is_there(case.column(name)) for name in self._private}
        personal = {name: shared & is_there(case.column(name)) for name in self._personal}
        for there, status, words in (
            (private | self._naming(case, shared), DECLINED, _NOT_SHARED),
            (personal, ASKED, _SHARED),
        ):
            if not there:
                continue
            rows: Mask = np.logical_or.reduce(list(there.values()))
            changed = case.turn(rows, status, partial(_reason, there))
            for row in np.flatnonzero(changed).tolist():
                case.words[row] = words

    def _naming(self, case: Case, shared: Mask) -> dict[str, Mask]:
        """By column, the rows whose text names a private subject."""
        if self._unspoken is None:
            return {}
        subjects = self._unspoken.subjects
        found: dict[str, Mask] = {}
        for name in self._texts:
            column = case.column(name)
            for row in np.flatnonzero(shared).tolist():
                value: Any = column[row]
                if value is not None and subjects.named_in(value) is not None:
                    found.setdefault(name, np.zeros(case.rows, dtype=np.bool_))[row] = True
        return found


def _reason(there: Mapping[str, Mask], row: int) -> str:
    return "shared with " + ", ".join(name for name, mask in there.items() if mask[row])


def is_there(column: Column) -> Mask:
    """Which values of a column are not missing."""
    if column.dtype == object:
        return np.array([value is not None for value in column.tolist()], dtype=np.bool_)
    if column.dtype.kind == "M":
        return ~np.isnat(column)
    if column.dtype.kind != "f":
        return np.ones(len(column), dtype=np.bool_)
    missing = np.isnan(column)
    return np.logical_not(missing.all(axis=1) if column.ndim > 1 else missing)
