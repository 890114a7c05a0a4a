"""Whether `judge` makes sense: alone, and with the inputs, the context and the output.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

from collections.abc import Iterator

from mainstay.base.limits import WORDS_MAX_CHARACTERS
from mainstay.contract.confidence_rules import confidence_faults, cost_faults
from mainstay.contract.fallback_rules import cold_faults, fallback_faults
from mainstay.contract.holding_rules import hold_faults, rules_faults
from mainstay.contract.judging import Judge
from mainstay.contract.people_rules import (
    exposure_faults,
    report_faults,
    template_faults,
    undo_faults,
)
from mainstay.contract.private_rules import private_faults, share_faults
from mainstay.contract.release_rules import Known
from mainstay.contract.safeguard_rules import safeguard_faults
from mainstay.contract.shape import Fault


def judge_faults(judge: Judge, known: Known) -> Iterator[Fault]:
    """What makes no sense in how answers are judged."""
    if not 1 <= len(judge.say.strip()) <= WORDS_MAX_CHARACTERS:
        words = f"must be words for a person, 1 to {WORDS_MAX_CHARACTERS} characters"
        yield Fault(("judge", "say"), words)
    yield from rules_faults(judge.rules, known)
    if judge.hold is not None:
        yield from hold_faults(judge.hold, known)
    yield from fallback_faults(judge.fallback, known)
    yield from cold_faults(judge, known)
    if judge.confidence is not None:
        yield from confidence_faults(judge.confidence, known)
    if judge.cost is not None:
        yield from cost_faults(judge.cost, known)
    yield from safeguard_faults(judge, known)
    if judge.exposure is not None:
        yield from exposure_faults(judge.exposure, known)
    yield from report_faults(judge.report)
    yield from template_faults(judge)
    yield from private_faults(judge, known)
    yield from share_faults(judge, known)
    if judge.undo is not None:
        yield from undo_faults(judge.undo)
