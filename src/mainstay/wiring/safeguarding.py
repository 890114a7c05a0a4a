"""A safeguard of a workspace: what it learns from, its training, and what it is worth.

Promises that each decision counts once, with the first outcome that can be one; that shadows,
units that were held out and answers that are held back are left out, and that an answer without an
outcome is no example of anything; that answers which were declined, asked about or replaced by a
fallback count, for otherwise a safeguard would unlearn what it once withheld; and that a trained
version comes to answer through the same gate and strategy as any other.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.answers import output_names
from mainstay.bundle.assets import Examples, encode_examples
from mainstay.bundle.calibration import confidence
from mainstay.bundle.child import TrialLimits, ask_child
from mainstay.bundle.model import Card, Manifest, Version
from mainstay.contract.columns import Column, Columns
from mainstay.contract.load import load_contract
from mainstay.contract.model import (
    Assets,
    Contract,
    Label,
    NumberOutput,
    Output,
    Probability,
    logged_name,
)
from mainstay.contract.safeguards import RIGHT_OR_WRONG, Safeguard, guard_of
from mainstay.journal.quoting import quoted
from mainstay.judge.effect import Effect, Guarded, effect_of
from mainstay.judge.learning import OUTCOMES, Learned, Task, too_few
from mainstay.judge.safeguard import RISK, unfit_guard
from mainstay.judge.said import asked_kinds, offered, sayer, wrong_answers
from mainstay.judge.sense import Sense
from mainstay.release.gate.habits import column_of
from mainstay.release.gate.rows import fit
from mainstay.release.gate.run import Wish
from mainstay.release.refresh import truth_of
from mainstay.wiring.rollouts import Wanted, start_rollout, strategy_of
from mainstay.wiring.workspace import Workspace

DECISIONS_MAX: Final = 100_000
"""The newest so many are looked at."""
TRAINING: Final = TrialLimits(seconds=1200.0)
NO_SAFEGUARD: Final = Safeguard()


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training."""

    model: str
    of: Version
    """The version whose errors were learned."""
    learned: Learned
    version: Version | None = None
    """The safeguard's new version; nothing where it is unsure."""
    strategy: str = ""
    """How it comes to answer."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Logged:
    """The decisions of one version whose outcome is known, oldest first."""

    version: Version
    manifest: Manifest
    inputs: Columns
    """What a safeguard would be shown of each."""
    wrong: Column
    risk: Column
    """What one said of it at the time; NaN where none did."""
    sure: Column | None
    times: tuple[str, str]
    digest: str


def trained(
    workspace: Workspace, model: str, number: int | None, since_ns: int | None, actor: str | None
) -> Trained:
    """Train a safeguard for a version, by default the live one, keep it and let it go live."""
    found = logged(workspace, model, number, since_ns)
    contract = contract_of_guard(workspace, found.manifest.contract)
    why = too_few(found.wrong)
    if why:
        labels, wrong = len(found.wrong), int(found.wrong.sum())
        learned = Learned(verdict="unsure", words=why, labels=labels, wrong=wrong)
        return Trained(model=contract.model, of=found.version, learned=learned)
    with tempfile.TemporaryDirectory(prefix="mainstay-safeguard-") as folder:
        learned = _taught(workspace, found, contract, Path(folder))
        if learned.verdict == "unsure":
            return Trained(model=contract.model, of=found.version, learned=learned)
        version = workspace.admit(Path(learned.file), actor)
    reason = f"trained on {len(found.wrong)} outcomes of {found.version}"
    strategy = _put_live(workspace, version, reason, actor)
    learned = msgspec.structs.replace(learned, file="")
    return Trained(
        model=contract.model, of=found.version, learned=learned, version=version, strategy=strategy
    )


def _taught(workspace: Workspace, found: Logged, contract: Contract, folder: Path) -> Learned:
    """Let a child do the work."""
    examples = folder / "decisions.columns"
    shown = {name: found.inputs[name] for name in contract.inputs}
    label = found.wrong.astype(np.int64)
    examples.write_bytes(encode_examples(Examples(inputs=shown, label=label)))
    main = found.version
    card = Card(
        packed_at="",
        snapshot=f"outcomes of {main.model} v{main.number}, {found.digest}",
        window=found.times,
        code_revision=main.card.code_revision,
        upstream={main.model: main.fingerprint},
    )
    task = Task(
        contract=contract,
        examples=str(examples),
        card=card,
        sign_with=str(workspace.places.signing_key),
        into=str(folder),
    )
    file = folder / "task.json"
    file.write_bytes(msgspec.json.encode(task))
    return ask_child("mainstay.judge.learning", [str(file)], Learned, TRAINING, what="the training")


def _put_live(workspace: Workspace, version: Version, reason: str, actor: str | None) -> str:
    """As the contract says that a version comes to answer."""
    wanted = Wanted()
    strategy = strategy_of(workspace, version, wanted)
    if strategy == "direct":
        workspace.deploy(version.model, version.number, reason, actor=actor)
    else:
        start_rollout(workspace, version, wanted, Wish(reason=reason), actor=actor)
    return strategy


def contract_of_guard(workspace: Workspace, main: Contract) -> Contract:
    """The contract of a model's safeguard: the settings of its file in the workspace, if there is
    one, with the inputs and the output that it must have."""
    safeguard = main.judge.safeguard or NO_SAFEGUARD
    name = guard_of(main.model, safeguard).model
    about = f"How probably an answer of {main.model} is wrong."
    made = Contract(
        model=name,
        about=about,
        inputs=offered(main),
        output=Probability(classes=RIGHT_OR_WRONG),
        assets=Assets(metric="roc_auc", acceptable=(0.5, 1.0)),
    )
    file = workspace.places.contracts / f"{name}.yaml"
    if file.is_file():
        own = load_contract(file)
        made = msgspec.structs.replace(
            own, model=name, inputs=made.inputs, context={}, lookups={}, output=made.output
        )
    why = unfit_guard(main, made)
    if why:
        raise InvalidUsage(f"{main.model} cannot have a safeguard: {why}", field="model")
    return made


def outcomes_known(workspace: Workspace, version: Version) -> int:
    """How many answers of a version could be learned from, at most."""
    table = workspace.journal.query(
        "SELECT count(DISTINCT decisions.id) AS known FROM decisions"  # noqa: S608  # because names are quoted
        " JOIN events ON events.subject = decisions.id"
        f" WHERE {_heard(version)} AND {_told(version)}"
    )
    return int(table.column("known").to_pylist()[0])


def outcomes_learned(workspace: Workspace, version: Version, guard: str) -> int:
    """How many the newest safeguard that was made for a version was made of."""
    for made in reversed(workspace.registry.versions(guard)):
        if made.card.upstream.get(version.model) in _marks(version):
            return int(made.card.parameters.get(OUTCOMES, 0))
    return 0


def effect(
    workspace: Workspace, model: str, number: int | None, since_ns: int | None
) -> tuple[Version, Effect]:
    """What the safeguard of a version did."""
    found = logged(workspace, model, number, since_ns)
    safeguard = found.manifest.contract.judge.safeguard
    if safeguard is None:
        raise InvalidUsage(
            f"{found.version} has no safeguard, so there is no effect of one",
            field="model",
            got=model,
            expected="a version whose contract has judge.safeguard",
        )
    history = Guarded(risk=found.risk, wrong=found.wrong, sure=found.sure)
    return found.version, effect_of(history, safeguard.at_most)


def logged(workspace: Workspace, model: str, number: int | None, since_ns: int | None) -> Logged:
    """What is known of a version's answers, by default of the one that answers now."""
    current = workspace.chain.current(model)
    if number is None and current is not None:
        number = current.number
    version = workspace.registry.find(model, number)
    manifest = workspace.unpacked(version.fingerprint).manifest
    output = manifest.contract.output
    if not isinstance(output, (Probability, Label, NumberOutput)):
        kind = output.__struct_config__.tag
        raise InvalidUsage(
            f"{version} answers with a {kind}, which is never plainly wrong",
            field="model",
            got=model,
            expected="a model that answers with probability, label or number",
        )
    wrong_by = (manifest.contract.judge.safeguard or NO_SAFEGUARD).wrong_by
    if isinstance(output, NumberOutput) and wrong_by is None:
        raise InvalidUsage(
            f"nothing says how far from the truth an answer of {version} is wrong",
            field="judge.safeguard.wrong_by",
            expected="a contract with judge.safeguard: {wrong_by: …}",
        )
    since = 0 if since_ns is None else workspace.clock.now_ns() - since_ns
    table = _table(workspace, version, manifest.contract, since)
    return _logged(version, manifest, table, wrong_by)


def _table(workspace: Workspace, version: Version, contract: Contract, since_ns: int) -> Any:
    """The newest decisions with an outcome, oldest first."""
    own = [logged_name(name, contract.inputs) for name, _ in asked_kinds(contract).values()]
    outputs = [f"output_{name}" for name in output_names(contract.output)]
    wanted = ", ".join(map(quoted, ("id", "time", f"judged_{RISK}", *outputs, *own)))
    sql = (
        f"SELECT COLUMNS(lambda c: c IN ({wanted})), heard.bodies AS heard FROM decisions JOIN"  # noqa: S608  # because names are quoted and the rest are numbers
        " (SELECT subject, list(body ORDER BY known_ns, id) AS bodies FROM events"
        f" WHERE {_heard(version)} GROUP BY subject) AS heard ON heard.subject = decisions.id"
        f" WHERE {_told(version)} AND epoch_ns(time) >= {since_ns}"
        f" ORDER BY decisions.id DESC LIMIT {DECISIONS_MAX}"
    )
    return workspace.journal.query(sql)


def _marks(version: Version) -> list[str]:
    """The fingerprints whose model this is."""
    refreshed = version.card.confidence
    return [version.fingerprint, *([] if refreshed is None else [refreshed.of])]


def _heard(version: Version) -> str:
    """Which events are outcomes of a model's answers."""
    said = """body LIKE '%"label":%'"""
    return f"events.kind = 'outcome' AND events.model = {quoted(version.model)} AND {said}"


def _told(version: Version) -> str:
    """Which decisions are examples of a version's answers."""
    marks = ", ".join(map(quoted, _marks(version)))
    return f"fingerprint IN ({marks}) AND arm NOT IN ('shadow', 'held_out') AND status <> 'held'"


def _logged(version: Version, manifest: Manifest, table: Any, wrong_by: float | None) -> Logged:
    contract = manifest.contract
    output, rows = contract.output, int(table.num_rows)
    names = set(table.column_names)
    backwards = np.arange(rows)[::-1]
    truths = [_first_truth(contract, bodies) for bodies in table.column("heard").to_pylist()]
    truth = np.array([np.nan if each is None else each for each in truths], dtype=np.float64)
    raw = _raw(output, table, names)
    good = Sense(contract)(raw) & ~np.isnan(truth)
    kept = backwards[good[backwards]]
    given: Columns = {
        shown: column_of(table.column(logged_name(own, contract.inputs)), kind)[kept]
        for shown, (own, kind) in asked_kinds(contract).items()
        if logged_name(own, contract.inputs) in names
    }
    given |= sayer(output, manifest.calibration)(raw[kept])
    shape = Contract(model="safeguard", inputs=offered(contract), output=output)
    fitted = fit(shape, given, frozenset(), "the safeguard") if len(kept) else None
    places = kept[fitted.rows] if fitted is not None else kept
    risk = np.full(rows, np.nan)
    if f"judged_{RISK}" in names:
        said = table.column(f"judged_{RISK}").to_pylist()
        risk = np.array([np.nan if each is None else each for each in said], dtype=np.float64)
    ids = table.column("id").take(places).to_pylist()
    sure = None
    if isinstance(output, Probability):
        sure = confidence(output, manifest.calibration)(raw[places])
    return Logged(
        version=version,
        manifest=manifest,
        inputs=fitted.columns if fitted is not None else {},
        wrong=_wrong(output, raw[places], truth[places], wrong_by),
        risk=risk[places],
        sure=sure,
        times=_times(table, places),
        digest=blake2b("\n".join(ids).encode(), digest_size=8).hexdigest(),
    )


def _first_truth(contract: Contract, bodies: list[str]) -> float | int | None:
    """The first outcome that can be one; what is no class of the output teaches nothing."""
    return next((t for body in bodies if (t := truth_of(contract, body)) is not None), None)


def _raw(output: Output, table: Any, names: set[str]) -> Column:
    """What the model itself put out, also where something else answered."""
    columns: list[Column] = []
    for name in output_names(output):
        column = f"output_{name}"
        values = table.column(column).to_pylist() if column in names else [None] * table.num_rows
        columns.append(np.array([np.nan if v is None else v for v in values], dtype=np.float64))
    if isinstance(output, Label):
        return np.where(np.isnan(columns[0]), -1, columns[0]).astype(np.int64)
    return columns[0] if isinstance(output, NumberOutput) else np.column_stack(columns)


def _wrong(output: Output, raw: Column, truth: Column, wrong_by: float | None) -> Column:
    if not isinstance(output, NumberOutput):
        truth = truth.astype(np.int64)
    return wrong_answers(output, raw, truth, wrong_by).astype(np.bool_)


def _times(table: Any, places: Column) -> tuple[str, str]:
    """The moments of the first and the last decision, RFC 3339."""
    if not len(places):
        return "", ""
    moments = table.column("time").take([int(places[0]), int(places[-1])]).to_pylist()
    first, last = (
        each.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for each in moments
    )
    return first, last
