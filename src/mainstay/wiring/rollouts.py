"""Rollouts of one workspace: how one is started, and what its keeper does for those that go on."""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from msgspec import structs

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.base.ids import new_incarnation
from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.bundle.model import Version
from mainstay.contract.model import Contract, NumberOutput, VectorOutput
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.release.gate.model import NotPassed
from mainstay.release.gate.run import Wish
from mainstay.release.rollout.append import goes_on
from mainstay.release.rollout.controllers import begin
from mainstay.release.rollout.drive import Driver, going_on
from mainstay.release.rollout.evidence import JournalEvidence
from mainstay.release.rollout.experiments import HALF
from mainstay.release.rollout.model import Evidence, Plan, Record, Rollout, Side, Strategy
from mainstay.serve.mixture import why_not
from mainstay.serve.routes.model import Draft, Route
from mainstay.wiring.workspace import Workspace, whoever_runs_this

Say = Callable[[str], None]
_DAY_NS: Final = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """How somebody wants a version released; what is not said is as the contract has it."""

    strategy: Strategy | None = None
    steps: tuple[str, ...] = ()
    bake: str = ""
    until: str = ""
    """How long people may go back."""
    tell: str = ""
    """What they are told that changed."""


_USED: Final[Mapping[Strategy, tuple[str, ...]]] = {
    "canary": ("steps", "bake"),
    "gradual": ("steps", "bake"),
    "shadow": ("bake",),
    "ab": ("bake",),
    "bandit": ("bake",),
    "opt_back": ("until", "tell"),
}
"""Strategy to what can be asked for with it."""


def strategy_of(workspace: Workspace, version: Version, wanted: Wanted) -> Strategy:
    """By which strategy a version is to go live; the first one of a model always at once."""
    asked = wanted.strategy
    if workspace.chain.current(version.model) is None:
        if asked not in {None, "direct"}:
            raise InvalidUsage(
                f"nothing answers for {version.model} yet that could be compared with, or gone "
                "back to",
                field="strategy",
                got=asked,
                expected="--strategy direct for the first version",
            )
        return _without_effect(wanted, "direct")
    return _without_effect(
        wanted, asked or _contract(workspace, version.fingerprint).release.strategy
    )


def _without_effect(wanted: Wanted, strategy: Strategy) -> Strategy:
    """The strategy, once nothing was asked for that it does not have."""
    used = _USED.get(strategy, ())
    for name in ("steps", "bake", "until", "tell"):
        if getattr(wanted, name) and name not in used:
            others = [each for each, names in _USED.items() if name in names]
            raise InvalidUsage(
                f"--{name} has no effect here: {strategy} has no {name}",
                field=name,
                got=str(getattr(wanted, name)),
                expected=f"--strategy {' or '.join(others)}, or no --{name}",
            )
    return strategy


def start_rollout(
    workspace: Workspace,
    version: Version,
    wanted: Wanted,
    wish: Wish,
    *,
    actor: str | None = None,
    expected_epoch: int | None = None,
) -> Record:
    """Begin a rollout of a version that passes the gate; the keeper takes every step of it."""
    who = actor or whoever_runs_this()
    workspace.check_environment()
    going = going_on(workspace.rollouts, workspace.chain, version.model, workspace.clock.now_ns())
    if going is not None:
        raise goes_on(going)
    current = workspace.chain.current(version.model)
    if current is None or current.fingerprint == version.fingerprint:
        raise InvalidUsage(
            f"{version} is live already" if current else f"{version.model} has no route yet",
            field="version",
            got=version.number,
            expected="a version other than the one that answers now",
        )
    if expected_epoch is not None and current.epoch != expected_epoch:
        raise _moved(version, current)
    if current.stopped:
        raise InvalidUsage(
            f"v{current.number} was stopped, so nothing answers that {version} could be compared "
            "with, or that could be gone back to",
            field="strategy",
            got=wanted.strategy,
            expected=f"--strategy direct, or `mainstay rollback {version.model}` first",
        )
    _alone(workspace, version)
    contract = _contract(workspace, version.fingerprint)
    plan = _plan(contract, version, current, wanted, (who, wish.reason))
    if plan.strategy == "opt_back":
        _offer_way_back(workspace, contract, plan)
        until_ns = workspace.clock.now_ns() + _until_ns(contract, wanted)
        plan = structs.replace(plan, until_ns=until_ns)
    verdict = workspace.gate(version.model, version.number, wish=wish, actor=who)
    if verdict.epoch != current.epoch:
        raise _moved(version, workspace.chain.current(version.model) or current)
    if not verdict.allows:
        raise NotPassed(verdict)
    return workspace.rollouts.start(begin(plan, current.epoch, workspace.clock.now_ns()))


def _alone(workspace: Workspace, version: Version) -> None:
    """Refuse what must take other models along: a set goes live at one moment."""
    along = workspace.cascades.planned(version).plan.check().along
    if along:
        others = ", ".join(map(str, along))
        raise InvalidUsage(
            f"{version} takes {others} along, and a set goes live at one moment",
            field="strategy",
            got=version.number,
            expected="--strategy direct",
        )


def _plan(
    contract: Contract, version: Version, current: Route, wanted: Wanted, who: tuple[str, str]
) -> Plan:
    release = contract.release
    strategy = wanted.strategy or release.strategy
    steps = tuple(share(text) for text in wanted.steps or release.steps)
    if strategy in {"shadow", "opt_back"}:
        steps = (1.0,)
    if strategy == "shadow" and not share(release.shadow):
        raise InvalidUsage(
            "a shadow of 0 % sees nothing",
            field="release.shadow",
            got=release.shadow,
            expected="100 %, or less to spare, in the contract; or another strategy",
        )
    if strategy in {"ab", "bandit"}:
        _comparable(contract, strategy)
        steps = (HALF, 1.0)
    growing = all(first < second for first, second in zip((0.0, *steps), steps, strict=False))
    if not steps or not growing or steps[-1] != 1.0:
        raise InvalidUsage(
            "the steps of a rollout grow, and the last one is 100 %",
            field="steps",
            got=", ".join(wanted.steps),
            expected="shares such as 1 %, 10 %, 50 %, 100 %",
        )
    return Plan(
        model=version.model,
        strategy=strategy,
        candidate=Side(number=version.number, fingerprint=version.fingerprint),
        current=Side(number=current.number, fingerprint=current.fingerprint),
        steps=steps,
        bake_ns=duration_ns(wanted.bake or release.bake),
        worse_by=release.worse_by,
        false_alarms=share(release.false_alarms),
        slower_by=contract.gate.slower_by,
        unit=release.unit,
        salt=f"{new_incarnation():08x}",
        actor=who[0],
        reason=who[1],
        decide_ns=duration_ns(release.decide_by),
        floor=share(release.floor),
        share_by=release.share_by,
        shadow=share(release.shadow),
        tell=wanted.tell or release.notes,
    )


def _offer_way_back(workspace: Workspace, contract: Contract, plan: Plan) -> None:
    """Refuse a way back that people could not take, or would not know of."""
    if not plan.tell.strip():
        raise InvalidUsage(
            "people who may go back must be told what changed",
            field="tell",
            expected='`--tell "It knows more countries."`, or `notes` under `release` in the '
            "contract",
        )
    if len(plan.tell) > WORDS_MAX_CHARACTERS:
        raise InvalidUsage(
            f"what people are told is longer than {WORDS_MAX_CHARACTERS} characters",
            field="tell",
            got=len(plan.tell),
            expected=f"at most {WORDS_MAX_CHARACTERS} characters",
        )
    before = _contract(workspace, plan.current.fingerprint)
    why = why_not(contract, before, plan.unit)
    if why:
        raise InvalidUsage(
            f"{plan.current} could not answer beside {plan.candidate}: {why}",
            field="strategy",
            got="opt_back",
            expected="--strategy direct, or a version with the same inputs and form of output",
        )


def _until_ns(contract: Contract, wanted: Wanted) -> int:
    """How long people may go back."""
    text = wanted.until or contract.release.opt_back_until
    period_ns = duration_ns(text)
    if not _DAY_NS // 86_400 <= period_ns <= 365 * _DAY_NS:
        raise InvalidUsage(
            f"people cannot go back for {text}",
            field="until",
            got=text,
            expected="a time from 1s to 365d, such as 14d",
        )
    return period_ns


def _comparable(contract: Contract, strategy: Strategy) -> None:
    """Refuse to compare what no outcome calls right or wrong."""
    if isinstance(contract.output, NumberOutput | VectorOutput):
        kind = contract.output.__struct_config__.tag
        raise InvalidUsage(
            f"{strategy} goes by right and wrong answers, and those of type {kind} are neither",
            field="strategy",
            got=strategy,
            expected="--strategy shadow, canary or gradual",
        )


def _moved(version: Version, current: Route) -> Conflict:
    return Conflict(
        f"{current.actor} made {current.model} v{current.number} live meanwhile, as epoch "
        f"{current.epoch}",
        field="model",
        got=version.model,
        expected="the same command again, if it should still be released",
    )


def _contract(workspace: Workspace, fingerprint: str) -> Contract:
    return workspace.unpacked(fingerprint).manifest.contract


class RolloutKeeper:
    """The keeper's duty: every rollout that goes on gets a look."""

    def __init__(self, workspace: Workspace, say: Say) -> None:
        @cache
        def contract_of(fingerprint: str) -> Contract:
            return _contract(workspace, fingerprint)

        evidence = JournalEvidence(
            workspace.journal,
            contract_of,
            workspace.clock.now_ns,
        )

        def look(rollout: Rollout, newest: Route | None) -> Evidence:
            plan = rollout.plan
            if plan.strategy != "opt_back":
                return evidence.look(rollout, newest)
            back = workspace.choices.went_back(plan.model, plan.salt)
            return Evidence(newest=newest, went_back=back)

        holder = f"{socket.gethostname()} {os.getpid()} {new_incarnation():08x}"
        self._driver = Driver(
            workspace.rollouts,
            _ToldChain(workspace),
            look,
            workspace.clock,
            holder,
            say,
            workspace.remind,
        )
        self._one_at_a_time = threading.Lock()

    def tick(self) -> None:
        """One look at each."""
        with self._one_at_a_time:
            self._driver.tick()


class _ToldChain:
    """The chain of a workspace, whose journal hears of every route."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add an entry, and tell the journal."""
        return self._workspace.append_route(draft, replaces)

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add the entries of several models at the same moment, and tell the journal."""
        return self._workspace.append_routes(wanted, seen)

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        return self._workspace.chain.current(model)

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        return self._workspace.chain.all_current()

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        return self._workspace.chain.history(model)
