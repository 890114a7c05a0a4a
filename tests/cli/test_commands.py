"""Every command: exit status, JSON, sentences instead of tracebacks (M22, S5, S10, L3, N10)."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import _COMMANDS, cli
from tests.servers.mainstay import pack_model


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments), prog_name="mainstay")
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A workspace with two versions, of which the first is live."""
    folder = tmp_path_factory.mktemp("cli") / "shop"
    pack_model(folder)
    assert run("deploy", "sums@1", "--workspace", str(folder)).exit_code == 0
    pack_model(folder, bias=1.0)
    return folder


def _every_command() -> Iterator[str]:
    """All commands, with those that groups hold."""
    group = click.Context(cli)
    for name in _COMMANDS:
        yield name
        command = cli.get_command(group, name)
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in command.list_commands(group))


@pytest.mark.parametrize("command", list(_every_command()))
def test_every_command_explains_itself(command):
    """Help: what it does, its options, and (where there is one) an example that starts with it."""
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"Usage: mainstay {command}" in result.output
    if "Example" in result.output:
        assert "mainstay" in result.output.split("Example")[1]
    if "COMMAND [ARGS]" not in result.output:  # a group says nothing itself
        assert "--json" in result.output


def test_deploy_and_rollback_say_what_they_did(shop):
    """S5 S10: one command each; without a server it is said that nobody answers yet."""
    done = run("deploy", "sums", "--json", "--workspace", str(shop))
    assert done.exit_code == 0
    told = json.loads(done.output)
    assert told["deployed"]["number"] == 2
    assert told["deployed"]["changed"] is True
    assert told["server"] is False
    back = run("rollback", "sums", "--workspace", str(shop))
    assert back.exit_code == 0
    assert "sums v1" in back.output
    assert "in place of v2" in back.output
    assert "mainstay up" in back.output
    orders = json.loads((shop / "run" / "orders.json").read_bytes())
    assert orders["orders"][0]["route"]["number"] == 1
    assert (shop / "run" / "orders.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("deploy", "summs"), 1, "did you mean 'sums'"),
        (("deploy", "sums@9"), 1, "no version 9"),
        (("deploy", "sums@two"), 2, "names no version"),
        (("deploy", "gone.mainstay"), 2, "there is no file"),
        (("rollback", "sums", "--to", "9"), 1, "no version 9"),
        (("replay", "--decision", "xyz"), 1, "not a decision id"),
        (("query", "selec 1"), 2, "syntax error"),
        (("query", "drop table decisions"), 2, "changes nothing"),
        (("query", "select * from read_csv('/etc/passwd')"), 2, "✗"),
        (("check", "gone.yaml"), 2, "there is no file"),
        (("key", "revoke", "nope"), 1, "no key has this id"),
        (("key", "create", "local"), 2, "without a key"),
        (("key", "distrust", "nobody"), 1, "nobody"),
        (("up", "--host", "0.0.0.0"), 2, "no caller has a key"),
        (("diff", "sums@1", "sums@9"), 1, "no version 9"),
    ],
)
def test_what_goes_wrong_is_told_in_words(shop, arguments, status, said):
    """Exit 1: it is not so; exit 2: used wrongly; and the same as one JSON object."""
    result = run(*arguments, "--workspace", str(shop))
    assert result.exit_code == status, result.output
    assert said in result.output
    told = json.loads(run(*arguments, "--json", "--workspace", str(shop)).output)
    assert told["error"]
    assert told["code"]


def test_a_command_that_is_not_there_is_guessed():
    result = run("deplo")
    assert result.exit_code == 2
    assert "did you mean 'deploy'" in result.output


def test_no_workspace_is_told_with_what_to_do(tmp_path):
    result = run("status", "--workspace", str(tmp_path))
    assert result.exit_code == 2
    assert "mainstay init" in result.output


def test_init_makes_and_then_leaves_alone(tmp_path):
    made = json.loads(run("init", str(tmp_path / "new"), "--json").output)
    assert "mainstay.toml" in made["made"]
    assert json.loads(run("init", str(tmp_path / "new"), "--json").output)["made"] == []


def test_status_without_a_server(shop):
    """M1: versions and routes are known without one."""
    result = run("status", "--workspace", str(shop))
    assert result.exit_code == 0
    assert "no server is running" in result.output
    assert "v1 of 2" in result.output
    told = json.loads(run("status", "--json", "--workspace", str(shop)).output)
    assert told["versions"] == {"sums": 2}
    assert told["machine"]["processors"] >= 1


def test_a_version_is_checked_and_shown(shop):
    result = run("check", "sums@2", "--workspace", str(shop))
    assert result.exit_code == 0
    assert "whole, loads and answers its examples" in result.output
    bundle = next((shop / "bundles").glob("*.mainstay"))
    damaged = shop.parent / "damaged.mainstay"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    refused = run("check", str(damaged), "--workspace", str(shop))
    assert refused.exit_code == 1
    assert run("deploy", str(damaged), "--workspace", str(shop)).exit_code == 1


def test_a_contract_is_checked_with_its_idle_settings(tmp_path):
    """N10: a setting without an effect is shown, and fails a strict check."""
    path = tmp_path / "c.yaml"
    path.write_text(
        "model: m\nlog: written\ninputs:\n  a: {type: number}\noutput: {type: number}\n"
    )
    result = run("check", str(path))
    assert result.exit_code == 0
    assert "no effect" in result.output
    assert run("check", str(path), "--strict").exit_code == 1
    path.write_text("model: m\ninputs:\n  a: {type: numbr}\noutput: {type: number}\n")
    wrong = run("check", str(path))
    assert wrong.exit_code == 1
    assert f"{path}:3" in wrong.output
    assert "number" in wrong.output


def test_a_difference_that_breaks_clients_fails(tmp_path):
    """N10: the resolved difference of two contracts, and what it means."""
    old, new = tmp_path / "a.yaml", tmp_path / "b.yaml"
    text = "model: m\ninputs:\n  a: {type: number, max: 10}\noutput: {type: number}\n"
    old.write_text(text)
    new.write_text(text.replace("max: 10", "max: 5"))
    result = run("diff", str(old), str(new))
    assert result.exit_code == 1
    assert "inputs.a.max" in result.output
    assert "BREAKS" in result.output
    assert run("diff", str(new), str(old)).exit_code == 0
    assert "No difference" in run("diff", str(old), str(old)).output


def test_keys_are_shown_once_and_revoked(shop):
    made = json.loads(
        run(
            "key", "create", "checkout", "--model", "sums", "--json", "--workspace", str(shop)
        ).output
    )
    listed = run("key", "list", "--workspace", str(shop)).output
    assert made["id"] in listed
    assert made["key"] not in listed
    assert "workspace" in listed
    assert run("key", "revoke", made["id"], "--workspace", str(shop)).exit_code == 0
    assert made["key"].encode() not in (shop / "mainstay.db").read_bytes()


def test_a_key_is_made_for_an_environment(shop):
    """O18: the workspace's own unless another one is named, and it is shown in the list."""
    at = ("--json", "--workspace", str(shop))
    own = json.loads(run("key", "create", "checkout", *at).output)
    other = json.loads(run("key", "create", "checkout", "--environment", "test", *at).output)
    assert (own["environment"], other["environment"]) == ("production", "test")
    assert "test" in run("key", "list", "--workspace", str(shop)).output
    refused = run("key", "create", "checkout", "--environment", "A B", "--workspace", str(shop))
    assert refused.exit_code == 2


def test_a_signing_key_is_made_and_trusted(shop, tmp_path):
    key = tmp_path / "team.key"
    assert run("key", "new", str(key)).exit_code == 0
    assert run("key", "new", str(key)).exit_code == 2
    arguments = ("key", "trust", f"{key}.pub", "--name", "team", "--workspace", str(shop))
    assert run(*arguments).exit_code == 0
    assert "team" in run("key", "list", "--workspace", str(shop)).output
    assert run("key", "distrust", "team", "--workspace", str(shop)).exit_code == 0


def test_the_journal_is_asked_in_three_forms(shop):
    sql = "select kind, count(*) as n from events group by kind order by kind"
    told = json.loads(run("query", sql, "--json", "--workspace", str(shop)).output)
    kinds = {row["kind"] for row in told["rows"]}
    assert {"route", "version"} <= kinds
    assert run("query", sql, "--csv", "--workspace", str(shop)).output.startswith("kind,n")
    assert "version" in run("query", sql, "--workspace", str(shop)).output


def test_pack_says_the_metric_its_range_and_what_it_is_made_for(tmp_path):
    """S8 S13 N9: without a line of Python; what is wrong is refused in words."""
    from tests.servers.mainstay import CONTRACT, onnx_model

    (tmp_path / "m.onnx").write_bytes(onnx_model())
    (tmp_path / "sums.yaml").write_text(CONTRACT)
    labels = ["low" if row < 3 else "high" for row in range(20)]
    rows = "a,b,c,label\n" + "".join(f"{i / 10},0.5,0.25,{t}\n" for i, t in enumerate(labels))
    (tmp_path / "rows.csv").write_text(rows)
    numbered = rows.replace("low", "0").replace("high", "1")
    (tmp_path / "numbered.csv").write_text(numbered)
    place = ("--workspace", str(tmp_path / "shop"))
    model = ("--model", str(tmp_path / "m.onnx"), "--confidence", str(tmp_path / "rows.csv"))
    stated = ("--contract", str(tmp_path / "sums.yaml"), *place)
    first = run("pack", "sums", *model, *stated, "--json")
    assert first.exit_code == 0, first.output
    mark = json.loads(first.output)["version"]["fingerprint"]

    def pack(*more: str) -> Result:
        return run(
            "pack", "after", *model[:3], str(tmp_path / "numbered.csv"), *place, *more
        )  # fmt: skip

    measured = ("--metric", "accuracy", "--acceptable", "0.1", "1")
    nothing_live = pack("--upstream", "sums")
    assert nothing_live.exit_code == 2
    assert "mainstay deploy sums" in nothing_live.output
    assert run("deploy", "sums", *place).exit_code == 0
    for upstream in ("sums", "sums=1", f"sums={mark[:12]}"):
        done = pack(*measured, "--upstream", upstream, "--json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.output)
        assert told["card"]["upstream"] == {"sums": mark}
    written = (tmp_path / "shop" / "contracts" / "after.yaml").read_text()
    assert "metric: accuracy" in written
    assert "0.1" in written
    for wrong, said in (
        (("--upstream", "sums="), "names no version"),
        (("--upstream", "sums", "--upstream", "sums=1"), "pinned twice"),
        (("--upstream", "sums=abcdef"), "abcdef"),
        (("--metric", "accuracy", "--acceptable", "0.9", "1"), "another acceptable"),
        (("--metric", "accuray"), "accuracy"),
    ):
        refused = pack(*wrong)
        assert refused.exit_code in {1, 2}
        assert said in refused.output, refused.output


def test_pack_is_told_what_a_version_learned_from(tmp_path):
    """N14: new items are found by what the training rows had; `show` says how many were known."""
    from tests.servers.mainstay import CONTRACT, onnx_model

    (tmp_path / "m.onnx").write_bytes(onnx_model())
    cold = CONTRACT.replace("c: {type: number", "c: {type: integer")
    (tmp_path / "sums.yaml").write_text(f"{cold}judge: {{cold: {{c: decline}}}}\n")
    rows = "a,b,c,label\n" + "".join(f"{i / 10},0.5,{i},{i % 2}\n" for i in range(20))
    (tmp_path / "rows.csv").write_text(rows)
    place = ("--workspace", str(tmp_path / "shop"))
    common = (
        "pack", "sums", "--model", str(tmp_path / "m.onnx"), "--confidence", str(tmp_path / "rows.csv"),
        "--contract", str(tmp_path / "sums.yaml"), *place,
    )  # fmt: skip
    refused = run(*common)
    assert refused.exit_code == 2
    assert "nothing says which values of 'c' the model learned from" in " ".join(
        refused.output.split()
    )
    done = run(*common, "--learned-from", str(tmp_path / "rows.csv"), "--json")
    assert done.exit_code == 0, done.output
    shown = run("show", "sums", *place)
    assert "known     c: 20 values" in shown.output
    told = json.loads(run("show", "sums", "--json", *place).output)
    assert told["known"]["c"]["count"] == 20
    assert told["known"]["c"]["mistaken"] == pytest.approx(20 / 2**32)


def test_pack_from_files(tmp_path):
    """A model file and a table make a version; what cannot be packed is told what to do."""
    from tests.servers.mainstay import CONTRACT, onnx_model

    (tmp_path / "m.onnx").write_bytes(onnx_model())
    (tmp_path / "sums.yaml").write_text(CONTRACT)
    rows = "a,b,c,truth\n" + "".join(f"{i / 10},0.5,0.25,{i % 2}\n" for i in range(20))
    (tmp_path / "rows.csv").write_text(rows)
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04.")
    common = (
        "--confidence", str(tmp_path / "rows.csv"), "--contract", str(tmp_path / "sums.yaml"),
        "--workspace", str(tmp_path / "shop"), "--into", str(tmp_path / "out"),
    )  # fmt: skip
    refused = run("pack", "sums", "--model", str(tmp_path / "m.pkl"), *common)
    assert refused.exit_code == 2
    assert "pickle" in refused.output
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    bad = ("--confidence", str(tmp_path / "bad.csv"), *common[2:])
    wrong = run("pack", "sums", "--model", str(tmp_path / "m.onnx"), *bad)
    assert wrong.exit_code == 2
    assert "row 2 of bad.csv" in wrong.output
    (tmp_path / "rows.csv").write_text(
        rows.replace(",truth", "").replace(",0\n", "\n").replace(",1\n", "\n")
    )
    (tmp_path / "october.csv").write_text("a,b,c\n" + "7,0.5,0.25\n" * 3)
    held = ("--reference", str(tmp_path / "october.csv"))
    done = run("pack", "sums", "--model", str(tmp_path / "m.onnx"), "--json", *held, *common)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert Path(told["file"]).is_file()
    assert told["version"]["number"] == 1
    shown = run("reference", "sums@1", "--json", "--workspace", str(tmp_path / "shop"))
    assert json.loads(shown.output)["reference"] == "3 rows that it was packed with"
