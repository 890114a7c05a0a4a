"""The fraud arms race in simulated time, on the real code (N13 N3 N5 N6)."""

from pathlib import Path

import pytest

from mainstay.drill.arms_race import MODEL, arms_race
from mainstay.drill.model import Moment
from mainstay.renew.schedule.due import COST
from mainstay.wiring.acting import ACTOR
from mainstay.wiring.workspace import open_workspace

FINDINGS = [
    "the decay was noticed, and trained away by itself",
    "fewer errors than without",
    "its effect is told as it is",
]


@pytest.mark.slow
def test_a_model_that_is_trained_by_itself_stays_ahead(tmp_path: Path) -> None:
    """N13 N3: the decay is noticed by what errors cost, the rule trains through the gate, errors
    are surely fewer than in the same world without it, and the effect that is told is true."""
    told: list[Moment] = []
    drilled = arms_race(tmp_path / "bank", told.append)
    assert [(each.check, each.verdict) for each in drilled.findings] == [
        (check, "pass") for check in FINDINGS
    ], drilled.findings
    assert tuple(told) == drilled.timeline
    workspace = open_workspace(tmp_path / "bank")
    # What the product itself wrote down says the same as the verdicts.
    first, *later = workspace.chain.history(MODEL)
    assert len(later) >= 2
    assert {route.actor for route in later} == {ACTOR} != {first.actor}
    found = workspace.journal.query(
        "SELECT DISTINCT subject FROM events WHERE kind = 'finding' AND"
        f" json_extract_string(body, '$.check') = '{COST}'"
        " AND json_extract_string(body, '$.state') = 'opened'"
    )
    noticed = set(found.column("subject").to_pylist())
    assert {first.fingerprint, later[0].fingerprint} <= noticed
    still = open_workspace(tmp_path / "bank-still")
    assert [route.number for route in still.chain.history(MODEL)] == [1]
