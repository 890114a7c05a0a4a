"""Programs that speak to other model servers today work with this one unchanged."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import SCRIPT_MAX_SECONDS, Run, Served

pytestmark = pytest.mark.clients


def without_ids(values: dict[str, Any]) -> dict[str, Any]:
    """Outputs that depend on the rows alone: every call makes decisions of its own."""
    return {name: data for name, data in values.items() if name != "decision"}


def test_triton_http(run_script: Run, served: Served) -> None:
    """S16: health, metadata, JSON and binary tensors, versions, outputs; S3: words for refusals."""
    told = run_script("mlserver", "triton_script.py")
    assert told["live"]
    assert told["ready"]
    assert told["model_ready"]
    assert told["version_ready"]
    assert "binary_tensor_data" in told["server"]["extensions"]
    assert told["metadata"]["name"] == served.model
    assert served.model in [entry["name"] for entry in told["index"]]
    assert told["id"] == "mine"
    assert (told["model_name"], told["model_version"]) == (
        served.model,
        told["metadata"]["versions"][0],
    )
    for form in ("default", "json", "single", "versioned"):
        assert without_ids(told[form]) == without_ids(served.answers), form
    assert list(told["named"]) == ["status", "answer"]
    for statuses, shape in told["by_field"]:
        assert statuses == ["answered"] * len(served.rows)
        assert shape == [len(served.rows)]
    decisions = [told[form]["decision"] for form in ("default", "json", "single", "versioned")]
    assert len({identity for each in decisions for identity in each}) == 4 * len(served.rows)


def test_triton_is_told_what_is_wrong_and_never_a_parse_error(
    run_script: Run, served: Served
) -> None:
    """S3: the client shows our words, because they come in the form that it reads."""
    told = run_script("mlserver", "triton_script.py")
    assert "nobody" in told["unknown_model"]
    assert told["unknown_version"]
    assert "answer" in told["unknown_output"]
    assert "matrix" in told["wrong_shape"]
    assert "BOOL" in told["wrong_datatype"]
    for optional in ("config", "statistics"):
        assert "JSON" not in told[optional]


def test_kserve_rest(run_script: Run, served: Served) -> None:
    """S16"""
    told = run_script("kserve", "kserve_script.py")
    assert told["live"] is True
    assert told["ready"] is True
    assert told["model_ready"] is True
    assert (told["id"], told["model_name"]) == ("mine", served.model)
    assert without_ids(told["json"]) == without_ids(told["raw"]) == without_ids(served.answers)
    assert "400" in told["refused"]
    assert "shape" in told["refused"]


def test_mlflow_scoring_client(run_script: Run, served: Served) -> None:
    """S16"""
    told = run_script("kserve", "mlflow_script.py")
    expected = served.answers["answer"]
    assert told["frame"] == told["table"] == told["array"] == expected
    assert len(set(told["decisions"])) == len(served.rows)
    assert served.names[-1] in told["refused"]
    assert "error_code" in told["refused"]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
@pytest.mark.parametrize("together", [1, 3])
def test_mlserver_infer(
    client: Callable[[str], Path], served: Served, tmp_path: Path, *, together: int, binary: bool
) -> None:
    """S16: a file of requests, one by one and in small batches."""
    programs = client("mlserver")
    asked, answered = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    with asked.open("w") as file:
        for row in served.rows:
            tensor = {"name": "matrix", "shape": [1, len(row)], "datatype": "FP64", "data": row}
            file.write(json.dumps({"inputs": [tensor]}) + "\n")
    command = [
        programs / "mlserver", "infer", "-u", served.address, "-m", served.model,
        "-i", asked, "-o", answered, "-s", str(together), "-w", "2",
        *(["-b"] if binary else []),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SCRIPT_MAX_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in answered.read_text().splitlines()]
    lines.sort(key=lambda line: line["parameters"]["batch_index"])
    assert len(lines) == len(served.rows), done.stderr
    answers = [
        output["data"][0]
        for line in lines
        for output in line["outputs"]
        if output["name"] == "answer"
    ]
    assert answers == served.answers["answer"]
