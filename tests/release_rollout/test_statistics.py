"""The figures of a comparison against simulation, published formulas and their own definitions."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.release.rollout.statistics import (
    Pairs,
    Stratum,
    Tally,
    bad_of,
    estimate,
    labels_missing,
    labels_needed,
    log_evidence,
    log_split_evidence,
    lower_bound,
    paired_bound,
    upper_bound,
)


def seen(share: float, candidate: tuple[int, int], current: tuple[int, int]) -> Stratum:
    return Stratum(share=share, candidate=bad_of(*candidate), current=bad_of(*current))


def walk(
    seed: int, share: float, wrong: tuple[float, float], units: int, every: int
) -> list[Stratum]:
    """What a comparison has seen at each of its looks."""
    random = np.random.default_rng(seed)
    met = random.random(units) < share
    bad = random.random(units) < np.where(met, *wrong[::-1])
    counts = [np.cumsum(each) for each in (met & bad, met, ~met & bad, ~met)]
    return [
        seen(
            share,
            (int(counts[0][at]), int(counts[1][at])),
            (int(counts[2][at]), int(counts[3][at])),
        )
        for at in range(every - 1, units, every)
    ]


@pytest.mark.parametrize(
    ("share", "wrong", "difference"),
    [(0.5, (0.1, 0.1), 0.0), (0.1, (0.2, 0.25), 0.05), (0.02, (0.3, 0.28), -0.02)],
)
def test_the_interval_holds_at_all_looks_at_once(
    share: float, wrong: tuple[float, float], difference: float
):
    """N6: 300 seeded walks of 40 looks; both bounds together may fail in 10 % of the walks."""
    alpha, failed = 0.05, 0
    for seed in range(300):
        looks = walk(seed, share, wrong, 4000, 100)
        against = math.log(1 / alpha)
        failed += any(
            log_evidence([look], difference) >= against
            or log_evidence([look], difference, worse=False) >= against
            for look in looks
        )
    assert failed <= 300 * 2 * alpha


def test_an_ordinary_interval_would_not_hold_at_all_looks():
    """The same walks defeat the textbook's interval for one look, so the test above can fail."""
    failed = 0
    for seed in range(300):
        for look in walk(seed, 0.5, (0.1, 0.1), 4000, 100):
            one, two = look.candidate, look.current
            error = math.sqrt(
                one.mean * (1 - one.mean) / one.total + two.mean * (1 - two.mean) / two.total
            )
            if abs(one.mean - two.mean) > 1.96 * error:
                failed += 1
                break
    assert failed > 300 * 0.15


def test_the_evidence_is_the_capital_of_the_bets_it_names():
    """A second oracle: bet by bet, unit by unit, in the order in which they came."""
    random = np.random.default_rng(3)
    share, difference = 0.2, 0.01
    met = random.random(200) < share
    bad = random.random(200) < 0.3
    capitals: list[float] = []
    for centre in (0.05, 0.15, 0.4, 0.8):
        for effect in (0.15, 0.4, 1.0, 2.5, 6.0):
            furthest = max(centre, 1 - centre) / min(share, 1 - share)
            bet = min(effect * share * (1 - share), 0.95 / (furthest + 1))
            capital = 1.0
            for one, wrong in zip(met, bad, strict=True):
                term = (wrong - centre) / share if one else -(wrong - centre) / (1 - share)
                capital *= 1 + bet * (term - difference)
                assert capital > 0
            capitals.append(capital)
    stratum = seen(
        share,
        (int((met & bad).sum()), int(met.sum())),
        (int((~met & bad).sum()), int((~met).sum())),
    )
    assert log_evidence([stratum], difference) == pytest.approx(math.log(np.mean(capitals)))


def test_a_growing_share_does_not_tilt_the_comparison():
    """Both versions err more at night, when the share happens to be large: no harm is found."""
    day = seen(0.1, (50, 1000), (450, 9000))
    night = seen(0.5, (1500, 5000), (1500, 5000))
    pooled = (50 + 1500) / 6000 - (450 + 1500) / 14000
    assert pooled > 0.1
    assert estimate([day, night]) == pytest.approx(0)
    low, high = lower_bound([day, night], 0.05), upper_bound([day, night], 0.05)
    assert low < 0 < high < 0.05


counts = st.tuples(st.integers(0, 2000), st.integers(0, 2000)).map(
    lambda pair: (min(pair), max(pair))
)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 0.999), counts, counts)
def test_bounds_enclose_the_estimate_of_a_balanced_split_and_never_cross(
    share: float, candidate: tuple[int, int], current: tuple[int, int]
):
    """Whatever was counted, the bounds are a part of [-1, 1] and in order unless both refute."""
    strata = [seen(share, candidate, current)]
    low, high = lower_bound(strata, 0.05), upper_bound(strata, 0.05)
    assert -1 <= low <= 1
    assert -1 <= high <= 1
    assert lower_bound(strata, 0.01) <= low + 1e-3
    assert upper_bound(strata, 0.01) >= high - 1e-3


@settings(max_examples=40, deadline=None)
@given(counts, counts)
def test_evidence_falls_as_the_claim_gets_weaker(
    candidate: tuple[int, int], current: tuple[int, int]
):
    """Bounds are found by halving, which is right only where the capital is monotone."""
    strata = [seen(0.3, candidate, current)]
    capitals = [log_evidence(strata, difference) for difference in np.linspace(-1, 1, 9)]
    assert all(first >= second - 1e-9 for first, second in pairwise(capitals))


def test_nothing_is_known_of_nothing():
    """No unit, no label: everything is possible."""
    assert (lower_bound([], 0.05), upper_bound([], 0.05)) == (-1.0, 1.0)
    assert math.isnan(estimate([]))
    assert math.isnan(estimate([seen(0.5, (0, 0), (3, 10))]))
    assert math.isnan(Pairs().difference)
    assert log_split_evidence([]) == 0.0


def test_the_planned_size_is_what_it_takes():
    """N6: the size that people are shown is near the median of 60 seeded walks."""
    alpha = 0.008
    planned = labels_needed(0.5, 0.1 * 0.9, 0.05, alpha)
    taken: list[int] = []
    for seed in range(60):
        for place, look in enumerate(walk(seed, 0.5, (0.1, 0.15), 12_000, 100)):
            if log_evidence([look], 0.0) >= math.log(1 / alpha):
                taken.append((place + 1) * 100)
                break
    assert len(taken) > 55
    assert 0.5 * planned < np.median(taken) < 2 * planned
    assert labels_missing([seen(0.5, (50, 500), (50, 500))], 0.5, 0.05, alpha) < planned
    assert labels_needed(0.01, 0.09, 0.05, alpha) > 20 * planned


def test_values_between_right_and_wrong_are_compared_as_they_are():
    """Means of bounded values, such as distances: half as wrong for everybody is half as bad."""
    half = Tally(counts=(0, 100, 0))
    strata = [Stratum(share=0.5, candidate=half, current=bad_of(0, 100))]
    assert half.mean == 0.5
    assert lower_bound(strata, 0.01) > 0.1


def test_a_fair_split_is_rarely_and_a_broken_one_soon_called_broken():
    """The sample-ratio check at 0.001, looked at 100 times a walk."""
    alarms = 0
    for seed in range(400):
        met = np.cumsum(np.random.default_rng(seed).random(5000) < 0.1)
        alarms += any(
            log_split_evidence([(0.1, int(met[at]), at + 1 - int(met[at]))]) > math.log(1000)
            for at in range(49, 5000, 50)
        )
    assert alarms <= 2
    assert log_split_evidence([(0.1, 0, 200)]) > math.log(1000)
    assert log_split_evidence([(0.1, 70, 330)]) > math.log(1000)


def test_the_split_evidence_is_a_fair_bet():
    """A second oracle: over all outcomes of ten draws, the mean capital is one."""
    share = 0.3
    mean = sum(
        math.comb(10, met)
        * share**met
        * (1 - share) ** (10 - met)
        * math.exp(log_split_evidence([(share, met, 10 - met)]))
        for met in range(11)
    )
    assert mean == pytest.approx(1)


def test_pairs_are_compared_without_a_split():
    """A shadow met every unit: only where the two differ is anything to be learnt."""
    assert paired_bound(Pairs(better=5, same=900, worse=95), 0.01, worse=True) > 0.02
    assert paired_bound(Pairs(better=5, same=990, worse=5), 0.05, worse=False) < 0.03
    assert paired_bound(Pairs(), 0.05, worse=True) == -1.0
    failed = 0
    for seed in range(200):
        draws = np.random.default_rng(seed).choice(3, size=2000, p=[0.1, 0.8, 0.1])
        table = np.cumsum(draws[:, None] == np.arange(3), axis=0)[99::100]
        failed += any(
            paired_bound(Pairs(better=int(b), same=int(s), worse=int(w)), 0.05, worse=True) > 0
            for b, s, w in table
        )
    assert failed <= 10
