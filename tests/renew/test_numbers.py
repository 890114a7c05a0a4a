"""M16: numbers that changed unit, sign or meaning are told; inputs and errors that move are not."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.renew.health.model import Block
from mainstay.renew.health.numbers import WAYS, seen_of, times, usual_ratios
from mainstay.renew.health.usual import block_of
from mainstay.summaries.labels import ARROW
from mainstay.summaries.ratios import NOUGHT, place_of, ratio_of, size_of, stratum_of, times_of
from mainstay.watch.gather.model import HEARD
from mainstay.watch.labels.heard import Word, heard_parts
from tests.renew.numbers import Market, Prices, settled

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, finite)
def test_cells_stand_in_the_order_of_the_ratios(answer: float, one: float, other: float):
    """The second account is plain division, in whole cells."""
    if answer == 0.0:
        assert ratio_of(one, answer) is None
        return
    cells = [ratio_of(each, answer) for each in (one, other)]
    assert None not in cells
    first, second = map(str, cells)
    sides = [math.copysign(1.0, each) * math.copysign(1.0, answer) if each else 0.0
             for each in (one, other)]  # fmt: skip
    powers = [math.log10(abs(each)) if each else -math.inf for each in (one, other)]
    if (sides[0], sides[0] * powers[0]) <= (sides[1], sides[1] * powers[1]):
        assert place_of(first) <= place_of(second)
    else:
        assert place_of(first) >= place_of(second)
    assert ratio_of(-one, answer) in (first.translate(str.maketrans("+-", "-+"))[:1] + first[1:],
                                      NOUGHT)  # fmt: skip


@pytest.mark.parametrize("power", np.linspace(-4.5, 4.5, 61).tolist())
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_cell_says_about_how_many_times_its_answer_a_label_is(power: float, side: float):
    cell = ratio_of(side * 7.0 * 10.0**power, 7.0)
    assert cell is not None
    found = times_of(place_of(cell))
    assert math.copysign(1.0, found) == side
    off = abs(math.log10(abs(found)) - power)
    assert off <= (0.0101 if abs(power) <= 0.3 else 0.0501)
    assert size_of(cell) == abs(place_of(cell))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.1, 1.0]))
def test_what_is_beyond_is_a_quarter_at_most_and_not_near_the_middle(seed: int, errs: float):
    """Held against the labels one by one."""
    draw = np.random.default_rng(seed)
    answers, labels = Prices(errs=errs).drawn(draw, 600)
    words = [
        Word("shop", "label", f"{n:028x}", 0, label=float(y), answer=float(a), version=1)
        for n, (a, y) in enumerate(zip(answers, labels, strict=True))
    ]
    [part] = [p for p in heard_parts("shop", words) if p.key.slice.startswith(HEARD)]
    block = block_of(part)
    known = usual_ratios(block.ratios)
    strata = [stratum_of(1, float(a)) for a in answers]
    kept = np.array([each in known for each in strata])
    assert sum(block.ratios.values()) == 600
    assert {name: math.fsum(own.values()) for name, own in known.items()} == pytest.approx(
        dict.fromkeys(known, 1.0)
    )
    for way in WAYS:
        seen = seen_of(way, known, block)
        assert seen.rows == kept.sum()
        assert seen.beyond == pytest.approx(seen.share * seen.rows)
        assert seen.share <= 0.25
    higher = Block(ratios={f"{ratio_of(1.11, 1.0)}{ARROW}{name}": 1 for name in known})
    all_higher = seen_of("higher", known, higher)
    if errs == 0.01:
        assert all_higher.beyond == all_higher.rows == len(known)
        assert times(known, higher) == pytest.approx(1.1, abs=0.06)
    few = usual_ratios({f"+0{ARROW}v1+4": 39, f"+0{ARROW}v1+5": 40})
    assert list(few) == ["v1+5"]


@pytest.fixture(scope="module")
def usual() -> Market:
    """A model that is 5 % wrong, and shrinks what is far from 100."""
    made = settled(Prices(errs=0.05, bent=0.1))
    assert made.told == []
    return made


def market(usual: Market, change: Callable[[Market], object], hours: float) -> Market:
    made = copy.deepcopy(usual)
    change(made)
    made.run(hours)
    return made


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        (lambda labels: labels * 100.0, "higher"),
        (lambda labels: labels / 100.0, "lower"),
        (lambda labels: labels * 1.1, "higher"),
        (lambda labels: -labels, "lower"),
        (lambda labels: labels * 0.0, "lower"),
    ],
)
def test_another_unit_or_sign_is_told_with_whom_it_touches(usual: Market, unit, said: str):
    """M16: a hundred times, a tenth more, the other sign, nothing at all."""
    begin = usual.now_ms

    def change(made: Market) -> None:
        made.unit = unit

    made = market(usual, change, 3)
    [found] = [change for change in made.told if change.finding.check == "labels.meaning"]
    assert (found.kind, found.finding.verdict, found.finding.slice) == (
        "opened", "fail", "source=shop label",
    )  # fmt: skip
    assert f"labels of shop are {said}: " in found.finding.words
    assert begin - 3_600_000 <= found.since_ms <= found.at_ms <= begin + 3 * 3_600_000
    assert found.touched[0] < begin + 3_600_000
    assert found.touched[1] == 0
    made.told.clear()
    made.unit = lambda labels: labels
    made.run(5)
    assert [(c.finding.check, c.kind) for c in made.told] == [("labels.meaning", "resolved")]


def moved(**changes: Any) -> Callable[[Market], object]:
    def change(made: Market) -> None:
        made.prices = replace(made.prices, **changes)

    return change


@pytest.mark.parametrize(
    "change",
    [
        moved(middle=250.0),
        moved(middle=40.0, spread=0.2),
        moved(errs=0.3),
        moved(middle=300.0, errs=0.2),
        moved(bent=0.3, version=2),
    ],
    ids=["inputs", "inputs to one side", "errors", "both", "another version"],
)
def test_what_the_answers_explain_is_no_other_meaning(usual: Market, change):
    """M16: inputs move to where the model is wrong, errors grow, a version is another one."""
    assert market(usual, change, 5).told == []
