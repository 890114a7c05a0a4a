"""Training the next version of a model, from a snapshot to a version that comes to answer.

Promises that the user's function runs in a process of its own, within the contract's limits; that
it learns on the older rows and is measured on the newest, which it never sees; that the version's
card says of what, by which code, with which seed and in which order it was made; that it comes to
answer only through the gate and the contract's strategy; and that whatever goes wrong on the way
leaves what serves as it was, is told in words, and is kept as a finding.
"""

import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import structs

from mainstay.base.errors import InvalidBundle, InvalidUsage, MainstayError
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.bundle.card import revision_of
from mainstay.bundle.child import TrialLimits, ask_child
from mainstay.bundle.model import Card, Version
from mainstay.contract.columns import Column, Columns, encode, take
from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, NumberOutput, kinds_from_models
from mainstay.contract.renewing_rules import LOGGED
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.journal.arrow import ArrowTable
from mainstay.journal.model import Event
from mainstay.journal.rows import rfc3339
from mainstay.release.gate.model import NotPassed
from mainstay.release.gate.rows import fit
from mainstay.release.gate.run import Wish
from mainstay.renew.labels.model import answers_of, left_out_of
from mainstay.renew.snapshots.changed import Changed
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.training.model import (
    CHECK,
    KEPT,
    ORDER,
    PLACE,
    TRAINING,
    WEIGHT,
    Made,
    Run,
    Task,
    hash_of_code,
    parts_of,
    repeated_rows,
)
from mainstay.wiring.features import logged_features, logged_inputs, served_of
from mainstay.wiring.quarantining import new_id
from mainstay.wiring.rollouts import Wanted, start_rollout, strategy_of
from mainstay.wiring.snapshotting import (
    changed_without,
    contract_of,
    define,
    find_snapshot,
    rows_of,
    take_snapshot,
)
from mainstay.wiring.workspace import Workspace, whoever_runs_this

UNFIT: Final = "values that the contract refuses today"
STRANGE: Final = "labels that the contract does not know today"
_GIGABYTE: Final = 1_000_000_000
BEFORE: Final = "before"
"""The value of `renew.start` by which a training starts from the one of the version before."""
T = TypeVar("T")
Noted = Callable[[Snapshot, Version | None], None]

_BESIDE_SECONDS: Final = 120.0
"""What packing and trying out a version may take beside the training."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants trained."""

    model: str
    snapshot: str = ""
    """The id of a snapshot; one is taken where there is none."""
    since_ns: int | None = None
    seed: int | None = None
    dry_run: bool = False
    """Train and measure, and keep no version."""
    without: tuple[str, ...] = ()
    """Callers whose labels do not count."""


class Retrained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    model: str
    snapshot: Snapshot
    run: Run
    metrics: dict[str, float]
    version: Version | None = None
    """Nothing after a dry run."""
    released: str = ""
    """By which strategy it comes to answer; empty where it does not."""
    why_not: str = ""
    """Why it does not come to answer, in words."""


@dataclass(frozen=True, slots=True)
class LearnedRows:
    """Labelled rows as a contract takes them, oldest first."""

    inputs: Columns
    labels: Column
    times_us: Column
    """When each was decided."""
    weights: Column
    """How much each counts."""
    skipped: dict[str, int]
    shown_at: Column
    """Where each was shown, 1 the first; 0 where nobody knows."""
    features: Columns = field(default_factory=dict[str, Column])
    """As they were made when they were decided; nothing unless `renew.features` is `logged`."""
    in_snapshot: Column = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Where each of them stands in the snapshot."""

    def some(self, which: Any) -> "LearnedRows":
        """Some of the rows: a slice, a mask or places."""
        return LearnedRows(
            inputs=take(self.inputs, which),
            labels=self.labels[which],
            times_us=self.times_us[which],
            weights=self.weights[which],
            skipped=self.skipped,
            shown_at=self.shown_at[which],
            features=take(self.features, which),
            in_snapshot=self.in_snapshot[which],
        )


def retrain(
    workspace: Workspace,
    asked: Asked,
    *,
    actor: str | None = None,
    noted: Noted = lambda _snapshot, _version: None,
) -> Retrained:
    """Train, pack, keep and release the next version of a model; an error of the run itself is
    kept as a finding before it is raised. `noted` is told of the snapshot before anything learns
    from it, and of the version before it may answer."""
    contract = trainable(workspace, asked.model)
    who = actor or whoever_runs_this()
    try:
        return _retrain(workspace, asked, contract, (who, noted))
    except MainstayError as error:
        _tell(workspace, asked.model, who, asked.model, error.message)
        raise


def trainable(workspace: Workspace, model: str) -> Contract:
    """The contract of a model that says how it is trained; `InvalidUsage` where none does."""
    contract = contract_of(workspace, model)
    if not contract.renew.train:
        raise InvalidUsage(
            f"the contract of {model} does not say how it is trained",
            field="renew.train",
            expected="renew: {train: module:function} in the contract, and the function in "
            f"{workspace.places.training}",
        )
    if not workspace.places.training.is_dir():
        raise InvalidUsage(
            f"there is no folder {workspace.places.training}",
            field="training",
            got=workspace.places.settings.training,
            expected="the folder of the training code; `training` in mainstay.toml names it",
        )
    return contract


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """What a model would be with some callers, and without them."""

    callers: tuple[str, ...]
    whole: Retrained
    without: Retrained
    changed: Changed
    """In the rows that it learns from and is measured on."""


def retrain_both(workspace: Workspace, asked: Asked, callers: tuple[str, ...]) -> Both:
    """Train and measure with and without what some callers said; no version is kept."""
    since_ns = asked.since_ns
    if since_ns is None:
        over = duration_ns(trainable(workspace, asked.model).renew.over)
        since_ns = workspace.clock.now_ns() - over
    same = replace(asked, since_ns=since_ns, dry_run=True)
    whole = retrain(workspace, same)
    without = retrain(workspace, replace(same, without=callers))
    return Both(
        callers=callers,
        whole=whole,
        without=without,
        changed=changed_without(workspace, without.snapshot, callers),
    )


def _retrain(
    workspace: Workspace,
    asked: Asked,
    contract: Contract,
    by: tuple[str, Noted],
) -> Retrained:
    who, noted = by
    snapshot = _snapshot(workspace, asked, contract, who)
    noted(snapshot, None)
    rows = learned_rows(contract, snapshot, rows_of(workspace, snapshot))
    with tempfile.TemporaryDirectory(prefix="mainstay-training-") as folder:
        into = Path(folder)
        task = task_of(workspace, (contract, snapshot, rows), into, who, asked.seed)
        if contract.renew.start == BEFORE:
            task = _started(workspace, task, into)
        run = task.run
        file = into / "task.json"
        file.write_bytes(msgspec.json.encode(task))
        made = in_child("mainstay.renew.training.child", file, Made, contract)
        about: Any = {"model": asked.model, "snapshot": snapshot, "run": run}
        if asked.dry_run:
            return Retrained(**about, metrics=made.metrics)
        version = workspace.admit(Path(made.file), who)
        _keep(workspace, version, into / KEPT)
    noted(snapshot, version)
    released, why_not = release(workspace, version, who)
    return Retrained(
        **about, metrics=made.metrics, version=version, released=released, why_not=why_not
    )


def retrained_of(workspace: Workspace, version: Version, released: str, why_not: str) -> Retrained:
    """What came of the training of a version that is here, by its card."""
    return Retrained(
        model=version.model,
        snapshot=find_snapshot(workspace, version.card.snapshot, version.model),
        run=msgspec.convert(version.card.parameters[TRAINING], Run),
        metrics=version.card.metrics,
        version=version,
        released=released,
        why_not=why_not,
    )


def task_of(
    workspace: Workspace,
    given: tuple[Contract, Snapshot, LearnedRows],
    into: Path,
    who: str,
    seed: int | None = None,
    *,
    tested_rows: int | None = None,
) -> Task:
    """What a child is to train, its rows written into a folder of its own; `InvalidUsage` where
    they are too few. It is measured on the newest part, as the contract says, or on so many."""
    contract, snapshot, rows = given
    newest = share(contract.renew.newest)
    if tested_rows is not None:
        newest = tested_rows / len(rows.labels)
    learned, tested = parts_of(len(rows.labels), newest)
    for name, part in (("learned", learned), ("tested", tested)):
        examples = Examples(inputs=take(rows.inputs, part), expected=rows.labels[part])
        (into / name).write_bytes(encode_examples(examples))
    shown_at = rows.shown_at[learned]
    (into / "weights").write_bytes(encode({WEIGHT: rows.weights[learned], PLACE: shown_at}))
    served = served_of(workspace, snapshot, rows.features, (learned, tested), into)
    return Task(
        contract=contract,
        code=str(workspace.places.training),
        learned=str(into / "learned"),
        tested=str(into / "tested"),
        weights=str(into / "weights"),
        served=served,
        run=Run(
            snapshot=snapshot.id,
            content=snapshot.content,
            function=contract.renew.train,
            code=hash_of_code(workspace.places.training),
            seed=int(snapshot.content[:8], 16) if seed is None else seed,
            order=ORDER,
            rows=learned.stop,
            tested=tested.stop - tested.start,
            skipped={**snapshot.left_out, **rows.skipped},
            features="" if served is None else served.extractor,
            placed=int(np.count_nonzero(shown_at)),
            repeated=repeated_rows(take(rows.inputs, learned), rows.labels[learned]),
        ),
        card=_card(workspace, contract, snapshot, who),
        sign_with=str(workspace.places.signing_key),
        into=str(into),
    )


def _started(workspace: Workspace, task: Task, into: Path) -> Task:
    """From what the version that answers now left behind, where it left anything."""
    live = workspace.chain.current(task.contract.model)
    kept = workspace.places.kept / live.fingerprint if live is not None else None
    if live is None or kept is None or not kept.is_dir():
        return task
    copied = shutil.copytree(kept, into / BEFORE)
    run = structs.replace(task.run, started=live.fingerprint)
    return structs.replace(task, before=str(copied), run=run)


def _keep(workspace: Workspace, version: Version, left: Path) -> None:
    """Keep what a training left for the next one, whole or not at all."""
    place = workspace.places.kept / version.fingerprint
    if place.exists() or not any(left.iterdir()):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=place.parent))
    shutil.copytree(left, unfinished, dirs_exist_ok=True)
    unfinished.replace(place)


def _snapshot(workspace: Workspace, asked: Asked, contract: Contract, who: str) -> Snapshot:
    if asked.snapshot:
        return find_snapshot(workspace, asked.snapshot, asked.model)
    since_ns = asked.since_ns
    if since_ns is None:
        since_ns = workspace.clock.now_ns() - duration_ns(contract.renew.over)
    definition = define(workspace, asked.model, since_ns, without=asked.without)
    return take_snapshot(workspace, definition, actor=who)


def learned_rows(contract: Contract, snapshot: Snapshot, table: ArrowTable) -> LearnedRows:
    """The rows of a snapshot as the contract takes them today, and how many it does not."""
    features: Columns = {}
    if contract.renew.features == LOGGED:
        features = logged_features(snapshot, table)
    fitted = fit(contract, logged_inputs(contract, table), frozenset(), "the contract")
    if fitted.why:
        raise InvalidUsage(
            f"{snapshot} cannot be learned from: {fitted.why}",
            field="snapshot",
            got=snapshot.id,
            expected="a snapshot of decisions that the contract takes",
        )
    numbers = isinstance(contract.output, NumberOutput)
    told: list[Any] = table.column("label").to_pylist()
    labels = np.array(told, dtype=np.float64 if numbers else object)[fitted.rows]
    times_us = table.column("time_us").to_numpy()[fitted.rows]
    weights = np.ones(snapshot.rows)
    if WEIGHT in table.column_names:  # what was taken before there were any has none
        weights = table.column(WEIGHT).to_numpy().astype(np.float64)
    weights = weights[fitted.rows]
    shown_at = np.zeros(snapshot.rows, dtype=np.int64)
    if PLACE in table.column_names:  # only where a contract knows of places
        shown_at = table.column(PLACE).to_numpy().astype(np.int64)
    known = np.ones(len(labels), dtype=np.bool_)
    if not numbers:
        answers = frozenset(answers_of(contract))
        known = np.array([label in answers for label in labels.tolist()], dtype=np.bool_)
    skipped = {UNFIT: snapshot.rows - len(labels), STRANGE: int((~known).sum())}
    return LearnedRows(
        inputs=take(fitted.columns, known),
        labels=labels[known],
        times_us=times_us[known],
        weights=weights[known],
        skipped={why: count for why, count in skipped.items() if count},
        shown_at=shown_at[fitted.rows][known],
        features=take(take(features, fitted.rows), known),
        in_snapshot=fitted.rows[known],
    )


def _card(workspace: Workspace, contract: Contract, snapshot: Snapshot, who: str) -> Card:
    """Where the version will come from; `pack` adds what it finds out by itself."""
    revision, dirty = revision_of(workspace.places.training)
    fed_by = sorted({str(kind.from_model) for kind in kinds_from_models(contract).values()})
    pins: dict[str, str] = {}
    for model in fed_by:
        live = workspace.chain.current(model)
        if live is not None:
            pins[model] = live.fingerprint
    begin, end = snapshot.reaches
    return Card(
        packed_at="",
        author=who,
        snapshot=snapshot.id,
        window=(rfc3339(begin // 1000), rfc3339(end // 1000 + 1)),
        without=tuple(
            (rfc3339(first // 1000), rfc3339(last // 1000))
            for first, last in left_out_of(snapshot.definition)
        ),
        code_revision=revision,
        code_dirty=dirty,
        upstream=pins,
    )


def in_child(module: str, file: Path, answer: type[T], contract: Contract) -> T:
    """Let a child do what a file says, within the contract's limits."""
    renew = contract.renew
    seconds = duration_ns(renew.time) / 1e9
    within = TrialLimits(
        seconds=seconds + _BESIDE_SECONDS,
        memory_bytes=int(renew.memory_gb * _GIGABYTE),
        file_bytes=int(renew.disk_gb * _GIGABYTE),
    )
    try:
        through = shlex.split(renew.through)
        return ask_child(module, [str(file)], answer, within, what="the training", through=through)
    except InvalidBundle as error:
        if error.rule == "trial time" or error.got == signal.Signals.SIGALRM.name:
            raise InvalidUsage(
                f"{renew.train} took longer than it may, and was ended",
                field="renew.time",
                got=renew.time,
                expected="a longer time in the contract, fewer rows, or code that is faster",
            ) from error
        raise


def release(workspace: Workspace, version: Version, who: str) -> tuple[str, str]:
    """As the contract says that a version that was trained comes to answer; or why it does not."""
    wanted = Wanted()
    reason = f"trained on {find_snapshot(workspace, version.card.snapshot)}"
    try:
        strategy = strategy_of(workspace, version, wanted)
        if strategy == "direct":
            workspace.deploy(version.model, version.number, reason, actor=who)
        else:
            start_rollout(workspace, version, wanted, Wish(reason=reason), actor=who)
        return strategy, ""
    except MainstayError as error:
        said = f"{error.message}: {error.got}" if error.got is not None else error.message
        if isinstance(error, NotPassed) and error.is_worse:
            said += f"; `mainstay experiment data {version.model}` finds which new data made it so"
        _tell(workspace, version.model, who, version.fingerprint, said)
        return "", said


def _tell(workspace: Workspace, model: str, who: str, subject: str, words: str) -> None:
    """Keep as a finding what came of a run that did not come to answer."""
    finding = Finding(check=CHECK, verdict="fail", words=words)
    now_ns = workspace.clock.now_ns()
    event = Event(
        id=new_id(DecisionIds(new_incarnation(), workspace.clock)),
        kind="finding",
        time_ns=now_ns,
        known_ns=now_ns,
        model=model,
        actor=who,
        subject=subject,
        body=msgspec.structs.asdict(finding),
    )
    workspace.record([event])
