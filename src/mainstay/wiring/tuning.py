"""What the journal knows of a version's decisions and how they turned out, for `judge --tune`.

Promises that each decision counts once, with the outcome that was heard last, and with the
confidence that its version has in it: the answer of a fallback is not the version's own and is left
out, as is an output that made no sense.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibration import confidence
from mainstay.bundle.model import Manifest
from mainstay.bundle.threshold import choose
from mainstay.contract.columns import Column
from mainstay.contract.expressions.compile import compile_expression
from mainstay.contract.judging import Cost
from mainstay.contract.model import Contract, Probability, columns_of, logged_name
from mainstay.journal.quoting import quoted
from mainstay.judge.cost import Amounts
from mainstay.judge.sense import Sense
from mainstay.judge.tune import Floats, Goal, History, Tuned, tune
from mainstay.wiring.workspace import Workspace


@dataclass(slots=True, frozen=True, kw_only=True)
class Logged:
    """The decisions of one version whose outcome is known."""

    manifest: Manifest
    number: int
    raw: Column
    truth: Column
    amounts: Callable[[Column], Floats] | None
    """What a mistake costs, by the class that is answered."""
    statuses: tuple[str, ...]

    def history(self, threshold: float | None = None) -> History:
        """The decisions as they were, or as they would be with another threshold."""
        output = self.manifest.contract.output
        assert isinstance(output, Probability)
        if threshold is not None:
            if len(output.classes) != 2 or not 0 < threshold <= 1:
                raise InvalidUsage(
                    "a threshold lies between 0 and 1, and means something with two classes only",
                    field="--bars",
                    got=f"threshold={threshold:g}, {len(output.classes)} classes",
                )
            output = msgspec.structs.replace(output, threshold=threshold)
        chosen = chosen_classes(output, self.raw)
        return History(
            sure=confidence(output, self.manifest.calibration)(self.raw),
            right=chosen == self.truth,
            amounts=None if self.amounts is None else self.amounts(chosen),
            statuses=self.statuses,
        )


def logged(
    workspace: Workspace,
    model: str,
    number: int | None,
    since_ns: int | None,
    cost: str | None,
) -> Logged:
    """What is known of a version, by default the one that answers now."""
    current = workspace.chain.current(model)
    if number is None and current is not None:
        number = current.number
    version = workspace.registry.find(model, number)
    manifest = workspace.unpacked(version.fingerprint).manifest
    contract = manifest.contract
    output = contract.output
    if not isinstance(output, Probability):
        kind = output.__struct_config__.tag
        raise InvalidUsage(
            f"{version} answers with a {kind}, which says nothing of how sure it is",
            field="model",
            got=model,
            expected="a model whose output is of type probability",
        )
    stated = _cost_of(contract, cost)
    needed = _needed(contract, stated)
    since = 0 if since_ns is None else workspace.clock.now_ns() - since_ns
    rows = _rows(workspace, version.fingerprint, output, needed, since)
    return _logged(manifest, version.number, rows, stated)


def _cost_of(contract: Contract, cost: str | None) -> Cost | None:
    """What a mistake costs: as asked for, else as the contract says."""
    if cost is None:
        return contract.judge.cost
    try:
        return Cost(of_error=float(cost))
    except ValueError:
        names = columns_of(contract.inputs, contract.context)
        compile_expression(cost, names, ("--cost",), kind="number")
        return Cost(of_error=cost)


def _needed(contract: Contract, cost: Cost | None) -> dict[str, str]:
    """Name to the journal's column, of every value that the cost looks at."""
    if cost is None:
        return {}
    amounts = [cost.of_error, *(action.of_error for action in cost.actions.values())]
    kinds = columns_of(contract.inputs, contract.context)
    names: set[str] = set()
    for amount in amounts:
        if isinstance(amount, str):
            at = ("judge", "cost", "of_error")
            names |= compile_expression(amount, kinds, at, kind="number").names
    return {name: logged_name(name, contract.inputs) for name in sorted(names)}


def _rows(
    workspace: Workspace,
    fingerprint: str,
    output: Probability,
    needed: dict[str, str],
    since_ns: int,
) -> dict[str, list[Any]]:
    outputs = [f"output_{name}" for name in output.classes]
    wanted = ", ".join(quoted(name) for name in ("status", *outputs, *needed.values()))
    sql = (
        f"SELECT COLUMNS(lambda c: c IN ({wanted})), heard.body AS heard FROM decisions JOIN"  # noqa: S608  # because names are quoted and the rest are numbers
        " (SELECT subject, arg_max(body, known_ns) AS body FROM events WHERE kind = 'outcome'"
        " GROUP BY subject) AS heard ON heard.subject = id"
        f" WHERE fingerprint = {quoted(fingerprint)} AND arm NOT IN ('shadow', 'held_out')"
        f" AND status <> 'fallback' AND epoch_ns(time) >= {since_ns} ORDER BY id"
    )
    table = workspace.journal.query(sql)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _logged(
    manifest: Manifest, number: int, rows: dict[str, list[Any]], cost: Cost | None
) -> Logged:
    contract = manifest.contract
    output = contract.output
    assert isinstance(output, Probability)
    places = {name: place for place, name in enumerate(output.classes)}
    labels = [msgspec.json.decode(body).get("label") for body in rows.get("heard", [])]
    truth = np.array([places.get(label, -1) for label in labels], dtype=np.int64)
    listed = [_numbers(rows.get(f"output_{name}", []), len(labels)) for name in output.classes]
    raw = np.column_stack(listed) if labels else np.empty((0, len(output.classes)))
    kept = truth >= 0
    if len(raw):
        kept &= Sense(contract)(raw)
    statuses: Sequence[str] = rows.get("status", [])
    return Logged(
        manifest=manifest,
        number=number,
        raw=raw[kept],
        truth=truth[kept],
        amounts=None if cost is None else _amounts(contract, cost, rows, kept),
        statuses=tuple(s for s, keep in zip(statuses, kept.tolist(), strict=True) if keep),
    )


def _amounts(
    contract: Contract, cost: Cost, rows: dict[str, list[Any]], kept: Column
) -> Callable[[Column], Floats]:
    amounts, values = Amounts(contract, cost), _values(contract, rows, kept)

    def of(chosen: Column) -> Floats:
        return np.asarray(amounts(chosen, values.__getitem__), dtype=np.float64)

    return of


def _numbers(values: list[Any], rows: int) -> Floats:
    if len(values) != rows:
        return np.full(rows, np.nan)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _values(contract: Contract, rows: dict[str, list[Any]], kept: Column) -> dict[str, Column]:
    """The values that a cost may look at, in the form that requests have them in."""
    found: dict[str, Column] = {}
    for name in columns_of(contract.inputs, contract.context):
        column = logged_name(name, contract.inputs)
        values = rows.get(column)
        if values is None:
            found[name] = np.full(int(kept.sum()), np.nan)
        elif any(isinstance(value, str) for value in values):
            texts = np.empty(len(kept), dtype=object)
            texts[:] = values
            found[name] = texts[kept]
        elif any(isinstance(value, datetime) for value in values):
            plain = [None if value is None else value.replace(tzinfo=None) for value in values]
            found[name] = np.array(plain, dtype="datetime64[us]")[kept]
        else:
            found[name] = _numbers(values, len(kept))[kept]
    return found


def tuned(found: Logged, goal: Goal) -> Tuned:
    """What history recommends; where a rule led to the threshold, what it would lead to now."""
    result = tune(found.history(), goal)
    judgement = found.manifest.judgement
    rule = None if judgement is None or judgement.threshold is None else judgement.threshold.rule
    if rule is None or result.verdict == "unsure":
        return result
    choice = choose(rule, found.raw[:, 1], found.truth == 1)
    return msgspec.structs.replace(result, threshold=choice)
