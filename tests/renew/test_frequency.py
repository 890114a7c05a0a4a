"""N4: `mainstay experiment frequency` over a history in which the world turns over."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from mainstay.cli import cli
from mainstay.cli.output import Output
from mainstay.cli.schedules import show
from mainstay.renew.schedule.model import Prices
from mainstay.renew.schedule.recommend import advise
from mainstay.wiring.frequency import Frequency, Variant
from mainstay.wiring.workspace import open_workspace
from tests.renew.shop import Shop
from tests.renew.test_schedule import history
from tests.renew.test_training import MODEL, RENEW
from tests.servers.mainstay import CONTRACT

PERIODS = 6
TURN = 3
ROWS = 120


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of labelled decisions; after the third, what was high is low."""
    shop = Shop(tmp_path_factory.mktemp("frequency") / "shop")
    shop.clock.jump(-PERIODS * 3600)
    for period in range(PERIODS):
        rows = shop.rows(ROWS, period)
        sums = rows @ [1.0, 2.0, 3.0] * (1 if period < TURN else -1)
        for row, right in zip(rows, np.where(sums > 0, "high", "low").tolist(), strict=True):
            shop.hear([right], shop.decide(row[None, :]))
            shop.clock.advance(3600 / ROWS - 0.001)
    shop.close()
    code = shop.folder / "training"
    code.mkdir()
    (code / "weights.py").write_text(MODEL)
    (shop.folder / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW % "good")
    return shop.folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def ask(shop: Path, *options: str) -> Result:
    result = CliRunner().invoke(
        cli, ["experiment", "frequency", "sums", *options, "--workspace", str(shop)],
        prog_name="mainstay",
    )  # fmt: skip
    assert "Traceback" not in result.output, result.output
    return result


def test_each_model_is_held_against_every_later_period(shop: Path) -> None:
    """N4: models from before the turn are right until it and wrong after; a window forgets."""
    done = ask(shop, "--period", "1h", "--window", "1h", "--training-cost", "20", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["rows"] == [ROWS] * PERIODS
    everything = next(each for each in found["variants"] if not each["window_ns"])
    newest = next(each for each in found["variants"] if each["window_ns"])
    for variant in (everything, newest):
        losses = np.array(variant["losses"], dtype=float)
        assert np.isnan(losses[np.tril_indices(PERIODS)]).all()
        before = losses[: TURN - 1, 1:TURN]
        assert before[np.triu_indices(TURN - 1)].max() < 0.2
        assert losses[:TURN, TURN:].min() > 0.8
    # One hour after the turn whoever forgets is right again, and whoever does not is not.
    assert np.array(newest["losses"], dtype=float)[TURN, TURN + 1 :].max() < 0.2
    assert np.array(everything["losses"], dtype=float)[TURN, TURN + 1 :].min() > 0.5
    assert found["variants"][0] == newest
    followed = newest["advice"]["followed"]["run"]
    assert followed["cost"] == followed["errors"] + followed["trainings"]
    # Nothing of it is kept, and nothing changed.
    workspace = open_workspace(shop)
    assert len(workspace.registry.versions("sums")) == 1
    assert workspace.chain.current("sums").number == 1


def test_it_says_what_to_do_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """N4: a sentence first, the table below it."""
    prices = Prices(of_error=2.0, of_training=40.0)
    losses = history(12, lambda i, j: 0.1 * (j - i))
    table = [[None if np.isnan(v) else float(v) for v in line] for line in losses.table]
    variant = Variant(window_ns=0, start="scratch", advice=advise(losses, prices), losses=table)
    hour = 3_600_000_000_000
    show(
        Output(as_json=False),
        Frequency(
            model="sums", snapshot="4f2a", period_ns=36 * hour, rows=[100] * 12, prices=prices,
            variants=[variant, structs.replace(variant, window_ns=6 * hour)],
        ),
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "sums: 1,200 labelled decisions in 12 periods of 1.5 days" in said
    assert "a training costs as much as 20 errors" in said
    assert f"→ train {variant.advice.take}, learning from everything" in said
    assert "Learning from the newest 6 hours: loss by age" in said
    assert "as advised" in said
    assert "a version has lost half of its advantage over never retraining after" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--period", "3h"), "periods in which there is"),
        (("--period", "1s"), "periods in which there is"),
        (("--period", "soon"), "is not a duration"),
        (("--since", "1s"), "no decision of sums"),
    ],
)
def test_what_cannot_be_found_out_is_said(shop: Path, options: tuple[str, ...], words: str) -> None:
    """N4: too few or too many periods, no labels, no duration."""
    done = ask(shop, *options, "--training-cost", "20")
    assert done.exit_code == 2
    assert words in done.output


def test_code_that_raises_is_told_as_by_retrain(shop: Path) -> None:
    """N4 N5."""
    (shop / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW % "raises")
    done = ask(shop, "--period", "1h", "--training-cost", "20")
    assert done.exit_code == 1
    assert "the price list" in done.output
