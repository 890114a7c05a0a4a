"""Mainstay as the table measures it: by its own commands, with everything on.

A key is checked, the contract validated, the answer judged, the decision journaled and metrics
counted, for every request. The journal is `written`, and `durable` in a row of its own. In another
row the contract declares all of judgement that every answer goes through; none of the rows asked
about is withheld by it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from models import write_contract
from servers import HERE, Server, Setting, from_tensor, tensor

MAINSTAY = (sys.executable, "-m", "mainstay")


def command(*words: str, workspace: Path) -> Any:
    """Run a command of Mainstay's and read what it says."""
    done = subprocess.run(
        [*MAINSTAY, *words, "--json"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "MAINSTAY_WORKSPACE": str(workspace)},
    )
    if done.returncode:
        raise RuntimeError(f"mainstay {' '.join(words)}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


JUDGEMENT = """
judge:
  confidence: {at_least: 0.5}
  cost: {of_error: 10 * abs(x00), ask_above: 1000000}
  hold: {what: probability.yes * x01, above: mean + 100 sd, below: mean - 100 sd}
  fallback: [{answer: "no", when: x00 < 0}, {say: Later.}]
"""


def pack(model: str, onnx: Path, folder: Path, log: str, judge: str = "") -> Path:
    """Pack a benchmark model, as a training script would, into a workspace in a folder."""
    contract = folder / "contract.yaml"
    write_contract(contract, model, log)
    with contract.open("a") as file:
        file.write(judge)
    done = subprocess.run(
        [sys.executable, HERE / "apps/pack.py", model, onnx, contract, folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"packing {model}: {done.stderr[-2000:]}")
    return Path(done.stdout.splitlines()[-1])


def _prepare(log: str, judge: str):
    def prepare(setting: Setting) -> dict[str, str]:
        workspace = setting.folder / "workspace"
        pack(setting.model, setting.onnx, setting.folder, log, judge)
        command("deploy", setting.model, workspace=workspace)
        key = command("key", "create", "bench", workspace=workspace)["key"]
        return {"Authorization": f"Bearer {key}"}

    return prepare


def _serve(setting: Setting) -> list[str]:
    workspace = setting.folder / "workspace"
    return [
        *MAINSTAY, "up", "--workspace", str(workspace), "--port", str(setting.port),
        "--workers", str(setting.workers),
    ]  # fmt: skip


def variant(log: str, judge: str = "", name: str = "") -> Server:
    """Mainstay with one level of journal, and what its contract declares of judgement."""
    return Server(
        name=f"Mainstay, {name or log}",
        about="key, validation, judgement, journal, metrics",
        command=_serve,
        path="/v2/models/{model}/infer",
        body=tensor("matrix"),
        read=from_tensor("probability"),
        prepare=_prepare(log, judge),
        answering="mainstay.wiring.worker",
    )


def variants() -> list[Server]:
    """Mainstay with the journal `written`, with judgement beside it, and with it `durable`."""
    judged = variant("written", JUDGEMENT, "written, all judgement")
    return [variant("written"), judged, variant("durable")]
