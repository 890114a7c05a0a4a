"""N2: a stretch of time is quarantined, told to the journal, and given back, by command."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import pack_model


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quarantine") / "shop"
    pack_model(folder)
    return folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def test_a_stretch_is_quarantined_and_given_back(shop: Path):
    """Both are actions in the journal; the quarantine stays on the list."""
    window = "2026-11-27T08:00..2026-11-28T02:00"
    added = run(
        shop, "quarantine", "add", "sums", "--window", window, "--reason", "silent", "--json"
    )
    assert added.exit_code == 0, added.output
    made = json.loads(added.output)
    assert made["begin"] == "2026-11-27T08:00:00.000000Z"
    shown = run(shop, "quarantine", "list", "sums").output
    assert all(word in shown for word in (made["id"], "silent", "yes"))
    for _ in range(2):  # lifting twice is lifting once
        assert run(shop, "quarantine", "lift", made["id"]).exit_code == 0
    (listed,) = json.loads(run(shop, "quarantine", "list", "--json").output)["quarantines"]
    assert listed["lifted"] is not None
    events = open_workspace(shop).journal.query(
        "SELECT subject, body FROM events WHERE kind = 'action' ORDER BY id"
    )
    assert [row["subject"] for row in events.to_pylist()] == [made["id"]] * 2
    said = [next(iter(json.loads(row["body"]))) for row in events.to_pylist()]
    assert said == ["quarantined", "quarantine lifted"]


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("add", "sum", "--window", "2026-01-01..2026-01-02", "--reason", "x"), "sum", 1),
        (("add", "sums", "--window", "2026-01-01", "--reason", "x"), "not a stretch of time", 2),
        (
            ("add", "sums", "--window", "2026-01-02..2026-01-01", "--reason", "x"),
            "begins before",
            2,
        ),
        (("add", "sums", "--window", "2026-01-01..2026-01-02", "--reason", " "), "says why", 2),
        (("lift", "q"), "no such quarantine", 1),
        (("list", "sum"), "sum", 1),
    ],
)
def test_mistakes_are_refused_in_words(
    shop: Path, arguments: tuple[str, ...], words: str, status: int
):
    result = run(shop, "quarantine", *arguments)
    assert result.exit_code == status, result.output
    assert words in result.output
    assert json.loads(run(shop, "quarantine", "list", "--json").output) == {"quarantines": []}
