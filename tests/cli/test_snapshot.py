"""N1 N2: snapshots of a workspace are taken, listed, shown and verified by command."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.journal.rows import rfc3339
from tests.renew.shop import Shop


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with sixty decisions, forty of them labelled."""
    shop = Shop(tmp_path_factory.mktemp("snapshot") / "shop")
    made = shop.decide(shop.rows(60))
    shop.hear(["high", "low"] * 20, made[:40])
    shop.close()
    return shop.folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def test_a_snapshot_is_taken_shown_and_verified(shop: Path):
    taken = run(shop, "snapshot", "sums", "--since", "1d", "--json")
    assert taken.exit_code == 0, taken.output
    found = json.loads(taken.output)
    assert found["rows"] == 40
    assert found["left_out"] == {"decisions without a usable outcome": 20}
    assert list(found["columns"])[-3:] == ["input_a", "input_b", "input_c"]
    assert (shop / "snapshots" / found["file"]).is_file()
    short = found["id"][:8]
    assert found["id"][:12] in run(shop, "snapshot", "list", "sums").output
    assert "20 decisions without a usable outcome" in run(shop, "snapshot", "show", short).output
    verified = run(shop, "snapshot", "verify", short)
    assert verified.exit_code == 0, verified.output
    (shop / "snapshots" / found["file"]).write_bytes(b"")
    again = run(shop, "snapshot", "verify", short)
    assert again.exit_code == 1
    assert "was changed" in again.output
    assert "the same 40 rows again" in again.output


def test_what_is_quarantined_is_in_no_later_snapshot(shop: Path):
    """N2: the quarantine empties it; lifting it brings every row back, under the same content."""
    before = json.loads(run(shop, "snapshot", "sums", "--json").output)
    begin, end = (rfc3339(moment // 1000 + more) for moment, more in
                  zip(before["reaches"], (0, 1_000_000), strict=True))  # fmt: skip
    made = run(
        shop, "quarantine", "add", "sums", "--window", f"{begin}..{end}", "--reason", "x", "--json"
    )
    emptied = run(shop, "snapshot", "sums")
    assert emptied.exit_code == 2
    assert "outcomes of a quarantined stretch" in emptied.output
    run(shop, "quarantine", "lift", json.loads(made.output)["id"])
    after = json.loads(run(shop, "snapshot", "sums", "--json").output)
    assert after["content"] == before["content"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sum",), "sum"),
        (("sums", "--since", "soon"), "is not a moment"),
        (("sums", "--since", "1d", "--until", "2d"), "begins before it ends"),
        (("sums", "--known-at", "2020-01-01"), "begins before it ends"),
        (("show", "abcdef"), "no such snapshot"),
        (("verify", "x"), "no such snapshot"),
    ],
)
def test_mistakes_are_refused_in_words(shop: Path, arguments: tuple[str, ...], words: str):
    result = run(shop, "snapshot", *arguments)
    assert result.exit_code in {1, 2}
    assert words in result.output
