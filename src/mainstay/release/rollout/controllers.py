"""What a rollout does next: a pure function of how far it is, what was seen, and the time.

    direct    one step to 100 %
    shadow    beside the current version, unseen, for the bake time; then 100 %, or nothing
    canary    step by step, and unseen beside the current version, so that each outcome judges
              both; back at proven harm; a step waits until the next one's cost is bounded
    gradual   step by step as time passes; back at proven harm, but doubt does not stop it
    ab        half and half until a difference is shown, or its planned size or time is reached
    bandit    shares that follow what is learned, until one version is proven the best
    opt_back  100 % at once, and whoever wants may go back to the old version until a day

Promises that a step is only ever taken from the route it knows of: when somebody else changed the
route, the rollout ends as overtaken and touches nothing. Reads no clock, store or chain.
"""

from typing import Literal

from msgspec import structs

from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.contract.finding import Finding, worst
from mainstay.release.rollout.compare import compare, compare_shadow
from mainstay.release.rollout.experiments import Choice, decide, is_due, is_experiment, outline
from mainstay.release.rollout.model import (
    Evidence,
    Pending,
    Plan,
    Rollout,
    Side,
    Status,
    spoken,
)
from mainstay.release.rollout.opt_back import is_over, sunset, way_back
from mainstay.serve.routes.model import Arm, Draft, Route


def begin(plan: Plan, epoch: int, now_ns: int) -> Rollout:
    """A rollout that has done nothing yet; `epoch` is the entry in force."""
    return Rollout(
        plan=plan, started_ns=now_ns, since_ns=now_ns, epoch=epoch, first_epoch=epoch,
        words="about to begin",
    )  # fmt: skip


def step(rollout: Rollout, seen: Evidence, now_ns: int) -> Rollout:
    """The rollout after one look; with `pending` where a route is to be appended."""
    if not rollout.active or rollout.pending is not None:
        return rollout
    if seen.newest is None or seen.newest.epoch != rollout.epoch:
        return overtaken(rollout, seen.newest, now_ns)
    if rollout.step < 0:
        return _take_step(rollout, 0)
    if rollout.plan.strategy == "opt_back":
        return _wait_for_sunset(rollout, seen, now_ns)
    if is_experiment(rollout.plan):
        if not is_due(rollout, now_ns):
            return rollout
        choice = decide(rollout, seen, now_ns)
        return _follow(structs.replace(rollout, looked_ns=now_ns), choice)
    following = _share_after(rollout)
    findings = (
        compare_shadow(rollout.plan, seen)
        if rollout.plan.strategy == "shadow"
        else compare(rollout.plan, seen, following)
    )
    looked = structs.replace(rollout, findings=findings)
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if failed:
        return _go_back(looked, failed)
    left_ns = rollout.since_ns + rollout.plan.bake_ns - now_ns
    if left_ns > 0:
        return structs.replace(
            looked, status="running", words=f"{spoken(left_ns)} left of this step"
        )
    if worst(findings) == "unsure" and rollout.plan.strategy != "gradual":
        return structs.replace(looked, status="paused", words=_doubts(findings))
    return _take_step(looked, rollout.step + 1)


def arrived(rollout: Rollout, route: Route) -> Rollout:
    """The rollout once its pending route is in the chain."""
    pending = rollout.pending
    assert pending is not None
    shares = dict(rollout.shares)
    if pending.status in {"running", "paused"}:
        shares[route.epoch] = pending.draft.arms[0].share
    return structs.replace(
        rollout,
        epoch=route.epoch,
        since_ns=route.time_ns,
        status=pending.status,
        step=pending.step,
        shares=shares,
        pending=None,
        words=pending.draft.reason,
    )


def is_of(pending: Pending, route: Route) -> bool:
    """Whether a route of the chain is the one that was pending."""
    there = Draft(**{name: getattr(route, name) for name in Draft.__struct_fields__})
    return route.epoch == pending.replaces + 1 and there == pending.draft


def overtaken(rollout: Rollout, newest: Route | None, now_ns: int) -> Rollout:
    """The rollout once somebody else changed the route."""
    who = (
        f"{newest.actor} made v{newest.number} live as epoch {newest.epoch}"
        + (f", because: {newest.reason}" if newest.reason else "")
        if newest is not None
        else "the chain of routes is gone"
    )
    return structs.replace(
        rollout, status="overtaken", pending=None, words=f"ended: {who}", since_ns=now_ns
    )


def _follow(rollout: Rollout, choice: Choice) -> Rollout:
    """The rollout of an A/B test or a bandit once it is decided what follows from a look."""
    plan = rollout.plan
    looked = structs.replace(rollout, findings=choice.findings)
    match choice.kind:
        case "promote":
            draft = _alone(plan, plan.candidate, f"{plan.strategy} finished: {choice.words}")
            return _append(looked, draft, "finished", 1)
        case "keep":
            draft = _alone(plan, plan.current, f"{plan.current} stays: {choice.words}")
            return _append(looked, draft, "kept", 0)
        case "back":
            draft = _alone(plan, plan.current, f"{plan.candidate} taken back: {choice.words}")
            return _append(looked, draft, "rolled back", 0)
        case "share":
            draft = _draft(plan, choice.words, share=choice.share)
            return _append(looked, draft, "running", 0)
        case "wait":
            return structs.replace(looked, status="running", words=choice.words)


def _wait_for_sunset(rollout: Rollout, seen: Evidence, now_ns: int) -> Rollout:
    """The rollout while people may go back, and the way back closed once the day has come."""
    plan = rollout.plan
    finding, words = sunset(rollout, seen, now_ns)
    looked = structs.replace(rollout, findings=(finding,), words=words)
    if is_over(rollout, now_ns):
        return _append(looked, _alone(plan, plan.candidate, f"opt_back finished: {words}"),
                       "finished", 1)  # fmt: skip
    return looked


def _share_after(rollout: Rollout) -> float:
    steps = rollout.plan.steps
    return steps[rollout.step + 1] if rollout.step + 1 < len(steps) else 1.0


def _take_step(rollout: Rollout, place: int) -> Rollout:
    plan = rollout.plan
    last = place >= len(plan.steps) - 1
    if plan.strategy == "shadow" and place == 0:
        return _append(rollout, _draft(plan, "shadow beside it", shadow=True), "running", 0)
    if plan.strategy == "opt_back":
        return _append(rollout, way_back(plan, _actor(plan)), "running", 0)
    if last or plan.strategy in {"direct", "shadow"}:
        reason = f"{plan.strategy} finished" + (f": {plan.reason}" if plan.reason else "")
        return _append(rollout, _alone(plan, plan.candidate, reason), "finished", place)
    if is_experiment(plan):
        draft = _draft(plan, outline(plan), share=plan.steps[place])
        return _append(rollout, draft, "running", place)
    words = f"step {place + 1} of {len(plan.steps)}: {_percent(plan.steps[place])}"
    return _append(rollout, _draft(plan, words, share=plan.steps[place]), "running", place)


def _go_back(rollout: Rollout, failed: list[Finding]) -> Rollout:
    plan = rollout.plan
    why = "; ".join(f"{finding.check}: {finding.words}" for finding in failed)
    draft = _alone(plan, plan.current, f"{plan.candidate} rolled back: {why}")
    return _append(rollout, draft, "rolled back", rollout.step)


def _alone(plan: Plan, side: Side, reason: str) -> Draft:
    """One version that answers everybody."""
    return Draft(
        model=plan.model,
        number=side.number,
        fingerprint=side.fingerprint,
        actor=_actor(plan),
        reason=reason,
    )


def _append(rollout: Rollout, draft: Draft, status: Status, place: int) -> Rollout:
    kept = structs.replace(draft, reason=draft.reason[:WORDS_MAX_CHARACTERS])
    pending = Pending(draft=kept, replaces=rollout.epoch, status=status, step=place)
    return structs.replace(rollout, pending=pending)


def _draft(plan: Plan, words: str, *, share: float = 1.0, shadow: bool = False) -> Draft:
    """The current version with the candidate beside it."""
    candidate = plan.candidate

    def arm(role: Literal["share", "shadow"], part: float) -> Arm:
        return Arm(
            role=role, number=candidate.number, fingerprint=candidate.fingerprint, share=part
        )

    arms = (arm("shadow", plan.shadow),) if shadow else (arm("share", share),)
    if plan.strategy == "canary" and plan.shadow:
        # What the current version answers is answered by both, so each outcome judges both.
        arms = (*arms, arm("shadow", plan.shadow))
    return Draft(
        model=plan.model,
        number=plan.current.number,
        fingerprint=plan.current.fingerprint,
        actor=_actor(plan),
        reason=f"{plan.strategy} of {plan.candidate}, {words}",
        arms=arms,
        salt=plan.salt,
        unit=plan.unit,
    )


def _actor(plan: Plan) -> str:
    """Names the rollout, so that its routes are told from those of its starter."""
    return f"rollout {plan.salt} of {plan.actor}"


def _doubts(findings: tuple[Finding, ...]) -> str:
    unsure = [f"{each.check}: {each.words}" for each in findings if each.verdict == "unsure"]
    return "not sure enough to go on: " + "; ".join(unsure)


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"
