"""Measures of recommenders from counts are those of the lists themselves: M15."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy.stats import entropy

from mainstay.contract.model import Category, Contract, Number, Ranking, Release
from mainstay.contract.people import Exposure
from mainstay.summaries.labels import columns_of, rulers_of
from mainstay.summaries.rankings import ITEM, UNIT, shown, unit_of
from mainstay.summaries.reference import Known
from mainstay.summaries.summary import OTHERS_KEPT_MAX, Summary, merge, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import RUNTIME_RULERS
from mainstay.watch.labels.metrics import metrics_of
from mainstay.watch.recommend.measures import (
    BUCKETS,
    diversity,
    new_units,
    popularity,
    recommended,
    usually_new,
)

ITEMS = tuple(f"i{n:02}" for n in range(30))
SHOP = Contract(
    model="shop",
    inputs={"user": Category(values=("u0",), others=True), "x": Number()},
    output=Ranking(items=ITEMS, top=4),
    release=Release(unit="user"),
)
STATUS = RUNTIME_RULERS["status"]
OUTPUT = SHOP.output
assert isinstance(OUTPUT, Ranking)


def scores_of(seed: int, rows: int, taste: float = 1.0):
    generator = np.random.default_rng(seed)
    return generator.normal(0, 1, (rows, 30)) + taste * np.linspace(1, -1, 30)


def summed(scores, units, truths, parts: int = 1) -> dict[str, Summary]:
    """What some decisions become, in parts that are merged in a mixed order."""
    rulers = rulers_of(SHOP)
    pieces: list[dict[str, Summary]] = []
    for part in np.array_split(np.arange(len(scores)), parts):
        own = shown(SHOP, scores[part], [units[i] for i in part])
        made = {name: known.summary for name, known in own.items()}
        columns = columns_of(SHOP, [truths[i] for i in part], scores[part], (), [True] * len(part))
        for name, column in columns.items():
            made[name] = summarise(values_of(column), rulers[name])
        pieces.append(made)
    whole = pieces.pop()
    for piece in pieces:
        whole = {name: merge(summary, piece[name]) for name, summary in whole.items()}
    return whole


def known_of(columns: dict[str, Summary]) -> dict[str, Known]:
    rulers = rulers_of(SHOP)
    from_lists = shown(SHOP, scores_of(0, 1), ["a"])
    return {
        name: Known(from_lists[name].ruler if name in from_lists else rulers[name], summary)
        for name, summary in columns.items()
    }


def lists_of(scores) -> list[list[str]]:
    """By another way: a stable sort of names by score."""
    return [
        [ITEMS[i] for i in sorted(range(30), key=lambda i, row=row: (-row[i], i))[:4]]
        for row in scores
    ]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 7))
def test_diversity_is_that_of_the_lists_whatever_the_split(seed: int, rows: int, parts: int):
    """M15: against all pairs of lists, SciPy's entropy and the mean difference of counts."""
    scores = scores_of(seed, rows)
    truths = [ITEMS[i % 30] for i in range(rows)]
    units = [f"u{i % 5}" for i in range(rows)]
    columns = summed(scores, units, truths, min(parts, rows))
    reference = known_of(summed(scores_of(1, 200), ["u"] * 200, [ITEMS[i % 7] for i in range(200)]))
    popular = popularity(OUTPUT, reference)
    found = diversity(OUTPUT, columns, popular)
    assert found is not None
    lists = lists_of(scores)
    shared = [len(set(a) & set(b)) / 4 for a, b in itertools.combinations(lists, 2)]
    counts = Counter(itertools.chain(*lists))
    each = np.array([counts.get(name, 0) for name in ITEMS], dtype=float)
    apart = np.abs(each[:, None] - each[None, :]).mean() / 2 / each.mean()
    assert found.lists == rows
    assert found.coverage == len(counts) / 30
    assert found.overlap == pytest.approx(np.mean(shared))
    assert found.gini == pytest.approx(apart)
    assert found.effective == pytest.approx(math.exp(entropy(each[each > 0])))
    assert sum(found.shares.values()) == pytest.approx(1.0)
    whole = summed(scores, units, truths, 1)
    assert {name: structs.asdict(s.categories) for name, s in columns.items() if s.categories} == {
        name: structs.asdict(s.categories) for name, s in whole.items() if s.categories
    }


def test_buckets_part_the_popular_from_the_long_tail():
    """M15: the head was taken in half of all cases, the tail in the last fifth."""
    taken = ["i00"] * 40 + ["i01"] * 20 + ["i02"] * 20 + ["i03"] * 12 + ["i04"] * 8
    reference = known_of(summed(scores_of(1, 100), ["u"] * 100, taken))
    popular = popularity(OUTPUT, reference)
    assert popular is not None
    assert [BUCKETS[at] for at in popular.buckets[:6]] == [
        "head", "head", "middle", "tail", "tail", "unseen",
    ]  # fmt: skip
    assert popular.words == "what people took in the reference"
    halves = known_of(summed(scores_of(1, 100), ["u"] * 100, ["i00"] * 50 + ["i01"] * 50))
    two = popularity(OUTPUT, halves)
    assert two is not None
    assert [BUCKETS[at] for at in two.buckets[:3]] == ["head", "middle", "unseen"]
    unlabelled = {name: known for name, known in reference.items() if name in {ITEM, UNIT}}
    assert "what the model showed" in (popularity(OUTPUT, unlabelled) or popular).words
    assert popularity(OUTPUT, {}) is None


def test_hit_rates_by_popularity_are_counted_by_hand():
    """M15 M3: of what was taken, by bucket, how much was on the list; and what is new."""
    taken = ["i00"] * 60 + ["i05"] * 30 + ["i09"] * 10
    reference = known_of(summed(scores_of(1, 100), ["u"] * 100, taken))
    scores = scores_of(2, 300)
    truths = [("i00", "i05", "i09", "i20")[i % 4] for i in range(300)]
    columns = summed(scores, ["u"] * 300, truths, 5)
    hits = [truth in shown for truth, shown in zip(truths, lists_of(scores), strict=True)]
    found = {m.name: m for m in recommended(OUTPUT, reference, columns).metrics}
    for place, name in enumerate(("head", "middle", "tail", "unseen")):
        metric = found[f"hit rate of the {name}"]
        assert (metric.figure, metric.rows) == (np.mean(hits[place::4]), 75)
    assert found["new items"].figure == 0.25
    assert metrics_of(SHOP, columns)["hit rate at 3"].rows == 300


def test_a_click_is_a_label_of_what_was_on_the_list_and_told():
    """M15 M3: lists that nobody saw, and labels of what was not on them, are no clicks."""
    scores = np.tile(np.linspace(1, 0, 30), (4, 1))
    rulers = rulers_of(SHOP)
    told = [True, True, False, True]
    columns = columns_of(SHOP, ["i00", "i03", "i00", "i04"], scores, (), told)
    summaries = {n: summarise(values_of(column), rulers[n]) for n, column in columns.items()}
    status = summarise(values_of(np.array(["answered"] * 7 + ["asked"] + ["declined"] * 3)), STATUS)
    found = metrics_of(SHOP, {**summaries, "status": status})
    assert found["click-through rate"].figure == 2 / 8
    assert "click-through rate" not in metrics_of(SHOP, summaries)
    assert metrics_of(SHOP, {"status": status})["click-through rate"].figure == 0.0


@pytest.mark.parametrize(("people", "tolerance"), [(300, 1e-9), (20_000, 0.08)])
def test_new_people_are_counted_in_a_sample_of_stated_error(people: int, tolerance: float):
    """M15: exact as long as all fit, and else close; merged from any parts."""
    generator = np.random.default_rng(4)
    old = [f"user {n}" for n in generator.integers(0, people, 4 * people)]
    now = [f"user {n}" for n in generator.integers(people // 2, 2 * people, 2 * people)]
    none = np.zeros((0, 30))
    reference = shown(SHOP, scores_of(1, len(old))[:, :30], old)
    parts = [shown(SHOP, np.zeros((len(p), 30)), list(p)) for p in np.array_split(now, 9)]
    whole = shown(SHOP, none, [])[UNIT].summary
    for part in parts:
        whole = merge(whole, part[UNIT].summary)
    assert whole.categories is not None
    assert len(whole.categories.others) <= OTHERS_KEPT_MAX
    assert not any("user" in name for name in whole.categories.others), "names are not kept"
    found = new_units(reference, {UNIT: whole})
    there = set(old)
    true = np.mean([name not in there for name in now])
    assert found is not None
    assert abs(found.share - true) <= tolerance


def test_how_many_are_usually_new_is_what_a_split_would_show():
    """M15: Good and Turing against people who really come next."""
    generator = np.random.default_rng(9)
    came = generator.zipf(1.4, 6000)
    counts = Counter(came[:5000].tolist())
    new = np.mean([person not in counts for person in came[5000:].tolist()])
    assert usually_new({str(k): v for k, v in counts.items()}) == pytest.approx(new, abs=0.03)
    assert usually_new({}) == 0.0


def test_whom_a_list_is_for_is_named_by_the_contract():
    """M15: the unit of a rollout, else the one whose exposure is limited."""
    assert unit_of(SHOP) == "user"
    plain = structs.replace(SHOP, release=Release())
    assert unit_of(plain) == ""
    judge = structs.replace(plain.judge, exposure=Exposure(unit="x", answers="3 per 1d"))
    assert unit_of(structs.replace(plain, judge=judge)) == "x"


def test_a_row_without_a_score_makes_no_list():
    """M15 M10: what makes no sense was shown to nobody."""
    scores = scores_of(3, 5)
    scores[2, 7] = np.nan
    found = shown(SHOP, scores, list("abcde"))
    assert found[ITEM].summary.rows == 16
    assert found[UNIT].summary.rows == 4
