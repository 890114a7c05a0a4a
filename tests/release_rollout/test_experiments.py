"""A/B tests and bandits in simulated worlds: right ends, few wrong ones, and no death that matters."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from mainstay.release.rollout.controllers import begin
from mainstay.release.rollout.experiments import (
    Choice,
    decide,
    is_due,
    outline,
    planned_size,
)
from mainstay.release.rollout.model import Evidence, Plan, Rollout
from mainstay.release.rollout.sharing import best_probabilities, shares
from mainstay.release.rollout.statistics import Stratum, bad_of, lower_bound, upper_bound
from mainstay.serve.routes.model import Draft
from tests.release_rollout.simulated import World, plan
from tests.release_rollout.test_offpolicy import obd

DAY_NS = 86_400 * 1_000_000_000


def ab(**other: Any) -> Plan:
    """An A/B test for a difference of 5 %."""
    settings: dict[str, Any] = {"worse_by": 0.05, "false_alarms": 0.05, "decide_ns": 14 * DAY_NS}
    return plan("ab", (0.5, 1.0), **({"bake_seconds": 5} | settings | other))


def bandit(**other: Any) -> Plan:
    """A bandit whose shares change every ten seconds at the most."""
    settings: dict[str, Any] = {"false_alarms": 0.05, "decide_ns": 14 * DAY_NS}
    return plan("bandit", (0.5, 1.0), **({"bake_seconds": 10} | settings | other))


def ended(world: World, looks: int, seconds: float = 5) -> Rollout:
    """The rollout once it is over, or after so many looks."""
    for _ in range(looks):
        world.tick(seconds)
        if not world.rollout.active:
            break
    return world.rollout


def reason(world: World) -> str:
    """Why the newest route is there."""
    route = world.chain.current("fraud")
    assert route is not None
    assert not route.arms
    return f"v{route.number}: {route.reason}"


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ((0.3, 0.2), "finished", "v2: ab finished: "),
        ((0.2, 0.3), "kept", "v1: v1 stays: "),
        ((0.2, 0.2), "kept", "v1: v1 stays: no difference shown, and the planned size is reached"),
    ],
)
def test_an_ab_test_promotes_keeps_or_shows_no_difference(
    wrong: tuple[float, float], status: str, said: str
):
    """S31 N6: each with the interval, in words."""
    world = World(ab(), seed=3, wrong=wrong)
    end = ended(world, 200)
    assert end.status == status, end.words
    assert reason(world).startswith(said)
    assert "the difference is " in end.words
    assert end.findings[0].interval is not None
    assert [shares for _, shares, _ in world.history()] == [(), (0.5,), ()]
    (low, high), figure = end.findings[0].interval, end.findings[0].figure
    assert figure is not None
    assert low <= wrong[1] - wrong[0] <= high


def test_the_planned_size_is_told_before_anything_is_seen():
    """S31: the effect, the power, and how many units that takes."""
    wanted = plan("ab", (0.5, 1.0), worse_by=0.02, false_alarms=0.01)
    assert planned_size(wanted) == 33_282
    assert "33,282 units with an outcome, or fewer, show a difference of 2 %" in outline(wanted)
    rare = Stratum(share=0.5, candidate=bad_of(10, 5000), current=bad_of(10, 5000))
    assert planned_size(wanted, [rare]) < 500, "rates near 0 vary less, so it takes fewer"
    world = World(ab())
    world.tick()
    assert "units with an outcome, or fewer" in world.rollout.words


def test_an_ab_test_errs_as_seldom_as_it_promises_and_finds_what_it_was_planned_for():
    """N6 S31: 200 A/A tests looked at every five seconds, and 60 with the planned difference."""
    same = Counter(
        ended(World(ab(), seed=seed, wrong=(0.2, 0.2)), 60).words[:13] for seed in range(200)
    )
    shown = 200 - same["v1 stays: no "]
    assert shown <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95), same
    found = sum(
        ended(World(ab(), seed=seed, wrong=(0.25, 0.2)), 60).status == "finished"
        for seed in range(60)
    )
    assert found >= 44


@pytest.mark.parametrize("wanted", [ab(), bandit()], ids=["ab", "bandit"])
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ({"lost": 0.2, "wrong": (0.3, 0.2)}, "v1: v2 taken back: the test is void: "),
        ({"slower": 4.0}, "v1: v2 taken back: run time"),
        ({"withheld": (0.0, 0.2), "labelled": 0.0}, "v1: v2 taken back: withheld answers"),
    ],
)
def test_a_broken_draw_voids_it_and_harm_ends_it(wanted: Plan, harm: dict[str, Any], said: str):
    """S31 N6: a candidate that loses one in five of its units does not win by the others."""
    world = World(wanted, **harm)
    assert ended(world, 60).status == "rolled back"
    assert reason(world).startswith(said)


def test_outcomes_that_come_for_one_arm_only_void_it():
    """S31: units met both versions evenly, but whose failures tell nobody must not win."""
    asked = Stratum(share=0.5, candidate=bad_of(0, 4000), current=bad_of(0, 4000))
    heard = Stratum(share=0.5, candidate=bad_of(10, 1500), current=bad_of(400, 2000))
    rollout = structs.replace(begin(ab(), 1, 0), epoch=2, step=0, shares={2: 0.5})
    choice = decide(
        rollout, Evidence(newest=None, withheld=(asked,), outcomes=(heard,)), 60 * DAY_NS
    )
    assert choice.kind == "back"
    assert "1,500 of 3,500 units with an outcome met v2 where 1,750 were expected" in choice.words


def test_time_ends_what_nobody_says_anything_about():
    """N6: without any outcome nothing is guessed; the current version stays."""
    for wanted in (ab(decide_ns=30 * 10**9), bandit(decide_ns=30 * 10**9)):
        world = World(wanted, labelled=0.0)
        assert ended(world, 20).status == "kept"
        assert "no difference shown, and its time is over" in reason(world)


@pytest.mark.parametrize("rule", ["thompson", "epsilon"])
@pytest.mark.parametrize(("wrong", "status"), [((0.3, 0.2), "finished"), ((0.2, 0.3), "kept")])
def test_a_bandit_moves_units_to_what_is_better_and_ends(
    rule: str, wrong: tuple[float, float], status: str
):
    """S31 N12: shares follow what was learned, none leaves its floor, and the end is proven."""
    world = World(bandit(share_by=rule), seed=3, wrong=wrong, rate=20)
    end = ended(world, 2000)
    assert end.status == status, end.words
    given = [shares[0] for _, shares, _ in world.history() if shares]
    assert given[0] == 0.5
    assert min(given) >= 0.05
    assert max(given) <= 0.95
    last = given[-1]
    assert last > 0.5 if status == "finished" else last < 0.5
    alone = end.findings[-1]
    assert alone.check == "off-policy"
    assert alone.interval is not None
    assert alone.interval[0] <= 1 - wrong[1] <= alone.interval[1]
    times = [route.time_ns for route in world.chain.history("fraud")][1:-1]
    assert len(times) < 2 or min(np.diff(times)) >= 10e9


def test_a_bandit_between_equals_seldom_ends_with_a_winner():
    """N6: 25 seeded worlds in which no version is better, looked at ten times."""
    ends = Counter(
        ended(World(bandit(bake_seconds=60), seed=seed, wrong=(0.2, 0.2)), 10, 60).status
        for seed in range(25)
    )
    assert ends["finished"] + ends["kept"] <= 25 * 0.05 + 3 * np.sqrt(25 * 0.05 * 0.95), ends


WORLDS: list[tuple[str, Plan, dict[str, Any], str]] = [
    ("ab finished", ab(bake_seconds=2), {"wrong": (0.5, 0.1)}, "finished"),
    ("ab kept", ab(bake_seconds=2), {"wrong": (0.1, 0.5)}, "kept"),
    ("ab void", ab(bake_seconds=9), {"lost": 0.5}, "rolled back"),
    ("ab goes on", ab(), {"rate": 20}, "running"),
    ("bandit finished", bandit(bake_seconds=2), {"wrong": (0.5, 0.2), "rate": 100}, "finished"),
    ("bandit kept", bandit(bake_seconds=1), {"wrong": (0.2, 0.5), "rate": 100}, "kept"),
    ("bandit goes on", bandit(bake_seconds=2), {"rate": 20}, "running"),
]


@pytest.mark.parametrize(
    ("wanted", "world", "status"), [each[1:] for each in WORLDS], ids=[each[0] for each in WORLDS]
)
def test_a_keeper_killed_anywhere_comes_to_the_same_end(
    wanted: Plan, world: dict[str, Any], status: str
):
    """Issue 3: killed before and after every call that changes something."""
    quiet = World(wanted, seed=5, **world)
    seconds = 6 if status == "running" else 14
    end = quiet.run(seconds)
    assert end.status == status, end.words
    kills = 0
    for kill_at in range(quiet.calls):
        killed = World(wanted, seed=5, kill_at=kill_at, **world)
        assert killed.run(seconds) == end
        assert killed.history() == quiet.history()
        kills += killed.deaths
    assert kills == quiet.calls


@pytest.mark.parametrize("wanted", [ab(), bandit(bake_seconds=4)], ids=["ab", "bandit"])
def test_a_manual_deployer_who_wins_the_race_for_a_route_is_not_undone(
    wanted: Plan, monkeypatch: pytest.MonkeyPatch
):
    """S5 N6: between the keeper's look and its append; the compare-and-swap refuses the keeper."""
    world = World(wanted, wrong=(0.5, 0.1), rate=20)
    world.run(2)
    append = world.chain.append

    def after_bob(draft: Draft, replaces: int) -> Any:
        monkeypatch.undo()
        by_hand = Draft(model="fraud", number=3, fingerprint="c" * 64, actor="bob", reason="mine")
        append(by_hand, replaces)
        return append(draft, replaces)

    monkeypatch.setattr(world.chain, "append", after_bob)
    end = world.run(30)
    assert end.status == "overtaken"
    assert "bob made v3 live" in end.words
    assert [number for number, _, _ in world.history()] == [1, 1, 3]


def test_the_probability_to_be_best_is_that_of_many_draws():
    """N12: a second way to know it, for few and many counts, two versions and several."""
    random = np.random.default_rng(8)
    for good, total in (
        ([0, 0], [0, 0]), ([3, 5], [10, 11]), ([1, 4], [1000, 900]), ([0, 2], [3, 50_000]),
        ([900_000, 901_000], [1_000_000, 1_000_000]), ([0, 1, 2, 6], [300, 280, 300, 310]),
    ):  # fmt: skip
        first, second = np.array(good) + 1, np.array(total) - np.array(good) + 1
        draws = random.beta(first, second, (40_000, len(good)))
        drawn = np.bincount(draws.argmax(axis=1), minlength=len(good)) / len(draws)
        assert best_probabilities(good, total) == pytest.approx(drawn, abs=0.012)


def test_no_version_gets_less_than_the_floor():
    """N12: so that what is seldom tried can still be judged."""
    for rule in ("thompson", "epsilon"):
        given = shares([0, 90, 50], [100, 100, 100], 0.05, rule)
        assert given.sum() == pytest.approx(1)
        assert given.min() == pytest.approx(0.05)
        assert given.argmax() == 1
        assert given[1] == pytest.approx(0.9, abs=1e-3)
    assert shares([0, 0], [0, 0], 0.05, "epsilon") == pytest.approx([0.5, 0.5])


def test_on_real_click_rates_a_bandit_loses_less_than_even_shares():
    """S31 N12: the click rates of the Open Bandit sample's items, over the rule's own mistakes."""
    log = obd("random")
    often = np.bincount(log["item_id"], minlength=34)
    rates = np.sort(np.bincount(log["item_id"], log["click"], 34) / often)[::3][::-1]
    lost = {"thompson": [], "epsilon": []}
    steps, batch = 100, 300
    for rule, losses in lost.items():
        for seed in range(3):
            random = np.random.default_rng(seed)
            good, total = np.zeros(len(rates), int), np.zeros(len(rates), int)
            for _ in range(steps):
                met = random.multinomial(batch, shares(good, total, 0.005, rule))
                good += random.binomial(met, rates)
                total += met
            losses.append(float(total @ (rates.max() - rates)))
    even = steps * batch * float((rates.max() - rates).mean())
    assert np.mean(lost["thompson"]) < 0.5 * even
    assert np.mean(lost["epsilon"]) < even


def look(wanted: Plan, heard: Stratum, seconds: float) -> Choice:
    """What follows from these outcomes so long after the arms were put beside each other."""
    rollout = structs.replace(begin(wanted, 1, 0), epoch=2, step=0, shares={2: 0.5})
    return decide(rollout, Evidence(newest=None, outcomes=(heard,)), round(seconds * 1e9))


def test_the_promised_error_is_shared_out_among_the_ways_to_end():
    """N6: half of an A/B test's for ending early, the rest for its planned size; two sides each."""
    few = Stratum(share=0.5, candidate=bad_of(30, 200), current=bad_of(40, 200))
    for wanted, alpha in ((ab(), 0.05 / 4), (bandit(), 0.05 / 2)):
        bounds = lower_bound([few], alpha), upper_bound([few], alpha)
        assert look(wanted, few, 1).findings[0].interval == bounds
    many = Stratum(share=0.5, candidate=bad_of(860, 4000), current=bad_of(800, 4000))
    low, high = look(ab(), many, 60).findings[0].interval
    spread = np.sqrt((0.215 * 0.785 + 0.2 * 0.8) / 4000)
    assert (low, high) == pytest.approx(
        (0.015 - 2.2414 * spread, 0.015 + 2.2414 * spread), abs=1e-4
    )


def test_a_share_lasts_for_its_bake_time_and_harm_does_not():
    """S31: looked at every minute, changed every ten."""
    better = Stratum(share=0.5, candidate=bad_of(40, 400), current=bad_of(60, 400))
    wanted = bandit(bake_seconds=600)
    assert [look(wanted, better, seconds).kind for seconds in (120, 599, 600)] == [
        "wait", "wait", "share"
    ]  # fmt: skip
    rollout = structs.replace(begin(wanted, 1, 0), looked_ns=5 * 10**9)
    assert not is_due(rollout, 64 * 10**9)
    assert is_due(rollout, 65 * 10**9)
