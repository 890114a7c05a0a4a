"""N13: what retraining brought, told by replaying earlier versions over the same decisions."""

import json

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.renew.schedule.effect import mean_of, saved
from mainstay.serve.engine import HELD_OUT
from tests.renew.shop import Shop
from tests.servers.mainstay import pack_model

ROWS = 100


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A first version that is badly off, one that is right, and again one that is off a little;
    of each a hundred labelled decisions."""
    shop = Shop(tmp_path_factory.mktemp("effect") / "shop", bias=3.0)
    decided(shop, seed=1)
    for number, bias in ((2, 0.0), (3, 0.6)):
        shop.close()
        pack_model(shop.folder, bias=bias)
        shop.workspace.deploy("sums", number, "the next")
        shop.version = shop.workspace.registry.find("sums", number)
        shop.loaded = shop.workspace.load(shop.version)
        shop.open()
        decided(shop, seed=number)
    rows = shop.rows(ROWS, 9)
    shop.hear(["low"] * ROWS, shop.decide(rows, arm=HELD_OUT))
    shop.close()
    return shop


def decided(shop: Shop, seed: int) -> None:
    """Decisions of the version that answers, and what is right of them."""
    rows = shop.rows(ROWS, seed)
    shop.hear(truth(rows).tolist(), shop.decide(rows))


def truth(rows: np.ndarray, bias: float = 0.0) -> np.ndarray:
    """What a version with this bias answers; without one, what is right."""
    return np.where(rows @ [1.0, 2.0, 3.0] + bias > 0, "high", "low")


def wrong(seed: int, bias: float) -> np.ndarray:
    """Where such a version is wrong about the decisions of a seed."""
    rows = Shop.rows(ROWS, seed)
    return (truth(rows, bias) != truth(rows)).astype(float)


def ask(shop: Shop, *options: str) -> Result:
    arguments = ["experiment", "effect", "sums", *options, "--workspace", str(shop.folder)]
    result = CliRunner().invoke(cli, arguments, prog_name="mainstay")
    assert "Traceback" not in result.output, result.output
    return result


def test_each_version_is_held_against_the_one_before_and_the_first(shop: Shop) -> None:
    """N13: over the very decisions that it made itself, with an interval and what it was worth."""
    done = ask(shop, "--error-cost", "2", "--training-cost", "10", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    first, second, third = found["versions"]
    assert [each["version"] for each in found["versions"]] == [1, 2, 3]
    assert [each["wrong"]["rows"] for each in found["versions"]] == [ROWS] * 3  # none held out
    assert first["wrong"]["figure"] == pytest.approx(wrong(1, 3.0).mean())
    assert first["before"] is None
    assert second["wrong"]["figure"] == 0.0
    assert second["before"] == second["first"]
    assert second["first"]["errors"] == pytest.approx(wrong(2, 3.0).sum())
    assert (third["before"]["than"], third["first"]["than"]) == (2, 1)
    assert third["before"]["fewer"]["figure"] == pytest.approx(-wrong(3, 0.6).mean())
    low, high = third["first"]["fewer"]["interval"]
    assert low < wrong(3, 3.0).mean() - wrong(3, 0.6).mean() < high
    errors = wrong(2, 3.0).sum() + wrong(3, 3.0).sum() - wrong(3, 0.6).sum()
    assert found["together"]["errors"] == pytest.approx(errors)
    assert found["gained"] == pytest.approx(2 * errors - 2 * 10)
    assert first["came"] < second["came"] < third["came"]


def test_it_is_told_in_words(shop: Shop) -> None:
    """N13: nothing is weighed where nobody says what an error costs; no label is no answer."""
    said = " ".join(ask(shop).output.split())
    assert "errors less over 200 labelled decisions than v1 would have made in their place" in said
    assert "gained" not in said
    done = ask(shop, "--since", "1s")
    assert done.exit_code == 2
    assert "no decision of sums" in done.output


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_intervals_hold_as_often_as_they_say(share: float) -> None:
    """N13: of a share of errors, and of the paired difference of two, 95 times in 100."""
    draw = np.random.default_rng(11)
    held = [0, 0]
    for _ in range(400):
        own = (draw.random(300) < share).astype(float)
        other = np.where(draw.random(300) < 0.1, 1.0, own)
        low, high = mean_of(own).interval
        held[0] += low <= share <= high
        found = saved(1, other, own, None)
        assert found is not None
        assert found.cost is None
        low, high = found.fewer.interval
        held[1] += low <= 0.1 * (1 - share) <= high
    assert min(held) >= 0.925 * 400
    assert saved(1, np.ones(5), np.zeros(5), 1.0) is None


def test_numbers_are_weighed_by_their_distance() -> None:
    """N13."""
    draw = np.random.default_rng(3)
    own, other = np.abs(draw.normal(size=500)), np.abs(draw.normal(size=500)) + 1.0
    found = saved(4, other, own, 3.0)
    assert found is not None
    assert found.fewer.figure == pytest.approx((other - own).mean())
    assert found.cost == pytest.approx(3.0 * (other - own).sum())
    low, high = found.fewer.interval
    assert low < 1.0 < high
