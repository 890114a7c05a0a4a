"""Raw output as answers that people read: a class, a number, a list of items best first.

Promises plain Python values that JSON can carry, and the same answer for the same output on
every door. Must never be asked to decide whether an answer may be shown: that is `sense.py`'s
part, and what is shown of a row it refused means nothing.

Nothing is made before somebody looks: a run's answers stay the columns that the model gave, a
door that wants one column of them gets that, and only who asks for a row gets an object for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from mainstay.base.limits import OPTIONS_SHOWN_MAX
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
    threshold_of,
)


class Option(msgspec.Struct, frozen=True, gc=False):
    """One possible class with its probability."""

    answer: str
    probability: float


class Scored(msgspec.Struct, frozen=True, gc=False):
    """One item of a ranking with its score."""

    answer: str
    score: float


Said = str | float | list[str] | list[float] | None
"""What is answered of one row."""


class Shown(msgspec.Struct, frozen=True):
    """What a person is shown of one row."""

    answer: Said
    confidence: float | None = None
    """The probability of the answered class, where the model gives probabilities."""
    options: list[Option] | list[Scored] = []
    """What else it could have been, best first; at most 100."""


Instead = Mapping[int, Shown]
"""Row to what is shown of it whatever the model gave."""

NOTHING_INSTEAD: Instead = {}

_encode = msgspec.json.Encoder().encode


class Presented:
    """What people read of some rows of a run, made when they look."""

    __slots__ = ("_instead", "_rows", "_start", "_stop")

    def __init__(self, rows: "Rows", start: int, stop: int, instead: Instead) -> None:
        self._rows = rows
        self._start = start
        self._stop = stop
        self._instead = instead

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, row: int) -> Shown:
        place = self._start + row
        if not self._start <= place < self._stop:
            raise IndexError(row)
        return self._instead.get(place) or self._rows.shown(place)

    def __iter__(self) -> Iterator[Shown]:
        return (self[row] for row in range(len(self)))

    def part(self, start: int, stop: int) -> "Presented":
        """Some of the rows."""
        return Presented(self._rows, self._start + start, self._start + stop, self._instead)

    def answers(self) -> list[Any]:
        """The answers alone, row by row."""
        said = self._rows.answers()[self._start : self._stop]
        for place, shown in self._instead.items():
            if self._start <= place < self._stop:
                said[place - self._start] = shown.answer
        return said

    @property
    def own(self) -> bool:
        """Whether all of it is what the model gave."""
        return not any(self._start <= place < self._stop for place in self._instead)

    def numbers(self, width: int) -> list[str]:
        """The model's own numbers as JSON has them, `width` to each row."""
        return self._rows.numbers()[self._start * width : self._stop * width]

    def texts(self) -> list[str]:
        """Row by row, the members that a `Shown` has in JSON, without its braces."""
        texts = self._rows.texts()[self._start : self._stop]
        for place, shown in self._instead.items():
            if self._start <= place < self._stop:
                texts[place - self._start] = _members(shown)
        return texts


def _members(shown: Shown) -> str:
    return _encode(shown)[1:-1].decode()


def _numbers(raw: Column) -> list[str]:
    """Numbers as JSON has them."""
    return _encode(raw.ravel().tolist())[1:-1].decode().split(",")


class Rows(ABC):
    """The rows of a run whose output is of one kind."""

    __slots__ = ("_answers", "_numbers", "_raw", "_texts")

    def __init__(self, raw: Column) -> None:
        self._raw = raw
        self._answers: list[Any] | None = None
        self._numbers: list[str] | None = None
        self._texts: list[str] | None = None

    def numbers(self) -> list[str]:
        """Every number as JSON has it; made once, for all calls of a run."""
        found = self._numbers
        if found is None:
            found = self._numbers = _numbers(self._raw)
        return found

    def answers(self) -> list[Any]:
        """The answer of every row; made once, for all calls of a run."""
        found = self._answers
        if found is None:
            found = self._answers = self._answered()
        return found

    def texts(self) -> list[str]:
        """Every row as the members of a JSON object; made once, for all calls of a run."""
        found = self._texts
        if found is None:
            found = self._texts = self._written()
        return found

    @abstractmethod
    def _answered(self) -> list[Any]: ...

    def _written(self) -> list[str]:
        return [_members(self.shown(row)) for row in range(len(self.answers()))]

    def shown(self, row: int) -> Shown:
        """All that is shown of one row."""
        return Shown(self.answers()[row])


Present = Callable[[Column, Instead], Presented]
Read = Callable[[Column], Rows]
Correct = Callable[[Column], Column]


def _as_they_are(raw: Column) -> Column:
    return raw


def present(contract: Contract, correct: Correct | None = None) -> Present:
    """The presentation of a contract's output, compiled once. What is shown of probabilities is
    what `correct` makes of them; the answer stays what they lead to themselves."""
    read = _reader(contract, correct or _as_they_are)

    def presented(raw: Column, instead: Instead = NOTHING_INSTEAD) -> Presented:
        return Presented(read(raw), 0, len(raw), instead)

    return presented


def woven(parts: Sequence[tuple[Sequence[int], Presented]]) -> Presented:
    """Rows of several runs in the order that their places say."""
    rows = _Woven(parts)
    return Presented(rows, 0, rows.count, NOTHING_INSTEAD)


def _reader(contract: Contract, correct: Correct) -> Read:
    output = contract.output
    match output:
        case Probability() if len(output.classes) == 2:
            return lambda raw: _TwoClasses(output, raw, correct)
        case Probability():
            return lambda raw: _Classes(output, raw, correct)
        case Label():
            return lambda raw: _Labels(output, raw)
        case Ranking():
            return lambda raw: _Ranking(output, raw)
        case NumberOutput() | VectorOutput():
            return _Plain


class _TwoClasses(Rows):
    """The second class is the one that a threshold is about."""

    __slots__ = ("_correct", "_output", "_pairs")

    def __init__(self, output: Probability, raw: Column, correct: Correct) -> None:
        super().__init__(raw)
        self._output = output
        self._correct = correct
        self._pairs: list[tuple[float, float]] | None = None

    def _answered(self) -> list[Any]:
        other, wanted = self._output.classes
        # The comparison runs in the output's own precision, as a reader of the raw numbers would.
        threshold = self._raw.dtype.type(threshold_of(self._output))
        reached: list[bool] = (self._raw[:, 1] >= threshold).tolist()
        return [wanted if speaks else other for speaks in reached]

    def _written(self) -> list[str]:
        other, wanted = (_encode(name).decode() for name in self._output.classes)
        told = self._correct(self._raw)
        numbers = _numbers(told)
        likelier: list[bool] = (told[:, 1] >= told[:, 0]).tolist()
        texts: list[str] = []
        rows = zip(self.answers(), numbers[::2], numbers[1::2], likelier, strict=True)
        for answer, low, high, up in rows:
            first = f'{{"answer":{other},"probability":{low}}}'
            second = f'{{"answer":{wanted},"probability":{high}}}'
            options = f"{second},{first}" if up else f"{first},{second}"
            if answer is self._output.classes[1]:
                texts.append(f'"answer":{wanted},"confidence":{high},"options":[{options}]')
            else:
                texts.append(f'"answer":{other},"confidence":{low},"options":[{options}]')
        return texts

    def shown(self, row: int) -> Shown:
        pairs = self._pairs
        if pairs is None:
            pairs = self._pairs = self._correct(self._raw).tolist()
        first, second = pairs[row]
        other, wanted = self._output.classes
        answer = self.answers()[row]
        if second >= first:
            options = [Option(wanted, second), Option(other, first)]
        else:
            options = [Option(other, first), Option(wanted, second)]
        return Shown(answer, second if answer is wanted else first, options)


class _Best(Rows):
    """Names by the height of their scores; ties keep the contract's order."""

    __slots__ = ("_count", "_found", "_names")

    def __init__(self, names: tuple[str, ...], count: int, raw: Column) -> None:
        super().__init__(raw)
        self._names = names
        self._count = count
        self._found: tuple[list[list[int]], list[list[float]]] | None = None

    def best(self) -> tuple[list[list[int]], list[list[float]]]:
        """Places and values of the highest scores of each row."""
        if self._found is None:
            scores = self._scores()
            order = np.argsort(-scores, axis=1, kind="stable")[:, : self._count]
            self._found = order.tolist(), np.take_along_axis(scores, order, axis=1).tolist()
        return self._found

    def _scores(self) -> Column:
        """What the names are put in order by."""
        return self._raw


class _Classes(_Best):
    """The most probable of many classes."""

    __slots__ = ("_correct", "_places", "_told")

    def __init__(self, output: Probability, raw: Column, correct: Correct) -> None:
        super().__init__(output.classes, min(len(output.classes), OPTIONS_SHOWN_MAX), raw)
        self._correct = correct
        self._places: list[int] = []
        self._told: Column | None = None

    def _scores(self) -> Column:
        if self._told is None:
            self._told = self._correct(self._raw)
        return self._told

    def _answered(self) -> list[Any]:
        # Of equal ones the first, as the options have it.
        self._places = np.argmax(self._raw, axis=1).tolist()
        return [self._names[place] for place in self._places]

    def shown(self, row: int) -> Shown:
        answer = self.answers()[row]
        every_place, every_value = self.best()
        options = [
            Option(self._names[place], value)
            for place, value in zip(every_place[row], every_value[row], strict=True)
        ]
        return Shown(answer, float(self._scores()[row, self._places[row]]), options)


class _Ranking(_Best):
    """The first items of a ranking."""

    __slots__ = ()

    def __init__(self, output: Ranking, raw: Column) -> None:
        super().__init__(output.items, min(len(output.items), output.top), raw)

    def _answered(self) -> list[Any]:
        return [[self._names[place] for place in places] for places in self.best()[0]]

    def shown(self, row: int) -> Shown:
        names = self.answers()[row]
        scored = [
            Scored(name, value)
            for name, value in zip(names[:OPTIONS_SHOWN_MAX], self.best()[1][row], strict=False)
        ]
        return Shown(names, None, scored)


class _Labels(Rows):
    """A class and nothing about the others."""

    __slots__ = ("_classes",)

    def __init__(self, output: Label, raw: Column) -> None:
        super().__init__(raw)
        self._classes = output.classes

    def _answered(self) -> list[Any]:
        places: list[int] = self._raw.tolist()
        known = len(self._classes)
        return [self._classes[p] if 0 <= p < known else None for p in places]


class _Plain(Rows):
    """A number or a vector, as it is."""

    __slots__ = ()

    def _answered(self) -> list[Any]:
        return self._raw.tolist()

    def _written(self) -> list[str]:
        if self._raw.ndim != 1:
            return super()._written()
        return [f'"answer":{n},"confidence":null,"options":[]' for n in _numbers(self._raw)]


class _Woven(Rows):
    """Rows of several runs."""

    __slots__ = ("_parts", "_where", "count")

    def __init__(self, parts: Sequence[tuple[Sequence[int], Presented]]) -> None:
        super().__init__(np.empty(0))
        self._parts = parts
        self._where = {
            row: (presented, place) for own, presented in parts for place, row in enumerate(own)
        }
        self.count = len(self._where)

    def _answered(self) -> list[Any]:
        said: list[Any] = [None] * self.count
        for own, presented in self._parts:
            for row, answer in zip(own, presented.answers(), strict=True):
                said[row] = answer
        return said

    def _written(self) -> list[str]:
        texts = [""] * self.count
        for own, presented in self._parts:
            for row, text in zip(own, presented.texts(), strict=True):
                texts[row] = text
        return texts

    def shown(self, row: int) -> Shown:
        presented, place = self._where[row]
        return presented[place]
