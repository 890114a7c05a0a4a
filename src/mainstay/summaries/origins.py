"""Where values come from, as columns: whether look-ups answered, and in which form texts come.

source_accounts    for each row what the look-up said: answered, late, failed or wrong
format_input_day   the form of a text: `9-9-9` for 2026-11-20, `9,9` for 12,50

Promises that a text in free words has no such column: only where twenty forms are nearly all there
are. Digits and letters that follow each other count as one, so that longer numbers are no new form.
A key that a source does not know is an answer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mainstay.contract.model import Contract, FromLookup, Text, columns_of
from mainstay.summaries.reference import Known
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of

SOURCE: Final = "source_"
FORMAT: Final = "format_"
"""How the names of these columns begin."""
ANSWERED: Final = "answered"
ANSWERS: Final = Ruler("category", names=(ANSWERED, "late", "failed", "wrong"))
ROWS_MAX: Final = 2_000
"""So many texts of a table are looked at."""
_FORMS_MAX: Final = 20
_NEARLY_ALL: Final = 0.95
_ROWS_LEAST: Final = 100
_FORM_LONGEST: Final = 24
_USUALLY: Final = 1_000
_SAID: Final = re.compile(r"look-up (\S+) (took longer|failed|answered)")
_WORDS: Final = {"took longer": "late", "failed": "failed", "answered": "wrong"}
_RUNS: Final = (
    (re.compile(r"\d+"), "9"),
    (re.compile(r"[^\W\d_]+"), "a"),
    (re.compile(r"\s+"), " "),
)


def form_of(text: str) -> str:
    """The form of a text."""
    short = text[: 4 * _FORM_LONGEST]
    for pattern, stands in _RUNS:
        short = pattern.sub(stands, short)
    return short if len(short) <= _FORM_LONGEST else short[:_FORM_LONGEST] + "…"


def forms_of(texts: Iterable[Any]) -> list[str | None]:
    """The forms of a column; nothing where a value is missing."""
    known: dict[str, str] = {}
    return [
        (known.get(text) or known.setdefault(text, form_of(text)))
        if isinstance(text, str)
        else None
        for text in texts
    ]


def formed(texts: Sequence[Any], ruler: Ruler) -> Summary:
    """Forms, counted."""
    return summarise(values_of(np.array(forms_of(texts[:ROWS_MAX]), dtype=object)), ruler)


def usual_forms(contract: Contract, columns: Mapping[str, Sequence[Any]]) -> dict[str, Known]:
    """The forms of texts in a reference, by the names that the journal has for their columns."""
    kinds = columns_of(contract.inputs, contract.context)
    found: dict[str, Known] = {}
    for name, texts in columns.items():
        kind = kinds.get(name.removeprefix("input_").removeprefix("context_"))
        if not isinstance(kind, Text):
            continue
        forms = Counter(form for form in forms_of(texts[:ROWS_MAX]) if form is not None)
        commonest = forms.most_common(_FORMS_MAX)
        rows = sum(forms.values())
        if rows >= _ROWS_LEAST and sum(n for _, n in commonest) >= _NEARLY_ALL * rows:
            ruler = Ruler("category", names=tuple(form for form, _ in commonest))
            found[FORMAT + name] = Known(ruler, formed(texts, ruler))
    return found


def lookups_of(contract: Contract) -> tuple[str, ...]:
    """The sources that context is looked up in."""
    named = (each.lookup for each in contract.context.values() if isinstance(each, FromLookup))
    return tuple(dict.fromkeys(named))


def answers_of(lookup: str, reasons: Iterable[str | None]) -> Summary:
    """What a look-up said for each row, by the reasons that were kept with the decisions."""
    said = [ANSWERED if reason is None else _said(lookup, reason) for reason in reasons]
    return summarise(values_of(np.array(said, dtype=object)), ANSWERS)


def _said(lookup: str, reason: str) -> str:
    found = (match for match in _SAID.finditer(reason) if match[1] == lookup)
    return next((_WORDS[match[2]] for match in found), ANSWERED)


def usual_answers(contract: Contract) -> dict[str, Known]:
    """What is usual of look-ups before anybody asked: that they answer."""
    usual = summarise(values_of(np.array([ANSWERED] * _USUALLY, dtype=object)), ANSWERS)
    return {SOURCE + name: Known(ANSWERS, usual) for name in lookups_of(contract)}
