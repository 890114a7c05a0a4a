"""Every store of monitors keeps the same promises: F4 M24 (nothing is remembered twice or unseen)."""

import pytest
from sqlalchemy import Engine

from mainstay.contract.finding import Finding
from mainstay.watch.monitors.detector import State
from mainstay.watch.monitors.memory import MemoryMonitorStore
from mainstay.watch.monitors.model import Change, Open, Saved
from mainstay.watch.monitors.port import MonitorStore
from mainstay.watch.monitors.sql import SqlMonitorStore

FINDING = Finding(check="input x: place", verdict="fail", words="ü moved", figure=0.7, samples=3)
SAVED = Saved(
    until_ms=1_700_000_000_000,
    states={"ab|country=\u00e9|input_x|place": State((0.5, float("-inf")))},
    open={"k": Open(FINDING, 5, 6, 2)},
    untold=(Change("opened", "k", FINDING, 5, 6),),
)


@pytest.fixture
def store(kept_in: Engine | None) -> MonitorStore:
    return MemoryMonitorStore() if kept_in is None else SqlMonitorStore(kept_in)


def test_what_is_saved_comes_back_whole(store: MonitorStore):
    assert store.load("fraud") == (Saved(), 0)
    assert store.models() == []
    assert store.save("fraud", SAVED, 0)
    assert store.save("churn", Saved(), 0)
    assert store.load("fraud") == (SAVED, 1)
    assert store.models() == ["churn", "fraud"]


def test_of_two_keepers_one_is_told(store: MonitorStore):
    """F4: neither the first save nor a later one goes over another's."""
    assert store.save("fraud", SAVED, 0)
    assert not store.save("fraud", Saved(), 0)
    assert store.save("fraud", Saved(until_ms=9), 1)
    assert not store.save("fraud", SAVED, 1)
    assert store.load("fraud") == (Saved(until_ms=9), 2)
