"""Decisions are drawn at random, by strata, the same however they come (L4 M14 N8)."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.draws import draw
from mainstay.renew.labelling.reservoir import Reservoir, chance, is_even, merge, offer

RATES = {"US": 0.2, "DE": 1.0, "other": 0.5}
rows = st.lists(
    st.tuples(st.integers(0, 300).map(lambda n: f"d{n}"), st.sampled_from(["US", "DE", "FR"])),
    max_size=120,
).map(lambda pairs: list(dict(pairs).items()))


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 30), st.data())
def test_merging_is_as_having_seen_all_together(
    listed: list[tuple[str, str]], most: int, data: st.DataObject
):
    """L4: however decisions are parted among processes, in whatever order, offered twice or not."""
    whole = offer("fraud", most, RATES, listed)
    shuffled = data.draw(st.permutations(listed))
    cut, other = sorted(data.draw(st.tuples(*[st.integers(0, len(listed))] * 2)))
    parts = [shuffled[:cut], shuffled[cut:other], shuffled[other:], shuffled[: other // 2]]
    one, two, three, again = (offer("fraud", most, RATES, part) for part in parts)
    assert merge(merge(one, two), merge(three, again)) == whole
    assert merge(three, merge(again, merge(two, one))) == whole
    assert len(whole.kept) <= most


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 30))
def test_the_lowest_places_are_kept(listed: list[tuple[str, str]], most: int):
    """N8: by the plain words of it."""
    found = offer("fraud", most, RATES, listed)
    places = sorted(
        (draw("set aside fraud", id_) / RATES.get(stratum, 0.5), id_) for id_, stratum in listed
    )
    below = [(place, id_) for place, id_ in places if place < 1.0]
    assert [each.id for each in found.kept] == [id_ for _, id_ in below[:most]]
    assert found.limit == (below[most][0] if len(below) > most else 1.0)


def sampled(seed: int, counts: dict[str, int], most: int) -> Reservoir:
    listed = [(f"{seed}-{name}-{n}", name) for name, count in counts.items() for n in range(count)]
    return offer("fraud", most, RATES, listed)


def mean(values: Sequence[float]) -> tuple[float, float]:
    """And its standard error."""
    middle = sum(values) / len(values)
    spread = sum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return middle, math.sqrt(spread / len(values))


@pytest.mark.parametrize("most", [8, 40, 10_000])
def test_weights_stand_for_all_decisions_of_every_stratum(most: int):
    """L4: summed weights are on average how many there were, whether the bound was reached or not."""
    counts = {"US": 200, "DE": 20, "FR": 60}
    totals: dict[str, list[float]] = {name: [] for name in counts}
    for seed in range(600):
        found = sampled(seed, counts, most)
        weights: Counter[str] = Counter()
        for each in found.kept:
            weights[each.stratum] += 1.0 / chance(found, each)
        for name, values in totals.items():
            values.append(weights[name])
    for name, count in counts.items():
        middle, error = mean(totals[name])
        assert abs(middle - count) < 4.5 * max(error, 1e-9) + 1e-9, name


def test_the_even_sample_has_the_same_chance_everywhere():
    """L4: every stratum is in it as it is among all decisions."""
    counts = {"US": 500, "DE": 500, "FR": 500}
    even: Counter[str] = Counter()
    for seed in range(120):
        found = sampled(seed, counts, 60)
        even.update(each.stratum for each in found.kept if is_even(found, each))
        assert all(is_even(found, each) for each in found.kept if each.stratum == "US")
    total = sum(even.values())
    for name in counts:
        assert abs(even[name] / total - 1 / 3) < 4.5 * math.sqrt(2 / 9 / total), name


def test_another_model_draws_others():
    """L4: nobody who knows one sample knows the other."""
    listed = [(f"d{n}", "") for n in range(1000)]
    ids = [{each.id for each in offer(model, 100, {}, listed).kept} for model in ("a", "b")]
    assert len(ids[0] & ids[1]) < 40
