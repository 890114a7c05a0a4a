"""A confidence set of what was decided and turned out since (S8).

Promises that every row is a decision that somebody was shown and of which an outcome was heard in
the window, with the first outcome that was heard of it; that shadows, and actions that were held
back from happening, are not among them; and that whatever is left out is counted, with the reason.
Where there are more than a set may hold, they are drawn by a hash of their ids.

Limits: outcomes must be classes, or numbers of a model that answers numbers. Where an answer
decides of what an outcome is heard at all (nobody learns whether a refused loan would have been
paid back), the set tells of the others only; the class shares show it.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.assets import Examples
from mainstay.bundle.features import kinds_of
from mainstay.bundle.pack import CONFIDENCE_ROWS_MAX
from mainstay.contract.columns import Column
from mainstay.contract.model import Contract, Label, NumberOutput, Probability, logged_name
from mainstay.journal.quoting import named, quoted
from mainstay.release.gate.habits import column_of
from mainstay.release.gate.rows import fit

ROWS_MIN: Final = 100
"""With fewer, a metric says little."""
HELD: Final = "held back from happening"
SHADOW: Final = "shadows that nobody was shown"
UNKNOWN: Final = "outcomes that are no class of the output"
UNFIT: Final = "values that the contract refuses today"
GONE: Final = "outcomes of decisions that are not in the journal"
TOO_MANY: Final = f"more than the {CONFIDENCE_ROWS_MAX:,} that a set holds"

Query = Callable[[str], Any]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The labelled decisions of a window."""

    examples: Examples
    classes: dict[str, float]
    left_out: dict[str, int]


def labelled(query: Query, contract: Contract, since_ns: int, until_ns: int) -> Found:
    """Decisions of which an outcome was first heard in a window, as a confidence set."""
    output = contract.output
    if not isinstance(output, Probability | Label | NumberOutput):
        raise InvalidUsage(
            "outcomes do not say of this model's answers how right they are",
            field="output",
            got=output.__struct_config__.tag,
            expected="a model that answers with classes or with a number",
        )
    rows, left_out = _read(query, contract, since_ns, until_ns)
    truths = [truth_of(contract, body) for body in rows.column("body").to_pylist()]
    known = [place for place, truth in enumerate(truths) if truth is not None]
    left_out[UNKNOWN] += len(truths) - len(known)
    if len(known) < ROWS_MIN:
        raise _too_few(len(known), left_out, "")
    kept = rows.take(known)
    kinds = kinds_of(contract)
    columns = {
        name: column_of(kept.column(logged_name(name, contract.inputs)), kind)
        for name, kind in kinds.items()
        if logged_name(name, contract.inputs) in kept.schema.names
    }
    fitted = fit(contract, columns, frozenset(), "the version")
    places: list[int] = fitted.rows.tolist()
    left_out[UNFIT] += len(known) - len(places)
    if len(places) < ROWS_MIN:
        raise _too_few(len(places), left_out, fitted.why)
    label = np.array([truths[known[place]] for place in places])
    return Found(
        examples=Examples(inputs=fitted.columns, label=label),
        classes=_shares(contract, label),
        left_out={why: count for why, count in left_out.items() if count},
    )


def _read(
    query: Query, contract: Contract, since_ns: int, until_ns: int
) -> tuple[Any, Counter[str]]:
    """The rows, and why others are not among them."""
    there = set(query("SELECT * FROM decisions LIMIT 0").schema.names)
    names = [logged_name(name, contract.inputs) for name in kinds_of(contract)]
    columns = ", ".join("d." + named(name) for name in names if name in there)
    heard = (
        "SELECT subject, arg_min(body, known_ns) AS body FROM events"  # noqa: S608  # because names are quoted and the rest are numbers
        f" WHERE kind = 'outcome' AND model = {quoted(contract.model)}"
        """ AND body LIKE '%"label":%' GROUP BY subject"""
        f" HAVING min(known_ns) >= {since_ns} AND min(known_ns) < {until_ns}"
    )
    joined = (
        f"({heard}) h LEFT JOIN decisions d"
        f" ON d.id = h.subject AND d.model = {quoted(contract.model)}"
    )
    why = (
        f"CASE WHEN d.id IS NULL THEN {quoted(GONE)} WHEN d.arm = 'shadow' THEN {quoted(SHADOW)}"
        f" WHEN d.status = 'held' THEN {quoted(HELD)} ELSE '' END"
    )
    counted = query(f"SELECT {why} AS why, count(*) AS times FROM {joined} GROUP BY ALL")  # noqa: S608  # because names are quoted and the rest are numbers
    counts: Mapping[str, int] = dict(
        zip(counted.column("why").to_pylist(), counted.column("times").to_pylist(), strict=True)
    )
    left_out = Counter({reason: count for reason, count in counts.items() if reason})
    left_out[TOO_MANY] = max(0, counts.get("", 0) - CONFIDENCE_ROWS_MAX)
    rows = query(
        f"SELECT {columns}, h.body FROM {joined} WHERE {why} = ''"  # noqa: S608  # because names are quoted and the rest are numbers
        f" ORDER BY md5(d.id) LIMIT {CONFIDENCE_ROWS_MAX}"
    )
    return rows, left_out


def truth_of(contract: Contract, body: str) -> float | int | None:
    """An outcome as a label: the place of the class, or the number; nothing where it is neither."""
    label: Any = msgspec.json.decode(body).get("label")
    output = contract.output
    if isinstance(output, Probability | Label):
        return output.classes.index(label) if label in output.classes else None
    number = isinstance(label, int | float) and not isinstance(label, bool)
    return float(label) if number and math.isfinite(label) else None


def _shares(contract: Contract, label: Column) -> dict[str, float]:
    output = contract.output
    if not isinstance(output, Probability | Label):
        return {}
    return {
        name: round(float((label == place).mean()), 6) for place, name in enumerate(output.classes)
    }


def _too_few(rows: int, left_out: Counter[str], why: str) -> InvalidUsage:
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    return InvalidUsage(
        f"only {rows} decisions of this window have an outcome that can be used"
        + (f" (left out: {reasons})" if reasons else "")
        + (f": {why}" if why else ""),
        field="over",
        got=rows,
        expected=f"at least {ROWS_MIN}; a longer --over, or more outcomes: POST "
        "/decisions/<id>/outcome tells them",
    )
