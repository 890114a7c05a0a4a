"""Stories of models that went wrong in use, in simulated time, on the real code."""

from pathlib import Path

import pytest

from mainstay.drill.model import Moment
from mainstay.drill.spam_folder import spam_folder
from mainstay.drill.stale_recommender import stale_recommender
from mainstay.wiring.workspace import open_workspace

pytestmark = pytest.mark.slow


def test_the_spam_folder(tmp_path: Path) -> None:
    """S14 N12: what a filter hides, nobody corrects; the readers who are held out show how much
    that is, and what learns from them alone is right where what learned from everybody was not."""
    told: list[Moment] = []
    drilled = spam_folder(tmp_path / "mail", told.append)
    assert [(each.check, each.verdict) for each in drilled.findings] == [
        ("what was heard is what it said", "pass"),
        ("the loop is measured", "pass"),
        ("what was hidden is learned", "pass"),
    ], drilled.findings
    assert tuple(told) == drilled.timeline
    workspace = open_workspace(tmp_path / "mail")
    learned = workspace.journal.query(
        "SELECT arm, count(*) AS rows FROM decisions GROUP BY arm ORDER BY arm"
    ).to_pylist()
    rows = {each["arm"]: each["rows"] for each in learned}
    assert 0.05 < rows["held_out"] / sum(rows.values()) < 0.15


def test_the_stale_recommender(tmp_path: Path) -> None:
    """M15 M3 N3 N14: people, things and tastes are new; that nobody clicks any more is noticed, it
    is said that it is time, and the next version is clicked on."""
    told: list[Moment] = []
    drilled = stale_recommender(tmp_path / "shelf", told.append)
    assert [(each.check, each.verdict) for each in drilled.findings] == [
        ("that people stop clicking is noticed", "pass"),
        ("people click again", "pass"),
    ], drilled.findings
    assert tuple(told) == drilled.timeline
    workspace = open_workspace(tmp_path / "shelf")
    found = workspace.journal.query(
        "SELECT DISTINCT json_extract_string(body, '$.check') AS check FROM events"
        " WHERE kind = 'finding'"
    )
    checks = set(found.column("check").to_pylist())
    assert {"feedback: rate of clicked", "labels: hit rate at 1"} <= checks
