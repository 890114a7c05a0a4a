"""Which labelled decisions are meant, said so exactly that anybody finds the same ones again.

A decision is labelled by one label that was known of it. That nobody said anything of a decision
says nothing of it, unless the contract gives silence a meaning; and then only where all of the
feedback window passed while whoever speaks was heard. Labels heard after `known_ns` do not exist
yet.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import (
    Boolean,
    Category,
    Contract,
    Input,
    Integer,
    NumberOutput,
    Ranking,
    Text,
    Timestamp,
    Vector,
    VectorOutput,
    columns_of,
    logged_name,
)
from mainstay.contract.renewing import History
from mainstay.journal.arrow import pa

QUARANTINED: Final = "decided in a quarantined stretch"
SHADOW: Final = "shadows that nobody was shown"
HELD: Final = "held back from happening"
GONE: Final = "outcomes of decisions that are not in the journal"
UNKNOWN: Final = "outcomes that are no answer of the model"
SAID_AWAY: Final = "outcomes of a quarantined stretch"
AGAIN: Final = "outcomes that a later one repeats or replaces"
UNLABELLED: Final = "decisions without a usable outcome"
YOUNG: Final = "decisions younger than the feedback window"
CUT_SHORT: Final = "decisions whose feedback window reaches into a quarantined stretch"
SHAPED: Final = "decisions in which the model had its say"
UNMADE: Final = "decisions without features: the model had no part in them"
OTHER_FEATURES: Final = "decisions whose features another extractor made"
DISTRUSTED: Final = "outcomes of callers that are not trusted"
TOO_SOON: Final = "outcomes from before their decision, or from the future"
NAMELESS: Final = "rows without an id, or without a moment that can be read"
UNHEARD: Final = "labels without a moment at which they were heard"
UNWEIGHED: Final = (
    "labels whose weight is not within 0 to 100, or whose propensity not within 0 to 1"
)
OTHERWISE: Final = "decisions whose outcomes contradict each other"

Stretch = tuple[int, int]
Counts = Literal["last", "first", "majority"]


class Unhealthy(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of which labels did not come as they should."""

    begin_ns: int
    """Of the decisions; the end is not among them."""
    end_ns: int
    check: str
    """The finding, such as `labels.silent`."""
    source: str
    """Whose labels; empty for all of them together."""
    why: str
    """In words, as what is left out is told."""


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Features as they were served, all of them made by one extractor."""

    extractor: str
    """The digest of its source."""
    made_by: tuple[str, ...]
    """The fingerprints of the versions that have it; what others decided is left out."""
    columns: dict[str, str]
    """Columns of decisions, as the journal names them, to their types, as SQL names those."""


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """What rankings showed: so many of these items, best first."""

    items: tuple[str, ...]
    tops: dict[str, int]
    """Fingerprints of versions to how many of the best each shows."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are meant."""

    model: str
    since_ns: int
    """Decisions made from then on …"""
    until_ns: int
    """… up to, but without, then."""
    known_ns: int
    """What was heard later is not known yet."""
    without: tuple[Stretch, ...] = ()
    """What was decided or happened in these is left out: the quarantines when it was defined."""
    answers: tuple[str, ...] = ()
    """The classes or items that a label can be; numbers where there are none."""
    columns: dict[str, str] = {}
    """Columns of decisions, as the journal names them, to their types, as SQL names those."""
    unhealthy: tuple[Unhealthy, ...] = ()
    """By the findings that were known then; these decisions are left out, whatever was heard."""
    window_ns: int = 0
    """The feedback window; decisions that were younger then are left out."""
    silence: str | float | None = None
    """The label of those of which nobody said anything in all of the window."""
    counts: Counts = "last"
    """Which one of several labels counts."""
    trust: dict[str, float] = {}
    """Callers to how much their labels count; 1 for others, and with 0 they do not exist."""
    unshaped: bool = False
    """Only decisions in which the model had no say."""
    by_propensity: bool = False
    """A row counts the more, the less probable it was that its version answered."""
    features: Features | None = None
    """Features that are wanted, too."""
    history: History | None = None
    """Where the decisions and their labels are, where they are not those of the journal."""

    places: bool = False
    """Where each answer was shown is wanted, too, as the column `place`: as somebody said with an
    outcome, or for what the label names as it stood in the list that was shown."""
    lists: Lists | None = None

    def check(self) -> None:
        """Refuse what cannot have a row."""
        if self.since_ns >= self.until_ns:
            raise InvalidUsage(
                "a snapshot begins before it ends",
                field="since",
                got=f"{self.since_ns}..{self.until_ns}",
                expected="a --since before --until",
            )


class Labelled(msgspec.Struct, frozen=True):
    """The rows, and what is not among them."""

    table: Any
    """An Arrow table in the order of the decisions' ids."""
    left_out: dict[str, int]
    contradicted: int
    silent: int = 0
    """Rows whose label is what silence means."""
    late: int = 0
    """Rows whose label was heard after the feedback window."""
    reaches: Stretch | None = None
    """Event times in nanoseconds: of the first decision, and of the last thing that is in it, be it
    a decision or a label; nothing where there is no row."""


def together(parts: Sequence[Labelled]) -> Labelled:
    """One after the other; at least one."""
    left_out: Counter[str] = Counter()
    for part in parts:
        left_out.update(part.left_out)
    reaches = [part.reaches for part in parts if part.reaches is not None]
    return Labelled(
        pa.concat_tables([part.table for part in parts]),
        dict(sorted(left_out.items())),
        sum(part.contradicted for part in parts),
        sum(part.silent for part in parts),
        sum(part.late for part in parts),
        (min(first for first, _ in reaches), max(last for _, last in reaches)) if reaches else None,
    )


def joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """What stretches cover together: apart from each other, the earliest first."""
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return tuple(found)


def left_out_of(definition: Definition) -> tuple[Stretch, ...]:
    """The stretches in which nothing that was decided is learned from, one after the other."""
    unhealthy = ((each.begin_ns, each.end_ns) for each in definition.unhealthy)
    return joined((*definition.without, *unhealthy))


def answers_of(contract: Contract) -> tuple[str, ...]:
    """What a label can be; nothing where it is a number."""
    output = contract.output
    if isinstance(output, VectorOutput):
        raise InvalidUsage(
            "a model that answers vectors has no labels: nothing tells one right or wrong",
            field="output",
            got="vector",
            expected="a model that answers a class, an item or a number",
        )
    if isinstance(output, NumberOutput):
        return ()
    return output.items if isinstance(output, Ranking) else output.classes


def logged_columns(contract: Contract) -> dict[str, str]:
    """Columns of the journal to what each of them is called in the contract."""
    return {
        logged_name(name, contract.inputs): name
        for name in columns_of(contract.inputs, contract.context)
    }


def sql_type(kind: Input) -> str:
    """As what a value of this kind is kept."""
    match kind:
        case Category() | Text():
            return "VARCHAR"
        case Timestamp():
            return "TIMESTAMPTZ"
        case Vector():
            return f"DOUBLE[{kind.length}]"
        case Integer() if not kind.optional:
            return "BIGINT"
        case Boolean() if not kind.optional:
            return "BOOLEAN"
        case _:
            return "DOUBLE"


def sql_type_in_history(kind: Input) -> str:
    """The same, of a value that nobody has checked: what is no whole number must stay so, and
    anything may be missing."""
    match kind:
        case Integer():
            return "DOUBLE"
        case Boolean():
            return "BOOLEAN"
        case _:
            return sql_type(kind)
