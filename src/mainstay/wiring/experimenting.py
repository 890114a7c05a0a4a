"""Experiments on the history of one workspace."""

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import Contract
from mainstay.contract.times import duration_ns
from mainstay.renew.health.loops import Fed, Loop, loop_of
from mainstay.renew.health.window import Past, TradeOff, trade_off
from mainstay.renew.labels.model import Definition, answers_of
from mainstay.renew.labels.read import decided, read
from mainstay.wiring.snapshotting import asked_for, contract_of, define
from mainstay.wiring.workspace import Workspace

_SECOND_NS = 1_000_000_000


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for labels of a model."""

    model: str
    window: str
    """What its contract says; empty where it says nothing."""
    silence: str | float | None
    """What silence means."""
    trade_off: TradeOff


def wait_for_labels(
    workspace: Workspace, model: str, since_ns: int, missing: float, silence: str | None = None
) -> Wait:
    """What every length of the feedback window would cost, by what was heard since then; `silence`
    is what it means, where that is not what the contract says."""
    contract = contract_of(workspace, model)
    means = contract.labels.silence_means if silence is None else _meant(contract, silence)
    whole = _everything(define(workspace, model, since_ns))
    with asked_for(workspace, whole) as query:
        table, minutes = read(query, whole).table, decided(query, whole)
    if not table.num_rows:
        raise InvalidUsage(
            f"no decision of {model} in this time has a label, so nobody knows how long they take",
            field="since",
            expected="a longer time, or labels: POST /decisions/<id>/outcome tells them",
        )
    made = table.column("time_us").to_numpy() * 1000
    delays = np.maximum(table.column("heard_us").to_numpy() * 1000 - made, 0) / _SECOND_NS
    labels = np.array(table.column("label").to_pylist(), dtype=object)
    begins = minutes.column("minute_ns").to_numpy()
    labelled = dict(zip(*np.unique(made // (60 * _SECOND_NS) * 60 * _SECOND_NS,
                               return_counts=True), strict=True))  # fmt: skip
    silent = minutes.column("count").to_numpy() - np.array([labelled.get(at, 0) for at in begins])
    ages = np.maximum(whole.known_ns - begins - 60 * _SECOND_NS, 0) / _SECOND_NS
    kept = silent > 0
    said = np.concatenate([np.ones(len(delays), dtype=bool), np.zeros(int(kept.sum()), dtype=bool)])
    other = np.concatenate([labels != means, np.zeros(int(kept.sum()), dtype=bool)]).astype(bool)
    past = Past(
        waited=np.concatenate([delays, ages[kept]]),
        said=said,
        other=None if means is None else other,
        counts=np.concatenate([np.ones(len(delays)), silent[kept].astype(float)]),
    )
    own = contract.labels.window
    seconds = duration_ns(own) / _SECOND_NS if own else 0.0
    found = trade_off(past, (own, seconds), missing)
    return Wait(model=model, window=own, silence=means, trade_off=found)


def _everything(definition: Definition) -> Definition:
    """As it was heard, and when first, of young decisions too."""
    return replace(
        definition, window_ns=0, silence=None, counts="first", columns={}, unshaped=False,
        by_propensity=False,
    )  # fmt: skip


def _meant(contract: Contract, text: str) -> str | float:
    answers = answers_of(contract)
    if answers:
        if text not in answers:
            raise InvalidUsage(
                f"{text!r} is not what {contract.model} answers",
                field="silence",
                got=text,
                expected=f"one of {', '.join(answers[:20])}",
            )
        return text
    try:
        return float(text)
    except ValueError:
        raise InvalidUsage(
            f"{text[:40]!r} is not a number", field="silence", got=text, expected="a number"
        ) from None


def loops(workspace: Workspace, model: str, since_ns: int) -> Loop:
    """How much the model's answers shape what is heard of them: where it had its say, against the
    units that are held out."""
    contract = contract_of(workspace, model)
    whole = replace(define(workspace, model, since_ns), columns={}, unshaped=False)
    with asked_for(workspace, whole) as query:
        table = read(query, whole).table
    held = np.array(table.column("arm").to_pylist(), dtype=object) == "held_out"
    labels: Sequence[str | float] = table.column("label").to_pylist()
    return loop_of(model, Fed(labels, held, answers_of(contract)))
