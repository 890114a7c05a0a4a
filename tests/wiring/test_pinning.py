"""Pinned clients, from the command line through the gate (N7 O13)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import CONTRACT, pack_model

NARROWED = CONTRACT.replace("a: {type: number, min: -100, max: 100}", "a: {type: number, max: 10}")
"""What was taken below -100 still is, and what was taken above 10 no longer."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    pack_model(tmp_path / "shop")
    open_workspace(tmp_path / "shop").deploy("sums", None, "first")
    return tmp_path / "shop"


def run(shop: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)])


def test_a_candidate_that_breaks_a_pinned_client_is_refused_by_the_name_of_the_client(shop: Path):
    """The client is named in the verdict; it is accepted by its name, and then listed as broken."""
    assert "nobody is pinned" in run(shop, "pin", "list").output
    for client, more in (("checkout", ()), ("app", ("--sends", "a, b,c"))):
        added = run(shop, "pin", "add", "sums", client, *more)
        assert added.exit_code == 0, added.output
        assert f"{client} relies on sums: sends a, b, c; reads a probability" in added.output
    pack_model(shop, written=NARROWED)
    refused = run(shop, "deploy", "sums")
    assert refused.exit_code == 1
    for client in ("checkout", "app"):
        assert f"{client}: inputs.a.max changed" in refused.output
    contract_alone = run(shop, "deploy", "sums", "--accept", "inputs.a.max changed")
    assert contract_alone.exit_code == 1, "whoever is pinned must be accepted by name"
    accepted = run(shop, "deploy", "sums", "--accept", "contract", "--accept", "pinned client")
    assert accepted.exit_code == 0, accepted.output
    told = json.loads(run(shop, "pin", "list", "sums", "--json").output)
    assert [(each["client"], each["broken"]) for each in told["pins"]] == [
        ("app", ["inputs.a.max"]),
        ("checkout", ["inputs.a.max"]),
    ]
    assert "broken by inputs.a.max" in run(shop, "pin", "list").output
    again = run(shop, "pin", "add", "sums", "checkout")
    assert again.exit_code == 0
    assert run(shop, "pin", "remove", "sums", "app").exit_code == 0
    assert json.loads(run(shop, "pin", "list", "--json").output)["pins"][0]["broken"] == []


def test_a_pin_that_cannot_be_is_refused_in_words(shop: Path, tmp_path: Path):
    """No model, no such field, another contract than what serves, nobody of that name."""
    stricter = tmp_path / "client.yaml"
    stricter.write_text(CONTRACT.replace("b: {type: number, min: -100,", "b: {type: number,"))
    other = tmp_path / "other.yaml"
    other.write_text(CONTRACT.replace("model: sums", "model: other"))
    for arguments, said in (
        (("add", "nothing", "app"), "mainstay deploy nothing"),
        (("add", "sums", "app", "--sends", "d"), "takes no field 'd'"),
        (("add", "sums", "app", "--sends", "a"), "inputs.b: clients that do not send it"),
        (("add", "sums", "app", "--contract", str(stricter)), "app cannot rely on this: inputs.b"),
        (("add", "sums", "app", "--contract", str(other)), "of another model"),
        (("remove", "sums", "app"), "no client 'app'"),
    ):
        refused = run(shop, "pin", *arguments)
        assert refused.exit_code in {1, 2}
        assert said in refused.output, refused.output
