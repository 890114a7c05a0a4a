"""One deployment with everything that must change with it.

Stands between the verbs and the chain: what the plan takes along is tried out and judged beside
the version, and all of it becomes the routes in force at the same moment. The plan is made again
right before that, and every route it looked at must still be the one in force then, so a model
that somebody made depend on the old version meanwhile is not broken unseen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from mainstay.base.errors import Conflict
from mainstay.bundle.model import Version
from mainstay.release.cascade import Plan
from mainstay.release.deploy import Checks
from mainstay.release.gate.model import NotPassed, Verdict
from mainstay.serve.routes.append import AS_SEEN
from mainstay.serve.routes.model import Draft, Route
from mainstay.serve.routes.port import RouteChain

_ATTEMPTS_MAX: Final = 20
"""Each lost attempt means that some other model went live in the milliseconds between."""


class Planned(NamedTuple):
    """A plan, and the routes in force that it was made from."""

    plan: Plan
    routes: Mapping[str, Route]


class Together:
    """A chain, for one deployment, that changes what belongs together at the same moment."""

    def __init__(
        self, chain: RouteChain, planned: Callable[[Version], Planned], checks: Checks
    ) -> None:
        self._chain = chain
        self._make_plan = planned
        self._checks = checks
        self._version: Version | None = None
        self._began: Planned | None = None
        self.along: tuple[Route, ...] = ()
        """The other routes that changed."""

    @property
    def others(self) -> list[str]:
        """The models that go along."""
        return [] if self._began is None else [node.model for node in self._began.plan.along]

    def trial(self, version: Version) -> None:
        """Try out the version and all that goes along; `Breaks` when something would not fit."""
        self._version, self._began = version, self._make_plan(version)
        for node in self._began.plan.check().moves:
            self._checks.trial(node.version)

    def gate(self, version: Version, current: Route | None) -> Verdict:
        """The verdict on the version; `NotPassed` when one that goes along does not pass."""
        verdict = self._checks.gate(version, current)
        if verdict.allows and self._began is not None:
            plan, routes = self._began
            for node in plan.along:
                theirs = self._checks.gate(node.version, routes[node.model])
                if not theirs.allows:
                    raise NotPassed(theirs)
        return verdict

    def append(self, draft: Draft, replaces: int) -> Route:
        """Add the entry, and those of all that goes along; `Conflict` when the plan is no more."""
        assert self._version is not None
        assert self._began is not None
        plan, routes = self._began
        wanted = [(draft, replaces)]
        for node in plan.along:
            goes_along = Draft(
                model=node.model,
                number=node.version.number,
                fingerprint=node.version.fingerprint,
                actor=draft.actor,
                reason=f"goes along with {draft.model} v{draft.number}",
            )
            wanted.append((goes_along, routes[node.model].epoch))
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            now = self._make_plan(self._version)
            if _moves(now.plan.check()) != _moves(plan):
                raise _changed(draft)
            try:
                seen = {model: route.epoch for model, route in now.routes.items()}
                changed = self._chain.append_all(wanted, seen)
            except Conflict as conflict:
                if conflict.rule != AS_SEEN or attempt == _ATTEMPTS_MAX:
                    raise
                continue
            self.along = tuple(changed[1:])
            return changed[0]
        raise AssertionError("the last attempt returns or raises")

    def append_all(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """As the chain does."""
        return self._chain.append_all(wanted, seen)

    def current(self, model: str) -> Route | None:
        """The entry in force."""
        return self._chain.current(model)

    def all_current(self) -> Sequence[Route]:
        """The entry in force of every model."""
        return self._chain.all_current()

    def history(self, model: str) -> Sequence[Route]:
        """All entries of a model, oldest first."""
        return self._chain.history(model)


def _moves(plan: Plan) -> list[str]:
    return [node.version.fingerprint for node in plan.moves]


def _changed(draft: Draft) -> Conflict:
    return Conflict(
        f"while {draft.model} v{draft.number} was checked, models that it feeds or takes from "
        "changed, so something else would have to change with it now",
        field="cascade",
        got=f"{draft.model} v{draft.number}",
        expected="the same command again, if it should still go live",
    )
