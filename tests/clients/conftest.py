"""Real client libraries, each in an environment of its own, against a real server.

Without these environments the tests are skipped on a developer's machine and fail in CI. A server
that is up already may be named by `MAINSTAY_URL` (and `MAINSTAY_MODEL`); else `running_server` starts one.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

from tests.servers.environments import environment

HERE = Path(__file__).parent
SCRIPT_MAX_SECONDS = 300
ROWS = 5

Run = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Served:
    """A server's address, a model of numbers that it serves, rows for it and their answers."""

    url: str
    model: str
    names: list[str]
    rows: list[list[float]]
    answers: dict[str, Any]
    """By output, as the server itself tells a caller without any client library."""

    @property
    def address(self) -> str:
        """The address as clients want it that add the scheme themselves."""
        return self.url.removeprefix("http://")


@pytest.fixture
def client() -> Callable[[str], Path]:
    """The programs of a client's environment; without it the test is skipped, or fails in CI."""
    return environment


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Served:
    """A running server with a model whose inputs are all numbers."""
    url, model = os.environ.get("MAINSTAY_URL", ""), os.environ.get("MAINSTAY_MODEL", "")
    if not url:
        server = request.getfixturevalue("running_server")
        url, model = server.url, server.model
    url = url.rstrip("/")
    http = urllib3.PoolManager(retries=False, timeout=60)
    metadata = http.request("GET", f"{url}/v2/models/{model}").json()
    names = [tensor["name"] for tensor in metadata["inputs"]]
    rows = np.random.default_rng(7).integers(0, 64, (ROWS, len(names))) / 64
    tensor = {"name": "matrix", "shape": list(rows.shape), "datatype": "FP64"}
    request_body = json.dumps({"inputs": [{**tensor, "data": rows.tolist()}]}).encode()
    told = http.request("POST", f"{url}/v2/models/{model}/infer", body=request_body).json()
    answers = {output["name"]: output["data"] for output in told["outputs"]}
    return Served(url, model, names, rows.tolist(), answers)


@pytest.fixture
def run_script(client: Callable[[str], Path], served: Served) -> Run:
    """Run one of the scripts beside this file in a client's environment; what it reports."""

    def run(environment: str, script: str) -> dict[str, Any]:
        given = {
            "url": served.url,
            "model": served.model,
            "names": served.names,
            "rows": served.rows,
        }
        done = subprocess.run(
            [client(environment) / "python", HERE / script],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=SCRIPT_MAX_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
