"""Labels of a sample with rates by strata are measured without bias: L4 M14."""

from pathlib import Path
from typing import Any

from msgspec import structs

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
