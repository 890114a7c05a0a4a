"""Going back: deploying a version that answered before, with the same check and the same race."""

from collections.abc import Sequence

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.bundle.port import Registry
from mainstay.release.deploy import Check, put_live
from mainstay.release.model import Deployed, path_back
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain


def rollback(
    chain: RouteChain,
    registry: Registry,
    *,
    model: str,
    to: int | None,
    actor: str,
    reason: str,
    check: Check,
    expected_epoch: int | None = None,
) -> Deployed:
    """Let an earlier version answer again: the one before, or the number that `to` names.

    Rolling back twice goes two back; `release.model.path_back` says what "the one before" is.
    While a rollout gives a share of the units to another version, the one before is the live one:
    rolling back ends the rollout and leaves it alone in force.
    """
    history = chain.history(model)
    if not history:
        registry.find(model)
        raise NotFound(
            f"{model} never had a route, so there is nothing to go back to",
            field="model",
            got=model,
            expected=f"`mainstay deploy {model}` first",
        )
    if to is not None:
        version = registry.find(model, to)
    elif any(arm.role == "share" for arm in history[-1].arms):
        version = registry.find_fingerprint(history[-1].fingerprint)
    else:
        version = registry.find_fingerprint(_one_before(history).fingerprint)
    return put_live(chain, version, history[-1], actor, reason, check, expected_epoch)


def _one_before(history: Sequence[Route]) -> Route:
    path = path_back(history)
    if len(path) > 1:
        return path[-2]
    current = path[-1]
    others = sorted({each.number for each in history} - {current.number})
    answered = ", ".join(f"v{number}" for number in others)
    raise InvalidUsage(
        f"{current.model} v{current.number} is as far back as going back leads",
        field="to",
        got="the version before it",
        expected=f"a number to go to; {answered} answered before, and was left by going back"
        if others
        else "another version; none but this one ever answered",
    )
