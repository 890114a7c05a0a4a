"""One passage through the gate: gather, check, weigh what was accepted, and write it down."""

from collections.abc import Collection, Sequence

import msgspec

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.contract.finding import Finding
from mainstay.release.gate.gather import ANSWER_SECONDS, Opened, gather
from mainstay.release.gate.habits import Query, Repeated, repeated_inputs
from mainstay.release.gate.judge import accepted_of, findings_of, judge
from mainstay.release.gate.model import Machine, Verdict


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How far somebody is ready to go without, or against, a clear verdict."""

    accept: tuple[str, ...] = ()
    """Names of findings (a broken contract, a changed habit) that are wanted."""
    unsure: bool = False
    """Doubts are accepted."""
    force: bool = False
    """Failures too."""
    reason: str = ""

    def check(self) -> "Wish":
        """Itself; `InvalidUsage` when the reason is missing that it needs."""
        if (self.unsure or self.force) and not self.reason.strip():
            option = "--force" if self.force else "--accept-unsure"
            raise InvalidUsage(
                f"{option} needs a reason, which is kept with the verdict",
                field="reason",
                got="",
                expected=f'{option} --reason "why this is right all the same"',
            )
        return self

    def about(self, model: str, others: Collection[str]) -> "Wish":
        """The part that is about one model where several go through together: `MODEL: NAME`
        accepts a finding of another one than was asked for."""
        marks = tuple(f"{other}: " for other in others)
        if model in others:
            mark = f"{model}: "
            mine = [name.removeprefix(mark) for name in self.accept if name.startswith(mark)]
        else:
            mine = [name for name in self.accept if not name.startswith(marks)]
        return msgspec.structs.replace(self, accept=tuple(mine))


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """Who goes through, and when."""

    id: str
    model: str
    epoch: int
    """Of the route that would be replaced."""
    actor: str
    time_ns: int


def go_through(
    passage: Passage,
    candidate: Opened,
    baseline: Opened | None,
    wish: Wish,
    *,
    query: Query,
    machine: Machine,
    seconds: float = ANSWER_SECONDS,
    found: Sequence[Finding] = (),
) -> Verdict:
    """The verdict on a candidate against what its route serves; `InvalidBundle` when the candidate
    cannot be run at all, which no wish can overrule. `found` is known already, and weighed too."""
    wish.check()
    repeated, unlearned = Repeated(), ""
    if baseline is not None:
        try:
            repeated = repeated_inputs(query, baseline.manifest.contract, baseline.fingerprint)
        except MainstayError as error:
            unlearned = f"the journal does not say what is asked often: {error.message}"
    evidence = gather(candidate, baseline, repeated, machine, seconds)
    if unlearned:
        evidence = msgspec.structs.replace(evidence, habits_unasked=unlearned)
    findings = [*findings_of(evidence), *found]
    accepted = accepted_of(findings, wish.accept)
    judged = judge(findings, accepted)
    return Verdict(
        id=passage.id,
        model=passage.model,
        number=candidate.number,
        candidate=candidate.fingerprint,
        baseline_number=baseline.number if baseline is not None else 0,
        baseline=baseline.fingerprint if baseline is not None else "",
        epoch=passage.epoch,
        findings=tuple(findings),
        verdict=judged,
        accepted=accepted,
        unsure_accepted=wish.unsure and judged == "unsure",
        forced=wish.force and judged != "pass",
        reason=wish.reason,
        actor=passage.actor,
        time_ns=passage.time_ns,
    )
