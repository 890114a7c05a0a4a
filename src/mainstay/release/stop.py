"""Stopping: the version of a route answers no more, until another route is appended.

Promises that what is stopped is what was meant: the version that answers, or an arm beside it,
whose rollout ends with it; and that stopping what was stopped changes nothing. Taking it back is
deploying the version again, which asks no gate. Must never take away more than the model's own
answers: what its contract has for a fallback answers in its place.
"""

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.contract.model import Contract
from mainstay.serve.routes.model import Draft, Route


def stopping(
    current: Route | None, model: str, subject: str, actor: str, reason: str
) -> Draft | None:
    """The route that stops a version, by the beginning of its fingerprint (empty: the one that
    answers); nothing where it does not answer any more, and where it is stopped already."""
    if current is None:
        raise NotFound(
            f"{model} has no route, so nothing of it answers",
            field="model",
            got=model,
            expected="a model that is deployed",
        )
    arm = any(arm.fingerprint.startswith(subject) for arm in current.arms if arm.role != "shadow")
    live = current.fingerprint.startswith(subject)
    if current.stopped or not (live or arm):
        return None
    return Draft(
        model=current.model,
        number=current.number,
        fingerprint=current.fingerprint,
        actor=actor,
        reason=reason,
        stopped=reason if live else "",
    )


def check_falls_back(contract: Contract, number: int) -> None:
    """Refuse to stop a version that nothing would answer in the place of."""
    if not contract.judge.fallback:
        raise InvalidUsage(
            f"{contract.model} v{number} has nothing to fall back on",
            field="judge.fallback",
            got="none",
            expected="a chain of fallbacks in its contract, or to stop it",
        )
