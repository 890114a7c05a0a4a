"""What all our pages have in common: their head, colours in light and dark, text that is safe.

A page carries a policy that forbids scripts and any fetching, so that even a mistake in it could
not make a category's name run.
"""

from html import escape
from typing import Final

from mainstay.watch.terminal import plain

_STYLE: Final = """\
:root{--ink:#1c2430;--soft:#5d6979;--line:#dfe4ea;--paper:#fff;--back:#f5f7f9;--was:#9aa9bd;
--is:#1f6feb;--fail:#b3261e;--unsure:#8a5a00;--pass:#1a7f37}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f0;--soft:#9aa6b6;--line:#313a46;--paper:#171c23;
--back:#0f1318;--was:#5d6b80;--is:#6aa5ff;--fail:#ff8a80;--unsure:#ffc857;--pass:#6fdc8c}}
body{margin:0;padding:2rem 1rem;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:auto}h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;
margin:2rem 0 .5rem}p{margin:.25rem 0}.soft{color:var(--soft)}
.fail{color:var(--fail)}.unsure{color:var(--unsure)}.pass{color:var(--pass)}
ul.found{list-style:none;padding:0;margin:0}ul.found li{padding:.35rem 0;
border-top:1px solid var(--line);display:grid;grid-template-columns:4.5rem 1fr;
overflow-wrap:anywhere}
.mark{font-weight:600}
section.column{background:var(--paper);border:1px solid var(--line);border-radius:8px;
padding:.8rem 1rem;margin:.6rem 0}
section.column h3{font-size:1rem;margin:0 0 .4rem;overflow-wrap:anywhere}
.two{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:1.2rem;align-items:start}
@media(max-width:40rem){.two{grid-template-columns:1fr}}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
td,th{padding:.1rem .5rem .1rem 0;text-align:right;font-weight:400;overflow-wrap:anywhere}
th:first-child,td:first-child{text-align:left;color:var(--soft)}
thead th{color:var(--soft)}svg{width:100%;height:auto;display:block}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.was{fill:var(--was)}.is{fill:var(--is)}
.key{font-size:.85rem;color:var(--soft)}.key b{display:inline-block;width:.8em;height:.8em;
border-radius:2px;margin:0 .3em 0 .8em}summary{cursor:pointer;color:var(--soft);font-size:.85rem;
margin-top:.5rem}
"""


def head(title: str, style: str = "") -> str:
    """Everything before the first heading; `style` is added to what all pages have."""
    return f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{safe(title)}</title>
<style>
{_STYLE}{style}</style></head><body><main>
"""


def safe(text: str) -> str:
    """Text that stays text, whatever it says."""
    return escape(plain(text), quote=True)
