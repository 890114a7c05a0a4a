"""A report as one HTML page: no script, no outside resource, every string of the data escaped."""

from collections.abc import Sequence
from typing import Final

from mainstay.contract.finding import Finding, Verdict
from mainstay.watch.model import DOMAIN_CLASSIFIER, ColumnReport, Side
from mainstay.watch.sheet import head, safe

_WORDS: Final[dict[Verdict, str]] = {
    "pass": "Nothing that matters has changed",
    "fail": "The data has changed",
    "unsure": "Not enough to say",
}
_ORDER: Final = ("fail", "unsure", "pass")
_COLUMNS_DRAWN: Final = 300
_LABEL_CHARACTERS: Final = 20


def page(
    verdict: Verdict,
    findings: Sequence[Finding],
    columns: Sequence[ColumnReport],
    rows: tuple[int, int],
    promise: str,
) -> str:
    """The whole page."""
    told = sorted(
        (found for found in findings if found.verdict != "pass"),
        key=lambda found: _ORDER.index(found.verdict),
    )
    ordered = sorted(columns, key=lambda column: _ORDER.index(column.verdict))
    counts = ", ".join(
        f"{sum(column.verdict == each for column in columns):,} {each}" for each in _ORDER
    )
    size = f"{len(columns):,} columns: {counts}"
    parts = [
        head("Comparison of two data sets"),
        f'<h1 class="{verdict}">{_WORDS[verdict]}</h1>',
        f"<p>{rows[0]:,} rows of reference, {rows[1]:,} current rows; {size}.</p>",
        f'<p class="soft">{safe(promise)}</p>',
    ]
    parts += [
        f'<p class="soft">{safe(found.words)}</p>'
        for found in findings
        if found.check == DOMAIN_CLASSIFIER and found.verdict == "pass"
    ]
    if told:
        parts.append("<h2>Findings</h2>" + _found(told))
    parts.append(
        '<h2>Columns</h2><p class="key"><b style="background:var(--was)"></b>reference'
        '<b style="background:var(--is)"></b>current</p>'
    )
    parts += [_column(column, findings) for column in ordered[:_COLUMNS_DRAWN]]
    if len(ordered) > _COLUMNS_DRAWN:
        parts.append(f"<p>{len(ordered) - _COLUMNS_DRAWN:,} more columns are in the JSON.</p>")
    return "\n".join([*parts, "</main></body></html>\n"])


def _found(findings: Sequence[Finding]) -> str:
    items = "".join(
        f'<li><span class="mark {found.verdict}">{found.verdict}</span>'
        f"<span>{safe(found.words)}</span></li>"
        for found in findings
    )
    return f'<ul class="found">{items}</ul>'


def _column(column: ColumnReport, findings: Sequence[Finding]) -> str:
    own = [found for found in findings if found.check.rpartition(": ")[0] == column.name]
    figures = "".join(
        f"<tr><td>{safe(name)}</td><td>{figure:.4g}</td></tr>"
        for name, figure in column.figures.items()
    )
    more = (
        f"<details><summary>All findings and figures</summary>{_found(own)}"
        f"<table>{figures}</table></details>"
    )
    remark = f'<p class="soft">{safe(column.remark)}</p>' if column.remark else ""
    return (
        f'<section class="column"><h3><span class="{column.verdict}">{column.verdict}</span>'
        f' · {safe(column.name)} <span class="soft">{safe(column.kind)}</span></h3>{remark}'
        f'<div class="two"><div>{_picture(column)}</div><div>{_sides(column)}</div></div>'
        f"{more}</section>"
    )


def _sides(column: ColumnReport) -> str:
    before, after = column.reference, column.current
    lines: list[tuple[str, str, str]] = [
        ("type", before.type, after.type),
        ("missing", _missing(before), _missing(after)),
    ]
    for title, first, second in (
        ("mean", before.mean, after.mean),
        ("median", before.median, after.median),
        ("deviation", before.deviation, after.deviation),
        ("smallest", before.low, after.low),
        ("largest", before.high, after.high),
    ):
        if first is not None or second is not None:
            lines.append((title, _number(first), _number(second)))
    for title, first, second in (
        ("not a number", before.nan, after.nan),
        ("infinite", before.infinite, after.infinite),
        ("different values", before.distinct, after.distinct),
    ):
        if first or second:
            lines.append((title, _count(first), _count(second)))
    body = "".join(
        f"<tr><td>{title}</td><td>{safe(first)}</td><td>{safe(second)}</td></tr>"
        for title, first, second in lines
    )
    head = "<thead><tr><th></th><th>reference</th><th>current</th></tr></thead>"
    return f"<table>{head}{body}</table>"


def _count(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"


def _missing(side: Side) -> str:
    if not side.missing:
        return "0"
    return f"{side.missing:,} ({side.missing / side.rows * 100:.3g} %)"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.5g}"


def _picture(column: ColumnReport) -> str:
    before, after = column.reference.bars, column.current.bars
    if not before or not after:
        return ""
    if len(column.labels) == len(before):
        return _lying(column.labels, before, after)
    return _standing(column.labels, before, after)


def _standing(labels: Sequence[str], before: Sequence[float], after: Sequence[float]) -> str:
    """A histogram: the reference as wide bars, the current data as narrow ones before them."""
    width, height = 400.0, 120.0
    top = max(*before, *after, 1e-12)
    step = width / len(before)
    bars = "".join(
        _bar("was", at * step + 0.5, height, step - 1, share / top * height)
        + _bar("is", at * step + step * 0.3, height, step * 0.4, other / top * height)
        for at, (share, other) in enumerate(zip(before, after, strict=True))
    )
    return (
        f'<svg viewBox="0 0 {width:g} {height + 16:g}" role="img" aria-label="histogram">{bars}'
        f'<text x="0" y="{height + 13:g}">{safe(labels[0])}</text>'
        f'<text x="{width:g}" y="{height + 13:g}" text-anchor="end">{safe(labels[-1])}</text>'
        "</svg>"
    )


def _bar(kind: str, x: float, floor: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{floor - height:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}"/>'
    )


def _lying(labels: Sequence[str], before: Sequence[float], after: Sequence[float]) -> str:
    """One pair of bars for each category."""
    top = max(*before, *after, 1e-12)
    line, left, width = 24, 150, 400
    parts: list[str] = []
    for at, (label, share, other) in enumerate(zip(labels, before, after, strict=True)):
        y, scale = at * line, (width - left - 45) / top
        short = label if len(label) <= _LABEL_CHARACTERS else label[: _LABEL_CHARACTERS - 1] + "…"
        parts.append(
            f'<text x="{left - 6}" y="{y + 14}" text-anchor="end">{safe(short)}'
            f"<title>{safe(label)}</title></text>"
            f'<rect class="was" x="{left}" y="{y + 2}" width="{share * scale:.1f}" height="9"/>'
            f'<rect class="is" x="{left}" y="{y + 11}" width="{other * scale:.1f}" height="9"/>'
            f'<text x="{left + 4 + max(share, other) * scale:.1f}" y="{y + 15}">'
            f"{other * 100:.1f} %</text>"
        )
    return (
        f'<svg viewBox="0 0 {width} {len(labels) * line}" role="img" aria-label="categories">'
        f"{''.join(parts)}</svg>"
    )
