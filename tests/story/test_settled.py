"""`mainstay status --watch --settled-within`: a script waits for the end of a rollout (N6)."""

import json
from pathlib import Path

import pytest

from tests.servers.mainstay import MODEL, mainstay
from tests.story.biased import pack_biased
from tests.story.test_rollout import CONTRACT, deploy


def test_what_does_not_settle_in_time_is_said_and_ends_with_1(tmp_path: Path) -> None:
    """N6: nobody drives this canary, so it goes on; without it all is settled at once."""
    shop = tmp_path / "shop"
    pack_biased(shop, CONTRACT, 0.0)
    assert mainstay("deploy", MODEL, workspace=shop).returncode == 0
    watch = ("status", "--watch", "--json", "--settled-within")
    settled = mainstay(*watch, "10m", workspace=shop)
    assert settled.returncode == 0, settled.stderr
    assert [json.loads(line)["rollouts"] for line in settled.stdout.splitlines()] == [[]]

    pack_biased(shop, CONTRACT, 1.0)
    deploy(shop)
    going_on = mainstay(*watch, "1ms", workspace=shop)
    assert going_on.returncode == 1
    (page,) = map(json.loads, going_on.stdout.splitlines())
    assert page["rollouts"][0]["rollout"]["status"] == "running"
    told = mainstay("status", "--watch", "--settled-within", "1ms", workspace=shop)
    assert "canary of v2 against v1" in told.stdout
    assert "Not settled within 1ms" in told.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--settled-within", "2h"), "no effect without --watch"),
        (("--watch", "--settled-within", "soon"), "is not a duration"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """N10: a setting without effect is an error."""
    assert mainstay("init", str(tmp_path)).returncode == 0
    refused = mainstay("status", *options, workspace=tmp_path)
    assert refused.returncode == 2
    assert words in refused.stderr
