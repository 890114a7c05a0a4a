"""What a contract expects of its model in use, one line each: `p99 latency < 50 ms`.

Promises that a line is read in one way or refused with what would be right, and that no line is
taken that could never fail. Pure words to values; whether it holds is for `watch` to say.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import (
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
)
from mainstay.contract.reactions import CLICK_RATE, REACTIONS, rate_of
from mainstay.contract.release_rules import Known
from mainstay.contract.shape import Fault
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.contract.words import did_you_mean, one_of

EXPECT_MAX: Final = 50
STATUS_WORDS: Final = ("answered", "asked", "options", "held", "fallback", "declined")
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_SHORTEST_MS: Final = _HOUR_MS // 6
_LONGEST_MS: Final = 90 * _DAY_MS
_LINE: Final = re.compile(
    r"(?P<what>\S.*?) *(?P<sign><=|>=|<|>) *(?P<value>[^<>=]+?)"
    r"(?: +(?P<word>over|per) +(?P<time>.+))?"
)
_LATENCY: Final = re.compile(r"p([1-9]\d?(?:\.\d{1,2})?) latency")
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,12})?")
_EXPECTED: Final = (
    "such as p99 latency < 50 ms, share of 2xx >= 99.9 %, share answered >= 95 %,"
    " requests >= 100 per 1h or accuracy >= 0.9 over 7 days"
)
_OF_CLASSES: Final = ("recall of", "precision of")


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One line, read."""

    text: str
    kind: Literal["latency", "share", "requests", "metric"]
    name: str
    """`2xx` or a status for shares; the metric's name for metrics."""
    below: bool
    """Whether the limit is the most there may be; else the least."""
    limit: float
    """Nanoseconds, a fraction, a count, or in the metric's own unit."""
    part: float = 0.0
    """Of latencies: the share of the decisions that must be as quick."""
    window_ms: int


def known_metrics(output: Output) -> tuple[str, ...]:
    """The metrics that labels and reactions give for a kind of output."""
    return (*_of_labels(output), *map(rate_of, REACTIONS))


def _of_labels(output: Output) -> tuple[str, ...]:
    match output:
        case Probability() | Label():
            named = [f"{word} {name}" for word in _OF_CLASSES for name in output.classes]
            found = ["accuracy", *named]
            if isinstance(output, Probability):
                found += ["log_loss", "calibration error"]
                found += ["roc_auc"] if len(output.classes) == 2 else []
            return tuple(found)
        case NumberOutput():
            return ("rmse", "mae")
        case Ranking():
            return (*(f"hit rate at {top}" for top in (1, 3, 10)), CLICK_RATE)
        case _:
            return ()


def expectations(lines: Sequence[str], output: Output) -> tuple[Expectation, ...]:
    """All lines of a contract, which was found right."""
    return tuple(expectation(line, output) for line in lines)


def expectation(text: str, output: Output) -> Expectation:
    """One line; what cannot be read is `InvalidUsage`."""
    match = _LINE.fullmatch(text.strip()) if len(text) <= 200 else None
    if match is None:
        raise _wrong(f"{text[:60]!r} says nothing that can be held to; write a line {_EXPECTED}")
    what, below = " ".join(match["what"].split()), match["sign"].startswith("<")
    value, word = match["value"].strip(), match["word"]
    latency = _LATENCY.fullmatch(what)
    kind: Literal["latency", "share", "requests", "metric"]
    name, part = what, 0.0
    if latency is not None:
        kind, part = "latency", float(latency[1]) / 100.0
        limit = _of_latency(what, value, below=below)
    elif what.startswith("share "):
        kind, name = "share", _status(what)
        limit = _of_share(what, value, below=below)
    elif what == "requests":
        kind = "requests"
        limit = _of_requests(value, word, below=below)
    else:
        kind = "metric"
        limit = _of_metric(what, value, output, below=below)
    if word == "per" and kind != "requests":
        raise _wrong(f"`per` is for requests; write {what} {match['sign']} {value} over …")
    usual = 7 * _DAY_MS if kind == "metric" else _HOUR_MS
    return Expectation(
        text=" ".join(text.split()), kind=kind, name=name, below=below, limit=limit, part=part,
        window_ms=usual if word is None else _window(match["time"]),
    )  # fmt: skip


def expect_faults(expect: Sequence[str], known: Known) -> Iterator[Fault]:
    """What makes no sense in what is expected."""
    if len(expect) > EXPECT_MAX:
        yield Fault(("expect",), f"has {len(expect)} lines; at most {EXPECT_MAX} are watched")
    seen: dict[str, int] = {}
    for place, text in enumerate(expect):
        if known.output is not None:
            try:
                found = expectation(text, known.output)
            except InvalidUsage as error:
                yield Fault(("expect", place), str(error))
                continue
            if found.text in seen:
                words = f"{text[:60]!r} is expected already, as [{seen[found.text]}]"
                yield Fault(("expect", place), words)
            seen.setdefault(found.text, place)


def _wrong(words: str) -> InvalidUsage:
    return InvalidUsage(words, rule="expect", expected=_EXPECTED)


def _window(text: str) -> int:
    window_ms = duration_ns(text) // 1_000_000
    if not _SHORTEST_MS <= window_ms <= _LONGEST_MS:
        raise _wrong(f"must be over 10m to 90 days; got {text[:40]}")
    return window_ms


def _of_latency(what: str, value: str, *, below: bool) -> float:
    if not below:
        raise _wrong(f"{what} has a most, and no least; write {what} < {value[:40]}")
    limit = duration_ns(value)
    if not limit:
        raise _wrong(f"{what} is never 0; write {what} < 50 ms")
    return float(limit)


def _status(what: str) -> str:
    if what == "share of 2xx":
        return "2xx"
    word = what.removeprefix("share ")
    if word not in STATUS_WORDS:
        near = did_you_mean(word, ("of 2xx", *STATUS_WORDS))
        choices = f"`share of 2xx` or `share` and one of {one_of(STATUS_WORDS)}"
        raise _wrong(f"{what[:60]!r} is no share that is counted; write {choices}{near}")
    return word


def _of_share(what: str, value: str, *, below: bool) -> float:
    limit = share(value)
    return _that_can_fail(what, limit, 1.0, below=below)


def _that_can_fail(what: str, limit: float, highest: float, *, below: bool) -> float:
    if limit > highest:
        raise _wrong(f"{what} lies between 0 and {highest:g}; got {limit:g}")
    if limit == (highest if below else 0.0):
        raise _wrong(f"this can never fail: {what} always lies between 0 and {highest:g}")
    return limit


def _of_requests(value: str, word: str | None, *, below: bool) -> float:
    if word is None or not value.isdecimal() or len(value) > 12:
        raise _wrong("requests are counted in a time; write requests >= 100 per 1h")
    if not below and not int(value):
        raise _wrong("this can never fail: there are always at least 0 requests")
    return float(value)


def _of_metric(what: str, value: str, output: Output, *, below: bool) -> float:
    metrics = known_metrics(output)
    if what not in metrics:
        choices = ("p99 latency", "share of 2xx", "share answered", "requests", *metrics)
        kind = output.__struct_config__.tag
        near = did_you_mean(what, choices)
        raise _wrong(
            f"{what[:60]!r} is not known for an output of type {kind};"
            f" known are {one_of(choices)}{near}"
        )
    if value.endswith("%") and what not in {"log_loss", "rmse", "mae"}:
        limit = share(value)
    elif _NUMBER.fullmatch(value):
        limit = float(value)
    else:
        raise _wrong(f"{value[:40]!r} is not a number; write {what} >= 0.9")
    unbounded = what in {"log_loss", "rmse", "mae"}
    if unbounded and not below:
        raise _wrong(f"{what} is better when it is smaller; write {what} <= {value}")
    return limit if unbounded else _that_can_fail(what, limit, 1.0, below=below)
