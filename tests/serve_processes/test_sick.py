"""S8 O4: a version that turns sick in the running server is found, stopped, and told about."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mainstay.base.clock import SystemClock
from mainstay.wiring.packing import PackedVersion, pack
from mainstay.wiring.running import Server
from tests.serve_processes.sick_model import Sums
from tests.servers.mainstay import CONTRACT, FIELDS, RunningServer, mainstay, start_server
from tests.servers.until import until

ASSETS = "assets: {metric: accuracy, acceptable: [0.95, 1], every: 1s}\n"


def pack_sums(folder: Path, file: Path) -> PackedVersion:
    """A version that answers wrong once the file is there."""
    contract = folder / "sums.yaml"
    contract.write_text(CONTRACT + ASSETS)
    rows = np.random.default_rng(1).normal(size=(60, len(FIELDS)))
    return pack(
        "sums",
        model=Sums(str(file)),
        confidence=(rows, np.where(rows.sum(axis=1) > 0, "high", "low")),
        first_impressions=(np.array([[9.0, 9.0, 9.0], [-9.0, -9.0, -9.0]]), ["high", "low"]),
        contract=contract,
        workspace=folder / "shop",
        classes=("low", "high"),
        quiet=True,
    )


def deploy(workspace: Path, *arguments: str) -> None:
    done = mainstay("deploy", "sums", *arguments, workspace=workspace)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    pack_sums(tmp_path, tmp_path / "sick")
    deploy(tmp_path / "shop")
    found = start_server(tmp_path / "shop", "--workers", "2")
    try:
        until(lambda: len(found.pids("worker")) == 2, what=f"two workers: {found.said()}")
        yield found
    finally:
        found.stop()


def test_a_model_that_turns_sick_is_stopped_by_every_worker(
    server: RunningServer, tmp_path: Path
) -> None:
    """S8 O4 S33: within moments no worker answers wrong any more; callers, readiness, `mainstay
    status` and the journal say why; the next version is answered with."""
    until(server.answers, what="the first answer")
    status, answer = server.decide(a=5.0, b=5.0, c=5.0)
    assert (status, answer["answer"]) == (200, "high")
    (tmp_path / "sick").touch()
    workers = Server(server.workspace / "run", SystemClock()).workers
    until(lambda: all("sums" in worker.stopped for worker in workers()), what="both stopped")
    status, refusal = server.decide()
    assert status == 503
    assert refusal["code"] == "stopped"
    assert "end-to-end example" in refusal["error"]
    assert "mainstay rollback sums" in refusal["expected"]
    assert server.ask("GET", "/v2/models/sums/ready")[0] == 503
    assert server.ask("GET", "/v2/health/ready")[0] == 200
    shown = mainstay("status", workspace=server.workspace)
    assert shown.returncode == 1
    assert "stopped sums v1: end-to-end example" in " ".join(shown.stdout.split())
    pack_sums(tmp_path, tmp_path / "well")
    deploy(server.workspace, "--force", "--reason", "v1 turned sick")
    until(lambda: all("sums" in worker.serving for worker in workers()), what="both answer again")
    assert server.decide()[1]["version"] == 2
    assert all(worker.stopped == {} for worker in workers())
