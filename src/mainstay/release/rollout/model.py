"""A rollout as a value: what was planned, how far it is, and what it may be told next.

Everything that a keeper needs to go on where another one died is in a `Rollout`. A route that is
to be appended is first kept in `pending`, then appended, then struck out: whoever finds it there
can tell from the chain whether it was appended already.
"""

from typing import Literal

import msgspec

from mainstay.contract.finding import Finding
from mainstay.release.rollout.sharing import Rule
from mainstay.release.rollout.statistics import Pairs, Stratum
from mainstay.serve.routes.model import Draft, Route

Strategy = Literal["direct", "shadow", "canary", "gradual", "ab", "bandit", "opt_back"]
Status = Literal["running", "paused", "finished", "kept", "rolled back", "overtaken"]
"""`kept`: a test ended, and the current version stays."""
ACTIVE: tuple[Status, ...] = ("running", "paused")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two versions of a rollout."""

    number: int
    fingerprint: str

    def __str__(self) -> str:
        return f"v{self.number}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wanted; never changes."""

    model: str
    strategy: Strategy
    candidate: Side
    current: Side
    """What answers when the rollout begins, and again when it is rolled back."""
    steps: tuple[float, ...]
    """The candidate's shares, growing; the last one is 1."""
    bake_ns: int
    worse_by: float
    false_alarms: float
    slower_by: float
    unit: str
    salt: str
    actor: str
    reason: str
    decide_ns: int = 0
    """An A/B test or a bandit ends by then."""
    floor: float = 0.05
    """The least share of each version of a bandit."""
    share_by: Rule = "thompson"
    shadow: float = 1.0
    """The part of the units that the candidate of a canary also answers unseen, beside the current
    version; of a shadow too."""
    until_ns: int = 0
    """When people can no longer go back to the current version, where they may."""
    tell: str = ""
    """What they are told that changed."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A route on its way into the chain, and what the rollout is once it is there."""

    draft: Draft
    replaces: int
    status: Status
    step: int


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rollout is."""

    plan: Plan
    started_ns: int
    epoch: int
    """The newest entry of the chain that this rollout knows of: its own, but before the first."""
    first_epoch: int
    """The entry in force when it began."""
    status: Status = "running"
    step: int = -1
    """The place in `plan.steps`; -1 before the first."""
    since_ns: int = 0
    """When the step began, or the rollout ended."""
    shares: dict[int, float] = {}
    """Epoch to the candidate's share, for every step so far."""
    looked_ns: int = 0
    """When a bandit looked last at what was seen."""
    pending: Pending | None = None
    words: str = ""
    """What it does or waits for, for people."""
    findings: tuple[Finding, ...] = ()

    @property
    def active(self) -> bool:
        """Whether it still goes on."""
        return self.status in ACTIVE

    @property
    def share(self) -> float:
        """The candidate's share now."""
        if self.status == "finished":
            return 1.0
        if self.plan.strategy == "opt_back" and self.active:
            return float(self.step >= 0)
        unseen = not self.active or self.plan.strategy == "shadow"
        return 0.0 if unseen else self.shares.get(self.epoch, 0.0)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen since the rollout began. Every unit is counted once: the first time it was
    seen, and the first time an outcome was heard of one of its decisions."""

    newest: Route | None
    """The entry of the chain that is in force."""
    withheld: tuple[Stratum, ...] = ()
    """By step: units that got no answer, because it failed or was withheld, are the bad ones."""
    outcomes: tuple[Stratum, ...] = ()
    """By step: units whose answer proved wrong are the bad ones."""
    answers: Pairs = Pairs()
    """Where a shadow ran: whether both answered the same (`same`), or not (`worse`)."""
    unanswered: Pairs = Pairs()
    """Where a shadow ran: who of the two had no answer."""
    paired: Pairs = Pairs()
    """Where a shadow ran: who of the two was right."""
    candidate_rows: int = 0
    current_rows: int = 0
    candidate_ns: float = 0.0
    """Median time of a row in a run of the candidate."""
    current_ns: float = 0.0
    decisions: int = 0
    went_back: int = 0
    """Units that chose the old version, where they may."""
    comparable: bool = True
    """Whether an outcome says of this model's answers that they are right or wrong."""


def spoken(nanoseconds: int) -> str:
    """A duration for people, rounded up."""
    seconds = -(-nanoseconds // 1_000_000_000)
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{-(-seconds // length)} {unit}"
    return f"{seconds} s"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as it is kept."""

    number: int
    """1, 2, 3 …: the rollouts of a model."""
    revision: int
    """Grows with every change; a change must name the one it replaces."""
    rollout: Rollout
