"""`refresh`: the same model, measured on what was decided and turned out since (S8)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle.assets import CONFIDENCE_FILE, decode_examples
from mainstay.bundle.folder import read_checked
from mainstay.cli import cli
from mainstay.journal.model import STATUSES
from mainstay.release import refresh as refreshing
from mainstay.serve.outcomes import Outcomes
from mainstay.wiring.refreshing import refresh
from tests.renew.shop import Shop as DecidingShop


class Shop(DecidingShop):
    """One whose people click, in which it is now, and as late as when it decides."""

    def __init__(self, folder: Path, **packing: Any) -> None:
        super().__init__(folder, **packing)
        self.clock.advance(3600)
        self.workspace.clock = self.clock

    def hear(self, labels: list[Any], decisions: list[str]) -> None:
        for decision in decisions:
            self.outcomes.record("sums", "shop", decision, {"reaction": "clicked"})
        super().hear(labels, decisions)

    def confidence(self, fingerprint: str) -> Any:
        opened = self.workspace.unpacked(fingerprint)
        data = read_checked(opened.folder, opened.manifest, CONFIDENCE_FILE)
        return opened.manifest, decode_examples(data, CONFIDENCE_FILE)


def rows_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def test_a_version_is_refreshed_with_what_was_newly_labelled(shop: Shop):
    """S8: the first outcome of each decision; nothing held, unseen, unknown or from before."""
    rows = rows_of(150)
    early = shop.decide(rows_of(5, 1))
    shop.outcomes = Outcomes(shop.spool, shop.ids, ManualClock())
    shop.hear(["high"] * 5, early)
    shop.outcomes = Outcomes(shop.spool, shop.ids, shop.clock)
    shop.hear(["low"] * 5, early)
    made = shop.decide(rows)
    held = shop.decide(rows_of(3, 2), statuses=bytes([STATUSES.index("held")] * 3))
    shadows = shop.decide(rows_of(2, 3), arm="shadow", shadows=tuple(made[:2]))
    shop.hear(["low"] * 3 + ["high"] * 2, [*held, *shadows])
    shop.hear(["nonsense", *["low"] * 99, *["high"] * 50], made)
    shop.clock.advance(1)
    shop.hear(["high"] * 150, made)
    shop.hear(["high"], ["0" * 28])
    shop.outcomes.record("sums", "shop", early[0], {"reaction": "clicked"})
    shop.clock.advance(1)
    found = refresh(shop.workspace, "sums", None, "1h")
    assert (found.version.number, found.of.number) == (2, 1)
    said = found.version.card.confidence
    assert said == found.confidence
    assert said.of == shop.version.fingerprint
    assert said.rows == 149
    assert said.classes == {"low": round(99 / 149, 6), "high": round(50 / 149, 6)}
    assert said.left_out == {
        refreshing.HELD: 3, refreshing.SHADOW: 2, refreshing.UNKNOWN: 1, refreshing.GONE: 1
    }  # fmt: skip
    assert found.metrics["accuracy"] != found.metrics_before.get("accuracy")
    manifest, examples = shop.confidence(found.version.fingerprint)
    there = {tuple(row) for row in np.column_stack([examples.inputs[n] for n in "abc"]).tolist()}
    assert there == {tuple(row) for row in rows[1:].tolist()}
    truth = {tuple(row): int(place >= 100) for place, row in enumerate(rows.tolist())}
    order = np.column_stack([examples.inputs[n] for n in "abc"]).tolist()
    assert [truth[tuple(row)] for row in order] == examples.label.tolist()
    before, _ = shop.confidence(shop.version.fingerprint)
    same = {name for name in before.files if before.files[name] == manifest.files[name]}
    assert set(before.files) - same == {CONFIDENCE_FILE}
    assert structs.replace(manifest.contract) == before.contract
    assert manifest.runs == before.runs


def test_a_refreshed_version_goes_live_like_any_other(shop: Shop):
    """S8 S5: through the gate; its window begins where that of the one before ended."""
    made = shop.decide(rows_of(120))
    shop.clock.advance(5)
    shop.hear(["low", "high"] * 60, made)
    shop.clock.advance(60)
    first = refresh(shop.workspace, "sums", None)
    shop.workspace.deploy("sums", None, "newer confidence set")
    with pytest.raises(InvalidUsage, match="only 0 decisions"):
        refresh(shop.workspace, "sums", None)
    shop.clock.advance(1)
    assert refresh(shop.workspace, "sums", 1).version.number == 3
    assert shop.workspace.chain.current("sums").number == first.version.number == 2


def test_what_shows_too_little_is_refused_in_words(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """S8: a handful of rows, a window of nothing, rows that are drawn when there are too many."""
    made = shop.decide(rows_of(130))
    shop.hear(["low"] * 99, made[:99])
    shop.clock.advance(1)
    with pytest.raises(InvalidUsage, match="only 99 decisions of this window") as few:
        refresh(shop.workspace, "sums", None, "1h")
    assert "outcome" in few.value.expected
    with pytest.raises(InvalidUsage, match="no length"):
        refresh(shop.workspace, "sums", None, "0s")
    shop.hear(["high"] * 31, made[99:])
    shop.clock.advance(1)
    monkeypatch.setattr(refreshing, "CONFIDENCE_ROWS_MAX", 110)
    found = refresh(shop.workspace, "sums", None, "1h")
    assert found.confidence.rows == 110
    assert found.confidence.left_out == {refreshing.TOO_MANY: 20}
    shares = found.confidence.classes
    assert 0.6 < shares["low"] < 0.9, "drawn by lot, not the first ones"


def test_a_version_that_is_no_longer_good_enough_is_not_made(tmp_path: Path):
    """S8: the acceptable range holds for the new set too, and the figure is named."""
    shop = Shop(tmp_path / "shop", assets="{metric: accuracy, acceptable: [0.6, 1]}")
    rows = rows_of(200)
    made = shop.decide(rows)
    answers = shop.loaded.predict(shop.loaded.extract(dict(zip("abc", rows.T, strict=True))))
    wrong = ["low" if high > low else "high" for low, high in answers]
    shop.hear(wrong, made)
    shop.clock.advance(1)
    with pytest.raises(InvalidBundle, match="accuracy"):
        refresh(shop.workspace, "sums", None, "1h")
    assert len(shop.workspace.registry.versions("sums")) == 1


def test_the_command_tells_window_shares_and_what_was_left_out(shop: Shop):
    """S8: for people and for machines."""
    made = shop.decide(rows_of(120))
    shop.hear(["low", "high"] * 60, made)
    place = ("--workspace", str(shop.workspace.places.root))
    done = CliRunner().invoke(cli, ["refresh", "sums", "--over", "1h", *place])
    assert done.exit_code == 0, done.output
    for said in ("v1 with 120 newly labelled rows", "low 50.0%", "mainstay deploy sums"):
        assert said in done.output
    told = CliRunner().invoke(cli, ["refresh", "sums@1", "--over", "1h", "--json", *place])
    assert json.loads(told.output)["confidence"]["rows"] == 120
    refused = CliRunner().invoke(cli, ["refresh", "sums", "--over", "1s ago", *place])
    assert refused.exit_code == 2
