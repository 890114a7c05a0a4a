"""Whether a model should be trained anew now, and why, in words (N3).

Promises one finding for each condition that the contract names: `fail` where it says that it is
time, `pass` where it does not, `unsure` where nothing is known yet. Must never train by itself.
"""

from typing import Final

import msgspec

from mainstay.contract.finding import Finding
from mainstay.contract.renewing import RenewWhen
from mainstay.contract.times import duration_ns
from mainstay.renew.schedule.model import Prices
from mainstay.renew.schedule.policies import Served, owed

_DAY_NS: Final = 86_400_000_000_000
AGE: Final = "retraining: age"
LABELS: Final = "retraining: labels"
DRIFT: Final = "retraining: drift"
COST: Final = "retraining: cost of errors"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model and its newest version."""

    version: str
    """The newest version, for people."""
    learned_until_ns: int
    """The newest of what it learned from; where nobody said, when it was registered."""
    labels: int
    """How many labels have come since it was registered."""
    drifting: dict[str, str]
    """What watching finds changed in it: by kind, in words."""
    served: Served
    """What it has lost, day by day, since it answers."""


def conditions(when: RenewWhen, standing: Standing, now_ns: int) -> list[Finding]:
    """Every condition that the contract names, as it stands."""
    found: list[Finding] = []
    if when.fresher_than:
        found.append(_age(duration_ns(when.fresher_than), standing, now_ns))
    if when.labels is not None:
        found.append(_labels(when.labels, standing))
    if when.drift:
        found.append(_drift(when.drift, standing))
    if when.costs is not None:
        prices = Prices(of_error=when.costs.of_error, of_training=when.costs.of_training)
        found.append(_cost(prices, standing))
    return found


def _age(most_ns: int, standing: Standing, now_ns: int) -> Finding:
    age = (now_ns - standing.learned_until_ns) / _DAY_NS
    limit = most_ns / _DAY_NS
    words = f"what {standing.version} learned from is {age:.3g} days old at its newest"
    verdict = "fail" if age > limit else "pass"
    return Finding(
        check=AGE, verdict=verdict, words=f"{words}, of {limit:.3g}", figure=age, limit=limit
    )


def _labels(wanted: int, standing: Standing) -> Finding:
    words = f"{standing.labels:,} of {wanted:,} labels have come since {standing.version} was made"
    return Finding(
        check=LABELS,
        verdict="fail" if standing.labels >= wanted else "pass",
        words=words,
        figure=float(standing.labels),
        limit=float(wanted),
        samples=standing.labels,
    )


def _drift(kinds: tuple[str, ...], standing: Standing) -> Finding:
    said = [f"{kind}: {standing.drifting[kind]}" for kind in kinds if kind in standing.drifting]
    words = "; ".join(said) or f"watching finds no change of {' or '.join(kinds)}"
    return Finding(check=DRIFT, verdict="fail" if said else "pass", words=words)


def _cost(prices: Prices, standing: Standing) -> Finding:
    rows = int(sum(standing.served.rows))
    if not rows:
        words = f"nobody has said yet what was right of the answers of {standing.version}"
        return Finding(check=COST, verdict="unsure", words=words, limit=prices.of_training)
    cost = owed(standing.served, prices)
    words = (
        f"the errors of {standing.version} beyond those it made at its best have cost {cost:,.4g};"
        f" a training costs {prices.of_training:,.4g}"
    )
    return Finding(
        check=COST,
        verdict="fail" if cost >= prices.of_training and cost > 0 else "pass",
        words=words,
        figure=cost,
        limit=prices.of_training,
        samples=rows,
    )
