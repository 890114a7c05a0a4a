"""What a page of trends shows, before it is drawn."""

from typing import Literal

import msgspec

Points = tuple[tuple[int, float | None], ...]
"""Moments (ms, where a bucket begins) with their figures; none where nothing can be told."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart."""

    name: str
    points: Points
    low: Points = ()
    """The band around it: a 95 % interval, or what chance makes."""
    high: Points = ()


class Limit(msgspec.Struct, frozen=True):
    """What the contract expects."""

    value: float
    words: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One chart."""

    title: str
    series: tuple[Series, ...]
    form: Literal["lines", "bars", "shares"] = "lines"
    unit: Literal["", "%", "ms"] = ""
    limits: tuple[Limit, ...] = ()
    note: str = ""
    about: str = ""
    """How the names of checks begin that are about it; their findings are marked in it."""
    floor: float | None = 0.0
    """Where the scale begins; nothing where it begins at the smallest figure."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A finding in time."""

    key: str
    check: str
    words: str
    since_ms: int
    found_ms: int
    until_ms: int | None = None
    """Nothing while it goes on."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A version that came to answer."""

    at_ms: int
    number: int
    reason: str


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one model over one stretch of time."""

    model: str
    since_ms: int
    until_ms: int
    width_ms: int
    """Of a bucket."""
    charts: tuple[Chart, ...]
    inputs: tuple[tuple[str, tuple[Chart, ...]], ...] = ()
    """For each input, by name."""
    found: tuple[Found, ...] = ()
    releases: tuple[Release, ...] = ()
