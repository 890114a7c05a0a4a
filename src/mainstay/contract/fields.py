"""Each kind of value, compiled into the checks of its column.

A field knows three things of its kind. `good` looks at a whole column at once and says which rows
are in order; it is all that a batch without a fault pays for. `wrong` looks at one value and puts
the broken rule into words; it runs for the rows that `good` refused, so both must agree, and a
property test holds them to it. `read` makes the column out of decoded JSON values, strictly: a
boolean is not a number, a number in quotes is not a number, 3.0 is a whole number.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.base.limits import CATEGORY_MAX_CHARACTERS, INTEGER_MAX
from mainstay.contract.columns import Column
from mainstay.contract.model import (
    Boolean,
    Category,
    Input,
    Integer,
    Number,
    Text,
    Timestamp,
    Vector,
)
from mainstay.contract.problems import Wrong
from mainstay.contract.times import MOMENT_EXPECTED, moment_us
from mainstay.contract.words import did_you_mean, one_of

FLOAT_MAX: Final = float(np.finfo(np.float64).max)
Mask = npt.NDArray[np.bool_]

_EPOCH: Final = np.datetime64(0, "us")
_NAT: Final = np.datetime64("NaT", "us")


def plain(number: float) -> str:
    """A bound as people write it: 50000 rather than 50000.0."""
    return str(int(number)) if number == int(number) and abs(number) < 1e16 else repr(number)


def between(noun: str, low: float | None, high: float | None) -> str:
    """A noun with its bounds."""
    if low is not None and high is not None:
        return f"{noun} from {plain(low)} to {plain(high)}"
    if low is not None:
        return f"{noun} of at least {plain(low)}"
    if high is not None:
        return f"{noun} of at most {plain(high)}"
    return noun


class Field(ABC):
    """One named value of a batch, compiled from its kind."""

    types: frozenset[type] = frozenset()
    """The Python types that JSON decodes to and that this kind takes."""
    expected: str

    def __init__(self, name: str, *, optional: bool) -> None:
        self.name = name
        self.optional = optional

    @abstractmethod
    def form(self, column: Column) -> str | None:
        """What is wrong with the array itself, before any value is looked at."""

    @abstractmethod
    def good(self, column: Column) -> Mask:
        """Which rows are in order."""

    @abstractmethod
    def wrong(self, value: Any) -> Wrong | None:
        """What is wrong with one value of the right type."""

    @abstractmethod
    def read(self, values: list[Any]) -> Column:
        """A column out of values of the right types; None stands for a missing one."""

    def settle(self, column: Column) -> Column:
        """A checked column in the exact form of its kind."""
        return column

    def missing(self) -> Wrong:
        """The words for a value that should be there."""
        return Wrong("missing", self.expected)

    def refuses(self, value: Any) -> Wrong | None:
        """What is wrong with one decoded value of any type; the slow and complete answer."""
        if value is None:
            return None if self.optional else self.missing()
        if type(value) not in self.types:
            return Wrong("type", self.expected, f"is {_type_words(value)}")
        return self.wrong(value)


def _type_words(value: Any) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return "a number"
        case str():
            return "text in quotes"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


class NumberField(Field):
    """A finite float within its range; also the ground of whole numbers and booleans."""

    types = frozenset({int, float})

    def __init__(self, name: str, kind: Number | Integer | Boolean) -> None:
        super().__init__(name, optional=kind.optional)
        self.whole = not isinstance(kind, Number)
        if isinstance(kind, Boolean):
            self.low, self.high = 0.0, 1.0
        else:
            widest = FLOAT_MAX if isinstance(kind, Number) else float(INTEGER_MAX)
            self.low = -widest if kind.min is None else max(float(kind.min), -widest)
            self.high = widest if kind.max is None else min(float(kind.max), widest)
            noun = "a number" if isinstance(kind, Number) else "a whole number"
            self.expected = between(noun, kind.min, kind.max)

    def form(self, column: Column) -> str | None:
        if column.ndim != 1:
            return f"has {column.ndim} dimensions"
        if column.dtype == np.float64 or (self.whole and column.dtype == np.int64):
            return None
        return f"has the type {column.dtype}"

    def good(self, column: Column) -> Mask:
        good: Mask = (column >= self.low) & (column <= self.high)
        if column.dtype.kind == "f":
            if self.whole:
                good &= np.rint(column) == column
            if self.optional:
                good |= np.isnan(column)
        return good

    def wrong(self, value: Any) -> Wrong | None:
        if _is_nan(value):
            return None if self.optional else Wrong("missing", self.expected)
        if not -FLOAT_MAX <= value <= FLOAT_MAX:
            words = "is not a finite 64-bit number"
            return Wrong("finite", self.expected, words)
        if self.whole and value != int(value):
            return Wrong("whole", self.expected)
        if value < self.low:
            return Wrong("min", self._bounded())
        if value > self.high:
            return Wrong("max", self._bounded())
        return None

    def _bounded(self) -> str:
        """Says the bound of 53 bits as well where the contract sets none of its own."""
        if self.whole and (self.high == INTEGER_MAX or self.low == -INTEGER_MAX):
            return f"{self.expected}, at most 53 bits wide"
        return self.expected

    def read(self, values: list[Any]) -> Column:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            return np.array([_as_float(value) for value in values], dtype=np.float64)

    def settle(self, column: Column) -> Column:
        if self.whole and not self.optional and column.dtype != np.int64:
            return column.astype(np.int64)
        return column


def _is_nan(value: Any) -> bool:
    # A whole number may be too large for math.isnan, and is never NaN.
    return isinstance(value, float) and math.isnan(value)


def _as_float(value: Any) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class BooleanField(NumberField):
    """True or false; 0 and 1 where only numbers can travel."""

    types = frozenset({bool})
    expected = "true or false"

    def form(self, column: Column) -> str | None:
        return None if column.dtype == np.bool_ and column.ndim == 1 else super().form(column)

    def good(self, column: Column) -> Mask:
        if column.dtype == np.bool_:
            return np.full(len(column), fill_value=True)
        return super().good(column)

    def wrong(self, value: Any) -> Wrong | None:
        wrong = super().wrong(value)
        if wrong is None or wrong.rule == "missing":
            return wrong
        return Wrong("boolean", "true or false (as a number: 1 or 0)")

    def settle(self, column: Column) -> Column:
        return column if self.optional else column.astype(np.bool_)


class WordField(Field):
    """Columns of strings: the ground of categories and texts."""

    types = frozenset({str})

    def form(self, column: Column) -> str | None:
        if column.dtype != object:
            return f"has the type {column.dtype}"
        return None if column.ndim == 1 else f"has {column.ndim} dimensions"

    def read(self, values: list[Any]) -> Column:
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column

    def good(self, column: Column) -> Mask:
        values: list[Any] = column.tolist()
        if self.all_good(values):
            return np.ones(len(values), dtype=np.bool_)
        return np.array([self.refuses(value) is None for value in values], dtype=np.bool_)

    @abstractmethod
    def all_good(self, values: list[Any]) -> bool:
        """A fast and sure yes; a no only means that each value must be looked at."""


class CategoryField(WordField):
    """One of a known set of words."""

    def __init__(self, name: str, kind: Category) -> None:
        super().__init__(name, optional=kind.optional)
        self._others = kind.others
        self._known = frozenset(kind.values)
        self._allowed: frozenset[Any] = self._known | ({None} if kind.optional else set())
        if kind.others:
            self.expected = f"a word of at most {CATEGORY_MAX_CHARACTERS} characters"
        else:
            self.expected = f"one of {one_of(kind.values)}"

    def all_good(self, values: list[Any]) -> bool:
        try:
            return self._allowed.issuperset(values)
        except TypeError:
            return False

    def wrong(self, value: Any) -> Wrong | None:
        if value in self._known:
            return None
        if not self._others:
            guess = did_you_mean(value, self._known)
            return Wrong("values", self.expected + guess)
        if len(value) > CATEGORY_MAX_CHARACTERS:
            return Wrong("max_length", self.expected, f"has {len(value)} characters")
        return _unicode_fault(value, self.expected)


def _unicode_fault(value: str, expected: str) -> Wrong | None:
    # Half of a surrogate pair fits in JSON but in no file, index or database.
    try:
        value.encode()
    except UnicodeEncodeError:
        return Wrong("unicode", expected, "holds a character that is not valid Unicode")
    return None


class TextField(WordField):
    """Free text of a bounded length."""

    def __init__(self, name: str, kind: Text) -> None:
        super().__init__(name, optional=kind.optional)
        self._shortest = kind.min_length
        self._longest = kind.max_length
        least = f"{kind.min_length} to " if kind.min_length else "at most "
        self.expected = f"text of {least}{kind.max_length} characters"

    def all_good(self, values: list[Any]) -> bool:
        if set(map(type, values)) != {str}:
            return False
        lengths = list(map(len, values))
        if min(lengths) < self._shortest or max(lengths) > self._longest:
            return False
        try:
            "\0".join(values).encode()
        except UnicodeEncodeError:
            return False
        return True

    def wrong(self, value: Any) -> Wrong | None:
        length = len(value)
        if length < self._shortest:
            return Wrong("min_length", self.expected, f"has {length} characters")
        if length > self._longest:
            return Wrong("max_length", self.expected, f"has {length} characters")
        return _unicode_fault(value, self.expected)


class ParsedField(Field):
    """Kinds whose values may turn out unreadable, and then look as if they were missing."""

    @abstractmethod
    def blank(self, column: Column) -> Mask:
        """Which rows are empty: missing, or not readable."""


class TimestampField(ParsedField):
    """A moment in UTC, to the microsecond."""

    types = frozenset({str})

    def __init__(self, name: str, kind: Timestamp) -> None:
        super().__init__(name, optional=kind.optional)
        self._after = None if kind.after is None else moment_us(kind.after)
        self._before = None if kind.before is None else moment_us(kind.before)
        since = f", not before {kind.after}" if kind.after else ""
        until = f", before {kind.before}" if kind.before else ""
        self.expected = f"{MOMENT_EXPECTED}{since}{until}"

    def form(self, column: Column) -> str | None:
        if column.dtype != np.dtype("M8[us]"):
            return f"has the type {column.dtype}"
        return None if column.ndim == 1 else f"has {column.ndim} dimensions"

    def good(self, column: Column) -> Mask:
        missing = np.isnat(column)
        good = ~missing
        if self._after is not None:
            good &= column >= _EPOCH + np.timedelta64(self._after, "us")
        if self._before is not None:
            good &= column < _EPOCH + np.timedelta64(self._before, "us")
        return good | missing if self.optional else good

    def wrong(self, value: Any) -> Wrong | None:
        if isinstance(value, str):
            moment = moment_us(value)
            if moment is None:
                return Wrong("timestamp", self.expected)
        elif np.isnat(value):
            return None if self.optional else self.missing()
        else:
            moment = int((value - _EPOCH).astype(np.int64))
        if self._after is not None and moment < self._after:
            return Wrong("after", self.expected)
        if self._before is not None and moment >= self._before:
            return Wrong("before", self.expected)
        return None

    def blank(self, column: Column) -> Mask:
        return np.isnat(column)

    def read(self, values: list[Any]) -> Column:
        column = np.full(len(values), _NAT, dtype="M8[us]")
        moments = [None if value is None else moment_us(value) for value in values]
        for row, moment in enumerate(moments):
            if moment is not None:
                column[row] = np.datetime64(moment, "us")
        return column


class VectorField(ParsedField):
    """A fixed number of finite floats; a missing one is a row of NaN."""

    types = frozenset({list, tuple})

    def __init__(self, name: str, kind: Vector) -> None:
        super().__init__(name, optional=kind.optional)
        self.length = kind.length
        self._each = NumberField(name, Number(min=kind.min, max=kind.max))
        self.expected = f"a list of {kind.length} numbers"
        if kind.min is not None or kind.max is not None:
            self.expected += between(", each", kind.min, kind.max)

    def form(self, column: Column) -> str | None:
        if column.dtype != np.float64:
            return f"has the type {column.dtype}"
        if column.ndim != 2 or column.shape[1] != self.length:
            return f"has the shape {list(column.shape)}"
        return None

    def good(self, column: Column) -> Mask:
        good: Mask = np.asarray(self._each.good(column).all(axis=1))
        return good | self.blank(column) if self.optional else good

    def wrong(self, value: Any) -> Wrong | None:
        items: list[Any] = value.tolist() if isinstance(value, np.ndarray) else list(value)
        if len(items) != self.length:
            return Wrong("length", self.expected, f"has {len(items)} numbers")
        if isinstance(value, np.ndarray) and all(map(_is_nan, items)):
            return None if self.optional else self.missing()
        for place, item in enumerate(items):
            wrong = self._each.refuses(item)
            if wrong is not None:
                rule = "finite" if wrong.rule == "missing" and item is not None else wrong.rule
                words = wrong.words or f"is {item}"
                return Wrong(rule, self.expected, f"has a wrong number: [{place}] {words}")
        return None

    def blank(self, column: Column) -> Mask:
        return np.asarray(np.isnan(column).all(axis=1))

    def read(self, values: list[Any]) -> Column:
        blank = [np.nan] * self.length
        rows = [blank if value is None else value for value in values]
        fits = self._each.types
        if all(len(row) == self.length for row in rows) and fits.issuperset(
            map(type, itertools.chain.from_iterable(rows))
        ):
            flat = self._each.read(list(itertools.chain.from_iterable(rows)))
            return flat.reshape(len(rows), self.length)
        column = np.full((len(rows), self.length), np.nan)
        for row, value in enumerate(rows):
            if value is not blank and self.wrong(value) is None:
                column[row] = value
        return column


def compile_field(name: str, kind: Input) -> Field:
    """The field of a kind."""
    match kind:
        case Number() | Integer():
            return NumberField(name, kind)
        case Boolean():
            return BooleanField(name, kind)
        case Category():
            return CategoryField(name, kind)
        case Text():
            return TextField(name, kind)
        case Timestamp():
            return TimestampField(name, kind)
        case Vector():
            return VectorField(name, kind)
