"""Which new training data made a model worse: found by training without it, group by group (N11).

Promises that every model is trained from scratch by the contract's own function, in the usual child
process, with one seed; that all are asked the same rows, which none of them learned from: the
newest of the data, and the confidence set of the version that answers; and that nothing is kept.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.bundle.features import as_named
from mainstay.bundle.metrics import labelled
from mainstay.bundle.model import Version
from mainstay.bundle.prove import read_evidence
from mainstay.contract.columns import Column, Columns, decode, rows_of, take
from mainstay.contract.model import Category, Contract, NumberOutput, columns_of
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns, moment_us
from mainstay.release.gate.groups import groups_of as parts_by_value
from mainstay.release.gate.rows import fit, joined
from mainstay.renew.labels.model import answers_of
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.suspects.find import BESIDE, Finder, Inquiry, Told
from mainstay.renew.suspects.groups import MOST, PERIODS, Rows, groups_of
from mainstay.renew.suspects.model import (
    BEFORE,
    KINDS,
    NEWEST,
    Kind,
    Mask,
    Suspected,
    Yardstick,
)
from mainstay.renew.suspects.words import finding_of, suspects_of
from mainstay.renew.training.backtest import ANSWERS, Aged, Later, errors_of, losses_of
from mainstay.renew.training.model import ROWS_MIN, TRAINING, Run, parts_of
from mainstay.wiring.snapshotting import define, find_snapshot, take_snapshot
from mainstay.wiring.snapshotting import rows_of as rows_of_snapshot
from mainstay.wiring.training import LearnedRows, in_child, learned_rows, task_of, trainable
from mainstay.wiring.workspace import Workspace, whoever_runs_this

_VALUES_MAX: Final = 12
"""A category of more values is not parted unless the contract names it as a slice."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    model: str
    snapshot: str = ""
    """The data in question; by default that of the newest version where it does not answer, else
    what would be learned now."""
    kinds: tuple[Kind, ...] = KINDS
    periods: int = PERIODS
    most: int = MOST
    believe: tuple[str, ...] = ()
    """Callers whose labels are right: the newest rows are those of which they told, and nobody
    suspects them."""


def suspects(workspace: Workspace, asked: Asked, tell: Callable[[int, int], None]) -> Suspected:
    """Train without each group of what is new. `tell` hears how many trainings are done, of how
    many as far as is known: before the first one, and after each."""
    data = _data(workspace, asked)
    groups, not_asked = groups_of(data.rows, asked.kinds, asked.periods, asked.most)
    groups = [each for each in groups if each.kind != "source" or each.value not in asked.believe]
    not_asked += [each.name for each in groups if not data.enough(~each.rows)]
    groups = [each for each in groups if data.enough(~each.rows)]
    if not groups:
        raise InvalidUsage(
            f"{int(data.rows.new.sum()):,} new rows have no groups that could be told apart",
            field="by",
            got=", ".join(asked.kinds),
            expected=f"more new rows, or another --by: {', '.join(KINDS)}",
        )
    tell(0, BESIDE + len(groups))
    with tempfile.TemporaryDirectory(prefix="mainstay-experiment-") as folder:
        trainer = _Trainer(workspace, data, Path(folder))
        inquiry = Inquiry(
            told=trainer.told,
            new=data.rows.new,
            newest=data.newest,
            before=len(data.labels) - data.newest,
            seed=int(data.snapshot.content[:8], 16),
            without_new=data.enough(~data.rows.new),
        )
        found = Finder(inquiry, tell).find(groups)
    numbers = isinstance(data.contract.output, NumberOutput)
    told = suspects_of(asked.model, found, numbers=numbers)
    return Suspected(
        model=asked.model,
        version=data.live.number,
        snapshot=data.snapshot.id,
        learned=len(data.rows.new),
        new=int(data.rows.new.sum()),
        yardsticks=data.yardsticks(asked.believe),
        everything=list(found.everything),
        suspects=told,
        not_asked=not_asked,
        would_be_found=found.would_be_found,
        trainings=found.trainings,
        finding=finding_of(asked.model, found, told),
    )


@dataclass(frozen=True, slots=True)
class _Data:
    """The rows to learn from, then the newest ones; and what models are asked."""

    contract: Contract
    live: Version
    snapshot: Snapshot
    learned: LearnedRows
    """All of them: those to learn from, then the newest."""
    rows: Rows
    asked: Columns
    labels: Any
    """Of the rows that are asked."""
    newest: int
    """So many of those are the newest ones."""

    def enough(self, keep: Mask) -> bool:
        """Whether something can be trained on these: enough rows, and of each class some."""
        if int(keep.sum()) < ROWS_MIN:
            return False
        labels = self.learned.labels[: len(keep)]
        if isinstance(self.contract.output, NumberOutput):
            return True
        return set(labels[keep].tolist()) == set(labels.tolist())

    def yardsticks(self, believe: tuple[str, ...]) -> list[Yardstick]:
        """What models are measured on, in words."""
        by = f", of which {' or '.join(believe)} told" if believe else ""
        of_live = f"the confidence set of v{self.live.number}, from before what is new"
        told = (
            (NEWEST, self.newest, f"the newest rows{by}, which nothing learned from"),
            (BEFORE, len(self.labels) - self.newest, of_live),
        )
        return [Yardstick(name=n, rows=rows, words=words) for n, rows, words in told if rows]


def _data(workspace: Workspace, asked: Asked) -> _Data:
    contract = trainable(workspace, asked.model)
    live = _live(workspace, asked.model)
    snapshot = _snapshot(workspace, asked, contract, live)
    table = rows_of_snapshot(workspace, snapshot)
    every = learned_rows(contract, snapshot, table)
    learned, tested = parts_of(len(every.labels), share(contract.renew.newest))
    column: dict[str, Any] = {
        name: np.array(table.column(name).to_pylist(), dtype=object)[every.in_snapshot]
        for name in ("id", "source", "version")
    }
    new, held = _new(workspace, live, every, column["id"])
    newest_places = np.arange(tested.start, tested.stop, dtype=np.int64)
    places: Column = np.concatenate([np.flatnonzero(~held[learned]), newest_places])
    count = len(places) - (tested.stop - tested.start)
    if not new[places[:count]].any():
        raise InvalidUsage(
            f"nothing in {snapshot} is new: v{live.number}, which answers, learned all of it",
            field="snapshot",
            got=snapshot.id,
            expected="more labels, or --snapshot with the data in question",
        )
    rows = every.some(places)
    measured: Column = np.arange(count, len(places), dtype=np.int64)
    if asked.believe:
        told = np.isin(column["source"][places[measured]].astype(str), asked.believe)
        measured = measured[told]
    before, labels = _before(workspace, live, contract)
    newest = rows.some(measured)
    inputs = rows.some(slice(0, count)).inputs
    return _Data(
        contract=contract,
        live=live,
        snapshot=snapshot,
        learned=rows,
        rows=Rows(
            times_us=rows.times_us[:count],
            new=new[places[:count]],
            sources=column["source"][places[:count]],
            versions=column["version"][places[:count]],
            newest_labels=newest.labels,
            newest_sources=column["source"][places[measured]],
            parted={name: list(parts_by_value(name, inputs[name])) for name in _parted(contract)},
        ),
        asked=joined(newest.inputs, before) if rows_of(before) else newest.inputs,
        labels=np.concatenate([newest.labels, labels]) if rows_of(before) else newest.labels,
        newest=len(measured),
    )


def _live(workspace: Workspace, model: str) -> Version:
    route = workspace.chain.current(model)
    if route is None:
        raise InvalidUsage(
            f"nothing answers for {model}, so nobody knows what is new",
            field="model",
            got=model,
            expected="a version in force; `mainstay deploy` makes one live",
        )
    return workspace.registry.find_fingerprint(route.fingerprint)


def _snapshot(workspace: Workspace, asked: Asked, contract: Contract, live: Version) -> Snapshot:
    if asked.snapshot:
        return find_snapshot(workspace, asked.snapshot, asked.model)
    newest = workspace.registry.versions(asked.model)[-1]
    if newest.number > live.number and newest.card.snapshot:
        return find_snapshot(workspace, newest.card.snapshot, asked.model)
    since_ns = workspace.clock.now_ns() - duration_ns(contract.renew.over)
    return take_snapshot(workspace, define(workspace, asked.model, since_ns))


def _new(workspace: Workspace, live: Version, rows: LearnedRows, ids: Any) -> tuple[Mask, Mask]:
    """Which rows the version that answers has not learned, or with another label; and which it was
    measured on: those stay a yardstick."""
    none = np.zeros(len(ids), dtype=np.bool_)
    if not live.card.snapshot:
        window = live.card.window
        until_us = moment_us(window[1]) if window else None
        if until_us is None:
            until_us = live.registered_at_ns // 1000
        return rows.times_us >= until_us, none
    before: Any = rows_of_snapshot(workspace, find_snapshot(workspace, live.card.snapshot))
    known = dict(zip(before.column("id").to_pylist(), before.column("label").to_pylist(),
                     strict=True))  # fmt: skip
    pairs = zip(ids.tolist(), rows.labels.tolist(), strict=True)
    new = np.array([known.get(id_) != label for id_, label in pairs], dtype=np.bool_)
    learned = msgspec.convert(live.card.parameters[TRAINING], Run).rows
    measured = set(before.column("id").to_pylist()[learned:])
    held = np.array([id_ in measured for id_ in ids.tolist()], dtype=np.bool_)
    return new & ~held, held


def _before(workspace: Workspace, live: Version, contract: Contract) -> tuple[Columns, Any]:
    """The confidence set of a version as the contract takes it, with its labels in words; nothing
    where it has none that do."""
    here = workspace.here(live.fingerprint)
    own = here.manifest.contract
    examples = read_evidence(here.folder, here.manifest).confidence
    nothing: Columns = {}
    if examples.label is None or not examples.rows:
        return nothing, []
    fitted = fit(contract, as_named(examples.inputs, own), frozenset(), "the contract")
    if fitted.why or type(own.output) is not type(contract.output):
        return nothing, []
    label = examples.label[fitted.rows]
    good = labelled(own.output, label)
    if isinstance(contract.output, NumberOutput):
        return take(fitted.columns, good), label[good].astype(np.float64)
    words = np.array(answers_of(own), dtype=object)[label[good].astype(np.int64)]
    known = np.isin(words.astype(str), answers_of(contract))
    return take(take(fitted.columns, good), known), words[known]


def _parted(contract: Contract) -> list[str]:
    """The inputs that are looked at: declared slices, and categories of a few values."""
    kinds = columns_of(contract.inputs, contract.context)
    few = [
        name
        for name, kind in kinds.items()
        if isinstance(kind, Category) and 2 <= len(kind.values) <= _VALUES_MAX
    ]
    slices = [name for name in (*contract.gate.slices, *contract.watch.slices) if name in kinds]
    return list(dict.fromkeys([*slices, *few]))


@dataclass(slots=True)
class _Trainer:
    """Trains and asks, each time in a folder of its own."""

    workspace: Workspace
    data: _Data
    folder: Path
    trainings: int = 0

    def told(self, keep: Mask) -> Told:
        """What a model of these rows says of all that are asked."""
        data = self.data
        into = self.folder / str(self.trainings)
        into.mkdir()
        self.trainings += 1
        tested = np.arange(len(keep), len(data.learned.labels))
        part = data.learned.some(np.concatenate([np.flatnonzero(keep), tested]))
        task = task_of(
            self.workspace, (data.contract, data.snapshot, part), into, whoever_runs_this(),
            tested_rows=len(tested),
        )  # fmt: skip
        (into / "asked").write_bytes(
            encode_examples(Examples(inputs=data.asked, expected=data.labels))
        )
        what = Later(
            task=task,
            asked=str(into / "asked"),
            ends=(len(data.labels),),
            answers=str(into / ANSWERS),
        )
        file = into / "later.json"
        file.write_bytes(msgspec.json.encode(what))
        in_child("mainstay.renew.training.backtest", file, Aged, data.contract)
        raw = decode((into / ANSWERS).read_bytes())[ANSWERS]
        output = data.contract.output
        return Told(
            lost=losses_of(output, raw, data.labels), wrong=errors_of(output, raw, data.labels)
        )
