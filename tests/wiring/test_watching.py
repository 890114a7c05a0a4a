"""The watch of a workspace, on its real stores and journal, in simulated time: M4 M5 M7 M24."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mainstay.base.clock import ManualClock, SystemClock
from mainstay.base.ids import DecisionId, DecisionIds
from mainstay.contract.columns import MATRIX, encode
from mainstay.contract.load import load_contract
from mainstay.journal.model import DecisionBatch, Event
from mainstay.journal.spool import DiskSpool, SpoolLimits
from mainstay.serve.pipeline import layout_of
from mainstay.watch.gather.memory import MemorySummaryStore
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.wiring.packing import pack
from mainstay.wiring.watching import BundleVersions, Watching
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import CONTRACT, MODEL, copy_live, mainstay, onnx_model


def pack_watched(folder: Path, more: str) -> None:
    """A version that saw enough rows to be watched by."""
    contract = folder.parent / f"{MODEL}.yaml"
    contract.write_text(CONTRACT + more)
    pack(
        MODEL, model=onnx_model(), confidence=np.random.default_rng(7).normal(0, 1, (2000, 3)),
        contract=contract, workspace=folder, classes=("low", "high"), quiet=True,
    )  # fmt: skip


class Shop:
    """A workspace whose model is in force, and whose time is ours."""

    def __init__(self, folder: Path, clock: ManualClock, more: str = "") -> None:
        self.folder = folder
        copy_live(folder, f"watched {more}", lambda made: pack_watched(made, more))
        self.clock = clock
        self.generator = np.random.default_rng(1)
        self.number = 0
        self.workspace = self.opened()
        route = self.workspace.chain.current(MODEL)
        assert route is not None
        self.route = route
        manifest = self.workspace.unpacked(route.fingerprint).manifest
        loaded = SimpleNamespace(manifest=manifest, fingerprint=route.fingerprint)
        self.layout = layout_of(loaded, route.number)

    def opened(self) -> Workspace:
        """The workspace as a new process finds it, with our clock."""
        workspace = open_workspace(self.folder)
        workspace.clock = self.clock
        return workspace

    def stretch(self, shift: float = 0.0, rows: int = 300, labels: int = 0) -> None:
        """Ten minutes of decisions, some of them labelled, all of it sealed."""
        self.number += 1
        now_ms = self.clock.now_ns() // 1_000_000
        inputs = self.generator.normal(0, 1, (rows, 3)) + np.array([shift, 0, 0])
        second = 1 / (1 + np.exp(-(inputs @ [1.0, 2.0, 3.0])))
        batch = DecisionBatch(
            fingerprint=self.route.fingerprint,
            route=self.route.epoch,
            door="decide",
            time_ms=now_ms,
            incarnation=self.number,
            first_sequence=0,
            rows=rows,
            callers=("local",),
            inputs=encode({MATRIX: inputs}),
            outputs=encode({"output": np.stack([1 - second, second], axis=1)}),
            statuses=bytes(rows),
            steps_ns={"predict": 1000 * rows},
        )
        folder = self.workspace.places.spool
        breath = SpoolLimits(free_disk_bytes=0)
        spool = DiskSpool(folder, self.number, clock=self.clock, breath=breath)
        spool.describe(self.layout)
        spool.append([batch])
        classes = self.layout.outputs
        for row in range(labels):
            truth = classes[int(self.generator.random() < second[row])]
            subject = str(DecisionId(now_ms, self.number, row))
            spool.append([self.outcome(subject, truth, row)])
        spool.close()
        self.workspace.journal.seal()
        self.clock.advance(STRETCH_MS / 1000)

    def outcome(self, subject: str, truth: str, row: int) -> Event:
        ids = DecisionIds(0x7000 + self.number, self.clock)
        time_ms, sequence = ids.take(1)
        return Event(
            id=str(DecisionId(time_ms, 0x7000 + self.number, sequence + row)), kind="outcome",
            time_ns=self.clock.now_ns(), known_ns=self.clock.now_ns(), model=MODEL, actor="shop",
            subject=subject, body={"label": truth},
        )  # fmt: skip

    def look(self) -> Watching:
        """What a keeper that has just started does."""
        watching = Watching(self.opened())
        self.clock.advance(GRACE_MS / 1000)
        while watching.tick():
            pass
        return watching


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    begin_ms = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
    return Shop(tmp_path / "shop", ManualClock(begin_ms * 1_000_000))


def findings(shop: Shop) -> list[dict[str, object]]:
    """What the journal was told."""
    shop.workspace.journal.seal()
    return shop.workspace.journal.query(
        "SELECT actor, body->>'state' AS state, body->>'check' AS name, body->>'words' AS words"
        " FROM events WHERE kind = 'finding' AND actor = 'watch' ORDER BY time"
    ).to_pylist()


def test_a_drift_is_found_told_and_over(shop: Shop):
    """M4 M5 M24 F4: by keepers that start anew every time; the journal has its beginning and end."""
    for _ in range(4):
        shop.stretch()
        shop.look()
    assert findings(shop) == []
    for _ in range(4):
        shop.stretch(shift=1.5)
        shop.look()
    (view,) = shop.look().overviews()
    named = {each.finding.check for each in view.findings}
    assert "input a: place" in named
    told = findings(shop)
    assert {row["name"] for row in told} == named
    assert any("values are higher than they were" in str(row["words"]) for row in told)
    for _ in range(10):
        shop.stretch()
        shop.look()
    (view,) = shop.look().overviews()
    assert view.findings == ()
    told = findings(shop)
    assert sorted(str(row["state"]) for row in told) == sorted(
        ["opened", "resolved"] * (len(told) // 2)
    )


def test_figures_are_those_of_the_journal(shop: Shop):
    """M3 M7 M13: decisions, statuses and labels of a model, for people and programs."""
    for _ in range(3):
        shop.stretch(labels=40)
    (view,) = shop.look().overviews(MODEL)
    (version,) = view.versions
    assert [window.decisions for window in version.windows] == [900, 900]
    assert version.windows[1].statuses == {"answered": 900}
    assert version.windows[1].step_us == {"predict": pytest.approx(1.0)}
    metrics = {metric.name: metric for metric in version.metrics}
    assert metrics["accuracy"].rows == 120
    counted = shop.workspace.journal.query(
        "SELECT count(*) AS n, avg(CASE WHEN (output_high >= 0.5) = (e.body->>'label' = 'high')"
        " THEN 1.0 ELSE 0.0 END) AS right FROM events e JOIN decisions d ON e.subject = d.id"
    ).to_pylist()[0]
    assert counted["n"] == 120
    assert metrics["accuracy"].figure == pytest.approx(counted["right"])
    assert shop.look().overviews("nobody") == []


def test_the_command_says_so(shop: Shop):
    """M23: `mainstay watch` with nothing recorded, and with a name that nobody has."""
    folder = shop.workspace.places.root
    told = mainstay("watch", workspace=folder)
    assert told.returncode == 0, told.stderr
    assert MODEL in told.stdout
    missing = mainstay("watch", "nobody", "--json", workspace=folder)
    assert missing.returncode == 1
    assert '"not_found"' in missing.stdout


def test_what_is_expected_is_shown_by_the_command(tmp_path: Path):
    """M2: what holds, what nobody can tell, and what does not, with an exit code for scripts."""
    lines = ("p99 latency < 1s", "share of 2xx >= 99.99 %", "requests >= 1000000 per 1h")
    more = "expect:\n" + "".join(f"  - {line}\n" for line in lines)
    hour_ns = 3_600_000_000_000
    now_ns = SystemClock().now_ns()
    shop = Shop(
        tmp_path / "shop", ManualClock(now_ns - now_ns % (hour_ns // 6) - 2 * hour_ns), more
    )
    for _ in range(11):
        shop.stretch()
    told = mainstay("watch", MODEL, workspace=shop.folder)
    assert told.returncode == 1, told.stderr
    shown = " ".join(told.stdout.split())
    assert "✓ p99 latency < 1s: 0." in shown
    assert "? share of 2xx >= 99.99 %: 100.00% of " in shown
    assert "✗ requests >= 1000000 per 1h: " in shown
    assert "in the last hour" in shown


def test_where_a_column_comes_from(tmp_path: Path):
    """M27: what the contract says, the model that feeds it, or the look-up; and what hangs on one."""
    written = """\
model: loans
inputs:
  amount: {type: number, source: the table payments}
  risk: {type: number, from_model: fraud}
  plain: {type: text}
context:
  account: {lookup: accounts, key: plain, fields: {age: {type: number}, name: {type: text}},
    otherwise: {age: 0, name: ""}}
lookups: {accounts: {function: accounts}}
output: {type: number}
"""
    contract = tmp_path / "loans.yaml"
    contract.write_text(written)
    versions = BundleVersions(SimpleNamespace(), MemorySummaryStore())
    versions._contracts["f"] = load_contract(contract)
    said = {
        name: versions.source("f", name)
        for name in ("input_amount", "input_risk", "input_plain", "format_input_plain",
                     "context_account.age", "format_context_account.name", "source_accounts")
    }  # fmt: skip
    assert said == {
        "input_amount": "the table payments",
        "input_risk": "the model fraud",
        "input_plain": "",
        "format_input_plain": "",
        "context_account.age": "the lookup accounts",
        "format_context_account.name": "the lookup accounts",
        "source_accounts": "outside, and account.age, account.name with it",
    }
