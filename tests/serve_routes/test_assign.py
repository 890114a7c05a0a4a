"""Who answers whom is drawn, and anybody can draw it again: S14, S31, N12."""

import math
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.base.draws import draw
from mainstay.serve.routes import assign as module
from mainstay.serve.routes.assign import assign, is_held_out, live_share, shadowed
from mainstay.serve.routes.model import Arm, News, Route

SALTS = st.text(min_size=1, max_size=200)
UNITS = [f"user {number}" for number in range(20_000)]


def route(*shares: float, salt: str = "s", role: str = "share") -> Route:
    arms = tuple(
        Arm(role=role, number=place + 2, fingerprint=f"f{place + 2}", share=share)
        for place, share in enumerate(shares)
    )
    return Route(
        model="m",
        number=1,
        fingerprint="f1",
        actor="ann",
        reason="",
        arms=arms,
        salt=salt,
        epoch=1,
        time_ns=0,
    )


def number_of(entry: Route, unit: str) -> int:
    arm, _ = assign(entry, unit)
    return entry.number if arm is None else arm.number


@settings(max_examples=10, deadline=None)
@given(SALTS)
def test_draws_are_uniform(salt: str):
    """Chi-square of 64 bins, at a level that a sound draw misses once in a million salts."""
    bins = [0] * 64
    for unit in UNITS:
        bins[int(draw(salt, unit) * 64)] += 1
    expected = len(UNITS) / 64
    chi_square = sum((count - expected) ** 2 / expected for count in bins)
    # Wilson and Hilferty: the cube root is close to normal; 4.75 standard deviations.
    bound = 63 * (1 - 2 / (9 * 63) + 4.75 * math.sqrt(2 / (9 * 63))) ** 3
    assert chi_square < bound


def test_draws_of_two_salts_have_nothing_to_do_with_each_other():
    """S31: who was in the last experiment says nothing about who is in the next."""
    both = sum(draw("one", unit) < 0.5 and draw("two", unit) < 0.5 for unit in UNITS)
    assert abs(both - len(UNITS) / 4) < 4.5 * math.sqrt(len(UNITS) * 3 / 16)


@pytest.mark.parametrize(
    ("salt", "unit", "number"),
    [
        ("s", "user 1", 0.16642066184079485),
        ("s", "", 0.18331332148723833),
        ("x" * 100, "ünïcode \ud800", 0.6786165970749012),
    ],
)
def test_a_draw_never_changes(salt: str, unit: str, number: float):
    """S31: what is in the journal can be worked out again by any later Mainstay."""
    assert draw(salt, unit) == number


def test_another_process_draws_the_same():
    """S31: the same on every replica, whatever its hash seed."""
    code = "from mainstay.base.draws import draw; print(repr([draw('s', f'user {n}') for n in range(50)]))"
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert told == [repr([draw("s", unit) for unit in UNITS[:50]])] * 2


@settings(max_examples=40, deadline=None)
@given(SALTS, st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_a_growing_share_keeps_the_units_it_had(salt: str, shares: list[float]):
    """S31: a unit of a 10 % arm stays in it at 50 %; falling, it only ever loses some."""
    members = [
        {unit for unit in UNITS[:500] if number_of(route(share, salt=salt), unit) == 2}
        for share in sorted(shares)
    ]
    assert all(smaller <= larger for smaller, larger in pairwise(members))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), SALTS)
def test_propensities_add_up_and_are_what_is_drawn(weights: list[float], salt: str):
    """N12: whoever can answer a unit has a propensity above nothing, together one."""
    total = math.fsum(weights)
    if total > 1:
        weights = [weight / total for weight in weights]
    entry = route(*weights, salt=salt)
    assert math.isclose(math.fsum(weights) + live_share(entry), 1, abs_tol=2e-9)
    for unit in UNITS[:200]:
        arm, propensity = assign(entry, unit)
        assert propensity > 0
        assert propensity == (live_share(entry) if arm is None else arm.share)


def test_shares_are_what_they_say():
    """S31: within four standard deviations, for the live version and every arm."""
    entry = route(0.3, 0.1)
    drawn = [number_of(entry, unit) for unit in UNITS]
    for number, share in ((1, 0.6), (2, 0.3), (3, 0.1)):
        spread = math.sqrt(len(UNITS) * share * (1 - share))
        assert abs(drawn.count(number) - share * len(UNITS)) < 4 * spread


@settings(max_examples=40, deadline=None)
@given(SALTS, st.sets(st.sampled_from(UNITS[:50])))
def test_who_chose_has_what_they_chose_and_nobody_else_is_moved(salt: str, back: set[str]):
    """S31: a function of unit, route and choices; nobody is drawn to the old version, and without
    a way back in the route, or with others beside it, choices move nobody else."""
    open_ = structs.replace(
        route(0.0, salt=salt, role="opt_back"), news=News(words="New.", until_ns=1)
    )
    for unit in UNITS[:50]:
        arm, propensity = assign(open_, unit, back.__contains__)
        assert (arm is not None, propensity) == (unit in back, 1.0)
        assert assign(open_, unit) == (None, 1.0)
        shared = route(0.5, salt=salt)
        assert assign(shared, unit, back.__contains__) == assign(shared, unit)


HELD_OUT = [unit for unit in UNITS if is_held_out("fraud", unit, 0.01)]


def test_a_hundredth_is_held_out_of_a_model():
    """S14: within four standard deviations; of another model, others."""
    spread = math.sqrt(len(UNITS) * 0.01 * 0.99)
    assert abs(len(HELD_OUT) - 0.01 * len(UNITS)) < 4 * spread
    both = [unit for unit in HELD_OUT if is_held_out("churn", unit, 0.01)]
    assert len(both) < len(HELD_OUT) / 10
    assert not any(is_held_out("fraud", unit, 0.0) for unit in UNITS)
    assert all(is_held_out("fraud", unit, 1.0) for unit in UNITS[:100])


def test_who_is_held_out_never_changes():
    """S14: the same in every later Mainstay, so nobody drifts between the groups."""
    assert HELD_OUT[:4] == ["user 39", "user 103", "user 469", "user 531"]


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_who_was_held_out(one: float, other: float):
    """S14: sticky."""
    small, large = sorted((one, other))
    for unit in UNITS[:200]:
        assert is_held_out("fraud", unit, large) or not is_held_out("fraud", unit, small)


@settings(max_examples=20, deadline=None)
@given(SALTS)
def test_being_held_out_says_nothing_about_any_rollout(salt: str):
    """S14: the draws are independent, so a rollout compares what it always would have."""
    entry = route(0.5, salt=salt)
    held = [unit for unit in UNITS if is_held_out("fraud", unit, 0.2)]
    shared = sum(number_of(entry, unit) == 2 for unit in held)
    assert abs(shared - len(held) / 2) < 5 * math.sqrt(len(held) / 4)


def test_ten_tenths_leave_nothing_to_the_live_version():
    """N12: a rest of 1e-16 would be a decision with a weight of 1e16."""
    entry = route(*[0.1] * 8, 0.2)
    assert live_share(entry) == 0
    assert 1 not in {number_of(entry, unit) for unit in UNITS}


def test_shadows_are_drawn_apart_from_shares():
    """N6: a shadow of a tenth sees units of the live version and of the share alike."""
    shadow = Arm(role="shadow", number=3, fingerprint="f3", share=0.1)
    entry = route(0.1)
    seen = [unit for unit in UNITS if shadowed(entry, shadow, unit)]
    spread = math.sqrt(len(UNITS) * 0.1 * 0.9)
    assert abs(len(seen) - 0.1 * len(UNITS)) < 4 * spread
    in_share = sum(number_of(entry, unit) == 2 for unit in seen)
    assert abs(in_share - 0.1 * len(seen)) < 4 * math.sqrt(len(seen) * 0.09)
    assert not any(number_of(route(1.0, role="shadow"), unit) != 1 for unit in UNITS[:50])


def test_a_share_ends_exactly_where_it_says():
    """S31: a unit belongs to whom its draw falls on, and the end of a share is the next one's."""
    number = draw("s", "ann")
    assert number_of(route(number, 0.0), "ann") == 1
    assert number_of(route(math.nextafter(number, 1.0), 0.0), "ann") == 2


def test_what_adding_up_leaves_belongs_to_the_last_share(monkeypatch: pytest.MonkeyPatch):
    """S31: shares that add up to one but for a rounding leave nobody to the live version."""
    monkeypatch.setattr(module, "_NOBODY", 0.02)
    entry = route(0.5, 0.49)
    units = [unit for unit in UNITS if draw("s", unit) >= 0.99]
    assert units
    assert {assign(entry, unit) for unit in units} == {(entry.arms[1], 0.49)}
    assert live_share(entry) == 0.0
