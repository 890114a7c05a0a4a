"""Labels of a sample with rates by strata are measured without bias: L4 M14."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from mainstay.contract.asking import OTHERS
from mainstay.renew.labelling.reservoir import chance, is_even, offer
from tests.watch_labels.test_labeller import (
    FRAUD_2,
    HOUR,
    House,
    counts,
    decisions,
    identity,
    outcome,
)


def drawn(name: str, subject: str, label: str, **about: Any):
    event = outcome(name, subject, label, 200)
    return structs.replace(event, body={"label": label, "labelling": about})


def test_what_is_drawn_more_often_counts_in_its_stratum_alone(tmp_path: Path):
    """L4 M14: of all decisions together only what had the same chance as every other counts."""
    house = House(tmp_path)
    house.write(decisions())
    house.write(
        drawn("e1", identity(0), "fraud", even=True, by="country"),
        drawn("e2", identity(1), "ok", even=False, by="country"),
        drawn("e3", identity(2), "ok", even=False, by="country"),
    )
    assert house.labeller().take_in(10) == 1
    assert counts(house.parts()[FRAUD_2.fingerprint, HOUR], "label_pair") == (0, 0, 0, 1)
    german = house.parts("country=DE")[FRAUD_2.fingerprint, HOUR]
    assert counts(german, "label_pair") == (1, 1, 0, 0)


def test_in_slices_of_other_inputs_it_counts_nowhere(tmp_path: Path):
    """L4: those hold all strata, unevenly."""
    house = House(tmp_path)
    house.write(decisions())
    house.write(
        drawn("e1", identity(1), "ok", even=False, by="amount"),
        drawn("e2", identity(2), "ok", even=True, by="amount"),
    )
    assert house.labeller().take_in(10) == 1
    german = house.parts("country=DE")[FRAUD_2.fingerprint, HOUR]
    assert counts(german, "label_pair") == (0, 1, 0, 0)
    assert counts(house.parts()[FRAUD_2.fingerprint, HOUR], "label_pair") == (0, 1, 0, 0)


def test_figures_of_all_decisions_are_unbiased_where_a_stratum_is_drawn_ten_times_as_often():
    """L4 M14: against a known truth, over many draws; taking all labels alike would be off by far,
    and the two ways of doing it right (leave out, weigh) agree."""
    truth = {"DE": 0.5, "US": 0.9}
    decisions = [(f"d{n:05}", "DE" if n % 10 == 0 else "US") for n in range(3_000)]
    random = np.random.default_rng(11)
    right = {id_: bool(random.random() < truth[stratum]) for id_, stratum in decisions}
    known = np.mean(list(right.values()))
    alike, even, weighed = [], [], []
    for number in range(80):
        drawn = offer(f"fraud{number}", 400, {"DE": 1.0, OTHERS: 0.1}, decisions)
        hits = {each.id: float(right[each.id]) for each in drawn.kept}
        chosen = [hits[each.id] for each in drawn.kept if is_even(drawn, each)]
        weights = [1.0 / chance(drawn, each) for each in drawn.kept]
        alike.append(np.mean(list(hits.values())))
        even.append(np.mean(chosen))
        weighed.append(np.average(list(hits.values()), weights=weights))
    assert np.mean(alike) < known - 0.1
    for figures in (even, weighed):
        error = np.std(figures) / math.sqrt(len(figures))
        assert np.mean(figures) == pytest.approx(known, abs=4 * error)
        assert error < 0.01
