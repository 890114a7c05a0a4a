"""Black Friday in simulated time, on the real code: labels stop while decisions go on (N1 N2 M16)."""

from pathlib import Path

import pytest

from mainstay.drill.black_friday import black_friday
from mainstay.drill.model import Moment
from mainstay.drill.shop import MODEL
from mainstay.renew.health.model import SILENT
from mainstay.wiring.recalling import recalls_of
from mainstay.wiring.reprocessing import Reprocessing
from mainstay.wiring.workspace import open_workspace

FINDINGS = [
    "noticed within an hour",
    "the gate refused it, and it is worse",
    "recalled to before",
    "listed and answered anew",
    "trained without it",
    "no snapshot learned from silence",
]


@pytest.mark.slow
def test_what_was_learned_from_silence_is_recalled(tmp_path: Path):
    """M16 N1 N2 N5 L6: noticed within a simulated hour; never learned from by the product; what a
    script learned from it is recalled, its answers are given anew, and the next version is better."""
    told: list[Moment] = []
    drilled = black_friday(tmp_path / "shop", told.append)
    assert [(each.check, each.verdict) for each in drilled.findings] == [
        (check, "pass") for check in FINDINGS
    ], drilled.findings
    assert drilled.verdict == "pass"
    assert tuple(told) == drilled.timeline
    times = [moment.at_ns for moment in told]
    assert times == sorted(times)
    workspace = open_workspace(tmp_path / "shop")
    # What the product itself wrote down says the same as the verdicts.
    assert [route.number for route in workspace.chain.history(MODEL)] == [1, 2, 1, 3]
    (recall,) = recalls_of(workspace).of(MODEL)
    assert recall.status == "in force"
    assert [each.number for each in recall.plan.suspects] == [2]
    third = workspace.registry.find(MODEL, 3).card
    assert (
        str(recall.window) in {f"{begin}..{end}" for begin, end in third.without} or third.without
    )
    found = workspace.journal.query(
        "SELECT json_extract_string(body, '$.state') AS state FROM events WHERE kind = 'finding'"
        f" AND json_extract_string(body, '$.check') = '{SILENT}' ORDER BY known_ns"
    )
    assert found.column("state").to_pylist() == ["opened", "resolved"]
    moved = workspace.journal.query(
        "SELECT count(*) FILTER (version = 2 AND arm <> 'shadow') AS bad,"
        " count(*) FILTER (version = 1 AND door = 'reprocess') AS anew FROM decisions"
    ).to_pylist()[0]
    assert moved["bad"] == moved["anew"] > 0
    assert Reprocessing(workspace, MODEL, [2]).work.left == 0
