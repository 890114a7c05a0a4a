"""How models run: steps and leaks are told once, restarts and deployments are none of them. M11 M1."""

import math

import msgspec
import numpy as np
import pytest

from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import (
    DAY_MS,
    HOUR_MS,
    LATENCY,
    PROCESSOR,
    STRETCH_MS,
    TIMES,
    Key,
    Part,
)
from mainstay.watch.gather.processes import Held, Processes, Reading
from mainstay.watch.monitors.leaks import growth, lived_on, loudness
from mainstay.watch.monitors.model import Change, Life, Saved
from mainstay.watch.monitors.running import (
    CREEPS,
    ROWS_LEAST,
    left_over,
    look_at_running,
    usual_at,
)
from mainstay.watch.watcher import OTHERS_PART, looks_per_alarm

BEGIN = 1_700_000_000_000 // DAY_MS * DAY_MS
LOOKS = 30 * 144 / OTHERS_PART
ONE, TWO = "1" * 64, "2" * 64
DAY = 144
HOURLY = 6


class World:
    """A model that answers, and workers that answer for it."""

    def __init__(self, seed: int = 1, stride: int = 1) -> None:
        """`stride`: of so many stretches, one is answered in."""
        self.stride = stride
        self.generator = np.random.default_rng(seed)
        self.saved = Saved()
        self.at = 0
        self.processes = Processes()

    def pass_(
        self, stretches: int, latency: float = 1.0, processor: float = 1.0, version: str = ONE,
        memory: dict[str, float] | None = None, growth: float = 0.0, rows: int = 60, step: int = 6,
    ) -> list[Change]:  # fmt: skip
        """Time goes by; somebody looks after every `step` stretches. Latency differs by the hour
        of the day; memory is by process, and grows by a share with every stretch."""
        told: list[Change] = []
        parts: list[Part] = []
        beside: list[Part] = []
        for number in range(stretches):
            begin = BEGIN + self.at * STRETCH_MS
            day = 0.2 * math.sin(2 * math.pi * self.at / DAY)
            columns = {
                LATENCY: self.times(2e6 * latency * math.exp(day), rows),
                PROCESSOR: self.times(3e5 * processor, rows),
            }
            if rows:
                parts.append(Part(Key("m", version, 1, "live", "", begin), rows, columns))
            readings = [
                Reading(
                    process=name, held=(Held("m", version, 1),),
                    resident_bytes=round(
                        used * math.exp(growth * number + 0.003 * self.generator.normal())
                    ),
                )
                for name, used in (memory or {}).items()
            ]  # fmt: skip
            beside += self.processes.take(readings, begin)
            self.at += self.stride
            if number % step == step - 1:
                told += self.look(parts, beside)
                parts, beside = [], []
        told += self.look(parts, beside) if parts or beside else []
        packed = msgspec.msgpack.encode(self.saved)
        self.saved = msgspec.msgpack.decode(packed, type=Saved)
        return told

    def look(self, parts: list[Part], beside: list[Part]) -> list[Change]:
        until = BEGIN + self.at * STRETCH_MS
        self.saved = msgspec.structs.replace(self.saved, until_ms=until)
        self.saved, changes = look_at_running(self.saved, parts, beside, LOOKS)
        return changes

    def times(self, middle: float, rows: int):
        spread = 0.3 * self.generator.standard_t(4, rows) + 0.05 * self.generator.normal()
        return summarise(values_of(middle * np.exp(np.clip(spread, -6, 6))), TIMES)


def kinds(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.finding.check) for change in changes]


@pytest.mark.parametrize(
    ("figure", "slower"), [("latency", (1.8, 1.0)), ("processor time", (1.0, 1.8))]
)
def test_a_step_is_told_once_and_over_once(figure: str, slower: tuple[float, float]):
    """M11: sudden, with since when and how much; and its end."""
    world = World(1, HOURLY)
    assert world.pass_(8 * 24) == []
    (found,) = world.pass_(24, *slower)
    assert kinds([found]) == [("opened", f"{figure}: step")]
    begun = BEGIN + 8 * DAY_MS
    assert abs(found.since_ms - begun) <= HOUR_MS
    assert found.at_ms - begun <= 9 * HOUR_MS
    assert f"{figure}" in found.finding.words
    assert "times what is usual" in found.finding.words
    assert found.finding.compared is not None
    assert found.finding.figure is not None
    assert found.finding.figure / found.finding.compared == pytest.approx(1.8, rel=0.15)
    (ended,) = world.pass_(24)
    assert (ended.kind, ended.key) == ("resolved", found.key)


def test_improvements_and_days_are_no_regression():
    world = World(2, HOURLY)
    assert world.pass_(9 * 24) == []
    assert world.pass_(24, 0.4, 0.4) == []


def test_what_has_gone_on_for_a_week_is_what_is_usual():
    """M11: nobody is told of it for ever, and it is not told anew."""
    world = World(3, HOURLY)
    world.pass_(8 * 24)
    told = world.pass_(12 * 24, 2.0)
    assert kinds(told) == [("opened", "latency: step"), ("resolved", "latency: step")]
    assert told[1].at_ms - told[0].since_ms == 7 * DAY_MS


def test_how_often_somebody_looks_changes_nothing():
    """M11: after every stretch, or once in six hours."""
    heard = []
    for step in (1, 36):
        world = World(4)
        told = world.pass_(7 * DAY, step=step)
        told += world.pass_(DAY, 1.8, step=step, memory={"worker 0 (1)": 3e8}, growth=0.004)
        heard.append([(each.kind, each.key, each.since_ms, each.at_ms) for each in told])
    assert heard[0] == heard[1] != []


def test_a_leak_is_told_once_and_over_with_its_process():
    """M11: slow, by worker; a process that starts anew is none and ends it."""
    world = World(5)
    steady = {"worker 1 (1)": 2e8}
    assert world.pass_(2 * DAY, memory={"worker 0 (1)": 3e8, **steady}) == []
    told = world.pass_(DAY, memory={"worker 0 (1)": 3e8}, growth=0.003)
    (found,) = [change for change in told if change.kind == "opened"]
    assert found.finding.check == "memory: creeps up"
    assert found.key == f"{ONE[:16]}||memory of worker 0 (1){CREEPS}"
    assert "memory of worker 0 (1): creeps up, steadily, by" in found.finding.words
    assert "MiB" in found.finding.words
    later = world.pass_(DAY, memory={"worker 0 (2)": 3e8, **steady})
    assert kinds(later) == [("resolved", "memory: creeps up")]


def test_restarts_and_deployments_are_no_leak():
    """M11: every process grows while it warms up, and starts anew; a version may need more."""
    world, told = World(6), []
    for life in range(8):
        told += world.pass_(12, memory={f"worker 0 ({life})": 2e8}, growth=0.02)
        told += world.pass_(60, memory={f"worker 0 ({life})": 2e8 * math.exp(0.24)})
    told += world.pass_(DAY, version=TWO, memory={"worker 0 (7)": 2.2e8 * math.exp(0.24)})
    assert told == []


def test_the_first_hours_of_a_process_are_left_out():
    """M11: while it fills its caches; its level is that of after."""
    world = World(11)
    world.pass_(30, memory={"worker 0 (1)": 3e8})
    life = world.saved.running.lives[f"{ONE[:16]}||memory of worker 0 (1)"]
    # The newest stretch is not over yet; of the 29 before it, three hours are left out.
    assert len(life.values) == 29 - 18


def test_latency_that_creeps_up_is_told_of_its_version():
    """M11: slow, by version; the next one starts anew."""
    world, told = World(7, HOURLY), []
    for day in range(12):
        told += world.pass_(24, latency=math.exp(0.12 * day), version=ONE)
    crept = [change for change in told if change.key.endswith(CREEPS)]
    assert kinds(crept)[0] == ("opened", "latency: creeps up")
    assert crept[0].key.startswith(ONE[:16])
    world.pass_(4 * 24, version=TWO)
    assert not any(key.endswith(CREEPS) for key in world.saved.open)


def test_few_rows_say_nothing():
    """M11: a median of a handful is noise."""
    world = World(8, HOURLY)
    world.pass_(8 * 24)
    assert world.pass_(24, 3.0, rows=ROWS_LEAST - 1) == []
    hours = world.saved.running.hours["latency"]
    assert hours[-24:] == (None,) * 24


def test_nights_without_requests_change_nothing():
    """M11: hours nobody asked in are left out, and the next ones compared as ever."""
    world, told = World(9, HOURLY), []
    for _ in range(16):
        told += world.pass_(12) + world.pass_(12, rows=0)
    assert told == []
    (found, *_) = world.pass_(12, 2.5)
    assert found.finding.check == "latency: step"


def test_what_is_remembered_stays_bounded():
    """M11: however long it goes on and however many processes there were."""
    world = World(10)
    for life in range(40):
        world.pass_(4, memory={f"worker {slot} ({life})": 3e8 for slot in range(4)})
    assert len(world.saved.running.lives) < 24
    hours: tuple[float | None, ...] = tuple([0.0] * 5000)
    running = msgspec.structs.replace(world.saved.running, hours={"latency": hours})
    world.saved = msgspec.structs.replace(world.saved, running=running)
    world.pass_(12)
    assert len(world.saved.running.hours["latency"]) == 28 * 24


def test_what_is_usual_is_that_hour_of_other_days():
    hours = [float(place % 24) for place in range(24 * 5)]
    assert usual_at(hours, 24 * 4 + 7) == 7.0
    assert usual_at([float(place // 24) for place in range(24 * 5)], 24 * 4) == 1.5
    assert usual_at(hours, 24 * 2 + 7) is None, "two days are too few"
    assert usual_at(hours[: 24 * 4], 24 * 4 + 7) == 7.0
    gaps: list[float | None] = [None if place % 24 == 7 else 1.0 for place in range(24 * 5)]
    assert usual_at(gaps, 24 * 4 + 7) is None
    assert left_over(hours) == [0.0] * 48


def test_the_bet_on_ranks_gains_only_on_what_goes_up():
    """M11: over many series without a trend the evidence rarely grows as loud as the promise."""
    loud = 0
    for seed in range(20):
        life = Life()
        for place, value in enumerate(np.random.default_rng(seed).standard_t(2, 300).tolist()):
            life = lived_on(life, value, place)
            loud += loudness(life.state) > math.log(100 * 300)
    assert loud == 0
    life = Life()
    for place in range(60):
        life = lived_on(life, 0.01 * place, place)
    assert loudness(life.state) > math.log(1e6)
    assert len(life.values) == 60
    falling = Life()
    for place in range(60):
        falling = lived_on(falling, -0.01 * place, place)
    assert loudness(falling.state) < math.log(60)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (lambda t: 0.5 * t, True),
        (lambda t: 0.05 * t, False),
        (lambda t: 0.5 * (1 - np.exp(-6 * t)), False),
        (lambda t: 0.3 * (1 - np.exp(-2.2 * t)), False),
        (lambda t: 0.25 * (1 - np.exp(-0.9 * t)), False),
        (lambda t: 0.3 * (t > 0.5), False),
        (lambda t: 0.3 * np.sin(6 * t), False),
        (lambda t: -0.5 * t, False),
        (lambda t: 0.3 * t + 0.1 * (t > 0.8), True),
    ],
)
def test_growth_is_steady_growth(shape, told: bool):
    """M11: what warms up, steps up or swings is none, nor is what is less than a tenth."""
    values = shape(np.linspace(0, 1, 200)) + 0.004 * np.random.default_rng(1).normal(size=200)
    assert (growth(values.tolist()) is not None) == told


def test_the_part_of_the_alarms_is_stated():
    """M8: all monitors together keep what the contract promises."""
    from mainstay.contract.model import Contract, Number
    from mainstay.contract.model import NumberOutput as Answer

    contract = Contract(model="m", inputs={"a": Number()}, output=Answer())
    assert looks_per_alarm(contract) == pytest.approx(LOOKS)
