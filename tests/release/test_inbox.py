"""One file dropped in place goes live, once, or is refused in words: S5."""

import os
from pathlib import Path

import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle, StorageFailed
from mainstay.bundle.model import Version
from mainstay.release.deploy import Checks, deploy
from mainstay.release.inbox import Inbox, Outcome
from mainstay.serve.routes.model import Route
from tests.conformance.manifests import fingerprint, manifest
from tests.release.world import World


class Killed(BaseException):
    """The process dies here: no handler of ours runs for it."""


class Dock:
    """An inbox on a world, with an admit that reads a version's number from the file."""

    def __init__(self, folder: Path, world: World, clock: ManualClock) -> None:
        self.folder = folder
        self.world = world
        self.clock = clock
        self.inbox = Inbox(folder, world.chain, clock)
        self.admitted: list[str] = []

    def restart(self) -> None:
        """A new process looks at the same folder."""
        self.inbox = Inbox(self.folder, self.world.chain, self.clock)

    def admit(self, path: Path) -> Version:
        self.admitted.append(path.name)
        content = path.read_text()
        if not content.isdigit():
            raise InvalidBundle("this is not a bundle", field="manifest.json", expected="a bundle")
        return self.world.registry.register(manifest(), fingerprint(int(content)), 1)

    def deploy(self, version: Version, epoch: int) -> Route:
        return deploy(
            self.world.chain,
            self.world.registry,
            model=version.model,
            number=version.number,
            actor="inbox",
            reason="dropped",
            checks=Checks(self.world.check, self.world.gate),
            expected_epoch=epoch,
        )

    def drop(self, name: str, content: str) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(content)
        return path

    def look(self, times: int = 1) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for _ in range(times):
            self.clock.advance(1)
            outcomes += self.inbox.take_in(self.admit, self.deploy)
        return outcomes

    def files(self) -> list[str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in found)


@pytest.fixture
def dock(tmp_path: Path, clock: ManualClock) -> Dock:
    return Dock(tmp_path / "inbox", World(clock), clock)


def test_a_dropped_file_goes_live(dock: Dock):
    """S5: dropped, seen twice, live, put aside with words."""
    assert dock.look() == []
    dock.drop("fraud.mainstay", "1")
    assert dock.look() == []
    (outcome,) = dock.look()
    assert (outcome.file, outcome.status) == ("fraud.mainstay", "deployed")
    assert outcome.route is not None
    assert outcome.route.epoch == 1
    assert dock.world.live() == [1]
    assert dock.files() == ["done/fraud.mainstay", "done/fraud.mainstay.txt"]
    assert "went live as epoch 1" in (dock.folder / "done/fraud.mainstay.txt").read_text()
    assert dock.look(3) == []


def test_a_file_that_still_grows_is_left_alone(dock: Dock):
    """S5: whole or not at all; also when only its time or its inode changes."""
    path = dock.drop("fraud.mainstay", "1")
    for step in range(4):
        assert dock.look() == []
        path.write_text("1" * (step + 2))
    os.utime(path, ns=(1, 1))
    assert dock.look() == []
    other = dock.drop(".fraud.new", "1" * 5)
    other.replace(path)
    os.utime(path, ns=(1, 1))
    assert dock.look() == []
    assert dock.admitted == []
    assert dock.look()[0].status == "deployed"


def test_two_looks_in_one_moment_are_one_look(dock: Dock):
    """S5: a copy that stalls for a millisecond is not yet whole."""
    dock.drop("fraud.mainstay", "1")
    for _ in range(5):
        assert dock.inbox.take_in(dock.admit, dock.deploy) == []
        dock.clock.advance(0.01)
    assert dock.admitted == []


@pytest.mark.parametrize(
    "name", [".fraud.mainstay", "~fraud.mainstay", "#fraud.mainstay", "fraud.mainstay.part", "x"]
)
def test_names_of_copies_under_way_are_left_alone(dock: Dock, name: str):
    dock.drop(name, "1")
    assert dock.look(4) == []
    assert dock.files() == [name]


def test_a_bad_file_is_refused_once_and_in_words(dock: Dock):
    """S5: the old version keeps serving, and the folder says why."""
    dock.drop("good.mainstay", "1")
    dock.look(2)
    dock.drop("bad.mainstay", "nonsense")
    (outcome,) = dock.look(5)
    assert outcome.status == "refused"
    words = (dock.folder / "refused/bad.mainstay.txt").read_text()
    assert words.startswith("this is not a bundle.\nWhere: manifest.json.\n")
    assert "still being copied" in words
    assert dock.admitted == ["good.mainstay", "bad.mainstay"]
    assert dock.world.live() == [1]


def test_names_are_used_again_without_losing_a_file(dock: Dock):
    for content in ("1", "2", "x", "y"):
        dock.drop("fraud.mainstay", content)
        dock.look(2)
    assert [name for name in dock.files() if name.endswith(".mainstay")] == [
        "done/fraud.2.mainstay",
        "done/fraud.mainstay",
        "refused/fraud.2.mainstay",
        "refused/fraud.mainstay",
    ]
    assert (dock.folder / "done/fraud.2.mainstay").read_text() == "2"


def test_what_is_live_already_is_said_to_be(dock: Dock):
    dock.drop("one.mainstay", "1")
    dock.look(2)
    dock.drop("same.mainstay", "1")
    (outcome,) = dock.look(2)
    assert outcome.status == "unchanged"
    assert "live already, since epoch 1 by inbox" in outcome.words
    assert dock.world.live() == [1]


def test_what_is_no_plain_file_is_refused(dock: Dock):
    """S5: neither a folder nor a link to a file elsewhere is followed."""
    secret = dock.drop("secret", "7")
    (dock.folder / "folder.mainstay").mkdir()
    (dock.folder / "link.mainstay").symlink_to(secret)
    assert {outcome.status for outcome in dock.look(2)} == {"refused"}
    assert dock.admitted == []
    assert secret.read_text() == "7"
    assert dock.look(3) == []


def test_a_mistake_of_ours_does_not_stop_the_keeper(dock: Dock):
    """S5: and the next file is taken all the same."""

    def admit(path: Path) -> Version:
        if path.name == "a.mainstay":
            raise ZeroDivisionError("odd")
        return dock.admit(path)

    dock.drop("a.mainstay", "1")
    dock.drop("b.mainstay", "2")
    dock.clock.advance(1)
    dock.inbox.take_in(admit, dock.deploy)
    dock.clock.advance(1)
    outcomes = dock.inbox.take_in(admit, dock.deploy)
    assert [outcome.status for outcome in outcomes] == ["refused", "deployed"]
    assert "ZeroDivisionError" in outcomes[0].words


def test_an_outage_is_waited_for_at_growing_intervals(dock: Dock):
    """S5: a database that is down is no fault of the file."""
    down = True

    def put_live(version: Version, epoch: int) -> Route:
        if down:
            raise StorageFailed("the database is down")
        return dock.deploy(version, epoch)

    dock.drop("fraud.mainstay", "1")
    statuses: list[str] = []
    for second in range(130):
        dock.clock.advance(1)
        down = second < 90
        statuses += [each.status for each in dock.inbox.take_in(dock.admit, put_live)]
    assert statuses == ["waiting"] * 7 + ["deployed"]
    assert dock.world.live() == [1]


def test_who_deploys_in_between_is_not_overwritten(dock: Dock):
    """S5: the file loses the race, and says to whom."""
    dock.world.pack(2)

    def put_live(version: Version, epoch: int) -> Route:
        dock.world.deploy(2)
        return dock.deploy(version, epoch)

    dock.drop("fraud.mainstay", "9")
    dock.clock.advance(1)
    dock.inbox.take_in(dock.admit, put_live)
    dock.clock.advance(1)
    (outcome,) = dock.inbox.take_in(dock.admit, put_live)
    assert outcome.status == "refused"
    assert "ann was first: fraud v2" in outcome.words
    assert "Drop the file again" in outcome.words
    assert dock.world.live() == [2]


class Killer:
    """Lets the process die at the n-th of its steps, before or after it is done."""

    def __init__(self, step: int) -> None:
        self.left = step

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def around(self, call):  # because it wraps whatever is called
        def wrapped(*args, **kwargs):
            self.step()
            answer = call(*args, **kwargs)
            self.step()
            return answer

        return wrapped


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_kill_between_any_two_steps_never_deploys_twice(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, rolled_back: bool
):
    """S5, S10: at every step, twice over; also when the file's version was left meanwhile."""
    finished = False
    step = 0
    while not finished:
        step += 1
        root = dock.folder.parent / f"run-{step}"
        run = Dock(root, World(dock.clock), dock.clock)
        run.world.pack(1)
        run.world.deploy(1)
        run.drop("fraud.mainstay", "9")
        run.look()
        finished = not _look_and_die(run, step, monkeypatch)
        dropped_is_live = run.world.live() == [1, 2]
        if dropped_is_live and rolled_back:
            run.world.rollback()
        run.restart()
        if not finished:
            _look_and_die(run, max(step - 3, 1), monkeypatch)
            run.restart()
        outcomes = run.look(4)
        undone = dropped_is_live and rolled_back
        assert run.world.live() == ([1, 2, 1] if undone else [1, 2]), step
        assert run.files() == ["done/fraud.mainstay", "done/fraud.mainstay.txt"], step
        assert len(outcomes) <= 1, step
        assert all(outcome.status == "deployed" for outcome in outcomes), step
    assert step > 15


def _look_and_die(run: Dock, step: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Look once and die at a step; says whether it came to that."""
    killer = Killer(step)
    run.clock.advance(1)
    with monkeypatch.context() as patch:
        for name in ("mkdir", "rename", "replace", "unlink"):
            patch.setattr(Path, name, killer.around(getattr(Path, name)))
        try:
            run.inbox.take_in(killer.around(run.admit), killer.around(run.deploy))
        except Killed:
            return True
    return False


def test_a_file_that_the_process_dies_over_is_given_up(dock: Dock):
    """S5: a keeper that is started again and again does not die of the same file for ever."""

    def deadly(path: Path) -> Version:
        raise Killed

    dock.drop("fraud.mainstay", "1")
    dock.look()
    deaths = 0
    for _ in range(10):
        dock.restart() if deaths else None
        dock.clock.advance(1)
        try:
            outcomes = dock.inbox.take_in(deadly, dock.deploy)
        except Killed:
            deaths += 1
            continue
        break
    assert deaths == 3
    assert [outcome.status for outcome in outcomes] == ["refused"]
    assert "died 3 times" in outcomes[0].words
    assert dock.look(3) == []


def test_an_inbox_that_cannot_be_used_is_a_storage_failure(dock: Dock):
    dock.folder.write_text("a file where the folder should be")
    with pytest.raises(StorageFailed, match=r"the inbox .* cannot be looked into"):
        dock.look()


def test_a_version_that_was_left_can_be_dropped_again(dock: Dock):
    """S5: dropping a file is a wish of now, whatever came of an earlier one."""
    for content in ("1", "2"):
        dock.drop("fraud.mainstay", content)
        dock.look(2)
    dock.world.rollback()
    dock.drop("fraud.mainstay", "2")
    assert dock.look(2)[0].status == "deployed"
    assert dock.world.live() == [1, 2, 1, 2]
