"""One page of trends, from a real workspace in simulated time: M25 M1 M3 M5 M24."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import NotFound
from mainstay.watch.gather.model import HOUR_MS, STRETCH_MS
from mainstay.watch.trends.page import page
from mainstay.wiring.trending import trends_of
from mainstay.wiring.watching import Watching
from tests.servers.mainstay import MODEL, mainstay
from tests.wiring.test_watching import Shop

EXPECT = (
    "expect: [p99 latency < 50 ms, accuracy >= 0.6 over 1 day]\nwatch: {false_alarms: 2 per 1d}\n"
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    begin_ms = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
    return Shop(tmp_path / "shop", ManualClock(begin_ms * 1_000_000), EXPECT)


def test_a_page_has_what_happened_where_it_happened(shop: Shop):
    """M25: a drift that began and went on, a gap without decisions, labels, limits."""
    for number in range(16):
        if number == 8:
            shop.clock.advance(3 * STRETCH_MS / 1000)
        shop.stretch(shift=1.5 if number >= 11 else 0.0, labels=10)
    shop.look()
    watching = Watching(shop.workspace)
    found = trends_of(shop.workspace, watching, MODEL, 4 * HOUR_MS)
    assert found.width_ms == STRETCH_MS
    charts = {chart.title: chart for chart in found.charts}
    points = dict(charts["decisions"].series[0].points)
    assert list(points.values()) == [300.0] * 16
    assert max(b - a for a, b in zip(points, list(points)[1:], strict=False)) == 4 * STRETCH_MS
    assert charts["accuracy"].limits[0].words == "accuracy >= 0.6 over 1 day"
    accuracy = charts["accuracy"].series[0]
    for (_, value), (_, low), (_, high) in zip(
        accuracy.points, accuracy.low, accuracy.high, strict=True
    ):
        if value is not None and low is not None and high is not None:
            assert low - 1e-9 <= value <= high + 1e-9
    inputs = dict(found.inputs)
    drift = [value for _, value in inputs["input a"][1].series[0].points if value is not None]
    assert max(drift[:10]) < 0.2
    assert min(drift[12:]) > 0.3
    steady = [value for _, value in inputs["input b"][1].series[0].points if value is not None]
    assert max(steady) < 0.2
    assert any(each.check == "input a: place" and each.until_ms is None for each in found.found)
    text = page(found)
    assert text.count("goes on") >= 1
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(svg)
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_a_longer_page_has_hours_and_only_its_own_time(shop: Shop):
    """M25: what is older than the page is not in it, nor what is over by then."""
    for number in range(14):
        shop.stretch(shift=1.5 if number < 3 else 0.0)
    shop.look()
    shop.clock.advance(2 * 24 * 3600)
    for _ in range(3):
        shop.stretch()
    shop.look()
    watching = Watching(shop.workspace)
    whole = trends_of(shop.workspace, watching, MODEL, 3 * 24 * HOUR_MS)
    assert whole.width_ms == HOUR_MS
    assert sum(v or 0 for _, v in whole.charts[0].series[0].points) == 17 * 300
    assert any(each.until_ms is not None for each in whole.found)
    newest = trends_of(shop.workspace, watching, MODEL, 20 * HOUR_MS)
    assert sum(v or 0 for _, v in newest.charts[0].series[0].points) == 3 * 300
    assert newest.found == ()
    with pytest.raises(NotFound):
        trends_of(shop.workspace, watching, "nobody", HOUR_MS)


def test_the_command_writes_the_page(shop: Shop, tmp_path: Path):
    """M25: one file; and what cannot be asked together is refused in words."""
    folder, file = shop.workspace.places.root, tmp_path / "trends.html"
    told = mainstay("watch", MODEL, "--html", str(file), "--since", "30d", workspace=folder)
    assert told.returncode == 0, told.stderr
    assert "<h1>sums</h1>" in file.read_text()
    assert "No decision was taken in" in file.read_text()
    wrong = mainstay("watch", "--html", str(file), workspace=folder)
    assert wrong.returncode == 2
    assert "one MODEL" in wrong.stderr
    short = mainstay("watch", MODEL, "--since", "5m", workspace=folder)
    assert short.returncode == 2
