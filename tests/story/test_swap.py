"""Two hundred hot swaps between two versions under load: nobody notices but by the version."""

import statistics
import time
from collections.abc import Callable

import pytest

from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, pack_model, serving
from tests.servers.until import until
from tests.story.accounts import everywhere, hold_answers, hold_to_account, in_journal
from tests.story.callers import Callers

pytestmark = pytest.mark.slow

SWAPS = 200
GATED = 50
BIASES = {1: 0.0, 2: 1.0}


def test_two_hundred_swaps_under_load_fail_nobody(
    tmp_path: pytest.TempPathFactory, measured: Callable[[str, object], None]
) -> None:
    """S5 S10: deploy and rollback by turns; each answer is that of the version it names, each
    decision was made under the route it names, and every worker follows every route."""
    server = serving(tmp_path / "shop", "--workers", "2")
    try:
        pack_model(server.workspace, BIASES[2])
        workspace = open_workspace(server.workspace)
        followed: list[float] = []
        with Callers(server, seed=3, think=0.05) as callers:
            for turn in range(SWAPS):
                # The gate is gone through now and then; between, the way back is taken both ways,
                # so that the swaps come as fast as the workers follow.
                if turn % GATED == 0:
                    route = workspace.deploy(MODEL, 2, f"swap {turn}")
                else:
                    route = workspace.rollback(MODEL, 1 + (turn + 1) % 2, f"swap {turn}")
                assert route.changed
                began = time.monotonic()
                until(
                    lambda epoch=route.epoch: everywhere(workspace, epoch),
                    what=f"epoch {route.epoch} everywhere: {server.said()[-2000:]}",
                )
                followed.append(time.monotonic() - began)
            callers.more(20)
        heard = callers.heard
        assert heard.failures == []
        assert callers.unready == []
        assert {one.version for one in heard.answers} == {1, 2}
        hold_answers(heard.answers, BIASES)
        hold_to_account(heard, in_journal(workspace))
        routes = {route.epoch: route for route in workspace.chain.history(MODEL)}
        assert len(routes) == SWAPS + 1
        made = workspace.journal.query(
            "SELECT DISTINCT route, version, fingerprint FROM decisions"
        ).to_pylist()
        for one in made:
            route = routes[one["route"]]
            assert (one["version"], one["fingerprint"]) == (route.number, route.fingerprint)
    finally:
        server.stop()
    followed.sort()
    measured("answers during swaps", len(heard.answers))
    measured("all workers follow within s (median, p99, most)", (
        round(statistics.median(followed), 2), round(followed[-3], 2), round(followed[-1], 2)
    ))  # fmt: skip
    measured("routes that answered", len(made))
