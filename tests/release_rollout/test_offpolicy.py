"""What another policy would have earned: held against worlds whose truth is known, and real logs."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from mainstay.base.errors import InvalidUsage
from mainstay.release.rollout.offpolicy import Estimate, Log, doubly_robust, ips, log_of, snips

ROOT = Path(__file__).resolve().parents[2]
OBD = Path(os.environ.get("MAINSTAY_DATA", ROOT.parent / "shared" / "data")) / "obd"
ITEMS = 34
RATES = np.array([0.1, 0.3, 0.6, 0.2])
CHOSEN = np.array([0.4, 0.4, 0.1, 0.1])
WANTED = np.array([0.1, 0.2, 0.5, 0.2])
TRUTH = float(WANTED @ RATES)


def world(seed: int, count: int) -> tuple[Log, np.ndarray]:
    """Decisions of one policy among four actions, and which each was."""
    random = np.random.default_rng(seed)
    actions = random.choice(4, count, p=CHOSEN)
    rewards = (random.random(count) < RATES[actions]).astype(float)
    return log_of(rewards, CHOSEN[actions], WANTED[actions]), actions


def estimates(log: Log, actions: np.ndarray, **settings: float) -> dict[str, Estimate]:
    """All three; the model of the rewards is a poor one."""
    foreseen = np.array([0.2, 0.2, 0.4, 0.4])
    expected = np.full(len(actions), WANTED @ foreseen)
    return {
        "ips": ips(log, **settings),
        "snips": snips(log, **settings),
        "dr": doubly_robust(log, foreseen[actions], expected, **settings),
    }


def test_the_mean_of_many_worlds_is_the_truth():
    """N12: simulation as second oracle; a bias of a fiftieth would show."""
    found: dict[str, list[float]] = {}
    for seed in range(300):
        for name, estimate in estimates(*world(seed, 400)).items():
            found.setdefault(name, []).append(estimate.value)
    for name, values in found.items():
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - TRUTH) < 4 * error, name
        assert error < 0.004
    assert np.std(found["dr"]) < np.std(found["ips"])


def test_the_interval_holds_at_all_looks_together():
    """N12: of 120 worlds looked at six times each, at most a tenth ever leave the truth out."""
    missed = dict.fromkeys(("ips", "snips", "dr"), 0)
    widths: list[float] = []
    for seed in range(120):
        log, actions = world(1000 + seed, 3200)
        ever: set[str] = set()
        for count in (100, 200, 400, 800, 1600, 3200):
            part = Log(*(each[:count] for each in log))
            for name, found in estimates(part, actions[:count], clip=5, alpha=0.1).items():
                if not found.low <= TRUTH <= found.high:
                    ever.add(name)
                if count == 3200:
                    widths.append(found.high - found.low)
        for name in ever:
            missed[name] += 1
    assert max(missed.values()) <= 12, missed
    assert np.median(widths) < 0.15


def test_the_policy_that_decided_has_the_mean_of_its_rewards():
    """N12: with the wanted equal to the recorded, nothing is weighted."""
    rewards = [1.0, 0.0, 0.0, 1.0, 1.0]
    log = log_of(rewards, [0.5, 0.25, 0.5, 0.125, 1.0], [0.5, 0.25, 0.5, 0.125, 1.0])
    for found in (ips(log), snips(log), doubly_robust(log, [0.3] * 5, [0.3] * 5)):
        assert found.value == pytest.approx(0.6)
        assert found.low <= 0.6 <= found.high
        assert (found.clipped, found.decisions, found.effective) == (0.0, 5, 5.0)


def test_cut_weight_is_told():
    """N12: one decision stands for nearly all, and is not let."""
    log = log_of([1, 0, 0], [0.001, 1, 1], [1, 1, 1])
    cut = ips(log, clip=10)
    assert cut.clipped == pytest.approx(990 / 1002)
    assert cut.value == pytest.approx(10 / 3)
    assert 0 <= snips(log, clip=10).value <= 1


def test_equal_decisions_may_be_counted_together():
    """The journal counts; the figures are the same."""
    log, actions = world(3, 500)
    alone = estimates(log, actions)
    keys, often = np.unique(np.column_stack([log.rewards, actions]), axis=0, return_counts=True)
    kinds = keys[:, 1].astype(int)
    counted = estimates(log_of(keys[:, 0], CHOSEN[kinds], WANTED[kinds], often), kinds)
    for name, found in counted.items():
        assert found.value == pytest.approx(alone[name].value)
        assert (found.low, found.high) == pytest.approx((alone[name].low, alone[name].high))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"propensities": [0.5, float("nan"), 0.5]}, "decision 2 of 3 has no propensity"),
        ({"propensities": [0.5, 0.5, 0.0]}, "decision 3 of 3 has an impossible propensity"),
        ({"propensities": [0.0, 0.0, 0.0]}, "and 2 more"),
        ({"propensities": [1.5, 0.5, 0.5]}, "decision 1 of 3"),
        ({"propensities": [0.5]}, "as many|each decision needs"),
        ({"wanted": [-0.1, 0.5, 0.5]}, "no wanted probability"),
        ({"rewards": [0, 1, 17]}, "no such reward"),
        ({"often": [1, 1, -1]}, "no such count"),
    ],
)
def test_what_cannot_be_weighed_is_refused_in_words(changes: dict[str, Any], said: str):
    """N12: a propensity that is missing or zero is never guessed."""
    good: dict[str, Any] = {
        "rewards": [0, 1, 1], "propensities": [0.5, 0.5, 0.5], "wanted": [0.5, 0.5, 0.5]
    }  # fmt: skip
    with pytest.raises(InvalidUsage, match=said):
        log_of(**(good | changes))
    with pytest.raises(InvalidUsage, match="predicted has 1 rewards for 3 decisions"):
        doubly_robust(log_of(**good), [0.5], [0.5, 0.5, 0.5])
    with pytest.raises(InvalidUsage, match="foreseen reward"):
        doubly_robust(log_of(**good), [0.5, 0.5, 2], [0.5, 0.5, 0.5])


def test_nothing_recorded_is_no_figure():
    """No decisions, or none that the other policy would have made."""
    for log in (log_of([], [], []), log_of([1, 1], [0.5, 0.5], [0, 0])):
        found = snips(log)
        assert np.isnan(found.value)
        assert (found.low, found.high, found.effective) == (0.0, 1.0, 0.0)


def obd(name: str) -> dict[str, np.ndarray]:
    """A log of the Open Bandit sample."""
    path = OBD / f"{name}_men.parquet"
    if not path.exists():
        pytest.skip(f"no Open Bandit sample at {OBD}; MAINSTAY_DATA names its folder")
    table = parquet.read_table(path, columns=["item_id", "position", "click", "propensity_score"])
    return {column: table.column(column).to_numpy() for column in table.column_names}


def normal_interval(clicks: np.ndarray) -> tuple[float, float]:
    """The ordinary 95 % interval of a click rate, as published beside these logs."""
    half = 1.96 * np.sqrt(clicks.mean() * (1 - clicks.mean()) / len(clicks))
    return clicks.mean() - half, clicks.mean() + half


def test_each_real_log_tells_what_the_other_policy_earned():
    """N12: Thompson's clicks from the uniform log and uniform clicks from Thompson's log, within
    the width of the on-policy interval of the click rate that the other log shows."""
    uniform, thompson = obd("random"), obd("bts")
    # Thompson's choice went on learning, so its own log says how often it showed what where.
    shown = np.zeros((ITEMS, 4))
    np.add.at(shown, (thompson["item_id"], thompson["position"]), 1)
    shown /= shown.sum(axis=0).clip(1)
    wanted = shown[uniform["item_id"], uniform["position"]]
    low, high = normal_interval(thompson["click"])
    log = log_of(uniform["click"], uniform["propensity_score"], wanted)
    half = len(thompson["click"]) // 2
    rates = np.bincount(thompson["item_id"][:half], thompson["click"][:half], ITEMS) / np.bincount(
        thompson["item_id"][:half], minlength=ITEMS
    ).clip(1)
    expected = (shown * rates[:, None]).sum(axis=0)[uniform["position"]]
    found = (ips(log), snips(log), doubly_robust(log, rates[uniform["item_id"]], expected))
    for each in found:
        assert abs(each.value - thompson["click"].mean()) < high - low, found
        assert each.low <= thompson["click"].mean() <= each.high
        assert each.clipped == 0.0
    low, high = normal_interval(uniform["click"])
    log = log_of(thompson["click"], thompson["propensity_score"], np.full(len(wanted), 1 / ITEMS))
    back = (ips(log), snips(log))
    for each in back:
        assert abs(each.value - uniform["click"].mean()) < high - low, back
        assert each.low <= uniform["click"].mean() <= each.high
        assert each.clipped < 0.15
