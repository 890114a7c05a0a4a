"""Each part of an expression as a function of columns.

Numbers are float64, NaN where missing. Texts are objects, None where missing. A truth is two
masks, where it is true and where it is false; where neither, it is missing. The second mask is
left out when nothing can be missing, and is then the opposite of the first.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from mainstay.contract.columns import Column

Values = Callable[[str], Column]
Run = Callable[[Values], Any]
Mask = npt.NDArray[np.bool_]
Truth = tuple[Mask, Mask | None]

_AMONG_ONE_BY_ONE: Final = 6
_SECONDS_US: Final = 1e6

_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.mod,
    "**": np.power,
}
_COMPARE: Final[dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]]] = {
    "==": (np.equal, np.not_equal),
    "!=": (np.not_equal, np.equal),
    "<": (np.less, np.greater_equal),
    "<=": (np.less_equal, np.greater),
    ">": (np.greater, np.less_equal),
    ">=": (np.greater_equal, np.less),
}
"""Sign to the comparison and its opposite; of numbers of which one is NaN, both are false but for
`!=`, which is looked after below."""


_NONE: Final[Any] = None


def _absent(texts: Column) -> Mask:
    """Where there is no text."""
    return np.asarray(np.equal(texts, _NONE), dtype=np.bool_)


def false(truth: Truth) -> Mask:
    """Where a truth is false."""
    yes, no = truth
    return ~yes if no is None else no


def number_constant(value: float) -> Run:
    """The same number for all rows."""
    fixed = np.float64(value)
    return lambda _: fixed


def text_constant(value: str) -> Run:
    """The same text for all rows."""
    fixed = np.array(value, dtype=object)
    return lambda _: fixed


def truth_constant(value: bool) -> Run:  # noqa: FBT001  # because it is the value
    """The same truth for all rows."""
    fixed: Truth = (np.array(value), None)
    return lambda _: fixed


def number_named(name: str) -> Run:
    """A column of numbers."""
    return lambda values: np.asarray(values(name), dtype=np.float64)


def seconds_named(name: str) -> Run:
    """A column of moments as seconds since 1970."""

    def run(values: Values) -> Column:
        moments = values(name)
        seconds = moments.astype(np.int64) / _SECONDS_US
        return np.where(np.isnat(moments), np.nan, seconds)

    return run


def text_named(name: str) -> Run:
    """A column of texts."""
    return lambda values: values(name)


def truth_named(name: str) -> Run:
    """A column of truths: of bool, or of 0, 1 and NaN."""

    def run(values: Values) -> Truth:
        column = values(name)
        if column.dtype == np.bool_:
            return column, None
        return column == 1, column == 0

    return run


def minus(operand: Run) -> Run:
    """The negative of a number."""
    return lambda values: np.negative(operand(values))


def binary(sign: str, left: Run, right: Run) -> Run:
    """Arithmetic with two numbers."""
    operate = _BINARY[sign]
    return lambda values: operate(left(values), right(values))


def compare_numbers(sign: str, left: Run, right: Run, *, misses: bool) -> Run:
    """Which number is the greater one."""
    test, opposite = _COMPARE[sign]
    if not misses:
        return lambda values: (test(left(values), right(values)), None)

    def run(values: Values) -> Truth:
        one, other = left(values), right(values)
        yes, no = test(one, other), opposite(one, other)
        if sign == "!=":
            yes = np.less(one, other) | np.greater(one, other)
        elif sign == "==":
            no = np.less(one, other) | np.greater(one, other)
        return yes, no

    return run


def compare_texts(sign: str, left: Run, right: Run, *, misses: bool) -> Run:
    """Whether two texts are the same."""

    def run(values: Values) -> Truth:
        one, other = left(values), right(values)
        same: Mask = np.asarray(np.equal(one, other))
        if not misses:
            return (same if sign == "==" else ~same), None
        there = ~(_absent(one) | _absent(other))
        same = there & same
        different = there & ~same
        return (same, different) if sign == "==" else (different, same)

    return run


def compare_truths(sign: str, left: Run, right: Run, *, misses: bool) -> Run:
    """Whether two truths are the same."""

    def run(values: Values) -> Truth:
        one, other = left(values), right(values)
        same = (one[0] & other[0]) | (false(one) & false(other))
        if not misses:
            return (same if sign == "==" else ~same), None
        different = (one[0] & false(other)) | (false(one) & other[0])
        return (same, different) if sign == "==" else (different, same)

    return run


def number_among(operand: Run, wanted: Sequence[float], *, misses: bool) -> Run:
    """Whether a number is one of some."""
    few = len(wanted) <= _AMONG_ONE_BY_ONE
    fixed = np.array(wanted, dtype=np.float64)

    def run(values: Values) -> Truth:
        column = operand(values)
        if few:
            found = np.equal(column, fixed[0])
            for each in fixed[1:]:
                found = found | np.equal(column, each)
        else:
            found = np.isin(column, fixed)
        return (found, None) if not misses else (found, ~(found | np.isnan(column)))

    return run


def text_among(operand: Run, wanted: Sequence[str], *, misses: bool) -> Run:
    """Whether a text is one of some."""
    known = frozenset(wanted)
    look = np.frompyfunc(lambda text: text in known, 1, 1)

    def run(values: Values) -> Truth:
        column = operand(values)
        found: Mask = np.asarray(look(column), dtype=np.bool_)
        return (found, None) if not misses else (found, ~(found | _absent(column)))

    return run


def number_missing(operand: Run) -> Run:
    """Where there is no number."""
    return lambda values: (np.isnan(operand(values)), None)


def text_missing(operand: Run) -> Run:
    """Where there is no text."""
    return lambda values: (_absent(operand(values)), None)


def truth_missing(operand: Run) -> Run:
    """Where it is neither true nor false."""

    def run(values: Values) -> Truth:
        truth = operand(values)
        return ~(truth[0] | false(truth)), None

    return run


def negation(operand: Run) -> Run:
    """The opposite; of what is missing, nothing."""

    def run(values: Values) -> Truth:
        truth = operand(values)
        return false(truth), truth[0]

    return run


def every(operands: Sequence[Run]) -> Run:
    """True where all are, false where one is."""
    first, *others = operands

    def run(values: Values) -> Truth:
        yes, no = first(values)
        for other in others:
            truth = other(values)
            if no is not None or truth[1] is not None:
                no = (~yes if no is None else no) | false(truth)
            yes = yes & truth[0]
        return yes, no

    return run


def some(operands: Sequence[Run]) -> Run:
    """True where one is, false where all are."""
    first, *others = operands

    def run(values: Values) -> Truth:
        yes, no = first(values)
        for other in others:
            truth = other(values)
            if no is not None or truth[1] is not None:
                no = (~yes if no is None else no) & false(truth)
            yes = yes | truth[0]
        return yes, no

    return run


def choose_column(condition: Run, then: Run, otherwise: Run, nothing: float | None) -> Run:
    """One of two numbers or texts; nothing where the condition is missing."""

    def run(values: Values) -> Column:
        truth = condition(values)
        chosen = cast("Column", np.where(truth[0], then(values), otherwise(values)))
        if truth[1] is None:
            return chosen
        return np.where(truth[0] | truth[1], chosen, np.array(nothing, dtype=chosen.dtype))

    return run


def choose_truth(condition: Run, then: Run, otherwise: Run) -> Run:
    """One of two truths; missing where the condition is."""

    def run(values: Values) -> Truth:
        truth, one, other = condition(values), then(values), otherwise(values)
        unless = false(truth)
        yes = (truth[0] & one[0]) | (unless & other[0])
        return yes, (truth[0] & false(one)) | (unless & false(other))

    return run


def round_to(operand: Run, digits: int) -> Run:
    """Rounded to some digits, halves to the even one."""

    def run(values: Values) -> Any:
        number: Any = operand(values)
        return number.round(digits)

    return run


def function_of_number(name: str, operand: Run) -> Run:
    """A function of one number."""
    known: dict[str, Callable[[Any], Any]] = {
        "abs": np.abs,
        "log": np.log,
        "exp": np.exp,
        "sqrt": np.sqrt,
    }
    operate = known[name]
    return lambda values: operate(operand(values))


def extreme(name: str, operands: Sequence[Run]) -> Run:
    """The smallest or greatest of some numbers; missing where one of them is."""
    operate = np.minimum if name == "min" else np.maximum
    first, *others = operands

    def run(values: Values) -> Any:
        found = first(values)
        for other in others:
            found = operate(found, other(values))
        return found

    return run


def _length(text: str | None) -> float:
    return np.nan if text is None else len(text)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


_lengths = np.frompyfunc(_length, 1, 1)
_lowers = np.frompyfunc(_lower, 1, 1)
_tests: Final = {
    "contains": np.frompyfunc(
        lambda text, part: text is not None and part is not None and part in text, 2, 1
    ),
    "starts_with": np.frompyfunc(
        lambda text, part: text is not None and part is not None and text.startswith(part), 2, 1
    ),
}


def length(operand: Run) -> Run:
    """How many characters a text has."""
    return lambda values: np.asarray(_lengths(operand(values)), dtype=np.float64)


def lower(operand: Run) -> Run:
    """A text in lower case."""
    return lambda values: np.asarray(_lowers(operand(values)), dtype=object)


def text_test(name: str, text: Run, part: Run, *, misses: bool) -> Run:
    """Whether a text has another one in it."""
    look = _tests[name]

    def run(values: Values) -> Truth:
        one, other = text(values), part(values)
        found: Mask = np.asarray(look(one, other), dtype=np.bool_)
        if not misses:
            return found, None
        return found, ~(found | _absent(one) | _absent(other))

    return run
