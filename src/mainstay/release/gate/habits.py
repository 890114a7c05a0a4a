"""What is asked again and again, learned from the journal (S32).

A habit is one exact input that the version that serves was asked at least so often lately. Limits:
of the newest decisions only, the most frequent only; nothing is rounded, so inputs that never
repeat (a measured temperature, a free text) make no habits.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.bundle.answers import distances
from mainstay.bundle.features import kinds_of
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import (
    Category,
    Contract,
    Input,
    Label,
    NumberOutput,
    Output,
    Probability,
    Ranking,
    Text,
    Timestamp,
    Vector,
    logged_name,
)
from mainstay.journal.quoting import named
from mainstay.release.gate.model import Habit

HABITS_MAX: Final = 50
TIMES_MIN: Final = 10
DECISIONS_MAX: Final = 100_000
NUMBER_WITHIN: Final = 0.05
"""A number that moved by a twentieth of its size at most is the same answer to a person."""
_SHOWN_VALUES: Final = 6

Query = Callable[[str], Any]


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs that came again and again."""

    columns: Columns = {}
    times: tuple[int, ...] = ()
    words: tuple[str, ...] = ()


def repeated_inputs(query: Query, contract: Contract, fingerprint: str) -> Repeated:
    """The most frequent inputs of a version, from one query over the journal."""
    kinds = kinds_of(contract)
    there = set(query("SELECT * FROM decisions LIMIT 0").schema.names)
    names = {name: logged_name(name, contract.inputs) for name in kinds}
    kept = {name: column for name, column in names.items() if column in there}
    if not kept or any(column not in there for column in (names[n] for n in contract.inputs)):
        return Repeated()
    columns = ", ".join(named(column) for column in kept.values())
    # The fingerprint is hexadecimal, and the names are quoted; neither is a caller's text.
    newest = (
        f"SELECT {columns} FROM decisions WHERE fingerprint = '{fingerprint}' "  # noqa: S608  # because of the line above
        f"ORDER BY time DESC LIMIT {DECISIONS_MAX}"
    )
    table = query(
        f"SELECT {columns}, count(*) AS times_ FROM ({newest}) GROUP BY ALL "  # noqa: S608  # because of the line above
        f"HAVING times_ >= {TIMES_MIN} ORDER BY times_ DESC, {columns} LIMIT {HABITS_MAX}"
    )
    found = {name: column_of(table.column(column), kinds[name]) for name, column in kept.items()}
    times: list[int] = table.column("times_").to_pylist()
    return Repeated(
        columns=found,
        times=tuple(times),
        words=tuple(_words(found, row) for row in range(len(times))),
    )


def column_of(values: Any, kind: Input) -> Column:
    """A column of the journal as versions take it."""
    listed: list[Any] = values.to_pylist()
    match kind:
        case Category() | Text():
            words = np.empty(len(listed), dtype=object)
            words[:] = listed
            return words
        case Timestamp():
            moments = [None if each is None else each.replace(tzinfo=None) for each in listed]
            return np.array(moments, dtype="<M8[us]")
        case Vector():
            empty = [np.nan] * kind.length
            return np.array([empty if each is None else each for each in listed], np.float64)
        case _:
            return np.array([np.nan if each is None else each for each in listed], np.float64)


def _words(columns: Columns, row: int) -> str:
    shown = [f"{name}={_value(column[row])}" for name, column in columns.items()]
    more = f" and {len(shown) - _SHOWN_VALUES} more" if len(shown) > _SHOWN_VALUES else ""
    return ", ".join(shown[:_SHOWN_VALUES]) + more


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"[{', '.join(f'{each:.3g}' for each in value[:3])}, …]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)[:40]


def compared(
    repeated: Repeated,
    places: list[int],
    output: Output,
    before: tuple[Column, Column | None],
    after: tuple[Column, Column | None],
) -> tuple[Habit, ...]:
    """Each habit with both answers; `before` and `after` are raw outputs and chosen classes of the
    habits at `places`."""
    if isinstance(output, (Probability, Label)):
        assert before[1] is not None
        assert after[1] is not None
        said = [[output.classes[int(each)] for each in chosen] for chosen in (before[1], after[1])]
        kept = [one == other for one, other in zip(*said, strict=True)]
    elif isinstance(output, NumberOutput):
        said = [[f"{float(each):.6g}" for each in raw] for raw in (before[0], after[0])]
        kept = (distances(output, after[0], before[0]) <= NUMBER_WITHIN).tolist()
    elif isinstance(output, Ranking):
        said = [[_best(output, row) for row in raw] for raw in (before[0], after[0])]
        kept = [one == other for one, other in zip(*said, strict=True)]
    else:
        return ()
    return tuple(
        Habit(
            words=repeated.words[place],
            times=repeated.times[place],
            before=said[0][each],
            after=said[1][each],
            kept=bool(kept[each]),
        )
        for each, place in enumerate(places)
    )


def _best(output: Ranking, scores: Column) -> str:
    best = np.argsort(-scores, kind="stable")[: output.top]
    return ", ".join(output.items[int(each)] for each in best)
