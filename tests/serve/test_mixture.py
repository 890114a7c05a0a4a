"""Several versions in force: each unit has its own, shadows are never noticed (S10 S31 N6 N12)."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidRequest, MainstayError, ModelFailed, NotFound
from mainstay.base.limits import SHADOW_ROWS_MAX
from mainstay.contract.model import (
    Number,
)
from mainstay.journal.model import DecisionBatch
from mainstay.serve.engine import Serving
from mainstay.serve.join import Told
from mainstay.serve.model import Answer, Call
from mainstay.serve.replay import replay
from mainstay.serve.routes.assign import assign
from mainstay.serve.routes.model import Arm, Route
from tests.serve.world import SumModel, World, contract_of

LIVE, SHARE, OTHER = "1" * 64, "2" * 64, "3" * 64


def arm(share: float, role: Any = "share", fingerprint: str = SHARE) -> Arm:
    return Arm(role=role, number=int(fingerprint[0]), fingerprint=fingerprint, share=share)


def mixed(*arms: Arm, unit: str = "", epoch: int = 1) -> Route:
    return Route(
        model="sum",
        epoch=epoch,
        number=1,
        fingerprint=LIVE,
        actor="ann",
        reason="",
        time_ns=0,
        arms=arms,
        salt="rollout",
        unit=unit,
    )


def prepared(world: World, route: Route, **arms: SumModel) -> Serving:
    """An engine that serves a route; versions add their own number to every sum."""
    engine = world.engine()
    models = {
        fingerprint: arms.get(f"v{fingerprint[0]}") or version(int(fingerprint[0]))
        for fingerprint in (LIVE, *(each.fingerprint for each in route.arms))
    }
    for fingerprint, model in models.items():
        model.fingerprint = fingerprint
    loaded = [(each, models[each.fingerprint], {}) for each in route.arms]
    serving = engine.prepare(models[LIVE], route, {}, loaded)
    engine.switch(serving)
    return serving


def version(number: int, **changes: Any) -> SumModel:
    return SumModel(bias=float(number), **changes)


async def tell_of(serving: Serving, call: Call) -> Told:
    future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
    line = serving.mixture or serving.joiner
    try:
        line.submit(call, future.set_result)
    except MainstayError as error:
        return error
    return await future


async def ask(serving: Serving, call: Call) -> Answer:
    told = await tell_of(serving, call)
    assert isinstance(told, Answer), told
    return told


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(story(), 30)

    asyncio.run(bounded())


def batches(world: World) -> list[DecisionBatch]:
    return [batch for batch, _ in world.log.runs.values()]


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; `run` bounds the wait."""
    while not true():  # noqa: ASYNC110  # because shadows tell nobody when they are done
        await asyncio.sleep(0)


# ------------------------------------------------------------------------------ who answers


def test_the_caller_decides_on_the_version_and_every_decision_says_so() -> None:
    """S31, N12, L1: the arm and the propensity of the moment are in the answer and the journal."""

    async def story() -> None:
        world = World()
        serving = prepared(world, mixed(arm(0.3)))
        for number in range(60):
            caller = f"caller {number}"
            answer = await ask(serving, world.call((1, 1), (2, 2), caller=caller))
            chosen, propensity = assign(mixed(arm(0.3)), caller)
            wanted = ("live", 1) if chosen is None else ("share", 2)
            assert (answer.arm, answer.number) == wanted
            assert propensity == (0.7 if chosen is None else 0.3)
            decision = world.journal.find(answer.ids[1])
            assert (decision.arm, decision.version, decision.propensity) == (*wanted, propensity)
            assert decision.shadows == ""
            assert decision.route == 1
        counted = {batch.arm for batch in batches(world)}
        assert counted == {"live", "share"}

    run(story)


def test_a_route_without_arms_has_no_mixture_and_records_certainty() -> None:
    """S10: nothing is paid for what is not there."""

    async def story() -> None:
        world = World()
        serving = prepared(world, mixed())
        assert serving.mixture is None
        assert serving.beside == ()
        answer = await ask(serving, world.call((1, 1)))
        assert (answer.arm, answer.rows) == ("live", [])
        (batch,) = batches(world)
        assert (batch.arm, batch.propensity, batch.shadows) == ("live", 1.0, ())

    run(story)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=40),
    st.sampled_from([(0.5,), (0.3, 0.3), (0.2, 0.8), (0.0,), (1.0,)]),
    st.booleans(),
)
def test_a_call_of_many_units_is_answered_as_its_rows_alone_would_be(
    rows: list[tuple[int, int]], shares: tuple[float, ...], shadowed: bool
) -> None:
    """S31: taken apart and put together again, in the order it came."""

    async def story() -> None:
        world = World()
        arms = [arm(s, fingerprint=f) for s, f in zip(shares, (SHARE, OTHER), strict=False)]
        if shadowed:
            arms.append(arm(0.5, "shadow", "4" * 64))
        serving = prepared(world, mixed(*arms, unit="a"))
        whole = await ask(serving, world.call(*rows))
        told = whole.rows or [None] * len(rows)
        for place, row in enumerate(rows):
            alone = await ask(serving, world.call(row))
            assert np.array_equal(alone.output[0], whole.output[place])
            assert alone.shown[0] == whole.shown[place]
            who = told[place]
            assert (alone.arm, alone.number) == (
                (whole.arm, whole.number) if who is None else (who.arm, who.version)
            )
            decision = world.journal.find(whole.ids[place])
            assert (decision.inputs["a"], decision.inputs["b"]) == row
            assert (decision.arm, decision.version) == (alone.arm, alone.number)
        assert len(set(whole.ids)) == len(rows)

    run(story)


def test_a_bad_row_refuses_the_whole_call_in_its_own_count_and_nothing_is_answered() -> None:
    """S3, S31: whichever version finds it, the caller's row is named, and no part is recorded."""

    async def story() -> None:
        world = World()
        strict = version(
            2,
            contract=contract_of(
                inputs={
                    "a": Number(min=-100, max=100),
                    "b": Number(min=-100, max=5),
                }
            ),
        )
        route = mixed(arm(0.5), unit="a")
        serving = prepared(world, route, v2=strict)
        units = [n for n in range(100) if assign(route, str(n))[0] is not None]
        others = [n for n in range(100) if assign(route, str(n))[0] is None]
        rows = [(others[0], 9), (others[1], 9), (units[0], 1), (units[1], 9)]
        told = await tell_of(serving, world.call(*rows))
        assert isinstance(told, InvalidRequest)
        assert "row 3" in told.message
        first = [(others[0], 1), (units[1], 9), (others[1], 1000)]
        both = await tell_of(serving, world.call(*first))
        assert isinstance(both, InvalidRequest)
        assert "row 1" in both.message, "the first of the call, not of the live version's part"
        assert "1 more problem" in both.message
        assert batches(world) == []
        mended = await ask(serving, world.call(*rows[:3]))
        assert [row.version for row in mended.rows] == [1, 1, 2]

    run(story)


@pytest.mark.parametrize("broken", ["v1", "v2"])
def test_a_version_that_breaks_down_fails_the_calls_that_need_it_once(broken: str) -> None:
    """S31: a call of two versions is one answer or one error."""

    async def story() -> None:
        world = World()
        number = int(broken[1])
        bad = version(number, breaks=lambda matrix: True)
        route = mixed(arm(0.5), unit="a")
        serving = prepared(world, route, **{broken: bad})
        rows = [(n, 0) for n in range(20)]
        told: list[Told] = []
        assert serving.mixture is not None
        serving.mixture.submit(world.call(*rows), told.append)
        await until(lambda: bool(told) and serving.joiner.idle)
        assert [type(each) for each in told] == [ModelFailed]
        fine = [row for row in rows if (assign(route, str(row[0]))[0] is None) == (number == 2)]
        assert len((await ask(serving, world.call(*fine))).ids) == len(fine)

    run(story)


def test_when_both_versions_break_down_the_caller_is_told_once() -> None:
    """S31: the second error finds a call that was answered already."""

    async def story() -> None:
        world = World()
        bad = {f"v{n}": version(n, breaks=lambda matrix: True) for n in (1, 2)}
        serving = prepared(world, mixed(arm(0.5), unit="a"), **bad)
        told: list[Told] = []
        assert serving.mixture is not None
        serving.mixture.submit(world.call(*((n, 0) for n in range(20))), told.append)
        await until(lambda: serving.joiner.idle and serving.beside[0].joiner.idle)
        assert [type(each) for each in told] == [ModelFailed]

    run(story)


def test_a_part_that_finds_no_room_fails_the_call_once() -> None:
    """S31: shed as one, though the other part had found its place."""

    async def story() -> None:
        world = World()
        gate = threading.Event()
        route = mixed(arm(0.5), unit="a")
        serving = prepared(world, route, v2=version(2, gate=gate))
        share = serving.beside[0]
        share.joiner.times.learn(1, 10**12)
        rows = [(n, 0) for n in range(20)]
        filler = next(n for n in range(100) if assign(route, str(n))[0] is not None)
        share.joiner.submit(world.call((filler, 0)), lambda told: None)
        await asyncio.sleep(0)
        share.joiner.submit(world.call((filler, 0)), lambda told: None)
        told: list[Told] = []
        assert serving.mixture is not None
        serving.mixture.submit(world.call(*rows), told.append)
        await until(lambda: bool(told) and serving.joiner.idle)
        gate.set()
        assert [each.code for each in told if isinstance(each, MainstayError)] == ["overloaded"]
        assert len(told) == 1

    run(story)


def test_a_version_is_reached_by_its_number_and_that_is_no_draw() -> None:
    """S31, N12: answers that somebody asked for by name must not count in an experiment."""

    async def story() -> None:
        world = World()
        engine = world.engine()
        route = mixed(arm(0.5), arm(1.0, "shadow", OTHER))
        models = {f: version(int(f[0]), fingerprint=f) for f in (LIVE, SHARE, OTHER)}
        arms = [(each, models[each.fingerprint], {}) for each in route.arms]
        engine.switch(engine.prepare(models[LIVE], route, {}, arms))
        for number in (1, 2, 3):
            found = engine.find("sum", str(number))
            answer = await ask(found, world.call((0, 0)))
            assert (answer.arm, answer.number) == ("named", number)
            decision = world.journal.find(answer.ids[0])
            assert (decision.arm, decision.propensity, decision.version) == ("named", 1, number)
        assert models[OTHER].runs == [1], "who is asked for by name is not shadowed"
        with pytest.raises(NotFound) as refused:
            engine.find("sum", "4")
        assert refused.value.expected == "version 1 or 2 or 3, or a path without a version"

    run(story)


# ------------------------------------------------------------------------------- shadows


def test_a_shadow_answers_what_was_answered_and_says_whose_shadow_it_is() -> None:
    """N6: recorded beside the live decision, never in an answer."""

    async def story() -> None:
        world = World()
        serving = prepared(world, mixed(arm(1.0, "shadow")))
        shadow = serving.beside[0]
        answer = await ask(serving, world.call((1, 1), (2, 2)))
        assert (answer.arm, answer.number) == ("live", 1)
        await until(lambda: len(batches(world)) == 2)
        assert shadow.joiner.idle
        live, shade = batches(world)
        assert (live.arm, live.door, live.shadows) == ("live", "decide", ())
        assert (shade.arm, shade.door, shade.shadows) == ("shadow", "shadow", tuple(answer.ids))
        assert shade.fingerprint == SHARE
        assert shade.inputs == live.inputs
        identity = f"{shade.time_ms:012x}{shade.incarnation:08x}{shade.first_sequence + 1:08x}"
        decision = world.journal.find(identity)
        assert (decision.version, decision.shadows) == (2, answer.ids[1])
        table = world.journal.query(
            "SELECT l.output_high < s.output_high AS higher FROM decisions l JOIN decisions s"
            " ON s.shadows = l.id WHERE s.arm = 'shadow'"
        )
        assert table.to_pylist() == [{"higher": True}] * 2

    run(story)


def test_a_share_is_not_shadowed_and_a_part_of_the_units_is() -> None:
    """N6: bounded cost; compared with what the live version answered."""

    async def story() -> None:
        world = World()
        shade = version(3)
        route = mixed(arm(0.5), arm(0.5, "shadow", OTHER), unit="a")
        serving = prepared(world, route, v3=shade)
        answer = await ask(serving, world.call(*((n, 0) for n in range(100))))
        live = [i for i, row in zip(answer.ids, answer.rows, strict=True) if row.arm == "live"]
        await until(lambda: bool(shade.runs) and serving.beside[1].joiner.idle)
        (batch,) = [each for each in batches(world) if each.arm == "shadow"]
        assert set(batch.shadows) < set(live)
        assert batch.propensity == 0.5
        assert 10 < len(batch.shadows) < 40

    run(story)


@pytest.mark.parametrize("how", ["raises", "hangs", "kills its thread"])
def test_nothing_a_shadow_does_is_noticed(how: str) -> None:
    """N6, S31: answers come as they came before; what the shadow missed is counted; and a drain
    does not wait for it."""

    async def story() -> None:
        world = World()
        gate = threading.Event()

        def kill(matrix: Any) -> bool:
            raise SystemExit(1)

        bad = {
            "raises": lambda: version(2, breaks=lambda matrix: True),
            "hangs": lambda: version(2, gate=gate),
            "kills its thread": lambda: version(2, breaks=kill),
        }[how]()
        engine = world.engine()
        live = version(1, fingerprint=LIVE)
        bad.fingerprint = SHARE
        route = mixed(arm(1.0, "shadow"))
        engine.switch(engine.prepare(live, route, {}, [(route.arms[0], bad, {})]))
        serving = engine.find("sum")
        # One that raises keeps up or does not, as the machine likes: what waits fits its line.
        calls = SHADOW_ROWS_MAX if how == "raises" else SHADOW_ROWS_MAX + 500
        for number in range(calls):
            answer = await ask(serving, world.call((number % 50, 0)))
            assert answer.arm == "live"
        assert engine.idle
        assert engine.waiting_rows == 0
        assert len([each for each in batches(world) if each.arm == "live"]) == calls
        if how == "hangs":
            dropped = sum(each.rows for each in world.missed if each.why == "dropped")
            assert dropped >= calls - SHADOW_ROWS_MAX - 256
            assert serving.beside[0].joiner.waiting_rows <= SHADOW_ROWS_MAX
            gate.set()
        if how == "raises":
            await until(lambda: serving.beside[0].joiner.idle)
            assert {each.why for each in world.missed} == {"failed"}
            assert sum(each.rows for each in world.missed) == calls

    run(story)


def test_a_shadow_gives_way_to_callers_who_wait() -> None:
    """N6: with a long line in front of the live version nothing is added to it."""

    async def story() -> None:
        world = World()
        shade = version(2)
        serving = prepared(world, mixed(arm(1.0, "shadow")), v2=shade)
        told: list[Told] = []
        line = serving.mixture
        assert line is not None
        for _ in range(3):  # 256 rows make a run, so the third waits while the first is told
            line.submit(world.call(*((1, 1) for _ in range(200))), told.append)
        await until(lambda: len(told) == 3)
        await until(lambda: serving.beside[0].joiner.idle and bool(shade.runs))
        assert [each.rows for each in world.missed] == [200, 200]
        assert {each.why for each in world.missed} == {"dropped"}
        assert sum(shade.runs) == 200

    run(story)


def test_a_shadow_runs_beside_the_loop_and_its_thread_ends_with_the_route() -> None:
    """N6: not even a short run of a shadow happens where answers are made."""

    async def story() -> None:
        world = World()
        threads: list[threading.Thread] = []

        def note(matrix: Any) -> bool:
            threads.append(threading.current_thread())
            return False

        engine = world.engine()
        live, shade = version(1, fingerprint=LIVE), version(2, fingerprint=SHARE, breaks=note)
        route = mixed(arm(1.0, "shadow"))
        engine.switch(engine.prepare(live, route, {}, [(route.arms[0], shade, {})]))
        await ask(engine.find("sum"), world.call((1, 1)))
        await until(lambda: len(batches(world)) == 2)
        (thread,) = threads
        assert (thread.name, thread.daemon) == ("shadow sum", True)
        engine.switch(engine.prepare(live, mixed(epoch=2), {}))
        await until(lambda: not thread.is_alive())

    run(story)


# ------------------------------------------------------------------------------- replay, words


def test_decisions_of_arms_and_shadows_replay_with_their_own_version() -> None:
    """L3, S31: every run of a split call can be made again."""

    async def story() -> None:
        world = World()
        route = mixed(arm(0.5), arm(1.0, "shadow", OTHER), unit="a")
        serving = prepared(world, route)
        answer = await ask(serving, world.call(*((n, 1) for n in range(30))))
        await until(lambda: len(batches(world)) == 3)
        by_fingerprint = serving.versions
        for identity in answer.ids:
            batch, layout = world.journal.run_of(identity)
            again = replay(by_fingerprint[batch.fingerprint].loaded, batch, layout)
            assert again.verdict == "same"
            wrong = next(each for mark, each in by_fingerprint.items() if mark != batch.fingerprint)
            assert replay(wrong.loaded, batch, layout).verdict == "different"

    run(story)
