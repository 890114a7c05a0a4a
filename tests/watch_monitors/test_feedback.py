"""Natural feedback: what people do with answers, as often as they did? M3 M18 M8."""

import msgspec
import numpy as np
import pytest

from mainstay.contract.reactions import REACTIONS
from mainstay.summaries.reference import Reference
from mainstay.summaries.summary import Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import RUNTIME_RULERS, STRETCH_MS, Key, Part, merge_parts
from mainstay.watch.labels.reactions import DWELL, KINDS, REACTED, TIMES
from mainstay.watch.monitors.feedback import (
    USUAL_ROWS,
    kept_under,
    look_at_feedback,
    usual_feedback,
)
from mainstay.watch.monitors.model import Change, Saved

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
PER_ALARM = 2 * 4320.0 * 9.6


class World:
    """A version whose answers people take, or not."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.saved = Saved()
        self.at = 0
        self.usual: Reference | None = None

    def part(
        self, rows: int, rate: float, look: float, slice_: str = "", arm: str = "live"
    ) -> Part:
        draw = self.generator
        clicks = int(draw.binomial(rows, rate))
        kinds = ["clicked"] * clicks + ["shared"] * int(draw.binomial(rows, 0.02))
        columns: dict[str, Summary] = {
            "status": summarise(
                values_of(np.array(["answered"] * rows + ["held"] * 3, dtype=object)),
                RUNTIME_RULERS["status"],
            ),
            DWELL: summarise(values_of(draw.lognormal(look, 0.6, max(clicks, 1))), TIMES),
        }
        if kinds:
            columns[REACTED] = summarise(values_of(np.array(kinds, dtype=object)), KINDS)
        begin = BEGIN + self.at * STRETCH_MS
        return Part(Key("m", MARK, 3, arm, slice_, begin), rows + 3, columns)

    def learn(self, **slices: float) -> None:
        parts = []
        for _ in range(30):
            parts.append(self.part(100, 0.05, 1.0))
            parts += [self.part(100, rate, 1.0, f"country={n}") for n, rate in slices.items()]
            self.at += 1
        self.usual = usual_feedback(parts)
        assert self.usual is not None

    def pass_(
        self, stretches: int, rate: float = 0.05, look: float = 1.0, **slices: float
    ) -> list[Change]:
        told: list[Change] = []
        for _ in range(stretches):
            parts = [self.part(60, rate, look), self.part(40, rate, look, arm="new")]
            parts += [self.part(100, each, look, f"country={n}") for n, each in slices.items()]
            self.at += 1
            self.saved, changes = look_at_feedback(self.saved, parts, (MARK, self.usual), PER_ALARM)
            told += changes
            packed = msgspec.msgpack.encode(self.saved)
            self.saved = msgspec.msgpack.decode(packed, type=Saved)
        return told


@pytest.mark.parametrize(
    ("rate", "look", "check", "words"),
    [
        (0.025, 1.0, "feedback: rate of clicked", "rate of clicked has fallen"),
        (0.10, 1.0, "feedback: rate of clicked", "has risen suspiciously"),
        (0.05, 0.3, "feedback: time people look", "people look shorter than they did"),
        (0.05, 1.7, "feedback: time people look", "people look longer than they did"),
    ],
)
def test_what_people_do_differently_is_told_once_and_ends(
    rate: float, look: float, check: str, words: str
):
    """M3: both ways, with what was usual and since when."""
    world = World(1)
    world.learn()
    assert world.pass_(30) == []
    began = BEGIN + world.at * STRETCH_MS
    (found,) = world.pass_(80, rate, look)
    assert (found.kind, found.finding.check) == ("opened", check)
    assert words in found.finding.words
    assert found.since_ms <= began + 6 * STRETCH_MS
    (ended,) = world.pass_(90)
    assert (ended.kind, ended.key) == ("resolved", found.key)


def test_what_stays_as_it_was_is_left_alone():
    """M8: four versions, a day and a half each."""
    for seed in range(4):
        world = World(20 + seed)
        world.learn(DE=0.1)
        assert world.pass_(200, DE=0.1) == []


def test_a_slice_is_held_against_itself():
    """M18: where people always clicked more, more is usual."""
    world = World(3)
    world.learn(DE=0.3, FR=0.01)
    assert world.pass_(20, DE=0.3, FR=0.01) == []
    found = world.pass_(60, DE=0.15, FR=0.01)
    assert {each.finding.slice for each in found} == {"country=DE"}
    assert "v3 where country=DE" in found[0].finding.words


def test_nothing_is_usual_before_enough_was_answered_and_said():
    """M3: a thousand answers, and somebody who said what became of them."""
    world = World(4)
    few = [world.part(100, 0.05, 1.0) for _ in range(USUAL_ROWS // 100 - 1)]
    assert usual_feedback(few) is None
    silent = [
        Part(part.key, part.rows, {"status": part.columns["status"]}) for part in [*few, *few]
    ]
    assert usual_feedback(silent) is None
    found = usual_feedback([*few, world.part(100, 0.05, 1.0)])
    assert found is not None
    assert found.rows == USUAL_ROWS
    world.usual = None
    assert world.pass_(40, 0.9) == []


def test_of_another_version_nothing_goes_on():
    """M24: what was found of a version is over with it."""
    world = World(5)
    world.learn()
    (found,) = world.pass_(60, 0.2)
    after, changes = look_at_feedback(world.saved, [], ("cd" * 32, None), PER_ALARM)
    assert [(each.kind, each.key) for each in changes] == [("resolved", found.key)]
    assert after.open == {}
    assert kept_under(MARK) != MARK


def test_more_reactions_than_answers_do_no_harm():
    """M3: of an answer that was withheld people may say something too."""
    world = World(6)
    world.learn()
    part = world.part(100, 0.05, 1.0)
    clicks = summarise(values_of(np.array(["clicked"] * 500, dtype=object)), KINDS)
    held = summarise(values_of(np.array(["held"] * 100, dtype=object)), RUNTIME_RULERS["status"])
    odd = Part(part.key, 100, {REACTED: clicks, "status": held})
    look_at_feedback(world.saved, [odd, part], (MARK, world.usual), PER_ALARM)
    assert len(set(REACTIONS)) == len(REACTIONS)


def test_the_arms_of_a_version_are_one_version():
    """M3: a stretch is looked at once, whatever arms it was answered in."""
    world = World(7)
    world.learn()
    one, other = world.part(60, 0.05, 1.0), world.part(40, 0.05, 1.0, arm="new")
    whole = merge_parts(one, other, one.key)
    apart = look_at_feedback(Saved(), [one, other], (MARK, world.usual), PER_ALARM)
    together = look_at_feedback(Saved(), [whole], (MARK, world.usual), PER_ALARM)
    assert apart == together
    assert apart[0].states
