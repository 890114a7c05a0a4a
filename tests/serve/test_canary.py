"""A canary's candidate: answers a share, shadows the rest, and its failures are told (N6)."""

import threading

import pytest

from mainstay.base.draws import draw
from mainstay.base.errors import InvalidRequest, TooLate
from mainstay.serve.routes.assign import assign
from tests.serve.test_mixture import (
    OTHER,
    SHARE,
    arm,
    ask,
    batches,
    mixed,
    prepared,
    run,
    tell_of,
    until,
    version,
)
from tests.serve.world import World, slow


def test_a_version_that_answers_a_share_shadows_the_rest() -> None:
    """N6: a canary's candidate meets every request, once: shown, or unseen."""

    async def story() -> None:
        world = World()
        route = mixed(arm(0.3), arm(1.0, "shadow"), unit="a")
        serving = prepared(world, route)
        answer = await ask(serving, world.call(*((n, 0) for n in range(60))))
        arms = {row.arm: row.version for row in answer.rows}
        assert arms == {"live": 1, "share": 2}
        live = {i for i, row in zip(answer.ids, answer.rows, strict=True) if row.arm == "live"}
        await until(lambda: sum(b.rows for b in batches(world)) == 60 + len(live))
        shades = [each for each in batches(world) if each.arm == "shadow"]
        assert {each.fingerprint for each in shades} == {SHARE}
        assert {mark for each in shades for mark in each.shadows} == live
        assert {each.propensity for each in batches(world)} == {0.7, 0.3, 1.0}
        numbers = [s.route.number for s in serving.beside if s.pipeline.arm == "named"]
        assert sorted(numbers) == [1, 2], "each version can be asked for by its number, once"

    run(story)


@pytest.mark.parametrize(
    ("broken", "units", "arms"),
    [("v1", 7, {"live"}), ("v2", 7, {"share"}), ("v3", 7, {"shadow"})],
)
def test_who_could_not_answer_is_told_with_the_units(
    broken: str, units: int, arms: set[str]
) -> None:
    """N6: a failure leaves no decision, so it is counted on its own."""

    async def story() -> None:
        world = World()
        bad = version(int(broken[1]), breaks=lambda matrix: True)
        route = mixed(arm(0.5), arm(1.0, "shadow", OTHER), unit="a")
        serving = prepared(world, route, **{broken: bad})
        mine = [n for n in range(100) if (assign(route, str(n))[0] is None) == (broken != "v2")]
        rows = [(n, 0) for n in mine[:units]]
        await tell_of(serving, world.call(*rows, rows[0]))
        await until(lambda: bool(world.missed))
        (missed,) = world.missed
        assert {missed.arm} == arms
        assert (missed.why, missed.rows) == ("failed", units + 1)
        assert sorted(missed.draws) == sorted({draw("rollout", str(n)) for n, _ in rows})
        assert missed.route.number == int(broken[1])

    run(story)


def test_what_callers_got_wrong_is_no_failure_of_a_version() -> None:
    """S3 N6: bad requests say nothing about who would have answered them."""

    async def story() -> None:
        world = World()
        serving = prepared(world, mixed(arm(0.5), arm(1.0, "shadow", OTHER)))
        for number in range(10):
            told = await tell_of(serving, world.call((1000, 0), caller=f"c{number}"))
            assert isinstance(told, InvalidRequest)
        assert world.missed == []

    run(story)


def test_what_finds_no_room_in_a_shadow_is_counted() -> None:
    """N6: a pair that is missing is known to be missing, and the caller has the answer."""

    async def story() -> None:
        world = World()
        gate = threading.Event()
        serving = prepared(world, mixed(arm(1.0, "shadow")), v2=version(2, gate=gate))
        shade = serving.beside[0]
        shade.joiner.times.learn(1, 10**12)
        for number in range(4):
            answer = await ask(serving, world.call((number, 0)))
            assert answer.arm == "live"
        gate.set()
        await until(lambda: shade.joiner.idle)
        assert {(each.why, each.rows, each.arm) for each in world.missed} == {
            ("dropped", 1, "shadow")
        }
        shown = sum(each.rows for each in batches(world) if each.arm == "shadow")
        assert shown + len(world.missed) == 4

    run(story)


def test_who_answers_too_late_has_failed() -> None:
    """N6: a caller who waited in vain is a failure of the version that was drawn."""

    async def story() -> None:
        world = World()
        gate = threading.Event()
        late = version(2, gate=gate, contract=slow("20ms"))
        serving = prepared(world, mixed(arm(1.0)), v2=late)
        serving.beside[0].joiner.times.learn(1, 10**9)
        told = await tell_of(serving, world.call((1, 1)))
        assert isinstance(told, TooLate)
        (missed,) = world.missed
        assert (missed.why, missed.rows, missed.arm) == ("failed", 1, "share")
        gate.set()
        await until(lambda: serving.beside[0].joiner.idle)

    run(story)
