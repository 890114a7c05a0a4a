"""Going live: check a version, then append it to its model's chain of routes.

Promises that what is appended passed the check just before, and that nobody else's deployment is
overwritten unseen: the place in the chain is taken before the check starts, so whoever deploys
meanwhile, however long the check takes, is first, and this deployment ends in `Conflict`.
"""

from collections.abc import Callable

from msgspec import structs

from mainstay.base.errors import Conflict
from mainstay.bundle.model import Version
from mainstay.bundle.port import Registry
from mainstay.release.model import Deployed
from mainstay.serve.routes.append import lost_to
from mainstay.serve.routes.model import Draft, Route
from mainstay.serve.routes.port import RouteChain

Check = Callable[[Version], None]
"""Raises when a version must not go live: it cannot be fetched, is not what it says, or fails its
trial."""


def deploy(
    chain: RouteChain,
    registry: Registry,
    *,
    model: str,
    number: int | None,
    actor: str,
    reason: str,
    check: Check,
    expected_epoch: int | None = None,
) -> Deployed:
    """Let a version answer for its model, by default the newest.

    `expected_epoch` is the epoch that the deployer saw (0: no route yet); when another one is in
    force, nothing happens but `Conflict`. A version that is live already is left as it is, and the
    answer says so with `changed`. When the store fails while the route is appended, it may have
    been kept: deploying again is safe, and then says that the version is live already.
    """
    version = registry.find(model, number)
    current = chain.current(model)
    return put_live(chain, version, current, actor, reason, check, expected_epoch)


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
    # With arms it is not alone in force: deploying it ends the rollout.
    if current is not None and current.fingerprint == version.fingerprint and not current.arms:
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
