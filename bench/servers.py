"""The servers of the table: how each is started, asked, and read.

Adding one is adding a function here. Every server runs the same ONNX file on one thread, gets the
same rows, and speaks its own form of JSON; `read` takes the probability of the second class out of
its answer, so that every server is checked against onnxruntime before it is measured.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
from load import pinned

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers"
START_MAX_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """One row of the table."""

    name: str
    about: str
    command: Callable[["Setting"], list[str]]
    path: str
    """`{model}` in it stands for the model's name."""
    body: Callable[[list[float]], Any]
    read: Callable[[Any], float] | None
    """None where the answer is constant."""
    folder: Path = HERE
    environment: dict[str, str] = field(default_factory=dict)
    prepare: Callable[["Setting"], dict[str, str]] | None = None
    """What is done before the start; returns headers that every request carries."""
    answering: str = ""
    """A word in the command lines of those of its processes that answer: only these stay on the
    server's core when the load begins, the others make room. Empty: all of them answer."""


@dataclass(frozen=True)
class Setting:
    """Where and with which model a server runs."""

    port: int
    model: str
    onnx: Path
    folder: Path
    """Its own, empty."""
    workers: int = 1


@dataclass
class Running:
    """A server that answers."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...]
    process: psutil.Process
    seconds_to_answer: float

    def family(self) -> list[psutil.Process]:
        """The process that was started, and its children."""
        return [self.process, *self.process.children(recursive=True)]

    def make_room(self, answering: str, core: str) -> None:
        """Have the processes that do not answer on another core, with all their threads, and what
        they start from now on."""
        for process in self.family():
            if answering not in " ".join(process.cmdline()):
                subprocess.run(
                    ["taskset", "--all-tasks", "--cpu-list", "--pid", core, str(process.pid)],
                    check=False,
                    capture_output=True,
                )

    def processor_seconds(self, answering: str) -> tuple[float, float]:
        """What its processes took so far: those that answer, and those beside them."""
        sums = [0.0, 0.0]
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                took = process.cpu_times()
                beside = answering not in " ".join(process.cmdline())
                sums[beside] += took.user + took.system
        return sums[0], sums[1]

    def memory_mb(self) -> tuple[float, float]:
        """Proportional set size of all its processes, and resident size of the largest one."""
        sizes = [p.memory_full_info() for p in self.family() if p.is_running()]
        return sum(s.pss for s in sizes) / 1e6, max(s.rss for s in sizes) / 1e6


def tensor(name: str) -> Callable[[list[float]], Any]:
    """A row in the Open Inference Protocol, version 2."""
    return lambda row: {
        "inputs": [{"name": name, "shape": [1, len(row)], "datatype": "FP32", "data": row}]
    }


def from_tensor(name: str) -> Callable[[Any], float]:
    """The second class's probability in an answer of that protocol."""
    return lambda answer: next(o["data"][1] for o in answer["outputs"] if o["name"] == name)


def _script(file: str) -> Callable[[Setting], list[str]]:
    return lambda s: [sys.executable, str(HERE / "apps" / file), str(s.port), str(s.workers)]


def _peer(name: str, program: str) -> str:
    return str(PEERS / name / "bin" / program)


def _serve_mlflow(setting: Setting) -> list[str]:
    return [
        "env", f"PATH={PEERS / 'mlflow/bin'}:{os.environ['PATH']}",
        _peer("mlflow", "python"), "-m", "mlflow", "models", "serve", "-m",
        str(setting.folder / "saved"), "-p", str(setting.port), "--env-manager", "local", "-w", "1",
    ]  # fmt: skip


def _save_mlflow(setting: Setting) -> dict[str, str]:
    subprocess.run(
        [_peer("mlflow", "python"), HERE / "peers/mlflow_peer.py", setting.folder / "saved"],
        check=True,
        capture_output=True,
        env={**os.environ, "BENCH_MODEL": str(setting.onnx)},
    )
    return {}


def _serve_mlserver(setting: Setting) -> list[str]:
    return [
        "env", f"MLSERVER_HTTP_PORT={setting.port}", f"MLSERVER_GRPC_PORT={free_port()}",
        f"MLSERVER_METRICS_PORT={free_port()}", "MLSERVER_PARALLEL_WORKERS=0",
        "MLSERVER_DEBUG=false", _peer("mlserver", "mlserver"), "start", ".",
    ]  # fmt: skip


def _triton() -> Path:
    return next(PEERS.glob("triton/lib/python3*/site-packages/pytriton/tritonserver"))


def _lay_out_triton(setting: Setting) -> dict[str, str]:
    """The wheel keeps Triton's Python apart from the back end that looks for it."""
    shutil.copytree(HERE / "peers/triton/onnx", setting.folder / "models/onnx")
    shutil.copytree(_triton() / "backends", setting.folder / "backends")
    stub = _triton() / "python_backend_stubs/3.11/triton_python_backend_stub"
    shutil.copy(stub, setting.folder / "backends/python")
    return {}


def _serve_triton(setting: Setting) -> list[str]:
    home, package = PEERS / "triton", _triton()
    return [
        "env", f"PYTHONPATH={package.parents[1]}", f"PATH={home / 'bin'}:{os.environ['PATH']}",
        f"LD_LIBRARY_PATH={package.parents[1] / 'nvidia_pytriton.libs'}",
        str(package / "bin/tritonserver"), f"--model-repository={setting.folder / 'models'}",
        f"--backend-directory={setting.folder / 'backends'}", f"--http-port={setting.port}",
        "--allow-grpc=false", "--allow-metrics=false", "--http-thread-count=2",
    ]  # fmt: skip


CONSTANT = Server(
    name="constant answer",
    about="uvicorn, body read, nothing else",
    command=_script("constant.py"),
    path="/infer",
    body=tensor("x"),
    read=None,
)
CONSTANT_DOOR = Server(
    name="constant answer, own door",
    about="Mainstay's HTTP server, body read, nothing else",
    command=_script("constant_door.py"),
    path="/infer",
    body=tensor("x"),
    read=None,
)
FASTAPI = Server(
    name="FastAPI + onnxruntime",
    about="hand-written, nothing on",
    command=_script("fastapi_onnx.py"),
    path="/infer",
    body=tensor("x"),
    read=from_tensor("probabilities"),
)
MLSERVER = Server(
    name="MLServer",
    about="no worker process, adaptive batching",
    command=_serve_mlserver,
    path="/v2/models/m/infer",
    body=tensor("x"),
    read=from_tensor("probabilities"),
    folder=HERE / "peers/mlserver",
)
LITSERVE = Server(
    name="LitServe",
    about="batching",
    command=lambda s: [_peer("litserve", "python"), "litserve_peer.py", str(s.port)],
    path="/predict",
    body=lambda row: {"data": row},
    read=lambda answer: answer["data"][1],
    folder=HERE / "peers",
)
BENTOML = Server(
    name="BentoML",
    about="one worker, batching",
    command=lambda s: [
        _peer("bentoml", "bentoml"), "serve", "bentoml_peer:Peer", "--port", str(s.port),
    ],
    path="/predict",
    body=lambda row: {"data": [row]},
    read=lambda answer: answer[0][1],
    folder=HERE / "peers",
    environment={"BENTOML_DO_NOT_TRACK": "True"},
)  # fmt: skip
MLFLOW = Server(
    name="MLflow",
    about="models serve, one worker",
    command=_serve_mlflow,
    path="/invocations",
    body=lambda row: {"inputs": [row]},
    read=lambda answer: answer["predictions"]["probabilities"][0][1],
    prepare=_save_mlflow,
)
TRITON = Server(
    name="Triton + onnxruntime",
    about="C++ front end, Python back end, dynamic batching",
    command=_serve_triton,
    path="/v2/models/onnx/infer",
    body=tensor("x"),
    read=from_tensor("probabilities"),
    prepare=_lay_out_triton,
)
PEER_SERVERS = {
    "mlserver": MLSERVER, "litserve": LITSERVE, "bentoml": BENTOML, "mlflow": MLFLOW,
    "triton": TRITON,
}  # fmt: skip


def installed_peers() -> list[Server]:
    """The peers that bench/peers.sh has installed."""
    return [server for name, server in PEER_SERVERS.items() if (PEERS / name / "bin").is_dir()]


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port: int, path: str, body: Any, headers: dict[str, str]) -> Any:
    """One request by a client that knows nothing of the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(
            "POST", path, json.dumps(body), {"Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {said[:300].decode(errors='replace')}")
        return json.loads(said)
    finally:
        connection.close()


@contextlib.contextmanager
def running(server: Server, model: str, onnx: Path, core: str, **more: Any) -> Iterator[Running]:
    """Start a server on one core, wait for its first answer, and end it and its children."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    setting = Setting(port=free_port(), model=model, onnx=onnx, folder=folder, **more)
    headers = server.prepare(setting) if server.prepare else {}
    log = (folder / "server.log").open("wb")
    started = monotonic()
    process = subprocess.Popen(
        [*pinned(core), *server.command(setting)],
        cwd=server.folder,
        env={**os.environ, "BENCH_MODEL": str(onnx), **server.environment},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        path = server.path.format(model=model)
        first = server.body([0.0] * 30)
        while True:
            try:
                ask(setting.port, path, first, headers)
                break
            except (OSError, http.client.HTTPException, ValueError) as error:
                said = (folder / "server.log").read_text(errors="replace")[-2000:]
                if process.poll() is not None:
                    raise RuntimeError(f"{server.name} ended at its start:\n{said}") from error
                if monotonic() - started > START_MAX_SECONDS:
                    raise RuntimeError(f"{server.name} does not answer: {error}\n{said}") from error
                sleep(0.005)
        yield Running(
            port=setting.port,
            path=path,
            headers=tuple(headers.items()),
            process=psutil.Process(process.pid),
            seconds_to_answer=monotonic() - started,
        )
    finally:
        end(process)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop, then make sure that nothing of it is left."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=8)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait(timeout=10)
