"""A real `mainstay up` on a workspace of its own, with a small ONNX model, for tests."""

import atexit
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from mainstay.cli import cli
from mainstay.serve.supervise import SupervisorReport
from mainstay.wiring.packing import PackedVersion, pack
from mainstay.wiring.server import running
from mainstay.wiring.workspace import open_workspace
from tests.servers.until import until

MODEL = "sums"
FIELDS = ("a", "b", "c")


def onnx_model(bias: float = 0.0) -> bytes:
    """A probability that grows with a + 2 b + 3 c + bias, with no training library in sight."""
    weights = np.array([[-1.0, 1.0], [-2.0, 2.0], [-3.0, 3.0]], dtype=np.float32) / 2
    shift = np.array([-bias / 2, bias / 2], dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "shift"], ["score"]),
        helper.make_node("Softmax", ["score"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 2], weights.ravel()),
            helper.make_tensor("shift", TensorProto.FLOAT, [2], shift),
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="tests"
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


CONTRACT = """\
model: sums
inputs:
  a: {type: number, min: -100, max: 100}
  b: {type: number, min: -100, max: 100}
  c: {type: number, min: -100, max: 100}
output: {type: probability, classes: [low, high]}
"""


_kept = tempfile.TemporaryDirectory(prefix="mainstay-tests-")
atexit.register(_kept.cleanup)
_made: dict[str, Path] = {}


def pack_model(
    workspace: Path,
    bias: float = 0.0,
    *,
    assets: str = "",
    written: str = CONTRACT,
    card: dict[str, Any] | None = None,
) -> PackedVersion:
    """A version in a workspace, made if need be; another bias is another version."""
    contract = workspace.parent / f"{MODEL}.yaml"
    contract.write_text(written + (f"assets: {assets}\n" if assets else ""))
    rows = np.linspace(-1, 1, 60).reshape(20, 3)
    labels = np.where(rows @ [1.0, 2.0, 3.0] + bias > 0, "high", "low")
    confidence = (rows, labels) if assets else rows
    return pack(
        MODEL, model=onnx_model(bias), confidence=confidence, contract=contract, workspace=workspace,
        classes=("low", "high"), quiet=True, card=card,
    )  # fmt: skip


def live_model(workspace: Path, **packing: Any) -> None:
    """A new workspace in which a version is live, as `pack_model` makes it."""
    copy_live(workspace, repr(sorted(packing.items())), lambda made: pack_model(made, **packing))


def copy_live(workspace: Path, made_of: str, make: Callable[[Path], object]) -> None:
    """A new workspace with a version, live: made once of this in this process, then copied."""
    if made_of not in _made:
        made = Path(_kept.name) / str(len(_made)) / "shop"
        made.parent.mkdir()
        make(made)
        open_workspace(made).deploy(MODEL, None, "first")
        _made[made_of] = made
    made = _made[made_of]
    shutil.copytree(made, workspace)
    shutil.copy(made.parent / f"{MODEL}.yaml", workspace.parent)


def mainstay(*arguments: str, workspace: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command, as a person would give it: the same command line, without a process of its own
    (which costs a second of processor time, and is tried out by `program`)."""
    chosen = [] if workspace is None else ["--workspace", str(workspace)]
    given = [*arguments, *chosen]
    ran = CliRunner().invoke(cli, given, prog_name="mainstay")
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return subprocess.CompletedProcess(given, ran.exit_code, ran.stdout, ran.stderr)


def program(*arguments: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a terminal runs it."""
    return subprocess.run(
        [sys.executable, "-m", "mainstay", *arguments, "--workspace", str(workspace)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass
class RunningServer:
    """A server that answers."""

    workspace: Path
    process: subprocess.Popen[bytes]
    log: Path

    model: str = MODEL

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return self.process.pid

    @property
    def report(self) -> SupervisorReport:
        """What the supervisor says of itself."""
        found = until(lambda: running(self.workspace / "run"), what=f"a server: {self.said()}")
        assert found is not None
        return found

    @cached_property
    def url(self) -> str:
        """Where it listens, for as long as it runs."""
        return self.report.url

    def pids(self, role: str) -> list[int]:
        """The ready processes of one role."""
        places = self.report.places
        return [p.pid for p in places if p.role == role and p.ready and p.pid is not None]

    def complete(self) -> bool:
        """Whether everything that should run is ready: the first answer comes before that."""
        return len(self.pids("worker")) == self.report.workers and bool(self.pids("keeper"))

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; the body and the answer are JSON."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None
        finally:
            connection.close()

    def decide(self, **values: float) -> tuple[int, Any]:
        """One decision of the model."""
        inputs = {name: values.get(name, 0.5) for name in FIELDS}
        return self.ask("POST", f"/models/{MODEL}/decide", {"inputs": inputs})

    def answers(self) -> bool:
        """Whether it decides now."""
        try:
            return self.decide()[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(180)


def start_server(workspace: Path, *arguments: str) -> RunningServer:
    """`mainstay up` on any free port of this machine; does not wait for it."""
    log = workspace.parent / f"{workspace.name}.log"
    command = [sys.executable, "-m", "mainstay", "up", "--workspace", str(workspace)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", "0", *arguments], stdout=out, stderr=out, env=dict(os.environ)
        )
    return RunningServer(workspace, process, log)


def serving(workspace: Path, *arguments: str) -> RunningServer:
    """A complete server that has answered at least once; its workspace is made if need be."""
    if not workspace.exists():
        live_model(workspace)
    server = start_server(workspace, *arguments)
    try:
        until(server.answers, what=f"the first answer: {server.said()}")
        until(server.complete, what=f"all processes: {server.said()}")
    except BaseException:
        server.stop(signal.SIGKILL)
        raise
    return server


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that only ask; its `url`, `workspace` and `pid`."""
    server = serving(tmp_path_factory.mktemp("server") / "shop")
    yield server
    server.stop()
