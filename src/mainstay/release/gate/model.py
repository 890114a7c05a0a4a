"""The gate's values: the evidence it looks at, and the verdict it comes to."""

from typing import Any

import msgspec

from mainstay.base.errors import Refused
from mainstay.bundle.answering import Cost
from mainstay.bundle.metrics import METRICS
from mainstay.contract.columns import Column, Columns
from mainstay.contract.finding import Finding
from mainstay.contract.finding import Verdict as Judged
from mainstay.contract.model import Contract, Output


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two versions, and what it answered."""

    number: int
    fingerprint: str
    contract: Contract
    raw: Column
    """Raw output of the rows of the evidence, probabilities in the candidate's order of classes."""
    chosen: Column | None = None
    """The answered class of each row as an index of the candidate's classes."""
    cost: Cost | None
    """Nothing where it could not be run here."""


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """An input that came again and again, and what both versions answer to it."""

    words: str
    times: int
    before: str
    after: str
    kept: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is free on this machine."""

    memory_bytes: int | None
    disk_bytes: int | None
    workers: int = 1


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the checks look at."""

    candidate: Side
    baseline: Side | None = None
    inputs: Columns = {}
    """The rows of the confidence set that every side answered."""
    labels: Column | None = None
    """The truth of those rows: indices of classes with −1 where unknown, or numbers."""
    asked: int = 0
    """How many rows the confidence set has."""
    incomparable: str = ""
    """Why the answers of the two cannot be compared, in words; empty where they can."""
    habits: tuple[Habit, ...] = ()
    habits_unasked: str = ""
    """Why habitual inputs could not be asked, in words."""
    machine: Machine

    @property
    def rows(self) -> int:
        """How many rows were answered by every side."""
        return int(self.candidate.raw.shape[0])

    @property
    def output(self) -> Output:
        """What the candidate answers with."""
        return self.candidate.contract.output


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said of one candidate against one baseline, once and for all."""

    id: str
    model: str
    number: int
    candidate: str
    """The candidate's fingerprint."""
    baseline_number: int = 0
    baseline: str = ""
    """The fingerprint of the version that served then; empty for a first version."""
    epoch: int
    """The route it was made against; 0 where there was none."""
    findings: tuple[Finding, ...]
    verdict: Judged
    """Of all findings together, those that were accepted by name left out."""
    accepted: tuple[str, ...] = ()
    """The names of findings that somebody accepted."""
    unsure_accepted: bool = False
    """Somebody deployed without certainty, knowingly."""
    forced: bool = False
    """Somebody deployed against it."""
    reason: str = ""
    actor: str
    time_ns: int

    @property
    def allows(self) -> bool:
        """Whether the candidate may go live by it."""
        sure = self.verdict == "pass" or (self.verdict == "unsure" and self.unsure_accepted)
        return sure or self.forced

    def __str__(self) -> str:
        against = f" against v{self.baseline_number}" if self.baseline else ""
        return f"{self.model} v{self.number}{against}: {self.verdict}"


class NotPassed(Refused):
    """A candidate may not go live by the gate's verdict."""

    code = "not_passed"

    def __init__(self, verdict: Verdict) -> None:
        said = [
            f"{name_of(finding)}: {finding.words}"
            for finding in verdict.findings
            if finding.verdict != "pass" and name_of(finding) not in verdict.accepted
        ]
        unsure = verdict.verdict == "unsure"
        against = f" against v{verdict.baseline_number}" if verdict.baseline else ""
        goes_on = f"; v{verdict.baseline_number} goes on answering" if verdict.baseline else ""
        super().__init__(
            f"{verdict.model} v{verdict.number} "
            + ("cannot be shown to be good enough" if unsure else "did not pass the gate")
            + against
            + goes_on,
            field="gate",
            rule=verdict.verdict,
            got="\n".join(said),
            expected=(
                "more examples in the confidence set, or --accept-unsure"
                if unsure
                else "a version that passes, a changed behaviour accepted by name (--accept),"
                " or --force"
            )
            + f" with a --reason; `mainstay verdict {verdict.id}` shows every check",
        )
        self.verdict = verdict

    @property
    def is_worse(self) -> bool:
        """Whether it failed for what it answers: as a whole, in a class or slice, by what errors
        cost or whom they fall on."""
        return any(
            finding.verdict == "fail"
            and (finding.check.split()[0] in METRICS or finding.check.startswith(("cost", "even ")))
            for finding in self.verdict.findings
        )

    def as_dict(self) -> dict[str, Any]:
        """The one JSON form, with the id of the verdict."""
        return {**super().as_dict(), "verdict": self.verdict.id}


def name_of(finding: Finding) -> str:
    """What a finding is called where it is accepted."""
    return f"{finding.check} {finding.slice}" if finding.slice else finding.check
