"""What was found about suspected data, in sentences, and what to type next."""

import shlex
from collections.abc import Sequence
from typing import Final

from mainstay.contract.finding import Finding, Verdict, worst
from mainstay.journal.rows import rfc3339
from mainstay.renew.suspects.find import Found, Judged
from mainstay.renew.suspects.model import BEFORE, CHECK, NEWEST, Group, Suspect, Without

_WHERE: Final = {NEWEST: "the newest", BEFORE: "those from before"}


def suspects_of(model: str, found: Found, *, numbers: bool) -> list[Suspect]:
    """Every group that was asked about, in words."""
    return [
        Suspect(
            kind=each.group.kind,
            name=each.group.name,
            rows=int(each.group.rows.sum()),
            verdict=each.verdict,
            without=list(each.without),
            words=_words(each, numbers=numbers),
            next=_next(model, each.group, each.verdict),
        )
        for each in found.judged
    ]


def finding_of(model: str, found: Found, suspects: Sequence[Suspect]) -> Finding:
    """All of it in one sentence; it says how much would have been found where nothing was."""
    verdict = worst(Finding(check=CHECK, verdict=each.verdict, words="") for each in suspects)
    named = "; ".join(f"{e.name} ({e.rows:,} rows)" for e in suspects if e.verdict == verdict)
    least = ""
    if found.would_be_found is not None:
        least = (
            f"; one that added {found.would_be_found:.2g} to the loss of an answer would have been"
            " found, four times in five"
        )
    words = {
        "fail": f"new data surely made {model} worse: {named}",
        "unsure": f"by one yardstick new data made {model} worse, by another it did not: {named}",
        "pass": f"none of {len(suspects)} groups of new data surely made {model} worse{least}",
    }
    return Finding(
        check=CHECK, verdict=verdict, words=words[verdict], limit=found.would_be_found,
        samples=max((e.rows for each in suspects for e in each.without), default=0),
    )  # fmt: skip


def fewer(without: Without, *, numbers: bool) -> str:
    """How much better, by one yardstick."""
    size = f"{abs(without.fewer):.3g}" if numbers else f"{abs(without.fewer) * 100:.1f} points"
    more = "more" if without.fewer < 0 else "less"
    what = f"{size} {more} distance" if numbers else f"{size} {more} wrong"
    return f"{what} on {_WHERE[without.yardstick]} {without.rows:,}"


def _words(judged: Judged, *, numbers: bool) -> str:
    sides = [fewer(e, numbers=numbers) for e in judged.without if e.yardstick in _WHERE]
    said = "without it: " + (", ".join(sides) or "no rows to be measured on")
    if judged.explained_by:
        return f"{said}; only because it shares rows with {judged.explained_by}"
    if judged.verdict == "unsure":
        said += "; either the world has changed, or the newest labels are wrong as well"
    return said


def _next(model: str, group: Group, verdict: Verdict) -> list[str]:
    if verdict == "pass":
        return []
    if verdict == "unsure":
        return [f"mainstay experiment data {model} --believe CALLER"]
    again = f"mainstay retrain {model}"
    window = "..".join(rfc3339(moment // 1000) for moment in group.stretch)
    if group.kind == "source":
        trust = f"labels: {{trust: {{{group.value}: 0}}}}  # in contracts/{model}.yaml"
        return [f"{again} --without {shlex.quote(group.value)}", trust, again]
    if group.kind == "period":
        reason = "made the model worse"
        return [f'mainstay quarantine add {model} --window {window} --reason "{reason}"', again]
    begin, end = window.split("..")
    asked = "select * from decisions where"
    return [f"mainstay query \"{asked} model = '{model}' and time between '{begin}' and '{end}'\""]
