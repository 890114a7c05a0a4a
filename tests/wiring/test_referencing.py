"""A version is held to a period of what it answered, on a real workspace: M4 M5 M24."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage
from mainstay.cli import cli
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.wiring.quarantining import lift, quarantine
from mainstay.wiring.referencing import keep_out_quarantined, refer, refer_as_packed, referred
from mainstay.wiring.trending import trends_of
from mainstay.wiring.watching import Watching
from tests.servers.mainstay import MODEL
from tests.wiring.test_watching import Shop, findings

SHIFT = 1.5
COLUMN = "input_a"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    begin_ms = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
    return Shop(tmp_path / "shop", ManualClock(begin_ms * 1_000_000))


def mean_of(watching: Watching, shop: Shop) -> float:
    reference = watching.held(MODEL).reference(shop.route.fingerprint)
    assert reference is not None
    numbers = reference.columns[COLUMN].summary.numbers
    assert numbers is not None
    return numbers.moments.mean


def drift(shop: Shop, watching: Watching) -> float:
    """How far the column has moved last, by the page of trends."""
    inputs = dict(trends_of(shop.opened(), watching, MODEL, 6 * 3_600_000).inputs)
    return [value for _, value in inputs["input a"][1].series[0].points if value is not None][-1]


def opened_findings(shop: Shop) -> list[str]:
    return [str(each["name"]) for each in findings(shop) if each["state"] == "opened"]


def test_what_was_chosen_is_usual_and_what_was_packed_is_not(shop: Shop):
    """M4 M5 M24: no finding where the confidence set is no yardstick; evidence gathered against it
    does not count; figures, charts and the command say so; each choice is an event; taken back, the
    same data is a finding again."""
    began_ns = shop.clock.now_ns()
    for _ in range(4):
        shop.stretch(SHIFT)  # not looked at yet
    until_ns = shop.clock.now_ns()
    quiet = Watching(shop.opened())
    shop.clock.advance(60)
    quiet.tick()
    before, _ = quiet.monitors.load(MODEL)
    assert before.states
    version = shop.workspace.registry.find(MODEL, 1)
    with pytest.raises(InvalidUsage, match="there are 300 decisions of this version"):
        refer(shop.workspace, quiet, version, (began_ns, began_ns + STRETCH_MS * 1_000_000))
    packed = referred(quiet, version)
    assert (packed.since_ms, packed.rows) == (None, 2000)
    told = refer(shop.workspace, quiet, version, (began_ns, until_ns), actor="ann")
    assert (told.rows, told.by, told.left_out, told.coarse) == (1200, "ann", 0, ())
    saved, _ = quiet.monitors.load(MODEL)
    assert not [key for key in saved.states if key.startswith(version.fingerprint[:16])]
    many = len(opened_findings(shop))
    for _ in range(6):
        shop.stretch(SHIFT)
        watching = shop.look()
    assert len(opened_findings(shop)) == many, "what was chosen is usual"
    assert mean_of(watching, shop) == pytest.approx(SHIFT, abs=0.1)
    assert drift(shop, watching) < 0.2
    (shown,) = (each for view in watching.overviews(MODEL) for each in view.versions)
    assert shown.chosen
    assert shown.reference == told.reference
    refer_as_packed(shop.workspace, watching, version, actor="ann")
    for _ in range(4):
        shop.stretch(SHIFT)
        watching = shop.look()
    assert len(opened_findings(shop)) > many, "what was packed is another yardstick"
    assert drift(shop, watching) > 0.4
    where = "FROM events WHERE kind = 'action' AND actor = 'ann' ORDER BY time, id"
    done = shop.workspace.journal.query(f"SELECT body {where}").to_pylist()
    assert [next(iter(json.loads(each["body"]))) for each in done] == [
        "reference chosen", "reference as packed",
    ]  # fmt: skip


def test_what_is_quarantined_is_no_part_of_it_now_or_later(shop: Shop):
    """M4 N2: before the choice, after it, and back once that is lifted; where too little is left,
    what was packed holds again."""
    began_ns = shop.clock.now_ns()
    shop.stretch(9.0, rows=300)
    middle_ns = shop.clock.now_ns()
    for _ in range(4):
        shop.stretch(0.5)
    until_ns = shop.clock.now_ns()
    watching = Watching(shop.opened())
    watching.tick()
    polluted = quarantine(shop.workspace, MODEL, (began_ns, middle_ns), "a bug")
    version = shop.workspace.registry.find(MODEL, 1)
    told = refer(shop.workspace, watching, version, (began_ns, until_ns))
    assert (told.rows, told.left_out) == (1200, 1)
    assert mean_of(watching, shop) == pytest.approx(0.5, abs=0.1)
    lift(shop.workspace, polluted.id)
    keep_out_quarantined(shop.workspace, watching)
    assert referred(watching, version).rows == 1500
    assert mean_of(watching, shop) == pytest.approx(2.2, abs=0.15)
    before = referred(watching, version)
    keep_out_quarantined(shop.workspace, watching)
    assert referred(watching, version) == before
    quarantine(shop.workspace, MODEL, (began_ns, middle_ns + 1), "a bug, and more")
    keep_out_quarantined(shop.workspace, watching)
    found = referred(watching, version)
    assert (found.since_ms, found.rows) == (None, 2000)


def test_a_person_chooses_and_takes_back_by_command(shop: Shop):
    """M5: with days as they are written; what cannot be is said; values beyond the packed ones are
    no silent blindness."""
    began_ns = shop.clock.now_ns()
    for _ in range(4):
        shop.stretch(50.0)
    Watching(shop.opened()).tick()
    folder = str(shop.folder)

    def run(*arguments: str):
        return CliRunner().invoke(cli, ["reference", *arguments, "--workspace", folder])

    day = "2023-11-14..2023-11-16"
    assert began_ns // 86_400_000_000_000 * 86_400 == 1_699_920_000
    chosen = run(MODEL, day)
    assert chosen.exit_code == 0, chosen.output
    text = " ".join(chosen.output.split())
    assert f"{MODEL} v1 is held against its 1,200 decisions from 2023-11-14" in text
    assert "values or more of" in text
    assert COLUMN in text
    assert "2000 rows" not in run(MODEL).output
    shown = json.loads(run(f"{MODEL}@1", "--as-packed", "--json").output)
    assert (shown["rows"], shown["since_ms"]) == (2000, None)
    assert run(MODEL, day, "--as-packed").exit_code == 2
    assert "is not a stretch of time" in run(MODEL, "yesterday").output
    assert "no version of 'other'" in " ".join(run("other").output.split())
