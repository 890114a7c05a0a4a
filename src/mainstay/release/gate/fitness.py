"""Checks of what a candidate needs (O8, O14, O19) and of whom it would break (O13, O17, S32)."""

from typing import Final

from mainstay.bundle.answering import Speed
from mainstay.contract.difference import Change, difference
from mainstay.contract.finding import Finding, Verdict
from mainstay.contract.model import Contract, Vector, VectorOutput
from mainstay.release.gate.model import Evidence, Machine

ACCEPTED_BY_NAME: Final = ("contract", "habit", "training loop", "pinned client")
"""The checks whose findings are decisions of the owner rather than faults."""

_NOTICED_ONE_US: Final = 500.0
_NOTICED_BATCH_US: Final = 50.0
"""A row that takes less than this longer is not slower for anybody."""
_NOTICED_BYTES: Final = 64 * 1024 * 1024
_MEBIBYTE: Final = 1024 * 1024
_SHOWN_MAX: Final = 20


def fits(size_bytes: int, machine: Machine) -> list[Finding]:
    """Before anything is loaded: the machine has room for the candidate beside what runs (O19)."""
    return [
        _room("free memory", size_bytes * machine.workers, machine.memory_bytes, "memory"),
        # The file as it was fetched, and what is unpacked of it.
        _room("free disk", size_bytes * 2, machine.disk_bytes, "disk"),
    ]


def room(evidence: Evidence) -> list[Finding]:
    """Both versions fit into memory while the workers change from one to the other (O19)."""
    cost, machine = evidence.candidate.cost, evidence.machine
    if cost is None:
        return []
    needed = cost.peak_resident_bytes * machine.workers
    return [
        _room("free memory", needed, machine.memory_bytes, "memory"),
        _room("free disk", cost.bundle_bytes, machine.disk_bytes, "disk"),
    ]


def _room(check: str, needed: int, free: int | None, what: str) -> Finding:
    if free is None:
        words = f"this system does not say how much {what} is free"
        return Finding(check=check, verdict="pass", words=words, figure=float(needed))
    enough = needed <= free
    words = f"needs {_mebibytes(needed)} of {what} beside what runs; {_mebibytes(free)} are free"
    return Finding(
        check=check,
        verdict="pass" if enough else "fail",
        words=words,
        figure=float(needed),
        limit=float(free),
    )


def _mebibytes(size: float) -> str:
    return f"{size / _MEBIBYTE:,.0f} MiB" if size >= _MEBIBYTE else f"{size / 1024:,.0f} KiB"


def not_slower(evidence: Evidence) -> list[Finding]:
    """A row takes at most so many times as long as before (O14)."""
    if evidence.baseline is None:
        return []
    factor = evidence.candidate.contract.gate.slower_by
    ours, before = evidence.candidate.cost, evidence.baseline.cost
    if ours is None or before is None:
        return [Finding(check="time of one row", verdict="unsure", words=evidence.incomparable)]
    return [
        _slower("time of one row", ours.one_row, before.one_row, factor, _NOTICED_ONE_US),
        _slower(
            "time of a row in batches",
            ours.in_batches,
            before.in_batches,
            factor,
            _NOTICED_BATCH_US,
        ),
    ]


def _slower(check: str, ours: Speed, before: Speed, factor: float, noticed: float) -> Finding:
    # The best call is what the model takes; the typical one is that and whatever else ran.
    if ours.best <= max(factor * before.best, before.best + noticed):
        verdict: Verdict = "pass"
    elif ours.best > max(factor * before.typical, before.typical + noticed):
        verdict = "fail"
    else:
        verdict = "unsure"
    words = f"{ours.best:,.3g} µs against {before.best:,.3g} µs; {factor:g} times is allowed"
    if verdict == "pass" and ours.best > factor * before.best:
        words += f", and nobody notices {noticed:g} µs"
    return Finding(
        check=check,
        verdict=verdict,
        words=words + ("; the machine is too busy to tell" if verdict == "unsure" else ""),
        figure=ours.best,
        compared=before.best,
        limit=factor,
    )


def not_larger(evidence: Evidence) -> list[Finding]:
    """Memory and disk are at most so many times what they were (O8)."""
    if evidence.baseline is None:
        return []
    factor = evidence.candidate.contract.gate.larger_by
    ours, before = evidence.candidate.cost, evidence.baseline.cost
    if ours is None or before is None:
        return [Finding(check="memory", verdict="unsure", words=evidence.incomparable)]
    return [
        _larger("memory", ours.peak_resident_bytes, before.peak_resident_bytes, factor),
        _larger("bundle size", ours.bundle_bytes, before.bundle_bytes, factor),
    ]


def _larger(check: str, ours: int, before: int, factor: float) -> Finding:
    good = ours <= max(factor * before, before + _NOTICED_BYTES)
    words = f"{_mebibytes(ours)} against {_mebibytes(before)}; {factor:g} times is allowed"
    if good and ours > factor * before:
        words += f", and {_mebibytes(_NOTICED_BYTES)} more are nothing"
    return Finding(
        check=check,
        verdict="pass" if good else "fail",
        words=words,
        figure=float(ours),
        compared=float(before),
        limit=factor,
    )


def compatible(evidence: Evidence) -> list[Finding]:
    """Clients that work today go on working: every change that breaks one is named, and must be
    accepted by its name (O13)."""
    if evidence.baseline is None:
        return []
    before, after = evidence.baseline.contract, evidence.candidate.contract
    breaking = [change for change in difference(before, after) if change.breaks]
    findings = [
        Finding(check="contract", slice=_named(change), verdict="fail", words=change.words)
        for change in breaking
    ]
    findings += _spaces(after, breaking)
    if breaking:
        return findings
    words = f"takes and answers everything that v{evidence.baseline.number} did"
    return [*findings, Finding(check="contract", verdict="pass", words=words)]


def _named(change: Change) -> str:
    how = "changed"
    if change.after is None:
        how = "removed"
    elif change.before is None:
        how = "added"
    return f"{change.setting} {how}"


def _spaces(after: Contract, breaking: list[Change]) -> list[Finding]:
    """Vectors stay in their embedding space (O17); a space that changed is among what breaks."""
    named = {
        name: kind.space
        for name, kind in after.inputs.items()
        if isinstance(kind, Vector) and kind.space is not None
    }
    if isinstance(after.output, VectorOutput) and after.output.space is not None:
        named["output"] = after.output.space
    if not named or any(change.setting.endswith(".space") for change in breaking):
        return []
    shown = ", ".join(f"{name} in {space}" for name, space in named.items())
    return [Finding(check="embedding space", verdict="pass", words=f"unchanged: {shown}")]


def habits_kept(evidence: Evidence) -> list[Finding]:
    """What is asked again and again keeps its answer, or the change is accepted (S32)."""
    if evidence.habits_unasked:
        return [Finding(check="habit", verdict="unsure", words=evidence.habits_unasked)]
    changed = [habit for habit in evidence.habits if not habit.kept]
    findings = [
        Finding(
            check="habit",
            slice=habit.words,
            verdict="fail",
            words=f"asked {habit.times:,} times: {habit.before} becomes {habit.after}",
            samples=habit.times,
        )
        for habit in changed[:_SHOWN_MAX]
    ]
    if len(changed) > _SHOWN_MAX:
        words = f"{len(changed) - _SHOWN_MAX} more inputs that are asked often change their answer"
        findings.append(Finding(check="habit", slice="others", verdict="fail", words=words))
    if evidence.habits and not changed:
        words = f"all {len(evidence.habits)} inputs that are asked most keep their answer"
        samples = sum(habit.times for habit in evidence.habits)
        findings.append(Finding(check="habit", verdict="pass", words=words, samples=samples))
    return findings
