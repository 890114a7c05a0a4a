"""Lists that grow alike are found, lists that stay as they were are left alone: M15 N12."""

import numpy as np
import pytest
from msgspec import structs

from mainstay.contract.model import Contract
from mainstay.summaries.rankings import shown
from mainstay.summaries.reference import Reference
from mainstay.watch.gather.model import STRETCH_MS, Key, Part
from mainstay.watch.monitors.model import Saved
from mainstay.watch.recommend.monitor import KEY, look_at_lists
from tests.watch_recommend.test_measures import OUTPUT, SHOP, known_of, scores_of, summed

LIVE = "ab" * 32
LOOKS = 30 * 144 * 8.0


class Known:
    def __init__(self, reference: Reference | None) -> None:
        self.known = reference

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == LIVE else None

    def source(self, fingerprint: str, column: str) -> str:
        return ""


@pytest.fixture(scope="module")
def versions() -> Known:
    generator = np.random.default_rng(0)
    units = [f"u{n}" for n in generator.integers(0, 400, 1000)]
    truths = [f"i{n:02}" for n in np.minimum(generator.geometric(0.15, 1000) - 1, 29)]
    return Known(Reference("rows", 1000, known_of(summed(scores_of(0, 1000), units, truths))))


def part(stretch: int, scores, units, arm: str = "live") -> Part:
    columns = {name: known.summary for name, known in shown(SHOP, scores, units).items()}
    return Part(Key("shop", LIVE, 3, arm, "", stretch * STRETCH_MS), len(scores), columns)


def people(seed: int, rows: int, most: int = 400):
    return [f"u{n}" for n in np.random.default_rng(seed).integers(0, most, rows)]


def run(versions: Known, stretches, contract: Contract = SHOP, saved=None):
    saved, told = saved or Saved(), []
    for stretch, made in stretches:
        saved = structs.replace(saved, until_ms=(stretch + 1) * STRETCH_MS)
        saved, changes = look_at_lists(saved, [made], (contract, LIVE, versions), LOOKS)
        told += changes
    return saved, told


@pytest.mark.parametrize(("taste", "most", "what", "words"), [
    (3.0, 400, {"overlap", "long tail"}, "lists are more alike than they were: two of them have"),
    (0.1, 400, {"long tail"}, "lists have more of what few people take"),
    (1.0, 40_000, {"new units"}, "more decisions are for units that were not there"),
])  # fmt: skip
def test_what_changes_is_named_and_ends(versions: Known, taste, most, what, words: str):
    """M15 N12: the degenerate loop, the lists that scatter, and the people nobody knew."""
    calm = [(n, part(n, scores_of(n + 10, 100), people(n, 100))) for n in range(20)]
    odd = [(n, part(n, scores_of(n + 10, 100, taste), people(n, 100, most))) for n in range(20, 50)]
    after = [(n, part(n, scores_of(n + 10, 100), people(n, 100))) for n in range(50, 70)]
    saved, told = run(versions, calm)
    assert told == []
    saved, told = run(versions, odd, saved=saved)
    opened = {change.key for change in told if change.kind == "opened"}
    assert opened == {LIVE[:16] + KEY + each for each in what}
    assert any(words in change.finding.words for change in told)
    assert all(change.since_ms >= 19 * STRETCH_MS for change in told)
    saved, told = run(versions, after, saved=saved)
    assert {change.kind for change in told} == {"resolved"}
    assert saved.open == {}


def test_lists_that_stay_as_they_were_are_left_alone(versions: Known):
    """M15: a month of them, in which one alarm in 30 days at most is promised; other seeds."""
    stretches = [(n, part(n, scores_of(9000 + n, 30), people(n, 30))) for n in range(4320 // 4)]
    saved, told = run(versions, stretches)
    assert told == []
    assert len(saved.states) == 3


def test_lists_of_one_stretch_count_together_whatever_arm(versions: Known):
    """M15 F4: a version is one in all its arms; nothing is asked of other versions and models."""
    saved = Saved(until_ms=STRETCH_MS)
    two = [
        part(0, scores_of(5, 50), people(1, 50)),
        part(0, scores_of(6, 50), people(2, 50), "share"),
    ]
    both = part(0, np.vstack([scores_of(5, 50), scores_of(6, 50)]), people(1, 50) + people(2, 50))
    told = SHOP, LIVE, versions
    one, _ = look_at_lists(saved, two, told, LOOKS)
    other, _ = look_at_lists(saved, [both], told, LOOKS)
    assert one.states == other.states != {}
    gone, _ = look_at_lists(saved, two, (SHOP, "cd" * 32, versions), LOOKS)
    assert gone.states == {}


def test_findings_of_a_version_that_left_end(versions: Known):
    """M15: what its lists were like concerns nobody any more."""
    odd = [(n, part(n, scores_of(n, 200, 3.0), people(n, 200))) for n in range(8)]
    saved, told = run(versions, odd)
    assert saved.open
    saved, told = look_at_lists(saved, [], (SHOP, "cd" * 32, versions), LOOKS)
    assert saved.open == {}
    assert {change.kind for change in told} == {"resolved"}


def test_without_a_reference_nothing_is_said():
    """M15: nor of a model that makes no lists."""
    stretches = [(n, part(n, scores_of(n, 200, 3.0), people(n, 200))) for n in range(5)]
    assert run(Known(None), stretches)[1] == []
    assert OUTPUT.top == 4
