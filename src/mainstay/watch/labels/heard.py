"""What each source said: how much, how long after the decision, which labels, beside which answers.

A source is a caller and the kind of what it says: `shop label`, `shop reaction`. What it said is
kept twice, under names that no slice of decisions has: in the stretch in which it was heard
(`heard|shop label`), for whoever asks whether as much comes as should; and in that of the decision
(`told|shop label`), for whoever asks how long that takes. Of several labels of one source for one
decision the first counts for both; all of them count for what was said. Pure.

heard_delay_s   how long after the decision it came; one for each decision
heard_label     the labels, of classes and items
heard_number    the labels, of numbers
heard_pair      label → answer of the model, where it gave a class
heard_ratio     how many times the answer a label is → answers like it, where both are numbers
heard_of        whether there is such a decision
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.summaries.labels import ARROW, DELAYS
from mainstay.summaries.ratios import ratio_of, stratum_of
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import HEARD, NOBODY, STRETCH_MS, TOLD, Key, Part

KINDS: Final = ("label", "reaction")
"""What of an outcome makes a source."""
SOURCES_MAX: Final = 100
"""In one piece; what more say is put down to `…`."""
OTHERS: Final = "…"
KNOWN: Final = Ruler("category", names=("known", "unknown"))
_OPEN: Final = Ruler("category")
_NUMBER: Final = Ruler("number")
_NAME_MAX: Final = 120


class Word(msgspec.Struct, frozen=True):
    """One thing that was said of one decision."""

    actor: str
    kind: str
    """`label` or `reaction`."""
    subject: str
    known_ms: int
    """When it was heard."""
    label: Any = None
    answer: str | float | None = None
    """What the model answered, where that is a class or a number."""
    version: int = 0
    """Which version did."""
    first: bool = True
    """The first of its source for this decision."""
    of: str = "known"
    """`unknown` where nobody made such a decision."""


def source_of(actor: str, kind: str) -> str:
    """The name of a source; it is no slice's, so it has no `=` in it."""
    return f"{actor[:_NAME_MAX].replace('=', '-')} {kind}"


def heard_parts(model: str, words: Sequence[Word]) -> Iterator[Part]:
    """What was said, by source: when it was heard, and of when."""
    sources: dict[str, list[Word]] = {}
    for word in words:
        name = source_of(word.actor, word.kind)
        if name not in sources and len(sources) >= SOURCES_MAX:
            name = source_of(OTHERS, word.kind)
        sources.setdefault(name, []).append(word)
    for name, said in sorted(sources.items()):
        for begin_ms, each in _by_stretch(said, [word.known_ms for word in said]):
            key = Key(model, NOBODY, 0, "", HEARD + name, begin_ms)
            yield _part(key, each)
        counted = [word for word in said if word.first and word.of == "known"]
        for begin_ms, each in _by_stretch(counted, [made_ms(word.subject) for word in counted]):
            key = Key(model, NOBODY, 0, "", TOLD + name, begin_ms)
            delays = {"heard_delay_s": summarise(values_of(_delays(each)), DELAYS)}
            yield Part(key, len(each), delays)


def made_ms(subject: str) -> int:
    """When a decision was made: its id begins with that."""
    return int(subject[:12], 16)


def _by_stretch(words: Sequence[Word], moments: Sequence[int]) -> Iterator[tuple[int, list[Word]]]:
    found: dict[int, list[Word]] = {}
    for word, moment in zip(words, moments, strict=True):
        found.setdefault(moment - moment % STRETCH_MS, []).append(word)
    yield from sorted(found.items())


def _delays(words: Sequence[Word]) -> Any:
    return np.array([(word.known_ms - made_ms(word.subject)) / 1000.0 for word in words])


def _part(key: Key, words: Sequence[Word]) -> Part:
    first = [word for word in words if word.first and word.of == "known"]
    columns: Mapping[str, tuple[Any, Ruler]] = {
        "heard_delay_s": (_delays(first), DELAYS),
        "heard_of": (_strings([word.of for word in words]), KNOWN),
        "heard_label": (_strings([w.label for w in words if isinstance(w.label, str)]), _OPEN),
        "heard_number": (np.array([w.label for w in words if _is_number(w.label)]), _NUMBER),
        "heard_pair": (
            _strings([f"{w.label}{ARROW}{w.answer}" for w in words if isinstance(w.answer, str)]),
            _OPEN,
        ),
        "heard_ratio": (_strings([each for word in words if (each := _ratio(word))]), _OPEN),
    }
    summaries = {
        name: summarise(values_of(column), ruler)
        for name, (column, ruler) in columns.items()
        if len(column)
    }
    return Part(key, len(first), summaries)


def _ratio(word: Word) -> str:
    """Where the label lies beside its answer; nothing where one of them is no number."""
    if not _is_number(word.label) or not _is_number(word.answer):
        return ""
    label, answer = float(word.label), float(word.answer or 0.0)
    cell = ratio_of(label, answer)
    return "" if cell is None else f"{cell}{ARROW}{stratum_of(word.version, answer)}"


def _strings(words: Sequence[str]) -> Any:
    return np.array(words, dtype=object)


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float) and not isinstance(label, bool)
