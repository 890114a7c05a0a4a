"""An A/B test and a bandit on a real server: what is proven worse does not go live."""

from pathlib import Path
from typing import Any

import pytest

from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, mainstay, start_server
from tests.servers.until import until
from tests.story.biased import pack_biased
from tests.story.test_rollout import CONTRACT, ask_until_ended

pytestmark = pytest.mark.slow


def test_a_test_and_a_bandit_keep_what_is_better(tmp_path: Path) -> None:
    """S31 N6 N12: by outcomes that came over HTTP, each with a chain of routes that says why."""
    shop = tmp_path / "shop"
    pack_biased(shop, CONTRACT, 0.0)
    assert mainstay("deploy", MODEL, workspace=shop).returncode == 0
    server = start_server(shop, "--workers", "1")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        workspace = open_workspace(shop)
        users = iter(range(0, 1_000_000, 50))
        pack_biased(shop, CONTRACT, 1e7)
        for strategy, said in (("ab", "half of the units each"), ("bandit", "shares by thompson")):
            begun = begin(shop, strategy)
            assert begun.returncode == 0, begun.stdout + begun.stderr
            assert said in " ".join(begun.stdout.split())
            ended = ask_until_ended(server, workspace, users)
            assert ended.status == "kept", ended.words
            assert "100.00% of v2 wrong" in ended.words
            first, *_, last = workspace.chain.history(MODEL)[ended.first_epoch :]
            assert [arm.share for arm in first.arms] == [0.5]
            assert (last.number, last.arms) == (1, ())
            assert f"{strategy} of v2 against v1" in mainstay("status", workspace=shop).stdout
        refused = begin(shop, "bandit", "--steps", "1 %, 100 %")
        assert refused.returncode == 2
        assert "bandit has no steps" in refused.stdout + refused.stderr
    finally:
        server.stop()


def begin(workspace: Path, strategy: str, *more: str) -> Any:
    """Deploy by a strategy; the gate has no labels to go by here."""
    words = ("--strategy", strategy, "--force", "--reason", "planted", *more)
    return mainstay("deploy", MODEL, *words, workspace=workspace)
