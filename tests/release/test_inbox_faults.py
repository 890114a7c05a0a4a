"""Files that are dropped twice, cannot be read or moved, and takings that broke off: S5, S10."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import StorageFailed
from mainstay.bundle.model import Version
from mainstay.serve.routes.model import Route
from tests.release.test_inbox import Dock, Killed
from tests.release.world import World


@pytest.fixture
def dock(tmp_path: Path, clock: ManualClock) -> Dock:
    return Dock(tmp_path / "inbox", World(clock), clock)


def broken(
    patch: pytest.MonkeyPatch, name: str, when: Callable[[Path], bool], error: BaseException
) -> None:
    """A call on paths that fails for some of them."""
    real = getattr(Path, name)

    def call(path: Path, *rest: Any, **named: Any) -> Any:
        if when(path):
            raise error
        return real(path, *rest, **named)

    patch.setattr(Path, name, call)


def test_after_a_death_between_admitting_and_deploying_the_epoch_that_was_seen_holds(dock: Dock):
    """S5: the version is there, nothing is live; whoever deployed meanwhile is not overwritten."""
    dock.world.pack(1)
    dock.world.deploy(1)

    def die(version: Version, epoch: int) -> Route:
        raise Killed

    dock.drop("fraud.mainstay", "9")
    dock.look()
    dock.clock.advance(1)
    with pytest.raises(Killed):
        dock.inbox.take_in(dock.admit, die)
    dock.restart()
    dock.world.pack(1)
    dock.world.deploy(3)
    (outcome,) = dock.look()
    assert outcome.status == "refused"
    assert "ann was first: fraud v3" in outcome.words
    assert dock.world.live() == [1, 3]
    assert dock.files() == ["refused/fraud.mainstay", "refused/fraud.mainstay.txt"]


def test_a_taking_that_had_gone_live_is_finished_however_often_the_process_died(dock: Dock):
    """S5: what is live is never called refused, even after as many deaths as are borne."""
    dock.drop("fraud.mainstay", "9")
    dock.look()
    for _ in range(3):
        dock.clock.advance(1)
        with pytest.MonkeyPatch.context() as patch:
            broken(patch, "rename", lambda path: path.parent.name == ".taking", Killed())
            with pytest.raises(Killed):
                dock.inbox.take_in(dock.admit, dock.deploy)
        dock.restart()
    (outcome,) = dock.look()
    assert (outcome.status, dock.world.live()) == ("deployed", [1])
    assert dock.admitted == ["fraud.mainstay"]


def test_a_retry_does_not_overwrite_who_deploys_while_it_admits(dock: Dock):
    """S5: the epoch that was written down is the one it replaces, in the next process too."""
    dock.world.pack(1)
    dock.world.deploy(1)

    def die(version: Version, epoch: int) -> Route:
        raise Killed

    def overtaken(path: Path) -> Version:
        version = dock.admit(path)
        dock.world.pack(1)
        dock.world.deploy(3)
        return version

    dock.drop("fraud.mainstay", "9")
    dock.look()
    dock.clock.advance(1)
    with pytest.raises(Killed):
        dock.inbox.take_in(dock.admit, die)
    dock.restart()
    dock.clock.advance(1)
    (outcome,) = dock.inbox.take_in(overtaken, dock.deploy)
    assert outcome.status == "refused"
    assert "ann was first: fraud v3" in outcome.words
    assert dock.world.live() == [1, 3]


def test_the_last_death_that_is_borne_may_come_after_it_went_live(dock: Dock):
    """S5: twice before the deployment and once behind it, and it is still said to be live."""
    mood = ["die", "die", "deploy and die"]

    def put_live(version: Version, epoch: int) -> Route:
        if mood.pop(0) != "die":
            dock.deploy(version, epoch)
        raise Killed

    dock.drop("fraud.mainstay", "9")
    dock.look()
    while mood:
        dock.clock.advance(1)
        with pytest.raises(Killed):
            dock.inbox.take_in(dock.admit, put_live)
        dock.restart()
    (outcome,) = dock.look()
    assert (outcome.status, dock.world.live()) == ("deployed", [1])


def test_the_same_file_dropped_twice_waits_for_its_turn(dock: Dock):
    """S5: the second one is neither lost nor mixed up with the first one's note."""
    down = True

    def put_live(version: Version, epoch: int) -> Route:
        if down:
            raise StorageFailed("the database is down")
        return dock.deploy(version, epoch)

    def look() -> list[str]:
        dock.clock.advance(1)
        return [each.status for each in dock.inbox.take_in(dock.admit, put_live)]

    dock.drop("fraud.mainstay", "1")
    assert [look(), look()] == [[], ["waiting"]]
    dock.drop("fraud.mainstay", "2")
    before = (dock.folder / ".taking" / "fraud.mainstay").read_text()
    for _ in range(5):
        look()
    assert before == "1"
    assert (dock.folder / "fraud.mainstay").read_text() == "2", "it stays where it was dropped"
    down = False
    assert [status for _ in range(12) for status in look()] == ["deployed", "deployed"]
    assert dock.world.live() == [1, 2]
    assert (dock.folder / "done/fraud.mainstay").read_text() == "1"
    assert (dock.folder / "done/fraud.2.mainstay").read_text() == "2"


def test_the_same_content_dropped_twice_goes_live_once(dock: Dock):
    """S5: under two names at the same moment; the second one is told who was first."""
    dock.drop("one.mainstay", "1")
    dock.drop("two.mainstay", "1")
    assert [outcome.status for outcome in dock.look(2)] == ["deployed", "unchanged"]
    assert dock.world.live() == [1]


def test_a_file_that_cannot_be_read_is_tried_again_and_taken_when_it_can(dock: Dock):
    """S5: a disk that fails, or rights that are put right, are no fault of what is in it."""
    unreadable = True

    def admit(path: Path) -> Version:
        if unreadable and path.name == "a.mainstay":
            raise PermissionError(13, "Permission denied")
        return dock.admit(path)

    dock.drop("a.mainstay", "1")
    dock.drop("b.mainstay", "2")
    seen: list[tuple[str, str]] = []
    for second in range(80):
        dock.clock.advance(1)
        unreadable = second < 40
        outcomes = dock.inbox.take_in(admit, dock.deploy)
        seen += [(each.file[0], each.status) for each in outcomes]
    assert seen[:2] == [("a", "waiting"), ("b", "deployed")], "its neighbour does not wait"
    assert seen[-1] == ("a", "deployed")
    assert {status for file, status in seen[2:-1]} == {"waiting"}
    assert 4 <= len(seen[2:-1]) <= 6, "at growing intervals, and for no longer than a minute"
    assert dock.world.live() == [1, 2], "numbers follow the order of admission"


def test_waiting_does_not_count_as_dying(dock: Dock):
    """S5: an outage of any length, and then as many deaths as are borne."""
    mood: list[BaseException] = [StorageFailed("down")] * 6 + [Killed(), Killed()]

    def put_live(version: Version, epoch: int) -> Route:
        if mood:
            raise mood.pop(0)
        return dock.deploy(version, epoch)

    dock.drop("fraud.mainstay", "1")
    for _ in range(400):
        dock.clock.advance(1)
        try:
            dock.inbox.take_in(dock.admit, put_live)
        except Killed:
            dock.restart()
    assert dock.world.live() == [1]
    assert dock.files() == ["done/fraud.mainstay", "done/fraud.mainstay.txt"]


def test_waiting_grows_to_a_minute_and_is_forgotten_when_it_is_over(dock: Dock):
    """S5: an outage of an hour ends within a minute of its end, and the next one begins anew."""
    down = True

    def put_live(version: Version, epoch: int) -> Route:
        if down:
            raise StorageFailed("down")
        return dock.deploy(version, epoch)

    def pauses(seconds: int) -> list[int]:
        told: list[int] = []
        for _ in range(seconds):
            dock.clock.advance(1)
            outcomes = dock.inbox.take_in(dock.admit, put_live)
            waiting = [each.words for each in outcomes if each.status == "waiting"]
            told += [int(words.split(" in ")[1].split()[0]) for words in waiting]
        return told

    dock.drop("fraud.mainstay", "1")
    assert pauses(400)[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    down = False
    assert pauses(61) == []
    assert dock.world.live() == [1]
    down = True
    dock.drop("fraud.mainstay", "2")
    assert pauses(10)[:2] == [1, 2]


def test_a_file_that_cannot_be_moved_waits_and_the_others_are_taken(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
):
    """S5: somebody else's file in a folder with other rights stops nobody, and is not asked about
    at every look."""
    tries: list[Path] = []

    def stuck(path: Path) -> bool:
        if path.name == "a.mainstay":
            tries.append(path)
        return path.name == "a.mainstay"

    dock.drop("a.mainstay", "1")
    dock.drop("b.mainstay", "2")
    with monkeypatch.context() as patch:
        broken(patch, "rename", stuck, OSError(18, "Invalid cross-device link"))
        outcomes = dock.look(30)
    told = [(each.file, each.status) for each in outcomes]
    assert told[:2] == [("a.mainstay", "waiting"), ("b.mainstay", "deployed")]
    assert "It cannot be moved: Invalid cross-device link." in outcomes[0].words
    assert len(tries) <= 5
    dock.look(60)
    assert dock.world.live() == [1, 2], "numbers follow the order of admission"


def test_a_refused_file_that_cannot_be_put_aside_waits(dock: Dock, monkeypatch: pytest.MonkeyPatch):
    """S5: the keeper goes on, and says both what is wrong and why it is still there."""
    dock.drop("a.mainstay", "no bundle")
    dock.drop("b.mainstay", "2")
    with monkeypatch.context() as patch:
        full = OSError(28, "No space left on device")
        broken(patch, "mkdir", lambda path: path.name == "refused", full)
        outcomes = dock.look(2)
    assert [each.status for each in outcomes] == ["waiting", "deployed"]
    assert "this is not a bundle" in outcomes[0].words
    assert "could not be put aside: No space left on device" in outcomes[0].words
    assert [each.status for each in dock.look(3)] == ["refused"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"begun": "x"}', b"\xff\xfe"])
def test_a_note_that_was_cut_off_is_as_none(dock: Dock, content: bytes):
    """S5: it was written before anything was deployed."""
    taking = dock.folder / ".taking"
    taking.mkdir(parents=True)
    (taking / "fraud.mainstay").write_text("1")
    (taking / "fraud.mainstay.json").write_bytes(content)
    assert [each.status for each in dock.look()] == ["deployed"]
    assert dock.world.live() == [1]


def test_a_note_that_a_kill_left_says_nothing_about_the_next_file(dock: Dock):
    """S5: the file reached its end; the next of its name is taken anew."""
    dock.drop("fraud.mainstay", "1")
    dock.look()
    dock.clock.advance(1)
    with pytest.MonkeyPatch.context() as patch:
        broken(patch, "unlink", lambda path: path.suffix == ".json", Killed())
        with pytest.raises(Killed):
            dock.inbox.take_in(dock.admit, dock.deploy)
    assert (dock.folder / ".taking" / "fraud.mainstay.json").exists()
    dock.restart()
    dock.drop("fraud.mainstay", "2")
    assert [each.status for each in dock.look(2)] == ["deployed"]
    assert dock.world.live() == [1, 2]


def test_a_file_that_is_replaced_while_it_is_looked_at_is_not_settled(dock: Dock):
    """S5: the same size in the same place, written again."""
    path = dock.drop("fraud.mainstay", "1")
    dock.look()
    facts = path.stat()
    path.write_text("2")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert dock.look() == []
    dock.look()
    assert (dock.folder / "done/fraud.mainstay").read_text() == "2"
