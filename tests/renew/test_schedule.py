"""N3 N4: what staying costs against what training costs, over histories that are known."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import InvalidUsage
from mainstay.renew.schedule.model import Losses, Prices, half_life, kept_by_age, loss_by_age
from mainstay.renew.schedule.policies import Every, Never, Owed, Served, best, owed, run
from mainstay.renew.schedule.recommend import advise


def history(periods: int, loss, rows: float = 100.0) -> Losses:
    """A history in which `loss(i, j)` is what the model of period i loses in period j."""
    table = np.full((periods, periods), np.nan)
    for i in range(periods):
        for j in range(i + 1, periods):
            table[i, j] = loss(i, j)
    return Losses(table=table, rows=np.full(periods, rows))


def drawn(seed: int, periods: int) -> Losses:
    draw = np.random.default_rng(seed)
    losses = history(periods, lambda _i, _j: draw.uniform(0, 1))
    return Losses(table=losses.table, rows=draw.integers(0, 50, periods).astype(np.float64))


def paid(losses: Losses, prices: Prices, trained: tuple[int, ...]) -> float:
    """What a list of trainings costs, added up by hand."""
    total = prices.of_training * len(trained)
    model = 0
    for period in range(1, losses.periods):
        if losses.rows[period]:
            total += prices.of_error * losses.table[model, period] * losses.rows[period]
        if period in trained:
            model = period
    return total


@given(seed=st.integers(0, 10_000), periods=st.integers(2, 8), price=st.floats(0, 60))
def test_the_best_is_the_cheapest_of_all_there_are(seed: int, periods: int, price: float) -> None:
    """N4: the shortest path against every subset of the periods."""
    losses, prices = drawn(seed, periods), Prices(of_error=1.0, of_training=price)
    inner = range(1, periods - 1)
    every = chain.from_iterable(combinations(inner, size) for size in range(len(inner) + 1))
    least = min(paid(losses, prices, chosen) for chosen in every)
    found = best(losses, prices)
    assert found.cost == pytest.approx(least)
    assert paid(losses, prices, found.trained_after[1:]) == pytest.approx(least)


@given(seed=st.integers(0, 10_000), periods=st.integers(3, 12), every=st.integers(1, 5))
def test_no_way_is_cheaper_than_the_best_and_each_pays_what_it_does(
    seed: int, periods: int, every: int
) -> None:
    """N4: regret is never below nothing, and costs add up."""
    losses, prices = drawn(seed, periods), Prices(of_error=2.0, of_training=9.0)
    least = best(losses, prices).cost
    for way in (Never(), Every(every), Owed(), Owed(0.5)):
        done = run(way, losses, prices)
        assert done.cost == pytest.approx(paid(losses, prices, done.trained_after[1:]))
        assert done.cost >= least - 1e-9


def test_a_fixed_interval_trains_when_it_says() -> None:
    """N4."""
    losses = history(8, lambda _i, _j: 0.1)
    prices = Prices(of_error=1.0, of_training=1.0)
    assert run(Every(1), losses, prices).trained_after == (0, 1, 2, 3, 4, 5, 6)
    assert run(Every(3), losses, prices).trained_after == (0, 3, 6)
    assert run(Never(), losses, prices).trained_after == (0,)


def test_what_is_owed_is_what_a_fresh_model_would_not_have_cost() -> None:
    """N3: periods without rows say nothing; a good one pays back what came before, no more."""
    prices = Prices(of_error=3.0, of_training=1.0)
    nan = float("nan")
    said = Served(losses=(nan, 0.1, 0.1, 0.1, 0.0, 0.3, 0.2), rows=(0.0, *[10.0] * 6))
    at_best = (0.1 + 0.1 + 0.0) / 3
    assert owed(said, prices) == pytest.approx(3 * 10 * (0.1 * 3 + 0.0 + 0.3 + 0.2 - 6 * at_best))
    lucky = Served(losses=(0.0, 0.3, 0.3, 0.3), rows=(10.0,) * 4)
    assert owed(lucky, prices) == pytest.approx(3 * 10 * 3 * (0.3 - 0.2))
    falling = Served(losses=(0.5, 0.3, 0.1, 0.1, 0.1), rows=(10.0,) * 5)
    assert owed(falling, prices) == pytest.approx(3 * 10 * (0.4 + 0.2))
    level = Served(losses=(0.2, 0.2), rows=(10.0, 10.0))
    assert owed(level, prices) == 0.0
    assert owed(Served(losses=(), rows=()), prices) == 0.0


def test_a_version_that_was_never_good_since_is_held_to_what_it_promised() -> None:
    """N13 N3: whoever adapts within hours leaves a new version no good period to compare with."""
    prices = Prices(of_error=2.0, of_training=1.0)
    at_once = Served(losses=(0.3, 0.3), rows=(10.0, 10.0))
    assert owed(at_once, prices) == 0.0
    promised = Served(losses=(0.3, 0.3), rows=(10.0, 10.0), promised=0.1)
    assert owed(promised, prices) == pytest.approx(2 * 10 * (0.2 + 0.2))
    better = Served(losses=(0.1, 0.1, 0.1, 0.3), rows=(10.0,) * 4, promised=0.2)
    assert owed(better, prices) == pytest.approx(2 * 10 * 0.2)


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_how_fast_the_advantage_over_never_retraining_is_lost(rate: float) -> None:
    """N13: a world that is forgotten by a rate each period, for which the answer is known."""
    losses = history(60, lambda i, j: 1.0 - rate ** (j - i))
    kept = kept_by_age(losses)
    assert kept[0] == pytest.approx(1.0)
    assert kept[:5] == pytest.approx([rate**age for age in range(5)], abs=0.05)
    half = half_life(kept)
    assert half == pytest.approx(1 + np.log(0.5) / np.log(rate), abs=0.3)
    assert advise(losses, Prices(of_error=1.0, of_training=1.0)).half_life == half
    same = kept_by_age(history(8, lambda _i, _j: 0.2))
    assert np.isnan(same).all()
    assert half_life(same) is None


def test_empty_periods_do_not_age_a_version() -> None:
    """N13."""
    full = history(12, lambda i, j: 1.0 - 0.7 ** (j - i))
    table, rows = full.table.copy(), full.rows.copy()
    table[:, 5], rows[5] = np.nan, 0.0
    assert np.isfinite(kept_by_age(Losses(table=table, rows=rows))[:9]).all()


def test_nothing_changes_and_nothing_is_trained() -> None:
    """N3 N4: where models do not age, the advice is never to train."""
    advice = advise(history(20, lambda _i, _j: 0.2), Prices(of_error=1.0, of_training=5.0))
    assert advice.take == "never"
    assert advice.followed.regret == 0.0
    assert advice.tried[0].regret == 0.0
    assert advice.by_age == pytest.approx([0.2] * 19)


def test_what_ages_is_trained_at_the_interval_that_pays() -> None:
    """N4: a model that gets worse each period; the interval that pays is found."""
    # One period older costs 10 more errors: with a price of 30, about every second or third.
    losses = history(40, lambda i, j: 0.1 * (j - i))
    prices = Prices(of_error=1.0, of_training=30.0)
    advice = advise(losses, prices)
    assert advice.followed.run.cost <= 1.05 * advice.best.cost
    assert advice.periods == 19
    never = next(each for each in advice.tried if each.name == "never")
    assert never.run.cost > 3 * advice.followed.run.cost
    assert [each.run.cost for each in advice.tried] == sorted(e.run.cost for e in advice.tried)


def test_a_sudden_change_is_waited_for_by_what_is_owed_alone() -> None:
    """N3: a calendar trains all the time or far too late; what is owed trains after the change."""
    jumps = (10, 27)
    losses = history(40, lambda i, j: 0.1 + 0.4 * any(i < jump <= j for jump in jumps))
    prices = Prices(of_error=1.0, of_training=60.0)
    done = run(Owed(), losses, prices)
    assert len(done.trained_after) == 3
    assert all(
        0 < after - jump <= 3 for after, jump in zip(done.trained_after[1:], jumps, strict=True)
    )
    for way in (Never(), Every(1), Every(4), Every(12)):
        assert done.cost < run(way, losses, prices).cost
    assert done.cost < 1.2 * best(losses, prices).cost


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(InvalidUsage, match="too few"):
        advise(history(5, lambda _i, _j: 0.1), Prices(of_error=1.0, of_training=1.0))


def test_the_loss_by_age_counts_each_row_once() -> None:
    """N4."""
    losses = Losses(
        table=np.array([[np.nan, 0.1, 0.5], [np.nan, np.nan, 0.3], [np.nan] * 3]),
        rows=np.array([5.0, 10.0, 30.0]),
    )
    assert loss_by_age(losses) == pytest.approx([(0.1 * 10 + 0.3 * 30) / 40, 0.5])
    empty = Losses(table=losses.table, rows=np.array([5.0, 10.0, 0.0]))
    assert loss_by_age(empty)[0] == pytest.approx(0.1)
    assert np.isnan(loss_by_age(empty)[1])
