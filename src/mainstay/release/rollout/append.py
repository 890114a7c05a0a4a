"""The rules of keeping rollouts, whatever they are kept in."""

from mainstay.base.errors import Conflict
from mainstay.release.rollout.model import Record


def article(strategy: str) -> str:
    """A strategy as a noun: a canary, an opt_back."""
    return f"an {strategy}" if strategy in {"ab", "opt_back"} else f"a {strategy}"


def goes_on(record: Record) -> Conflict:
    """What somebody is told who starts a rollout, or deploys, while one goes on."""
    rollout = record.rollout
    plan = rollout.plan
    what = f"{article(plan.strategy)} of {plan.model} {plan.candidate}"
    sooner = f"to let {plan.candidate} answer all at once"
    if plan.strategy == "opt_back":
        sooner = "to close the way back now"
    return Conflict(
        f"{what}, started by {plan.actor}, goes on (step {rollout.step + 1} of "
        f"{len(plan.steps)}, {rollout.status})",
        field="model",
        rule="one rollout at a time",
        got=plan.model,
        expected=f"its end; or `mainstay rollback {plan.model}` to end it, or `mainstay deploy "
        f"{plan.model}@{plan.candidate.number} --strategy direct` {sooner}",
    )


def changed_meanwhile(record: Record) -> Conflict:
    """What a driver is told whose picture of a rollout is old."""
    return Conflict(
        f"rollout {record.number} of {record.rollout.plan.model} was changed by somebody else",
        field="revision",
        got=record.revision,
        expected="the newest revision",
    )
