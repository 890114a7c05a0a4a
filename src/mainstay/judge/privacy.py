"""What a model may not speak about, and what is not shared without asking.

Promises that an answer which names a private subject is told to nobody: it is declined, and where
only some of the things that are named do so (options, items of a ranking), those are left out. And
that an answer which would be shared on a person's behalf is asked about first where something
personal went into it, and declined where something private did. Subjects are words and phrases, so
looking for them takes time in proportion to the text, whatever the text. Limits: a subject is what
its words say; what they mean in other words is not known. Who asks for the raw numbers of an open
inference protocol gets those of all classes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from mainstay.contract.columns import Column
from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.model import Contract, Label, Probability, Ranking, columns_of
from mainstay.contract.people import Private, Share
from mainstay.contract.subjects import Subjects
from mainstay.judge.model import ASKED, DECLINED, Case, Mask
from mainstay.judge.present import Option, Scored, Shown, present

_PRIVATE: Final = "This is something that we do not speak about."
_SHARED: Final = "This would be seen by others, and something personal went into it. Is that right?"
_NOT_SHARED: Final = "Something private went into this, so it is not passed on."


class PrivateStage:
    """Keeps private subjects out of what is told."""

    def __init__(self, contract: Contract, private: Private) -> None:
        self._subjects = Subjects(private.subjects)
        self._named = {
            name: subject
            for name in named_by(contract)
            if (subject := self._subjects.named_in(name)) is not None
        }
        self._present = present(contract)

    def __call__(self, case: Case) -> None:
        rows: list[int] = np.flatnonzero(case.standing()).tolist()
        if not rows or not self._named:
            return
        presented = self._present(case.output, case.shown)
        refused: dict[int, str] = {}
        for row in rows:
            shown = presented[row]
            subject, allowed = self._allowed(shown)
            if subject is not None:
                refused[row] = subject
            elif allowed is not shown:
                case.shown[row] = allowed
                if row in case.words and self._subjects.named_in(case.words[row]) is not None:
                    case.words[row] = "It could be one of these."
        if refused:
            mask: Mask = np.zeros(case.rows, dtype=np.bool_)
            mask[list(refused)] = True
            case.turn(mask, DECLINED, lambda row: f"private: the answer names {refused[row]}")
            for row in refused:
                case.words[row] = _PRIVATE

    def _allowed(self, shown: Shown) -> tuple[str | None, Shown]:
        """The subject for which a row is refused, or what may be shown of it."""
        answer: Any = shown.answer
        if isinstance(answer, str) and answer in self._named:
            return self._named[answer], shown
        options: Any = [each for each in shown.options if each.answer not in self._named]
        cut = len(options) < len(shown.options)
        if isinstance(answer, list):
            items: list[Any] = answer  # pyright: ignore[reportUnknownVariableType]  # because items are texts or numbers
            left = [item for item in items if item not in self._named]
            if items and not left:
                return self._named[items[0]], shown
            cut = cut or len(left) < len(items)
            answer = left
        if cut and answer is None and not options:
            first: Option | Scored = shown.options[0]
            return self._named[first.answer], shown
        return None, Shown(answer, shown.confidence, options) if cut else shown


def named_by(contract: Contract) -> tuple[str, ...]:
    """Everything that an answer of a contract can name."""
    match contract.output:
        case Probability() | Label():
            return contract.output.classes
        case Ranking():
            return contract.output.items
        case _:
            return ()


class ShareStage:
    """Asks before something personal is shared, and shares nothing private."""

    def __init__(self, contract: Contract, share: Share) -> None:
        kinds = columns_of(contract.inputs, contract.context)
        at = ("judge", "share", "when")
        self._when = compile_expression(share.when, kinds, at, kind="boolean")
        self._personal = [name for name, kind in kinds.items() if kind.sensitivity == "personal"]
        self._private = [name for name, kind in kinds.items() if kind.sensitivity == "private"]

    def __call__(self, case: Case) -> None:
        shared: Mask = case.standing() & self._when(case.column, case.rows)
        if not shared.any():
            return
        for names, status, words in (
            (self._private, DECLINED, _NOT_SHARED),
            (self._personal, ASKED, _SHARED),
        ):
            there = {name: shared & is_there(case.column(name)) for name in names}
            if not there:
                continue
            rows: Mask = np.logical_or.reduce(list(there.values()))
            changed = case.turn(rows, status, partial(_reason, there))
            for row in np.flatnonzero(changed).tolist():
                case.words[row] = words


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
