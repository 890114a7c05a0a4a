"""A way back for a while: the new version answers, and whoever wants may keep the old one.

Nobody is drawn here, so nothing is compared: who goes back chose to, and differs from who did not.
Promises that the way back is open until the day that people were told, neither shorter nor longer
by itself; and that who still uses the old version when that day comes near is said in time.
"""

from datetime import UTC, datetime
from typing import Final

from mainstay.contract.finding import Finding
from mainstay.release.rollout.model import Evidence, Plan, Rollout, spoken
from mainstay.serve.routes.model import Arm, Draft, News

SUNSET: Final = "sunset"
REMIND_NS: Final = 3 * 86_400_000_000_000
"""How long before the end it is said who still uses the old version."""
REMIND_PART: Final = 5
"""Where that is more than a fifth of the whole time, a fifth of it."""


def way_back(plan: Plan, actor: str) -> Draft:
    """The route while the way back is open."""
    arm = Arm(
        role="opt_back",
        number=plan.current.number,
        fingerprint=plan.current.fingerprint,
        share=0.0,
    )
    return Draft(
        model=plan.model,
        number=plan.candidate.number,
        fingerprint=plan.candidate.fingerprint,
        actor=actor,
        reason=f"{plan.candidate} answers, and who wants may go back to {plan.current} until "
        f"{_day(plan.until_ns)}" + (f": {plan.reason}" if plan.reason else ""),
        arms=(arm,),
        salt=plan.salt,
        unit=plan.unit,
        news=News(words=plan.tell, until_ns=plan.until_ns),
    )


def is_over(rollout: Rollout, now_ns: int) -> bool:
    """Whether the day has come."""
    return now_ns >= rollout.plan.until_ns


def sunset(rollout: Rollout, seen: Evidence, now_ns: int) -> tuple[Finding, str]:
    """Who would lose the old version, as a finding, and how things are in words."""
    plan = rollout.plan
    left_ns = plan.until_ns - now_ns
    units = _units(seen.went_back)
    whole_ns = plan.until_ns - rollout.started_ns
    soon = left_ns <= min(REMIND_NS, whole_ns // REMIND_PART) and seen.went_back > 0
    day = _day(plan.until_ns)
    finding = Finding(
        check=SUNSET,
        verdict="unsure" if soon else "pass",
        words=f"{units} went back to {plan.current}, and will be answered by {plan.candidate} "
        f"from {day} on"
        + ("; hear from them before, or begin it anew with a later day" if soon else ""),
        figure=float(seen.went_back),
    )
    if left_ns <= 0:
        return finding, f"the time to go back is over; {units} had"
    return finding, f"{units} went back to {plan.current}; {spoken(left_ns)} left, until {day}"


def reminder(before: Rollout, after: Rollout) -> Finding | None:
    """The finding that the day is near, where a look brought it."""
    known = {each.verdict for each in before.findings if each.check == SUNSET}
    due = [each for each in after.findings if each.check == SUNSET and each.verdict == "unsure"]
    return due[0] if due and "unsure" not in known else None


def _units(count: int) -> str:
    if not count:
        return "nobody"
    return "1 unit" if count == 1 else f"{count:,} units"


def _day(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
