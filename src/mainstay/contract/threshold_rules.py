"""Whether `output.threshold` makes sense: a number, or a rule by which one is chosen.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator

from mainstay.contract.model import Probability, ThresholdRule
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting

_FORMS = (
    "{max: precision, recall_at_least: 0.8}, {max: recall, precision_at_least: 0.8} or "
    "{false_positive_costs: 5, false_negative_costs: 100}"
)


def threshold_faults(output: Probability, at: Setting, *, given: bool) -> Iterator[Fault]:
    """What makes no sense in the threshold; `given`: it stands in a file."""
    threshold = output.threshold
    two = len(output.classes) == 2
    if isinstance(threshold, ThresholdRule):
        yield from _rule_faults(threshold, at)
    elif not 0 < threshold <= 1:
        yield Fault(at, f"must be more than 0 and at most 1, got {threshold}")
        return
    if not two and (threshold != 0.5 or given):
        words = (
            f"means something with two classes only; with {len(output.classes)} the most "
            "probable one is answered"
        )
        yield Fault(at, words)


def _rule_faults(rule: ThresholdRule, at: Setting) -> Iterator[Fault]:
    costs = {
        "false_positive_costs": rule.false_positive_costs,
        "false_negative_costs": rule.false_negative_costs,
    }
    shares = {
        "recall_at_least": rule.recall_at_least,
        "precision_at_least": rule.precision_at_least,
    }
    for name, share in shares.items():
        if share is not None and not 0 < share <= 1:
            yield Fault((*at, name), f"is a share, more than 0 and at most 1; got {share:g}")
    for name, cost in costs.items():
        if cost is not None and not 0 <= cost < math.inf:
            yield Fault((*at, name), f"must be a number, at least 0; got {cost:g}")
    if rule.max is None:
        yield from _costs_faults(costs, shares, at)
        return
    wanted, other = "recall_at_least", "precision_at_least"
    if rule.max == "recall":
        wanted, other = other, wanted
    if shares[wanted] is None:
        words = f"needs `{wanted}` beside `max: {rule.max}`, or any threshold at all would do"
        yield Fault(at, words)
    for name in (other, *costs):
        if {**shares, **costs}[name] is not None:
            words = f"does not go with `max: {rule.max}`; a rule is one of {_FORMS}"
            yield Fault((*at, name), words)


def _costs_faults(
    costs: dict[str, float | None], shares: dict[str, float | None], at: Setting
) -> Iterator[Fault]:
    for name, share in shares.items():
        if share is not None:
            yield Fault((*at, name), f"needs `max` beside it; a rule is one of {_FORMS}")
    missing = [name for name, cost in costs.items() if cost is None]
    if len(missing) == 2 and not any(share is not None for share in shares.values()):
        yield Fault(at, f"is an empty rule; write one of {_FORMS}")
    elif len(missing) == 1:
        yield Fault(at, f"needs `{missing[0]}` too: one cost alone says nothing")
    elif not missing and not any(costs.values()):
        yield Fault(at, "both costs are 0, so any threshold would do; one must be more")
