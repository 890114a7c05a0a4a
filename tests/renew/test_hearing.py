"""M16 M17 S14 A2 L2: through the commands: what was heard, how long to wait, what would change."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.wiring.hearing import hearing, trust_labels
from tests.renew.shop import Shop

CODE = """\
from sklearn.linear_model import LogisticRegression


def train(data):
    assert set(data.weights.tolist()) <= {1.0, 0.5}, data.weights
    model = LogisticRegression(random_state=data.seed)
    return model.fit(data.matrix(), data.labels, sample_weight=data.weights)
"""
CONTRACT = """\
model: sums
inputs: {a: {type: number}, b: {type: number}, c: {type: number}}
output: {type: probability, classes: [low, high]}
labels: {window: 1h, silence_means: low, trust: {crowd: 0.5}}
renew: {train: "sums:train"}
"""


class Hall:
    """A shop that two callers speak of, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.shop = Shop(folder)
        self.folder = folder
        self.shop.clock.jump(-6 * 3600.0)
        rows = self.shop.rows(600)
        ids = [self.shop.decide(rows[n : n + 1])[0] for n in range(600)]
        self.shop.clock.advance(600.0)
        self.begin_ns = self.shop.clock.now_ns()
        sums = np.where(rows.sum(axis=1) > 0, "high", "low").tolist()
        high = [(label, id_) for label, id_ in zip(sums, ids, strict=True) if label == "high"]
        self.shop.hear([label for label, _ in high], [id_ for _, id_ in high])
        for id_ in ids[:40]:
            self.shop.outcomes.record("sums", "crowd", id_, {"label": "low"})
        self.shop.close()
        (folder / "contracts").mkdir(exist_ok=True)
        (folder / "contracts" / "sums.yaml").write_text(CONTRACT)
        (folder / "training").mkdir(exist_ok=True)
        (folder / "training" / "sums.py").write_text(CODE)
        self.high = len(high)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--workspace", str(self.folder)])

    def json(self, *arguments: str) -> dict:
        done = self.run(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return Hall(tmp_path_factory.mktemp("hall") / "shop")


def test_what_was_heard_is_shown_as_it_was_known(hall: Hall):
    """L2 M16: what did we know on that day."""
    told = hall.json("heard", "sums", "--since", "1d")
    assert {(each["caller"], each["count"]) for each in told["sources"]} == {
        ("shop", hall.high), ("crowd", 40),
    }  # fmt: skip
    shown = hall.run("heard", "sums", "--since", "1d")
    assert "crowd" in shown.stdout
    assert "came as they should" in shown.stdout
    before = hall.json("heard", "sums", "--since", "1d", "--known-at", "8h")
    assert before["sources"] == []
    assert hall.run("heard", "nothing").exit_code == 1


def test_how_long_to_wait_is_recommended(hall: Hall):
    """M17: by the history, with what silence means."""
    told = hall.json("experiment", "window", "sums", "--since", "1d")
    assert told["silence"] == "low"
    rows = {row["window"]: row for row in told["trade_off"]["rows"]}
    assert rows["5m"]["known"] < 0.05
    assert rows["1h"]["known"] == 1.0
    assert rows["5m"]["wrong"] == pytest.approx(hall.high / 600, abs=0.05)
    assert told["trade_off"]["recommended"] == "15m"
    shown = hall.run("experiment", "window", "sums", "--since", "1d")
    assert "labels: {window: 15m}" in shown.stdout
    assert "the contract's" in shown.stdout
    assert hall.run("experiment", "window", "sums", "--silence", "maybe").exit_code == 2
    nothing = hall.run("experiment", "window", "sums", "--since", "1m")
    assert nothing.exit_code == 2
    assert "has a label" in nothing.output


def test_without_anybody_held_out_a_loop_is_not_known(hall: Hall):
    """S14 N12."""
    told = hall.json("experiment", "loop", "sums", "--since", "1d")
    assert told["finding"]["verdict"] == "unsure"
    assert told["held_out"] == 0
    assert "too few" in hall.run("experiment", "loop", "sums").stdout


def test_a_run_shows_what_would_change_without_a_caller(hall: Hall):
    """A2 M17: silence counts, the crowd half as much, and without it other rows are learned."""
    told = hall.json("snapshot", "sums", "--since", "1d", "--without", "crowd")
    taken, changed = told["snapshot"], told["without"]
    assert taken["rows"] == 600
    assert taken["silent"] == 600 - hall.high
    assert taken["definition"]["trust"] == {"crowd": 0.0}
    assert changed["gone"] == 0
    assert changed["other"] > 5, "the crowd called some high ones low, the last"
    shown = hall.run("snapshot", "sums", "--since", "1d", "--without", "crowd")
    assert "without crowd: 0 decisions fewer" in shown.stdout
    assert "because nobody said anything" in shown.stdout
    both = hall.json("retrain", "sums", "--since", "1d", "--without", "crowd")
    assert both["whole"]["version"] is None
    assert both["without"]["version"] is None
    assert both["without"]["metrics"]["accuracy"] >= both["whole"]["metrics"]["accuracy"]
    refused = hall.run("retrain", "sums", "--snapshot", taken["id"], "--without", "crowd")
    assert refused.exit_code == 2


def test_labels_can_be_trusted_after_all(hall: Hall):
    """M16: said with a reason, and kept."""
    window = "2026-01-01T08:00..2026-01-01T10:00"
    done = hall.run("heard", "trust", "sums", "--window", window, "--reason", "all of them came")
    assert done.exit_code == 0, done.output
    assert "may be learned from" in done.stdout
    refused = hall.run("heard", "trust", "sums", "--window", window, "--reason", " ")
    assert refused.exit_code == 2
    assert hearing(hall.shop.workspace, "sums", 0).unhealthy == ()
    assert trust_labels(hall.shop.workspace, "sums", (1, 2), "again")["reason"] == "again"
