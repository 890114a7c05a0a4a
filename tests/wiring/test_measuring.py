"""What the keeper reads of workers is kept, and the watch sees it. M1 M11."""

import fcntl

import msgspec
import pytest
from click.testing import CliRunner

from mainstay.base.clock import ManualClock
from mainstay.cli import cli
from mainstay.serve.beside import BESIDE_FILE
from mainstay.serve.refusals import AskedBy
from mainstay.serve.routes.model import Route, WorkerState
from mainstay.serve.snapshots import Snapshot
from mainstay.serve.supervise import SUPERVISOR_FILE, PlaceReport, SupervisorReport
from mainstay.watch.gather.model import PROCESSES, STRETCH_MS
from mainstay.watch.gather.processes import MEMORY
from mainstay.wiring.measuring import Measuring
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, pack_model


@pytest.fixture
def workspace(tmp_path):
    pack_model(tmp_path / "shop")
    opened = open_workspace(tmp_path / "shop")
    opened.deploy(MODEL, 1, "", actor="ann")
    opened.clock = ManualClock()
    return opened


def worker(slot: int, route: Route) -> WorkerState:
    return WorkerState(
        slot=slot, pid=100 + slot, started_at_ns=0, beat_at_ns=0, ready=True, draining=False,
        serving={route.model: route}, refused={},
    )  # fmt: skip


def worker_place(slot: int) -> PlaceReport:
    return PlaceReport(
        role="worker", slot=slot, pid=100 + slot, ready=True, draining=False, started_ns=0,
        restarts=0, last_death="",
    )  # fmt: skip


@pytest.fixture
def served(workspace):
    """As if a server with two workers ran: its files, and the lock that it holds."""
    run, route = workspace.places.run, workspace.chain.current(MODEL)
    assert route is not None
    report = SupervisorReport(
        pid=99, url="http://x", started_ns=0, workers=2, rolling=False, stopping=False,
        places=[worker_place(0), worker_place(1)],
    )  # fmt: skip
    (run / SUPERVISOR_FILE).write_bytes(msgspec.json.encode(report))
    for slot in (0, 1):
        state = msgspec.json.encode(worker(slot, route))
        (run / f"worker-{slot}.json").write_bytes(state)
    with (run / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield route


def test_what_callers_are_refused_is_gathered_and_told(workspace, served):
    """M20 M23: from the files of two workers to a finding that `mainstay watch` shows."""
    clock, run = workspace.clock, workspace.places.run
    measuring, watching = Measuring(workspace), Watching(workspace)
    measuring.look()
    watching.tick()

    def beat(slot: int, refused: int) -> None:
        why = {"invalid_request a": refused}
        asked = AskedBy(model=MODEL, caller="shop", asked=refused, refused=refused, why=why)
        shot = Snapshot(
            slot=slot, pid=100 + slot, time_ns=clock.now_ns(), born_ns=clock.now_ns(), asked=[asked]
        )
        (run / f"metrics-{slot}.json").write_bytes(msgspec.json.encode(shot))

    beat(0, 40)
    beat(1, 30)
    measuring.look()
    clock.advance(STRETCH_MS / 1000)
    measuring.look()
    clock.advance(STRETCH_MS / 1000)
    watching.tick()
    (view,) = watching.overviews(MODEL)
    (found,) = (each.finding for each in view.findings)
    assert found.check == "caller shop: refused requests"
    assert "100% of 70 requests" in found.words
    assert "mostly invalid_request of a (70 of 70" in found.words
    shown = CliRunner().invoke(cli, ["watch", MODEL, "--workspace", str(workspace.places.root)])
    assert shown.exit_code == 1
    assert "caller shop: 100% of 70 requests were refused" in " ".join(shown.output.split())
    workspace.journal.seal()
    told = workspace.journal.query(
        "SELECT body->>'check' AS name FROM events WHERE actor = 'watch'"
    )
    assert told.to_pylist() == [{"name": found.check}]


def test_memory_of_workers_is_kept_by_process_and_version(workspace, served):
    """M1 M11: of those that are there, once their stretch is over."""
    clock, run = workspace.clock, workspace.places.run
    measuring = Measuring(workspace)

    def beat(slot: int, used: int, age_ns: int = 0) -> None:
        shot = Snapshot(
            slot=slot, pid=100 + slot, time_ns=clock.now_ns() - age_ns, born_ns=7_000_000,
            resident_bytes=used,
        )  # fmt: skip
        (run / f"metrics-{slot}.json").write_bytes(msgspec.json.encode(shot))

    begin_ms = clock.now_ns() // 1_000_000
    beat(0, 200 * 2**20)
    beat(1, 50 * 2**20, age_ns=60 * 1_000_000_000)
    measuring.look()
    assert (run / BESIDE_FILE).is_file()
    clock.advance(10)
    beat(0, 300 * 2**20)
    measuring.look()
    clock.advance(STRETCH_MS / 1000)
    beat(0, 400 * 2**20)
    measuring.look()
    measuring.look()
    since_ms = begin_ms - begin_ms % STRETCH_MS
    (part,) = measuring._store.read(MODEL, since_ms, since_ms + STRETCH_MS, PROCESSES)
    assert part.key.arm == "worker 0 (7)"
    assert part.key.fingerprint == served.fingerprint
    memory = part.columns[MEMORY].numbers
    assert memory is not None
    assert (part.rows, memory.moments.mean) == (2, 250 * 2**20)
