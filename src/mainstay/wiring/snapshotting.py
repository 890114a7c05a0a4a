"""Snapshots of one workspace: labelled decisions of its journal, or of a history, minus what is
quarantined."""

import os
from collections.abc import Collection
from contextlib import AbstractContextManager

from msgspec.structs import replace

from mainstay.base.errors import MainstayError, NotFound
from mainstay.contract.finding import Finding
from mainstay.contract.load import load_contract
from mainstay.contract.model import Contract, Ranking, columns_of
from mainstay.contract.names import model_name_fault
from mainstay.contract.renewing import History
from mainstay.contract.renewing_rules import LOGGED
from mainstay.contract.times import duration_ns
from mainstay.journal.arrow import ArrowTable
from mainstay.journal.quoting import quoted
from mainstay.release.gate.rows import instead
from mainstay.renew.health.unhealthy import Hearing, unhealthy
from mainstay.renew.history.model import Origin, Role, column_of, missing
from mainstay.renew.history.read import asked, names_in
from mainstay.renew.labels.model import (
    Definition,
    Lists,
    answers_of,
    logged_columns,
    sql_type,
    sql_type_in_history,
)
from mainstay.renew.labels.read import Query, count, logged_now, read
from mainstay.renew.quarantine.model import merged
from mainstay.renew.snapshots import take as snapshots
from mainstay.renew.snapshots.changed import Changed, changed
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.snapshots.port import SnapshotStore
from mainstay.renew.snapshots.sql import SqlSnapshotStore
from mainstay.renew.snapshots.take import Shelf
from mainstay.wiring.features import features_of
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.workspace import Workspace, whoever_runs_this


def snapshots_of(workspace: Workspace) -> SnapshotStore:
    """Which snapshots a workspace has."""
    return SqlSnapshotStore(workspace.database)


def shelf_of(workspace: Workspace) -> Shelf:
    """Where a workspace's snapshots come from and where they are."""
    return Shelf(
        workspace.journal.query,
        snapshots_of(workspace),
        workspace.places.snapshots,
        _origin_of(workspace),
    )


def _origin_of(workspace: Workspace) -> Origin:
    return Origin(workspace.places.root, os.environ)


def asked_for(workspace: Workspace, definition: Definition) -> AbstractContextManager[Query]:
    """What is asked for the rows of a definition: the journal, or a history."""
    return asked(workspace.journal.query, _origin_of(workspace), definition)


def contract_of(workspace: Workspace, model: str) -> Contract:
    """The contract that the next version of a model is made for, which may be its first: the
    workspace's file, else the one of the version that answers, else of the newest."""
    file = workspace.places.contracts / f"{model}.yaml"
    if model_name_fault(model) is None and file.is_file():
        return load_contract(file)
    live = workspace.chain.current(model)
    newest = workspace.registry.find(model, None if live is None else live.number)
    return workspace.unpacked(newest.fingerprint).manifest.contract


def define(
    workspace: Workspace,
    model: str,
    since_ns: int,
    until_ns: int | None = None,
    known_ns: int | None = None,
    without: Collection[str] = (),
) -> Definition:
    """What is asked for, as it can be asked again: without what is quarantined now, without what
    these callers said, as the contract understands labels and as their health was known then, and
    with the columns of the contract that were ever logged."""
    contract = contract_of(workspace, model)
    kinds = columns_of(contract.inputs, contract.context)
    now_ns = workspace.clock.now_ns()
    known = now_ns if known_ns is None else min(known_ns, now_ns)
    labels, history = contract.labels, contract.renew.history
    if history is None:
        there = logged_now(workspace.journal.query)
        columns = {
            column: sql_type(kinds[name])
            for column, name in logged_columns(contract).items()
            if column in there
        }
    else:
        columns = _columns_in(workspace, contract, history)
    trust = {**labels.trust, **dict.fromkeys(without, 0.0)}
    silent = labels.silence_means is not None
    return Definition(
        model=model,
        since_ns=since_ns,
        until_ns=known + 1 if until_ns is None else until_ns,
        known_ns=known,
        without=merged(quarantines_of(workspace).active(model)),
        answers=answers_of(contract),
        columns=columns,
        unhealthy=unhealthy(
            workspace.journal.query, model, known, Hearing(trust=trust, silence_counts=silent)
        ),
        window_ns=duration_ns(labels.window) if labels.window else 0,
        silence=labels.silence_means,
        counts=labels.counts,
        trust=trust,
        unshaped=labels.learn_from == "held_out",
        by_propensity=labels.weigh == "propensity",
        places=history is None and (isinstance(contract.output, Ranking) or bool(labels.places)),
        lists=None if history is not None else _lists(workspace, contract, since_ns),
        features=features_of(workspace, model, since_ns)
        if contract.renew.features == LOGGED
        else None,
        history=history,
    )


def _lists(workspace: Workspace, contract: Contract, since_ns: int) -> Lists | None:
    """What the versions of a ranking showed, by their own contracts; of one whose bundle is gone
    nobody knows that."""
    if not isinstance(contract.output, Ranking):
        return None
    table = workspace.journal.query(
        f"SELECT DISTINCT fingerprint FROM decisions WHERE model = {quoted(contract.model)}"  # noqa: S608  # because the name is quoted
        f" AND id >= '{max(since_ns, 0) // 1_000_000:012x}' ORDER BY fingerprint"
    )
    items = dict.fromkeys(contract.output.items)
    tops: dict[str, int] = {}
    for fingerprint in table.column("fingerprint").to_pylist():
        try:
            output = workspace.unpacked(fingerprint).manifest.contract.output
        except MainstayError:
            continue
        if isinstance(output, Ranking):
            tops[fingerprint] = output.top
            items |= dict.fromkeys(output.items)
    there = logged_now(workspace.journal.query)
    return Lists(items=tuple(item for item in items if f"output_{item}" in there), tops=tops)


def _columns_in(workspace: Workspace, contract: Contract, history: History) -> dict[str, str]:
    """Which columns of the contract a history has; `InvalidUsage` where it lacks one that nothing
    stands in for."""
    kinds = columns_of(contract.inputs, contract.context)
    there = names_in(history, _origin_of(workspace))
    found: dict[str, str] = {}
    for column, name in logged_columns(contract).items():
        held = column_of(history, name)
        if held in there:
            found[column] = sql_type_in_history(kinds[name])
        elif name in history.columns or instead(contract, name, kinds[name], 0) is None:
            role = Role(column, held, "value", f"renew.history.columns.{name}")
            raise missing(role, "the history", there)
    return found


def take_snapshot(
    workspace: Workspace, definition: Definition, *, actor: str | None = None
) -> Snapshot:
    """Take a snapshot and keep it."""
    who = actor or whoever_runs_this()
    return snapshots.take(shelf_of(workspace), definition, who, workspace.clock.now_ns())


def count_of(workspace: Workspace, definition: Definition) -> int:
    """How many rows a snapshot would have."""
    with asked_for(workspace, definition) as query:
        return count(query, definition)


def changed_without(workspace: Workspace, snapshot: Snapshot, callers: Collection[str]) -> Changed:
    """What a snapshot would be if what these callers said counted, as the contract has it."""
    labels = contract_of(workspace, snapshot.definition.model).labels
    definition = snapshot.definition
    with_them = replace(
        definition,
        trust=labels.trust,
        unhealthy=unhealthy(
            workspace.journal.query,
            definition.model,
            definition.known_ns,
            Hearing(trust=labels.trust, silence_counts=definition.silence is not None),
        ),
    )
    with asked_for(workspace, with_them) as query:
        found = read(query, with_them).table
    return changed(found, rows_of(workspace, snapshot), callers)


def find_snapshot(workspace: Workspace, id_: str, model: str | None = None) -> Snapshot:
    """A snapshot by its id, or the beginning of it."""
    found = snapshots_of(workspace).find(id_)
    if model is not None and found.definition.model != model:
        raise NotFound(
            f"{found} is none of {model}",
            field="snapshot",
            got=id_,
            expected=f"one that `mainstay snapshot list {model}` shows",
        )
    return found


def rows_of(workspace: Workspace, snapshot: Snapshot) -> ArrowTable:
    """The rows of a snapshot."""
    return snapshots.rows_of(shelf_of(workspace), snapshot)


def verify(workspace: Workspace, snapshot: Snapshot) -> list[Finding]:
    """Whether a snapshot is what it was, and would be taken again."""
    return snapshots.verify(shelf_of(workspace), snapshot)
