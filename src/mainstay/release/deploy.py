"""Going live: check a version, then append it to its model's chain of routes.

Promises that what is appended passed the check just before and, where it is new, has a verdict of
the gate that lets it through and was made against the very route it replaces; and that nobody
else's deployment is overwritten unseen: the place in the chain is taken before the check starts, so
whoever deploys meanwhile, however long the check takes, is first, and this deployment ends in
`Conflict`.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import structs

from mainstay.base.errors import Conflict
from mainstay.bundle.model import Version
from mainstay.bundle.port import Registry
from mainstay.release.gate.model import NotPassed, Verdict
from mainstay.release.model import Deployed
from mainstay.serve.routes.append import lost_to
from mainstay.serve.routes.model import Draft, Route
from mainstay.serve.routes.port import RouteChain

Check = Callable[[Version], None]
"""Raises when a version must not go live: it cannot be fetched, is not what it says, or fails its
trial."""
Gate = Callable[[Version, Route | None], Verdict]
"""The gate's verdict on a version against the route in force, already kept."""


class Checks(NamedTuple):
    """What stands between a version and its route."""

    trial: Check
    gate: Gate


def deploy(
    chain: RouteChain,
    registry: Registry,
    *,
    model: str,
    number: int | None,
    actor: str,
    reason: str,
    checks: Checks,
    expected_epoch: int | None = None,
) -> Deployed:
    """Let a version answer for its model, by default the newest; `NotPassed` when the gate says no.

    `expected_epoch` is the epoch that the deployer saw (0: no route yet); when another one is in
    force, nothing happens but `Conflict`. A version that is live already is left as it is, and the
    answer says so with `changed`. When the store fails while the route is appended, it may have
    been kept: deploying again is safe, and then says that the version is live already.
    """
    version = registry.find(model, number)
    current = chain.current(model)
    verdicts: list[str] = []

    def checked(version: Version) -> None:
        checks.trial(version)
        if current is None or current.fingerprint != version.fingerprint:
            verdict = checks.gate(version, current)
            _hold_to(verdict, version, current)
            verdicts.append(verdict.id)

    deployed = put_live(chain, version, current, actor, reason, checked, expected_epoch)
    return structs.replace(deployed, verdict=verdicts[0]) if verdicts else deployed


def _hold_to(verdict: Verdict, version: Version, current: Route | None) -> None:
    """Refuse what the verdict does not let through, and a verdict that is about something else."""
    epoch = current.epoch if current is not None else 0
    if (verdict.candidate, verdict.epoch) != (version.fingerprint, epoch):
        raise Conflict(
            f"the verdict {verdict.id} is about another version or another route",
            field="verdict",
            got=f"{verdict.candidate[:12]} at epoch {verdict.epoch}",
            expected=f"{version.fingerprint[:12]} at epoch {epoch}",
        )
    if not verdict.allows:
        raise NotPassed(verdict)


def put_live(  # because the two verbs that call it pass on exactly these
    chain: RouteChain,
    version: Version,
    current: Route | None,
    actor: str,
    reason: str,
    check: Check,
    expected_epoch: int | None,
) -> Deployed:
    """What deploying and rolling back have in common: everything but the choice of the version."""
    epoch = current.epoch if current is not None else 0
    if expected_epoch is not None and expected_epoch != epoch:
        raise _not_as_seen(version.model, current, expected_epoch)
    # With arms it is not alone in force: deploying it ends the rollout. If it was stopped, it does
    # not answer: deploying it lets it.
    alone = current is not None and not current.arms and not current.stopped
    if current is not None and alone and current.fingerprint == version.fingerprint:
        return Deployed(**structs.asdict(current), changed=False)
    check(version)
    draft = Draft(
        model=version.model,
        number=version.number,
        fingerprint=version.fingerprint,
        actor=actor,
        reason=reason,
    )
    route = chain.append(draft, epoch)
    replaced = current.number if current is not None else None
    if replaced == version.number:
        replaced = None
    return Deployed(**structs.asdict(route), changed=True, replaced=replaced)


def _not_as_seen(model: str, current: Route | None, expected_epoch: int) -> Conflict:
    if current is not None and current.epoch > expected_epoch:
        return lost_to(current, expected_epoch)
    newest = current.epoch if current is not None else 0
    return Conflict(
        f"{model} has no epoch {expected_epoch}",
        field="expected_epoch",
        got=expected_epoch,
        expected=f"{newest}, the newest" if newest else "0: it has no route yet",
    )
