"""The rules of keeping rollouts, whatever they are kept in."""

from mainstay.base.errors import Conflict
from mainstay.release.rollout.model import Record


def goes_on(record: Record) -> Conflict:
    """What somebody is told who starts a rollout, or deploys, while one goes on."""
    rollout = record.rollout
    plan = rollout.plan
    return Conflict(
        f"a {plan.strategy} of {plan.model} {plan.candidate}, started by {plan.actor}, goes on"
        f" (step {rollout.step + 1} of {len(plan.steps)}, {rollout.status})",
        field="model",
        rule="one rollout at a time",
        got=plan.model,
        expected=f"its end; or `mainstay rollback {plan.model}` to end it, or `mainstay deploy "
        f"{plan.model}@{plan.candidate.number} --strategy direct` to let {plan.candidate} answer "
        "all at once",
    )


def changed_meanwhile(record: Record) -> Conflict:
    """What a driver is told whose picture of a rollout is old."""
    return Conflict(
        f"rollout {record.number} of {record.rollout.plan.model} was changed by somebody else",
        field="revision",
        got=record.revision,
        expected="the newest revision",
    )
