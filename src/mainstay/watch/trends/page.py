"""A page of trends: charts as SVG in the page itself, without a script or anything from outside."""

from collections.abc import Sequence
from typing import Final

from mainstay.watch.monitors.words import since
from mainstay.watch.sheet import head, safe
from mainstay.watch.trends.chart import NARROW, WIDE, draw
from mainstay.watch.trends.model import Chart, Found, Trends

FOUND_MAX: Final = 200
_STYLE: Final = """\
:root{--s0:#1f6feb;--s1:#c2571a;--s2:#8250df;--s3:#1a7f37;--s4:#9a6700;--s5:#b3261e}
@media(prefers-color-scheme:dark){:root{--s0:#6aa5ff;--s1:#ffa657;--s2:#c9a0ff;--s3:#6fdc8c;
--s4:#e3b341;--s5:#ff8a80}}
main{max-width:76rem}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));gap:.8rem}
.charts.small{grid-template-columns:repeat(auto-fill,minmax(min(18rem,100%),1fr))}
figure{background:var(--paper);border:1px solid var(--line);border-radius:8px;margin:0;
padding:.7rem .8rem .5rem;min-width:0}
figcaption{font-weight:600;overflow-wrap:anywhere}figcaption span{font-weight:400}
figure p{font-size:.8rem;color:var(--soft);margin:.1rem 0 .2rem}
.legend{font-size:.8rem;color:var(--soft)}
.legend b{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .35em 0 .7em}
.legend b:first-child{margin-left:0}
.grid{stroke:var(--line);stroke-width:1}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.band{opacity:.16}.while{fill:var(--fail);opacity:.12}.begin{stroke:var(--fail);stroke-width:1.5}
.limit{stroke:var(--fail);stroke-width:1.2;stroke-dasharray:5 3}
.release{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
svg .limitword{fill:var(--fail)}
ol.found{list-style:none;padding:0;margin:0}
ol.found li{border-top:1px solid var(--line);padding:.45rem 0;overflow-wrap:anywhere}
ol.found svg{margin-top:.25rem;height:.7rem}.track{fill:var(--line)}.span{fill:var(--fail)}
.over{fill:var(--soft)}
details.input>summary{font-size:.95rem;color:var(--ink);padding:.15rem 0}
"""
_STYLES = "".join(
    f".f{place}{{fill:var(--s{place});background:var(--s{place})}}.k{place}{{stroke:var(--s{place})}}"
    for place in range(6)
)


def page(trends: Trends) -> str:
    """The whole page."""
    parts = [
        head(f"{trends.model}: trends", _STYLE + _STYLES),
        f"<h1>{safe(trends.model)}</h1>",
        _said(trends),
        _found(trends),
        '<h2>The model</h2><div class="charts">',
        *(_figure(chart, trends) for chart in trends.charts),
        "</div>",
    ]
    if not trends.charts:
        parts.append("<p>No decision was taken in for this time.</p>")
    if trends.inputs:
        parts.append(
            '<h2>Inputs</h2><p class="soft">How many values are missing, and how far the others'
            " are from the reference: 0 is the same, 1 has nothing in common; the band is what"
            ' chance alone makes.</p><div class="charts small">'
        )
        for name, charts in trends.inputs:
            parts += [_figure(chart, trends, f"{name} ") for chart in charts]
        parts.append("</div>")
    return "\n".join([*parts, "</main></body></html>\n"])


def _said(trends: Trends) -> str:
    going = sum(found.until_ms is None for found in trends.found)
    verdict, said = "pass", "nothing is found wrong now"
    if going:
        verdict, said = "fail", f"{going:,} findings go on" if going > 1 else "1 finding goes on"
    return (
        f'<p><span class="{verdict}">{said}</span> <span class="soft">· {since(trends.since_ms)}'
        f" to {since(trends.until_ms)}, in buckets of {_width(trends.width_ms)}</span></p>"
    )


def _width(width_ms: int) -> str:
    minutes = width_ms // 60_000
    if minutes % 1440 == 0:
        return "a day"
    return "an hour" if minutes == 60 else f"{minutes} minutes"


def _found(trends: Trends) -> str:
    if not trends.found:
        return ""
    ordered = sorted(trends.found, key=lambda each: (each.until_ms is not None, -each.found_ms))
    items = "".join(_item(each, trends) for each in ordered[:FOUND_MAX])
    more = len(ordered) - FOUND_MAX
    rest = f'<p class="soft">and {more:,} more, in the journal</p>' if more > 0 else ""
    return f'<h2>Findings</h2><ol class="found">{items}</ol>{rest}'


def _item(found: Found, trends: Trends) -> str:
    span = trends.until_ms - trends.since_ms
    begin = max(0.0, (found.since_ms - trends.since_ms) / span * 1000)
    last = trends.until_ms if found.until_ms is None else found.until_ms
    end = min(1000.0, (last - trends.since_ms) / span * 1000)
    mark, state = ("fail", "goes on") if found.until_ms is None else ("soft", "over")
    until = "" if found.until_ms is None else f", over {since(found.until_ms)}"
    return (
        f'<li><span class="mark {mark}">{state}</span> {safe(found.words)} '
        f'<span class="soft">found {since(found.found_ms)}{until}</span>'
        '<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" x="0" y="4" width="1000" height="2"/>'
        f'<rect class="{"span" if found.until_ms is None else "over"}" x="{begin:.1f}" y="1"'
        f' width="{max(end - begin, 2.0):.1f}" height="8"/></svg></li>'
    )


def _figure(chart: Chart, trends: Trends, before: str = "") -> str:
    note = f"<p>{safe(chart.note)}</p>" if chart.note else ""
    legend = ""
    if len(chart.series) > 1:
        legend = '<div class="legend">' + _legend([each.name for each in chart.series]) + "</div>"
    picture = draw(chart, trends, NARROW if before else WIDE)
    title = f"{safe(before)}<span>{safe(chart.title)}</span>" if before else safe(chart.title)
    return f"<figure><figcaption>{title}</figcaption>{note}{legend}{picture}</figure>"


def _legend(names: Sequence[str]) -> str:
    return "".join(f'<b class="f{place % 6}"></b>{safe(name)}' for place, name in enumerate(names))
