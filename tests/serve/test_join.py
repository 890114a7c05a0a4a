"""Concurrent calls share a run, none disturbs another, and nothing is acknowledged unrecorded."""

import asyncio
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import (
    InvalidRequest,
    MainstayError,
    ModelFailed,
    Overloaded,
    StorageFailed,
    TooLate,
)
from mainstay.base.limits import WAITING_ROWS_MAX
from mainstay.contract.model import Serve
from mainstay.serve.engine import Serving
from mainstay.serve.join import INLINE_MAX_NS, RunTimes
from mainstay.serve.model import Answer, Call
from tests.serve.world import SumModel, World, contract_of, route_of


def prepared(world: World, model: SumModel) -> Serving:
    engine = world.engine()
    serving = engine.prepare(model, route_of(), {})
    engine.switch(serving)
    return serving


async def ask(serving: Serving, *calls: Call) -> list[Answer | BaseException]:
    return await asyncio.gather(
        *(serving.joiner.ask(call) for call in calls), return_exceptions=True
    )


def good(answer: Answer | BaseException) -> Answer:
    assert isinstance(answer, Answer), answer
    return answer


def test_concurrent_calls_share_one_run() -> None:
    """S16: calls of one turn of the loop become one model run, each with its own answer."""

    async def story() -> None:
        world, model = World(), SumModel()
        serving = prepared(world, model)
        answers = await ask(serving, *(world.call((i, 0)) for i in range(-5, 5)))
        assert model.runs == [10]
        highs = [float(good(a).output[0, 1]) for a in answers]
        assert highs == sorted(highs)
        assert len({good(a).ids[0] for a in answers}) == 10

    asyncio.run(story())


def test_join_false_runs_each_call_alone() -> None:
    """S16: a contract may ask that its requests are never joined."""

    async def story() -> None:
        world = World()
        model = SumModel(contract=contract_of(serve=Serve(join=False)))
        await ask(prepared(world, model), *(world.call((i, 0)) for i in range(4)))
        assert model.runs == [1, 1, 1, 1]

    asyncio.run(story())


def test_doors_are_not_joined() -> None:
    """L1: every decision knows its door, so calls of two doors never share a run."""

    async def story() -> None:
        world, model = World(), SumModel()
        serving = prepared(world, model)
        answers = await ask(
            serving, world.call((1, 1), door="infer"), world.call((1, 1), door="decide")
        )
        doors = [world.journal.find(good(a).ids[0]).door for a in answers]
        assert doors == ["infer", "decide"]
        assert model.runs == [1, 1]

    asyncio.run(story())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(-150, 150), st.floats(-150, 150)), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
    )
)
def test_a_bad_call_never_disturbs_its_neighbours(calls: list[list[tuple[float, float]]]) -> None:
    """S3: whoever sends a value outside the contract is told so; all others get the answer that
    they would have got alone, and only theirs are recorded."""

    async def story() -> None:
        world, model = World(), SumModel()
        serving = prepared(world, model)
        answers = await ask(serving, *(world.call(*rows) for rows in calls))
        kept = 0
        for rows, answer in zip(calls, answers, strict=True):
            if any(abs(value) > 100 for row in rows for value in row):
                assert isinstance(answer, InvalidRequest)
                assert answer.field in {"a", "b"}
                continue
            told = good(answer)
            kept += len(rows)
            alone = 1 / (1 + np.exp(-np.float32(rows).sum(axis=1, dtype=np.float64)))
            assert np.array_equal(told.output[:, 1], alone)
            for identity, row in zip(told.ids, rows, strict=True):
                assert world.journal.find(identity).inputs == {"a": row[0], "b": row[1]}
        assert sum(model.runs) == kept

    asyncio.run(story())


def test_a_model_that_breaks_fails_its_calls_and_lives_on() -> None:
    """S16: a run that raises is an error for its calls; the next run is not touched."""

    async def story() -> None:
        world = World()
        model = SumModel(breaks=lambda matrix: bool((matrix == 13).any()))
        serving = prepared(world, model)
        (first,) = await ask(serving, world.call((13, 0)))
        assert isinstance(first, ModelFailed)
        (second,) = await ask(serving, world.call((1, 0)))
        assert good(second).statuses == ["answered"]

    asyncio.run(story())


def test_an_output_without_sense_is_declined_and_recorded() -> None:
    """S19: NaN is never shown; the decision says why."""

    async def story() -> None:
        world, model = World(), SumModel(poison=3)
        serving = prepared(world, model)
        fine, bad = await ask(serving, world.call((1, 1)), world.call((3, 1)))
        assert good(fine).statuses == ["answered"]
        assert good(bad).statuses == ["declined"]
        decision = world.journal.find(good(bad).ids[0])
        assert decision.status == "declined"
        assert "finite" in decision.reason

    asyncio.run(story())


def test_nothing_is_acknowledged_that_was_not_recorded() -> None:
    """L7: when the journal cannot take a run, its calls fail."""

    async def story() -> None:
        world, model = World(), SumModel()
        serving = prepared(world, model)
        world.spool.failure = StorageFailed("the disk is full")
        (answer,) = await ask(serving, world.call((1, 1)))
        assert isinstance(answer, StorageFailed)
        world.spool.failure = None
        (answer,) = await ask(serving, world.call((1, 1)))
        assert good(answer).statuses == ["answered"]

    asyncio.run(story())


@pytest.mark.parametrize("level", ["written", "durable", "buffered"])
def test_every_level_records_what_it_answers(level: str) -> None:
    """L1 L7: whatever the level, the answered decision is found."""

    async def story() -> None:
        world, model = World(), SumModel(contract=contract_of(log=level))
        serving = prepared(world, model)
        answers = await ask(serving, *(world.call((i, 1)) for i in range(5)))
        for i, answer in enumerate(answers):
            decision = world.journal.find(good(answer).ids[0])
            assert decision.inputs == {"a": i, "b": 1}
            assert decision.caller == "ann"

    asyncio.run(story())


def test_a_slow_run_leaves_the_loop_and_what_arrives_meanwhile_is_the_next_run() -> None:
    """S37: a long run does not hold up the event loop, and calls pile into the next run."""

    async def story() -> None:
        world = World()
        model = SumModel(gate=threading.Event())
        serving = prepared(world, model)
        serving.joiner.times.learn(1, 50_000_000)
        first = asyncio.ensure_future(serving.joiner.ask(world.call((1, 0))))
        await asyncio.get_running_loop().run_in_executor(None, model.started.wait)
        rest = [asyncio.ensure_future(serving.joiner.ask(world.call((i, 0)))) for i in range(6)]
        await asyncio.sleep(0)
        assert model.gate is not None
        model.gate.set()
        await asyncio.gather(first, *rest)
        assert model.runs == [1, 6]

    asyncio.run(story())


def test_a_run_that_hangs_is_answered_at_the_deadline() -> None:
    """O14: a model that does not come back costs its callers the deadline, not for ever."""

    async def story() -> None:
        world = World()
        model = SumModel(contract=contract_of(serve=Serve(deadline="20ms")), gate=threading.Event())
        serving = prepared(world, model)
        serving.joiner.times.learn(1, 15_000_000)
        (answer,) = await ask(serving, world.call((1, 0)))
        assert isinstance(answer, TooLate)
        assert model.gate is not None
        model.gate.set()

    asyncio.run(story())


def test_more_than_can_wait_is_shed_at_once() -> None:
    """S37: the line is bounded; beyond it a call is told to come back."""

    async def story() -> None:
        world, model = World(), SumModel(gate=threading.Event())
        serving = prepared(world, model)
        serving.joiner.times.learn(WAITING_ROWS_MAX, 50_000_000)
        rows = [(0.0, 0.0)] * (WAITING_ROWS_MAX // 4)
        waiting = [asyncio.ensure_future(serving.joiner.ask(world.call(*rows))) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await serving.joiner.ask(world.call((1, 1)))
        assert model.gate is not None
        model.gate.set()
        assert not any(isinstance(a, MainstayError) for a in await asyncio.gather(*waiting))

    asyncio.run(story())


def test_run_times_scale_from_the_nearest_known_size() -> None:
    """S37: an unknown size is expected to take its share more than a smaller known one."""
    times = RunTimes()
    assert times.expect_ns(1000) == 0
    times.learn(1, 1000)
    assert times.expect_ns(1) == 1000
    assert times.expect_ns(2) == 2000
    times.learn(256, 8000)
    assert times.expect_ns(300) == 8000
    assert times.expect_ns(100) == 8000
    times.learn(256, 18000)
    assert times.expect_ns(256) == 10000


def test_one_interrupted_run_does_not_make_a_model_slow() -> None:
    """S37: a run that the machine put aside for a while is forgotten soon; a model that became
    slow is noticed within a few runs."""
    times = RunTimes()
    times.learn(8, 100_000)
    times.learn(8, 50_000_000)
    assert times.expect_ns(8) < INLINE_MAX_NS / 5
    for _ in range(20):
        times.learn(8, 50_000_000)
    assert times.expect_ns(8) > INLINE_MAX_NS


def test_the_processor_time_of_a_run_is_recorded() -> None:
    """M1 M11: of the thread that ran it, not of those that ran beside it."""

    async def story() -> None:
        world = World()
        serving = prepared(world, SumModel())
        before = time.thread_time_ns()
        await ask(serving, world.call((1, 2)), world.call((3, 4)))
        used = time.thread_time_ns() - before
        (batch, _) = next(iter(world.log.runs.values()))
        assert batch.rows == 2
        assert 0 < batch.processor_ns <= used

    asyncio.run(story())
