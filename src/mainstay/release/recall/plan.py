"""What a recall is going to do: which version is to answer, and why no newer one.

Promises that the version it chooses cannot have learned from the polluted stretch, nor from
anything quarantined before, was in force or passed the gate, was not left by going back, and can
be had. Whoever names a version may choose one of which nobody knows; never one that did learn
from it. Pure: everything is asked of `Known`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Version
from mainstay.release.model import path_back
from mainstay.release.recall.model import PassedOver, Plan, Side, Taint, Window
from mainstay.release.recall.port import Known
from mainstay.release.recall.taint import taint
from mainstay.serve.routes.model import Route


class Choice(NamedTuple):
    """The version that is to answer, why, and what changes along."""

    version: Version
    why: str
    along: tuple[str, ...]


def plan(known: Known, model: str, window: Window, to: int | None = None) -> Plan:
    """What recalling a model comes to. Without a version to answer with it offers what else can be
    done; `InvalidUsage` where `to` names one that must not."""
    versions = sorted(known.versions(), key=lambda each: -each.number)
    history = known.history()
    current = history[-1] if history else None
    windows = [window, *sorted(set(known.windows()) - {window})]
    judged = {each.fingerprint: taint(each, windows) for each in versions}
    # What is shown, and what answers now, is held against this stretch alone; what is gone back to
    # against everything that is quarantined.
    shown = [taint(each, [window]) for each in versions]
    suspects = tuple(each for each in shown if each.judged != "clean")
    bare = Plan(
        model=model,
        window=window,
        epoch=0 if current is None else current.epoch,
        live=None if current is None else _side(current),
        suspects=suspects,
        clean=len(shown) - len(suspects),
    )
    if current is None:
        return replace(bare, why="nothing answers for it")
    search = _Search(known, history, judged, {each.fingerprint: each for each in shown})
    if to is not None:
        chosen, passed = search.named(model, versions, to), []
    else:
        chosen, passed = search.newest(versions, current)
    if chosen is None:
        return replace(
            bare, passed_over=tuple(passed), offers=offers(model, window, search.doubtful(versions))
        )
    arms = any(arm.fingerprint != chosen.version.fingerprint for arm in current.arms)
    live = current.fingerprint == chosen.version.fingerprint
    spotless = {each.fingerprint for each in shown if each.judged == "clean"}
    tainted = any(arm.fingerprint not in spotless for arm in current.arms)
    moves = not live or (arms and (tainted or to is not None))
    return replace(
        bare,
        to=Side(number=chosen.version.number, fingerprint=chosen.version.fingerprint),
        why=chosen.why,
        moves=moves,
        along=chosen.along if moves else (),
        passed_over=tuple(passed),
    )


def _side(route: Route) -> Side:
    return Side(number=route.number, fingerprint=route.fingerprint)


class _Search:
    """Looks for a version to answer with."""

    def __init__(
        self,
        known: Known,
        history: Sequence[Route],
        judged: Mapping[str, Taint],
        alone: Mapping[str, Taint],
    ) -> None:
        """`judged` against all that is quarantined, `alone` against the stretch alone."""
        self._known = known
        self._judged = judged
        self._alone = alone
        self._path = {route.fingerprint: route for route in path_back(history)}
        self._ever = {route.fingerprint for route in history}
        self._now = history[-1].fingerprint

    def newest(
        self, versions: Sequence[Version], current: Route
    ) -> tuple[Choice | None, list[PassedOver]]:
        """What answers where that is clean, else the newest that may; and what was passed over."""
        live = next((each for each in versions if each.fingerprint == current.fingerprint), None)
        if live is not None and self._alone[live.fingerprint].judged == "clean":
            words = self._alone[live.fingerprint].words
            return Choice(live, f"it answers now; {words}", ()), []
        passed: list[PassedOver] = []
        for version in versions:
            found = self._tried(version, unsure=False)
            if isinstance(found, Choice):
                return found, passed
            passed.append(PassedOver(number=version.number, words=found))
        return None, passed

    def doubtful(self, versions: Sequence[Version]) -> int | None:
        """The newest version of which nobody knows, and that may be named all the same."""
        for version in versions:
            doubt = self._judged[version.fingerprint].judged == "unsure"
            if doubt and isinstance(self._tried(version, unsure=True), Choice):
                return version.number
        return None

    def named(self, model: str, versions: Sequence[Version], number: int) -> Choice:
        """The version that somebody asked for; `InvalidUsage` where it must not answer."""
        version = next((each for each in versions if each.number == number), None)
        if version is None:
            raise InvalidUsage(
                f"{model} has no version {number}",
                field="to",
                got=number,
                expected="one of " + ", ".join(f"v{each.number}" for each in versions[:10]),
            )
        found = self._tried(version, unsure=True)
        if isinstance(found, Choice):
            return found
        raise InvalidUsage(
            f"{model} v{number} cannot be gone back to: {found}",
            field="to",
            got=number,
            expected="a version from before; without --to the newest clean one is found",
        )

    def _tried(self, version: Version, *, unsure: bool) -> Choice | str:
        """The version with why it may answer, or why it must not. `unsure`: somebody named it."""
        answers = version.fingerprint == self._now
        said = (self._alone if answers else self._judged)[version.fingerprint]
        if said.judged == "trained" or (said.judged == "unsure" and not unsure):
            return said.words
        proof = self._proof(version.fingerprint, named=unsure)
        if not proof.passed:
            return proof.words
        along, why_not = self._known.fits(version)
        if why_not:
            return why_not
        doubt = f" (nobody knows whether it is clean: {said.words})"
        words = doubt if said.judged == "unsure" else f"; {said.words}"
        return Choice(version, proof.words + words, tuple(along))

    def _proof(self, fingerprint: str, *, named: bool) -> "_Proof":
        """That a version was good enough for somebody once."""
        route = self._path.get(fingerprint)
        if fingerprint == self._now:
            return _Proof("it answers now", passed=True)
        if route is not None:
            return _Proof(f"it was in force as epoch {route.epoch}, {_day(route)}", passed=True)
        if fingerprint in self._ever:
            words = "it answered once, and was left by going back"
            return _Proof(words, passed=named)
        verdict = self._known.verdict(fingerprint)
        if verdict is None:
            return _Proof("it was never in force, and never went through the gate", passed=False)
        words = f"gate `{verdict.id}`"
        if verdict.verdict != "pass":
            return _Proof(f"it was never in force, and did not pass ({words})", passed=False)
        return _Proof(f"it passed the {words}", passed=True)


class _Proof(NamedTuple):
    words: str
    passed: bool


def _day(route: Route) -> str:
    moment = datetime.fromtimestamp(route.time_ns // 1_000_000_000, UTC)
    return f"since {moment:%Y-%m-%d}"


def offers(model: str, window: Window, doubtful: int | None) -> tuple[str, ...]:
    """What can be done where no version is known to be clean."""
    named = () if doubtful is None else (f"`--to {doubtful}`: nobody knows of it, on your word",)
    return (
        *named,
        f"train and pack a version whose card has a `window` outside {window}, and deploy it",
        "`judge.hold` or `judge.fallback` in its contract, so that people or something else answer",
        f"`mainstay quarantine add {model} --window {window} --reason …`: for later snapshots",
    )
