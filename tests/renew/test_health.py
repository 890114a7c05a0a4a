"""M16 O3 O16: labels that stop, come late or change meaning are told apart from a real drop."""

import copy

import numpy as np
import pytest
from msgspec import structs
from scipy import stats

from mainstay.renew.health.arrivals import Arrivals
from mainstay.renew.health.model import Block, restored
from mainstay.renew.health.survival import EDGES, survival, survival_of_cells
from mainstay.renew.health.usual import WIDTHS, _chosen
from mainstay.watch.gather.model import DAY_MS, HOUR_MS, STRETCH_MS
from mainstay.watch.labels.heard import Word
from tests.renew.sources import Source, World

MINUTE_MS = 60_000
SHOP, ALL = "source=shop label", "source=all"
TURNED = {"buys": "leaves", "leaves": "buys"}


@pytest.fixture(scope="module")
def settled() -> World:
    """A day and a half in which all was as it should be."""
    made = World([Source("shop"), Source("bank", share=0.1)])
    made.run(20, look=False)
    made.run(8)
    assert made.told == []
    return made


@pytest.fixture
def world(settled: World) -> World:
    return copy.deepcopy(settled)


def test_the_curve_is_kaplan_and_meiers():
    """M16 M17: as SciPy has it, with decisions of which nothing has been heard yet."""
    draw = np.random.default_rng(3)
    delays = np.where(draw.random(900) < 0.3, np.inf, np.round(draw.exponential(5.0, 900), 1))
    ages = np.round(draw.uniform(0.0, 12.0, 900), 1)
    waited, said = np.minimum(delays, ages), delays <= ages
    mine = survival(waited, said)
    censored = stats.CensoredData(uncensored=waited[said], right=waited[~said])
    theirs = stats.ecdf(censored).cdf
    assert np.allclose(mine.shares, theirs.evaluate(np.array(mine.delays)), atol=1e-12)
    assert mine.at(mine.delays[3]) == mine.shares[3]
    assert mine.at(0.0) == pytest.approx(theirs.evaluate(0.0))
    assert mine.at(mine.when(0.5)) >= 0.5 * mine.whole > mine.at(mine.when(0.5) - 0.05)


def test_counts_by_cell_make_the_same_curve():
    """M16: a cell counts for those alone who have waited to its end."""
    draw = np.random.default_rng(4)
    rows, ages = np.full(60, 200.0), np.sort(draw.uniform(1.0, 40_000.0, 60))
    cells = np.zeros((60, len(EDGES) + 1))
    waited: list[float] = []
    said: list[bool] = []
    for row, age in enumerate(ages.tolist()):
        oldest = EDGES[age >= EDGES].max(initial=0.0)
        for delay in draw.exponential(9000.0, 200).tolist():
            cell = int(np.searchsorted(EDGES, delay))
            cells[row, cell] += delay <= age
            heard = delay <= oldest
            if heard or oldest:
                waited.append(EDGES[cell] if heard else oldest)
                said.append(heard)
    mine = survival_of_cells(ages, rows, cells)
    plain = survival(np.array(waited), np.array(said))
    assert mine.delays == plain.delays
    assert np.allclose(mine.shares, plain.shares, atol=1e-12)
    for edge in EDGES[(EDGES > 100.0) & (EDGES < 30_000.0)].tolist():
        assert mine.at(edge) == pytest.approx(1.0 - np.exp(-edge / 9000.0), abs=0.04)


def test_what_is_to_come_follows_from_what_was_decided():
    """M16: held against a simulation of single decisions, in number and in lateness."""
    draw = np.random.default_rng(5)
    delays = draw.lognormal(np.log(3000.0), 1.2, 60_000)
    delays[draw.random(60_000) < 0.4] = np.inf
    cells = np.zeros((1, len(EDGES) + 1))
    np.add.at(cells[0], np.searchsorted(EDGES, delays[np.isfinite(delays)]), 1)
    arrivals = Arrivals(survival_of_cells(np.array([1e9]), np.array([60_000.0]), cells))
    made = draw.uniform(0.0, 24_000.0, 60_000)
    rows = np.histogram(made, np.arange(41) * 600.0)[0].astype(float)
    whole = (np.arange(40) * 600.0, np.full(40, 600.0), rows)
    for begin in (0.0, 3000.0, 23_400.0, 30_000.0):
        came = (made + delays >= begin) & (made + delays < begin + 600.0)
        expected, places = arrivals.expected(*whole, (begin, begin + 600.0))
        assert expected == pytest.approx(came.sum(), rel=0.12, abs=25)
        stood = arrivals.places[np.searchsorted(EDGES, delays[came])].sum()
        assert places / expected == pytest.approx(stood / came.sum(), abs=0.03)


def test_silence_is_told_within_the_hour_and_its_end_with_whom_it_touches(world: World):
    """M16 O3: payments stop, decisions and other sources go on; then labels are back."""
    stopped = world.now_ms
    world.lost = lambda word: word.actor == "shop"
    world.run(1)
    (found,) = world.told
    assert world.found() == [("labels.silent", SHOP, "opened")]
    assert found.at_ms - stopped <= HOUR_MS
    assert abs(found.since_ms - stopped) <= STRETCH_MS
    begin, end = found.touched
    assert stopped - 3 * HOUR_MS < begin < stopped - 30 * MINUTE_MS
    assert end == 0
    assert "labels of shop: none since" in found.finding.words
    assert "mainstay recall shop --polluted" in found.finding.words
    world.run(2)
    assert len(world.told) == 1
    back = world.now_ms
    world.lost = lambda _word: False
    world.run(3)
    over = world.told[1]
    assert (over.kind, over.at_ms) == ("resolved", back)
    begin, end = over.touched
    assert stopped - 3 * HOUR_MS < begin < stopped
    assert back - 30 * MINUTE_MS < end <= back
    assert len(world.told) == 2


def test_a_short_silence_of_slow_labels_touches_hardly_anybody():
    """M16: what comes within weeks is not missed for two hours of silence."""
    arrivals = Arrivals(survival(np.arange(1.0, 31.0) * 86_400.0, np.ones(30, dtype=bool)))
    assert arrivals.touched(1e9, 1e9 + 7200.0) is None
    begin, end = arrivals.touched(1e9, 1e9 + 3.0 * 86_400.0)
    assert end is not None
    assert begin < 1e9 < end <= 1e9 + 3.0 * 86_400.0
    assert arrivals.touched(1e9, None) == (1e9 - 29.0 * 86_400.0, None)


def test_fewer_decisions_are_not_fewer_labels(world: World):
    """M16: a real drop of traffic, to a fifth and to nothing."""
    world.per_hour /= 5.0
    world.run(3)
    world.per_hour = 0.0
    world.run(3)
    assert world.told == []


def test_a_real_drop_of_what_is_bought_is_no_fault_of_labels(world: World):
    """M16: a third fewer buy; labels come as they should."""
    draw = np.random.default_rng(8)

    def less(word: Word) -> Word:
        leaves = word.label == "buys" and draw.random() < 0.33
        return structs.replace(word, label="leaves") if leaves else word

    world.turned = less
    world.run(4)
    assert world.told == []


def test_some_that_are_lost_are_no_silence(world: World):
    draw = np.random.default_rng(9)
    world.lost = lambda word: word.actor == "shop" and draw.random() < 0.75
    world.run(4)
    assert world.found() == [("labels.fewer", SHOP, "opened")]
    assert world.told[0].finding.verdict == "unsure"


def test_labels_that_come_late_are_told_as_that(world: World):
    """M16: they are silent for as long as nobody can know, and late from then on."""
    world.sources["shop"].delay_s = lambda draw, n: draw.lognormal(np.log(7200.0), 0.3, n)
    world.run(9)
    kinds = [(check, kind) for check, source, kind in world.found() if source == SHOP]
    assert kinds[-1] == ("labels.late", "opened") or ("labels.late", "opened") in kinds
    assert ("labels.meaning", "opened") not in kinds
    silent = [kind for check, kind in kinds if check in {"labels.silent", "labels.fewer"}]
    assert silent in ([], ["opened", "resolved"])


def test_labels_turned_round_are_told_within_the_hour(world: World):
    """M16: flipped en masse, half and half or not; and that it is over."""
    began = world.now_ms
    world.turned = lambda word: structs.replace(word, label=TURNED[word.label])
    world.run(1)
    assert ("labels.meaning", SHOP, "opened") in world.found()
    assert {check for check, _, _ in world.found()} == {"labels.meaning"}
    assert min(change.since_ms for change in world.told) >= began - STRETCH_MS
    world.turned = lambda word: word
    world.run(3)
    told = [(check, kind) for check, source, kind in world.found() if source == SHOP]
    assert told == [("labels.meaning", "opened"), ("labels.meaning", "resolved")]


def test_one_label_for_everything_is_another_meaning(world: World):
    world.turned = lambda word: structs.replace(word, label="leaves")
    world.run(1)
    assert ("labels.meaning", SHOP, "opened") in world.found()


def test_a_group_that_nobody_knew_is_held_against_all_others(world: World):
    """A2 M16: several new callers, each with few labels, all saying the same."""
    world.lost = lambda word: False
    for name in ("ann", "bob", "cec"):
        world.sources[name] = Source(name, share=0.1)
    ring = {"ann", "bob", "cec"}
    world.turned = lambda word: structs.replace(word, label="buys") if word.actor in ring else word
    world.run(2)
    assert ("labels.meaning", "source=…new", "opened") in world.found()
    assert "callers that told none before say" in world.told[0].finding.words


def test_new_sources_that_say_what_others_say_are_welcome(world: World):
    world.sources["ann"] = Source("ann", share=0.2)
    world.run(4)
    assert world.told == []


def test_a_source_under_another_name_is_not_silent(world: World):
    """M16: the caller was renamed; its labels come on."""
    world.turned = lambda word: (
        structs.replace(word, actor="till") if word.actor == "shop" else word
    )
    world.run(3)
    assert world.found() == []


def test_labels_of_decisions_that_nobody_made_are_told(world: World):
    """M16: another system's ids."""
    draw = np.random.default_rng(2)

    def lose(word: Word) -> Word:
        gone = word.actor == "shop" and draw.random() < 0.4
        return structs.replace(word, of="unknown", label=None, answer=None) if gone else word

    world.turned = lose
    world.run(2)
    assert ("labels.unknown", SHOP, "opened") in world.found()
    assert not {check for check, _, _ in world.found()} & {"labels.silent", "labels.meaning"}


def test_a_source_that_delivers_once_a_night_is_not_silent_by_day():
    """M16: and its silence is told the day after."""

    def at_night(draw: np.random.Generator, rows: int) -> np.ndarray:
        # Everything of a day comes at three in the night after it.
        midnight = nightly.now_ms - nightly.now_ms % DAY_MS
        return np.full(rows, (midnight + 27 * HOUR_MS - nightly.now_ms) / 1000.0)

    nightly = World([Source("bank", share=0.5, delay_s=at_night)], per_hour=30.0)
    nightly.run(24 * 14, look=False)
    nightly.run(24 * 2 + 4)
    assert nightly.told == []
    usual = restored(nightly.saved.others["sources"]).ears["bank label"].usual
    assert usual is not None
    assert usual.block_ms == DAY_MS
    nightly.lost = lambda _word: True
    nightly.run(45)
    assert nightly.found() == [("labels.silent", "source=bank label", "opened")]


def test_a_length_of_time_is_as_uneven_as_every_longer_one():
    """M16: ten quiet minutes of a source that delivers once a week say nothing."""
    blocks = {width: [Block(expected=width / STRETCH_MS)] for width in WIDTHS}
    uneven = dict(zip(WIDTHS, (1.5, 1.5, 1.5, 900.0, 2.0), strict=True))
    assert _chosen(blocks, uneven, 12.0) == (WIDTHS[-1], 2.0)
    assert _chosen(blocks, {**uneven, DAY_MS: 1.5}, 12.0) == (STRETCH_MS, 2.0)
    assert _chosen(blocks, dict.fromkeys(WIDTHS), 12.0)[0] == 0


def test_what_nobody_saw_is_no_silence(world: World):
    """M16: a keeper that comes back after a day goes on from there."""
    world.lost = lambda _word: True
    world.run(24, look=False)
    world.lost = lambda _word: False
    world.run(2)
    assert world.told == []


def test_what_lasts_becomes_usual_but_for_silence(world: World):
    """M16: two weeks later a slower source is as it is; a silent one is silent."""
    world.sources["shop"].delay_s = lambda draw, n: draw.lognormal(np.log(5400.0), 0.8, n)
    world.lost = lambda word: word.actor == "bank"
    world.run(12)
    opened = {change.key for change in world.told if change.kind == "opened"}
    assert {"||heard|shop label|labels.late", "||heard|bank label|labels.silent"} <= opened
    world.per_hour = 60.0
    world.run(24 * 14 - 6, look=False)
    world.run(8)
    assert set(world.saved.open) == {"||heard|bank label|labels.silent"}
    whole = restored(world.saved.others["sources"]).ears[""].usual
    assert whole is not None
    assert whole.made_ms < world.now_ms - 13 * DAY_MS, "nobody learns while somebody is silent"
    usual = restored(world.saved.others["sources"]).ears["shop label"].usual
    assert usual is not None
    assert 4000.0 < usual.delays[int(np.searchsorted(usual.shares, 0.25))] < 8000.0
