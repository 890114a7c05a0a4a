"""The server is held to its own OpenAPI document, with data that fits it and data that does not."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.mainstay import RunningServer

pytestmark = pytest.mark.slow

EXAMPLES = 50
RUN_MAX_SECONDS = 600
# Whether there are as many values as the shape says, what is in a CSV file, and which label a
# decision may be told, is beyond what a schema can say: these may refuse what fits theirs.
# Everything else is held for them too.
LOOSE = r"/(infer|invocations|outcome|report)$"


@pytest.mark.parametrize(
    "chosen",
    [
        ["--exclude-path-regex", LOOSE],
        ["--include-path-regex", LOOSE, "--exclude-checks", "positive_data_acceptance"],
    ],
    ids=["exact", "loose"],
)
def test_every_answer_is_one_that_the_document_promises(
    running_server: RunningServer,
    tmp_path: Path,
    measured: Callable[[str, object], None],
    chosen: list[str],
) -> None:
    """S3: no failure of the server, only documented statuses and forms, nothing valid refused and
    nothing invalid taken, no method but the documented ones."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        program, "--config-file", tmp_path / "none.toml", "run",
        f"{running_server.url}/openapi.json", "--checks", "all",
        "--phases", "coverage,fuzzing", "--mode", "all", "--max-examples", str(EXAMPLES),
        "--generation-deterministic", "--continue-on-failure", "--suppress-health-check", "all",
        "--request-timeout", "60", "--no-color", *chosen,
    ]  # fmt: skip
    (tmp_path / "none.toml").touch()
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=RUN_MAX_SECONDS, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    cases = re.search(r"(\d+) generated", said)
    assert cases is not None, said
    assert int(cases[1]) > EXAMPLES, said
    assert running_server.answers()
    measured("cases", int(cases[1]))
