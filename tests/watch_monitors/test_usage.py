"""Usage: by what is usual at this hour of the week, or by rules; found, and rarely for nothing. M12 M8."""

import math

import msgspec
import numpy as np
import pytest

from mainstay.contract.watching import UsageRules
from mainstay.summaries.ruler import fingerprint
from mainstay.summaries.summary import Categories, Summary
from mainstay.watch.gather.model import FAILED, FAILURES, HOUR_MS, STRETCH_MS, Key, Part
from mainstay.watch.monitors.model import Change, Saved, Usage
from mainstay.watch.monitors.usage import judged, look_at_usage
from mainstay.watch.watcher import USAGE_PART

BEGIN = 1_700_000_400_000 // (24 * HOUR_MS) * 24 * HOUR_MS
LOOKS = 30 * 144 / USAGE_PART
WEEK = 168


class World:
    """A model that is asked by day and by night."""

    def __init__(self, seed: int, rules: UsageRules | None = None, level: float = 300.0) -> None:
        self.generator = np.random.default_rng(seed)
        self.saved = Saved(first_ms=BEGIN)
        self.rules = rules
        self.level = level
        self.at = 0

    def drawn(self, times: float = 1.0) -> int:
        day = math.sin(2 * math.pi * self.at / 24)
        week = math.sin(2 * math.pi * self.at / WEEK)
        busy = math.exp(0.9 * day + 0.3 * week + 0.05 * self.generator.normal())
        return int(self.generator.poisson(self.level * busy * times))

    def pass_(self, hours: int, times: float = 1.0, step: int = 1) -> list[Change]:
        """Hours of requests; somebody looks after every `step` of them."""
        told: list[Change] = []
        parts: list[Part] = []
        for number in range(hours):
            begin = BEGIN + self.at * HOUR_MS
            count = self.drawn(times)
            for place in range(6):
                rows = count // 6 + (place < count % 6)
                if rows:
                    key = Key("m", "ab" * 32, 1, "live", "", begin + place * STRETCH_MS)
                    parts.append(Part(key, rows, {}))
            self.at += 1
            if number % step == step - 1:
                self.saved = msgspec.structs.replace(self.saved, until_ms=begin + HOUR_MS)
                self.saved, changes = look_at_usage(self.saved, parts, self.rules, LOOKS)
                parts = []
                told += changes
        packed = msgspec.msgpack.encode(self.saved)
        self.saved = msgspec.msgpack.decode(packed, type=Saved)
        return told


@pytest.mark.parametrize(("times", "words"), [(0.0, "0 requests"), (0.4, "fewer"), (2.5, "more")])
def test_a_change_is_found_in_its_hour_and_over_when_it_is(times: float, words: str):
    """M12: an outage, a loss, a rush; days and weeks are none."""
    world = World(1)
    assert world.pass_(9 * WEEK) == []
    (found,) = world.pass_(12, times)
    assert found.kind == "opened"
    assert found.since_ms == BEGIN + 9 * WEEK * HOUR_MS
    assert words in found.finding.words
    (ended,) = world.pass_(48)
    assert (ended.kind, ended.key) == ("resolved", found.key)


def test_days_and_weeks_are_no_change():
    """M8 M12: a year and a half in all, at one alarm of usage in 80 days; a fixed rule cries wolf."""
    alarms = sum(len(World(10 + seed).pass_(13 * WEEK, step=24)) for seed in range(6))
    assert alarms <= 5  # where 3.2 are promised
    fixed = World(10, UsageRules(hour_vs_yesterday="10 %")).pass_(3 * WEEK)
    assert len(fixed) > 50


def test_how_often_somebody_looks_changes_nothing():
    """M8: every hour or once a day, the same hours are found wrong."""
    told = []
    for step in (1, 24):
        world = World(2)
        world.pass_(9 * WEEK, step=step)
        changes = world.pass_(24, 0.3, step) + world.pass_(48, step=step)
        told.append([(change.kind, change.since_ms, change.at_ms) for change in changes])
    assert told[0] == told[1] != []


def test_rules_do_as_they_say():
    """M12: an hour against yesterday's, a day against last week's, each until it holds again."""
    rules = UsageRules(hour_vs_yesterday="50 %", day_vs_last_week="30 %")
    world = World(3, rules, level=5000)
    assert world.pass_(2 * WEEK) == []
    found = world.pass_(24, 0.3)
    assert [(change.kind, change.key) for change in found] == [
        ("opened", "||usage|hour_vs_yesterday"),
        ("opened", "||usage|day_vs_last_week"),
    ]
    assert "where there were" in found[0].finding.words
    after = world.pass_(48)
    assert [(change.kind, change.key) for change in after] == [
        ("resolved", "||usage|day_vs_last_week"),
        ("resolved", "||usage|hour_vs_yesterday"),
    ]
    world.pass_(1, 0.1)
    world.rules = None
    (ended,) = world.pass_(1)
    assert ended.kind == "resolved"


def test_what_failed_was_asked_too():
    """M12: requests that got no answer are requests; an hour that began before is none."""
    saved = Saved(first_ms=BEGIN + STRETCH_MS, until_ms=BEGIN + 2 * HOUR_MS + STRETCH_MS)
    counted = Summary(fingerprint(FAILURES), "strings", 7, 0, None, Categories((7,)))
    keys = [Key("m", "ab" * 32, 1, "live", "", BEGIN + at * STRETCH_MS) for at in (1, 6, 12)]
    parts = [Part(keys[0], 5, {}), Part(keys[1], 2, {FAILED: counted}), Part(keys[2], 4, {})]
    after, _ = look_at_usage(saved, parts, None, LOOKS)
    assert after.usage.counts == (9,)
    assert (after.usage.hour_ms, after.usage.count) == (BEGIN + 2 * HOUR_MS, 4)


def test_hours_of_a_finding_say_nothing_of_other_hours():
    """M12: else a long outage would make the next one look usual."""
    world = World(4)
    world.pass_(9 * WEEK)
    world.pass_(30, 0.0)
    assert world.saved.usage.places[-30:] == (None,) * 30
    assert None not in world.saved.usage.places[-60:-30]


def test_an_hour_is_held_against_the_same_hour_of_the_week():
    """M12: as far as chance goes where hours do not differ otherwise."""
    weekly = [100 if hour < 120 else 15 for hour in range(WEEK)]
    usage = Usage(counts=tuple(weekly * 6), ratios=(0.0,) * 15 * 24)
    for hour in (0, 119, 120, 167):
        found = judged(
            msgspec.structs.replace(usage, counts=tuple(weekly * 6 + weekly[:hour])), 30, 1e-3
        )
        assert found is not None
        assert found.usual == weekly[hour]
        size = math.log(31 / (weekly[hour] + 1)) * math.sqrt(weekly[hour] + 1)
        assert found.place == pytest.approx(size)
