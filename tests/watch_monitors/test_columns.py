"""The monitor of columns: findings begin once, end once, and are as rare as promised. M4 M5 M6 M8 M10 M27."""

import math

import msgspec
import numpy as np
import pytest

from mainstay.summaries.reference import Reference, reference_of
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import STRETCH_MS, Key, Part
from mainstay.watch.monitors.columns import GRACE_MS, look, stretches_per_alarm
from mainstay.watch.monitors.detector import loudness
from mainstay.watch.monitors.model import Change, Saved

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
MONTH_NS = 30 * 86_400 * 10**9


class World:
    """One version, a stretch of decisions at a time."""

    def __init__(self, seed: int, rows: int = 300, **columns: str) -> None:
        self.generator = np.random.default_rng(seed)
        self.rows = rows
        self.columns = columns or {"input_amount": "normal", "input_country": "word"}
        self.known: Reference = reference_of(self.draw(4000), "training data")
        self.saved = Saved()
        self.now = BEGIN
        self.changes: list[Change] = []
        self.wrong: dict[str, object] = {}

    def draw(self, rows: int) -> dict[str, np.ndarray]:
        """Columns as they should be."""
        made = {
            "normal": lambda: self.generator.normal(100.0, 20.0, rows),
            "word": lambda: self.generator.choice(["DE", "FR", "US"], rows, p=[0.6, 0.3, 0.1]),
        }
        return {
            name: np.asarray(made[kind](), dtype=object if kind == "word" else float)
            for name, kind in self.columns.items()
        }

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == MARK else None

    def source(self, fingerprint: str, column: str) -> str:
        return "the lookup accounts" if column == "input_country" else ""

    def part(self, arm: str = "live", slice_: str = "") -> Part:
        drawn = self.draw(self.rows)
        for name, spoil in self.wrong.items():
            drawn[name] = spoil(drawn[name])
        columns = {
            name: summarise(values_of(column), self.known.columns[name].ruler)
            for name, column in drawn.items()
        }
        return Part(Key("m", MARK, 4, arm, slice_, self.now), self.rows, columns)

    def pass_(self, stretches: int, arms: tuple[str, ...] = ("live",)) -> list[Change]:
        """Let time pass; what began and ended."""
        told: list[Change] = []
        for _ in range(stretches):
            parts = [self.part(arm) for arm in arms]
            self.now += STRETCH_MS
            limit = stretches_per_alarm(MONTH_NS, 1)
            self.saved, changes = look(self.saved, parts, self, limit, self.now + GRACE_MS)
            told += changes
        self.changes += told
        return told


@pytest.mark.parametrize(
    ("name", "spoil", "checks", "words"),
    [
        ("input_amount", lambda x: x * 1000, {"place", "spread"}, "as if multiplied by 1,000"),
        ("input_amount", lambda x: x + 15, {"place"}, "values are higher than they were"),
        ("input_amount", lambda x: 100 + (x - 100) * 3, {"spread"}, "values lie further apart"),
        ("input_amount", lambda x: np.full(len(x), np.nan), {"not a number"}, "not a number"),
        ("input_amount", lambda x: np.where(x > 100, np.inf, x), {"infinite"}, "are infinite"),
        ("input_amount", lambda x: np.full(len(x), 42.0), {"constant", "spread", "place"}, "one and the same value"),
        ("input_country", lambda x: np.array([None] * len(x)), {"dead", "missing"}, "no value at all"),
        ("input_country", lambda x: np.array(["AT"] * len(x), dtype=object), {"share of unknown"}, "the lookup accounts"),
        ("input_country", lambda x: np.array(["DE"] * len(x), dtype=object), {"constant", "share of DE"}, "share of DE"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named_and_its_end_too(name, spoil, checks, words):
    """M5 M6 M10 M27: by field, with what may have happened; once, until it looks well again."""
    world = World(1)
    assert world.pass_(20) == []
    began = world.now
    world.wrong[name] = spoil
    found = world.pass_(20)
    opened = [change for change in found if change.kind == "opened"]
    assert checks <= {change.key.split("|")[3] for change in opened}
    assert len({change.key for change in opened}) == len(opened), "each begins once"
    assert {change.key.split("|")[2] for change in opened} == {name}
    assert any(words in change.finding.words for change in opened)
    assert all(abs(change.since_ms - began) <= STRETCH_MS for change in opened)
    world.wrong.clear()
    ended = world.pass_(20)
    assert {change.key for change in ended if change.kind == "resolved"} >= {
        change.key for change in opened
    }
    assert world.saved.open == {}
    assert world.pass_(40) == []


def test_a_quiet_quarter_of_many_columns_stays_quiet():
    """M8: thirty columns, 120 questions, a day and a half of stretches, at one alarm a month."""
    world = World(2, rows=60, **{f"input_x{n}": "normal" for n in range(30)})
    world.pass_(200)
    assert world.changes == []


def test_how_often_somebody_looks_changes_nothing():
    """M8: every minute or once a day, the same is found in the same stretch."""
    told = []
    for every in (1, 24):
        world = World(3)
        parts: list[Part] = []
        found: list[Change] = []
        for number in range(96):
            if number == 48:
                world.wrong["input_amount"] = lambda x: x + 12
            parts.append(world.part())
            world.now += STRETCH_MS
            if number % every == every - 1:
                for _ in range(3):  # a look without news finds nothing
                    world.saved, changes = look(
                        world.saved, parts, world, 4320.0, world.now + GRACE_MS
                    )
                    found += changes
        told.append([(c.kind, c.key, c.since_ms, c.at_ms) for c in found])
    assert told[0] == told[1] != []


def test_a_bound_never_falls_while_slices_come_and_go():
    """M8: what was quiet among many is no alarm because the others are silent for a stretch."""
    world = World(5, input_amount="normal")
    world.wrong = {"input_amount": lambda values: values + 6.0}
    slices = ["", *(f"country=C{number}" for number in range(40))]

    def look_now(saved: Saved, names: list[str]) -> tuple[Saved, list[Change]]:
        parts = [world.part(slice_=name) for name in names]
        world.now += STRETCH_MS
        return look(saved, parts, world, 200.0, world.now + GRACE_MS)

    saved, changes = look_now(Saved(), slices)
    (share,) = set(saved.asked.values())
    assert len(saved.asked) == len(slices)
    key = f"{MARK[:16]}||input_amount|place"
    low, high = math.log(200.0 * share), math.log(200.0 * share * len(slices))
    while not changes and loudness(saved.states[key]) < low:
        saved, changes = look_now(saved, [""])
    assert changes == []
    assert low <= loudness(saved.states[key]) < high
    fresh, alarmed = look_now(msgspec.structs.replace(saved, asked={}), [""])
    assert [change.kind for change in alarmed] == ["opened"], "alone it would have been told"
    assert fresh.asked == {f"{MARK[:16]}|": share}
    while loudness(saved.states[key]) < high and not changes:
        saved, changes = look_now(saved, [""])
    assert [change.kind for change in changes] == ["opened"]
    assert len(saved.asked) == len(slices)
    gone = msgspec.structs.replace(saved, states={})
    assert look_now(gone, [""])[0].asked == {f"{MARK[:16]}|": share}


def test_a_version_is_one_in_all_its_arms():
    """M4: a canary beside its own shadow is one stretch of decisions, not two."""
    one, two = World(4), World(4)
    one.rows = 600
    one.wrong["input_amount"] = two.wrong["input_amount"] = lambda x: x + 15
    one.pass_(12)
    two.pass_(12, ("share", "shadow"))
    assert {c.key for c in one.changes} == {c.key for c in two.changes} != set()


def test_what_is_remembered_survives_its_keeper():
    """F4: the state goes through bytes at every stretch, and the findings are the same."""
    kept, lost = World(5), World(5)
    for world in (kept, lost):
        world.pass_(10)
        world.wrong["input_amount"] = lambda x: x + 11
    for _ in range(20):
        lost.saved = msgspec.msgpack.decode(msgspec.msgpack.encode(lost.saved), type=Saved)
        assert lost.pass_(1) == kept.pass_(1)
    assert kept.changes


def test_the_open_stretch_is_left_alone():
    """M4: a stretch counts when it is over and its pieces had time to come, not before."""
    world = World(6)
    world.wrong["input_amount"] = lambda x: np.full(len(x), np.nan)
    part = world.part()
    end = world.now + STRETCH_MS
    saved, changes = look(Saved(), [part], world, 4320.0, end + GRACE_MS - 1)
    assert changes == []
    saved, changes = look(saved, [part], world, 4320.0, end + GRACE_MS)
    assert [change.kind for change in changes] == ["opened"]
    assert math.isfinite(saved.until_ms)
    assert look(saved, [part], world, 4320.0, end + 2 * GRACE_MS) == (saved, [])
