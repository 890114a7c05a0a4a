"""One chart as SVG: lines with bands, bars, or shares that fill the height.

Promises that a bucket without a figure is a gap and nothing else, and a scale whose numbers are
round. What is pointed at says its figure, by a title: no script is needed.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mainstay.watch.gather.model import DAY_MS, HOUR_MS
from mainstay.watch.sheet import safe
from mainstay.watch.trends.model import Chart, Found, Points, Trends

WIDE: Final = 520.0
NARROW: Final = 330.0
"""How wide a picture is that many stand beside each other of, in the same letters."""
_LEFT: Final = 46.0
_RIGHT: Final = 8.0
_TOP: Final = 16.0
_HEIGHT: Final = 130.0
_BOTTOM: Final = 18.0
_TICKS: Final = 6
_STEPS: Final = (HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS,
                 14 * DAY_MS, 28 * DAY_MS, 84 * DAY_MS)  # fmt: skip


class _Scale(NamedTuple):
    """Where a moment and a figure stand."""

    since_ms: int
    until_ms: int
    width_ms: int
    low: float
    high: float
    end: float
    """The right edge of the picture."""

    def x(self, time_ms: float) -> float:
        span = max(self.until_ms - self.since_ms, 1)
        part = min(max((time_ms - self.since_ms) / span, 0.0), 1.0)
        return _LEFT + part * (self.end - _LEFT)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return _TOP + (1.0 - min(max(part, 0.0), 1.0)) * _HEIGHT


def draw(chart: Chart, trends: Trends, wide: float = WIDE) -> str:
    """The picture."""
    low, high, ticks = _range(chart)
    scale = _Scale(trends.since_ms, trends.until_ms, trends.width_ms, low, high, wide - _RIGHT)
    parts = [*_frame(chart, scale, ticks)]
    parts += [_mark(found, scale) for found in trends.found if _concerns(chart, found)]
    if chart.form == "bars":
        parts += _bars(chart, scale)
    elif chart.form == "shares":
        parts += _shares(chart, scale)
    else:
        parts += _lines(chart, scale)
    parts += _limits(chart, scale)
    for release in trends.releases:
        x = scale.x(release.at_ms)
        words = f"v{release.number} since {_moment(release.at_ms)}: {release.reason}"
        parts.append(
            f'<g><title>{safe(words)}</title><line class="release" x1="{x:.1f}" y1="{_TOP - 4:g}"'
            f' x2="{x:.1f}" y2="{_TOP + _HEIGHT:g}"/><text x="{x:.1f}" y="{_TOP - 6:g}"'
            f' text-anchor="middle">v{release.number}</text></g>'
        )
    height = _TOP + _HEIGHT + _BOTTOM
    return (
        f'<svg viewBox="0 0 {wide:g} {height:g}" role="img" aria-label="{safe(chart.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _concerns(chart: Chart, found: Found) -> bool:
    check = found.check.removeprefix("labels: ")
    return bool(chart.about) and check.startswith(chart.about)


def _mark(found: Found, scale: _Scale) -> str:
    begin = scale.x(found.since_ms)
    end = scale.x(scale.until_ms if found.until_ms is None else found.until_ms)
    return (
        f'<g><title>{safe(found.words)}</title><rect class="while" x="{begin:.1f}" y="{_TOP:g}"'
        f' width="{max(end - begin, 1.5):.1f}" height="{_HEIGHT:g}"/><line class="begin"'
        f' x1="{begin:.1f}" y1="{_TOP:g}" x2="{begin:.1f}" y2="{_TOP + _HEIGHT:g}"/></g>'
    )


# Scale --------------------------------------------------------------------------------------------


def _range(chart: Chart) -> tuple[float, float, list[float]]:
    """From where to where, and the round numbers between."""
    if chart.form == "shares":
        return 0.0, 1.0, [0.0, 0.5, 1.0]
    told = [value for series in chart.series for points in (series.points, series.low, series.high)
            for _, value in points if value is not None and math.isfinite(value)]  # fmt: skip
    told += [limit.value for limit in chart.limits]
    low = min(told, default=0.0) if chart.floor is None else chart.floor
    high = max(told, default=1.0)
    if high <= low:
        high = low + (abs(low) * 0.1 or (0.1 if chart.unit == "%" else 1.0))
    step = _round_step((high - low) / 3.0)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return first * step, last * step, [place * step for place in range(first, last + 1)]


def _round_step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * each for each in (1.0, 2.0, 2.5, 5.0, 10.0) if size * each >= rough * 0.999)


def _frame(chart: Chart, scale: _Scale, ticks: Sequence[float]) -> Iterator[str]:
    end = scale.end
    for tick in ticks:
        y = scale.y(tick)
        yield (
            f'<line class="grid" x1="{_LEFT:g}" y1="{y:.1f}" x2="{end:g}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 5:g}" y="{y + 4:.1f}" text-anchor="end">{_word(chart, tick)}</text>'
        )
    span = scale.until_ms - scale.since_ms
    most = _TICKS if end > NARROW else _TICKS // 2
    step = next((each for each in _STEPS if span / each <= most), _STEPS[-1])
    first = -(-scale.since_ms // step) * step
    for at in range(first, scale.until_ms, step):
        x = scale.x(at)
        form = "%H:%M" if step < DAY_MS else "%d %b"
        if step < DAY_MS and at % DAY_MS == 0:
            form = "%d %b"
        anchor = "end" if x > end - 16 else "middle"
        yield (
            f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 14:g}" text-anchor="{anchor}">'
            f"{datetime.fromtimestamp(at / 1000, UTC).strftime(form)}</text>"
        )


def _word(chart: Chart, value: float) -> str:
    if chart.unit == "%":
        return f"{value * 100:.4g} %"
    words = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{words} {chart.unit}".rstrip()


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%d %b %H:%M")


# Forms --------------------------------------------------------------------------------------------


def _pieces(points: Points, width_ms: int) -> Iterator[list[tuple[int, float]]]:
    """Runs of buckets that follow each other and have a figure."""
    piece: list[tuple[int, float]] = []
    for at, value in points:
        if piece and (value is None or at - piece[-1][0] > 1.5 * width_ms):
            yield piece
            piece = []
        if value is not None and math.isfinite(value):
            piece.append((at, value))
    if piece:
        yield piece


def _lines(chart: Chart, scale: _Scale) -> Iterator[str]:
    half = scale.width_ms / 2
    for place, series in enumerate(chart.series):
        colour = place % 6
        low = [p for piece in _pieces(series.low, scale.width_ms) for p in piece]
        high = dict(p for piece in _pieces(series.high, scale.width_ms) for p in piece)
        for piece in _pieces(tuple(p for p in low if p[0] in high), scale.width_ms):
            if len(piece) == 1:
                at, value = piece[0]
                x = scale.x(at + half)
                yield (
                    f'<line class="k{colour} band" stroke-width="3" x1="{x:.1f}" x2="{x:.1f}"'
                    f' y1="{scale.y(value):.1f}" y2="{scale.y(high[at]):.1f}"/>'
                )
                continue
            edge = [(scale.x(at + half), scale.y(value)) for at, value in piece]
            edge += [(scale.x(at + half), scale.y(high[at])) for at, _ in reversed(piece)]
            yield f'<polygon class="f{colour} band" points="{_joined(edge)}"/>'
        for piece in _pieces(series.points, scale.width_ms):
            dots = [(scale.x(at + half), scale.y(value)) for at, value in piece]
            if len(dots) > 1:
                yield f'<polyline class="line k{colour}" points="{_joined(dots)}"/>'
            radius = 2.5 if len(dots) == 1 else 1.3
            for (x, y), (at, value) in zip(dots, piece, strict=True):
                words = f"{series.name} {_word(chart, value)}, {_moment(at)}"
                yield (
                    f'<circle class="f{colour}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
                    f"<title>{safe(words)}</title></circle>"
                )


def _joined(dots: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)


def _bars(chart: Chart, scale: _Scale) -> Iterator[str]:
    (series,) = chart.series
    for at, value in series.points:
        if value is not None:
            words = f"{value:,.0f}, {_moment(at)}"
            yield _bar(scale, (at, 0.6), (scale.low, value), 0, words)


def _shares(chart: Chart, scale: _Scale) -> Iterator[str]:
    moments = dict.fromkeys(at for series in chart.series for at, _ in series.points)
    figures = [dict(series.points) for series in chart.series]
    for at in moments:
        below = 0.0
        for place, series in enumerate(chart.series):
            share = figures[place].get(at)
            if share:
                words = f"{series.name} {share:.2%}, {_moment(at)}"
                yield _bar(scale, (at, -0.2), (below, below + share), place % 6, words)
                below += share


def _bar(
    scale: _Scale, begins: tuple[int, float], ends: tuple[float, float], colour: int, words: str
) -> str:
    """`begins` is when, and how much of a gap there is before the next."""
    at, gap = begins
    left, right = scale.x(at), scale.x(at + scale.width_ms)
    top, floor = scale.y(ends[1]), scale.y(ends[0])
    gap = gap if right - left > 3 else min(gap, 0.0)
    return (
        f'<rect class="f{colour}" x="{left:.1f}" y="{top:.1f}"'
        f' width="{max(right - left - gap, 0.5):.1f}" height="{max(floor - top, 0.4):.1f}">'
        f"<title>{safe(words)}</title></rect>"
    )


def _limits(chart: Chart, scale: _Scale) -> Iterator[str]:
    end = scale.end
    for limit in chart.limits:
        y = scale.y(limit.value)
        above = y - 4 if y > _TOP + 14 else y + 12
        yield (
            f'<line class="limit" x1="{_LEFT:g}" y1="{y:.1f}" x2="{end:g}" y2="{y:.1f}"/>'
            f'<text class="limitword" x="{end:g}" y="{above:.1f}" text-anchor="end">'
            f"{safe(limit.words)}</text>"
        )
