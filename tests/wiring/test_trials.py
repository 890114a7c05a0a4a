"""A trial is repeated on the way back unless this machine has seen the version pass (S10)."""

import sys
from pathlib import Path

import pytest

from mainstay.base.clock import ManualClock
from mainstay.wiring.trials import Trials, surroundings
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, pack_model

FINGERPRINT = "a" * 64
DAY = 24 * 3600


@pytest.fixture
def passed(tmp_path: Path, clock: ManualClock) -> Trials:
    found = Trials(tmp_path, clock)
    found.keep(FINGERPRINT)
    return found


def test_a_trial_holds_for_these_bytes_and_for_a_month(passed, clock):
    """S10: and not for a file that is damaged or of another time."""
    assert passed.holds(FINGERPRINT)
    assert not passed.holds("b" * 64)
    clock.advance(30 * DAY)
    assert passed.holds(FINGERPRINT)
    clock.advance(1)
    assert not passed.holds(FINGERPRINT)
    clock.jump(-31 * DAY)
    assert not passed.holds(FINGERPRINT), "a clock that was put back makes nothing recent"


def test_a_damaged_note_is_no_trial(passed, tmp_path):
    """S10: whatever cannot be read means that it is tried again."""
    (note,) = (tmp_path / "trials").iterdir()
    note.write_bytes(note.read_bytes()[:-3])
    assert not passed.holds(FINGERPRINT)


def test_whatever_is_installed_makes_trials_void(passed, tmp_path, monkeypatch):
    """S10 O1: a library that came, went or changed may be the one that a version breaks on."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [str(packages)])
    passed.keep(FINGERPRINT)
    assert passed.holds(FINGERPRINT)
    before = surroundings()
    (packages / "another.dist-info").mkdir()
    assert surroundings() != before
    assert not passed.holds(FINGERPRINT)


def test_going_back_starts_no_child_for_what_passed_here(tmp_path, monkeypatch):
    """S10: the bytes are checked each time; the first load only where nothing is known of it."""
    shop = tmp_path / "shop"
    pack_model(shop)
    pack_model(shop, bias=1.0)
    for number in (1, 2):
        open_workspace(shop).deploy(MODEL, number, "")
    tried: list[str] = []
    monkeypatch.setattr(
        "mainstay.wiring.workspace.try_out", lambda _folder, mark: tried.append(mark)
    )
    back = open_workspace(shop).rollback(MODEL, None, "")
    assert (back.number, tried) == (1, [])
    for note in (shop / "cache" / "trials").iterdir():
        note.unlink()
    again = open_workspace(shop).rollback(MODEL, 2, "")
    assert tried == [again.fingerprint]
