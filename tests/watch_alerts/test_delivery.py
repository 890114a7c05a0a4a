"""Messages get through, at least once, whatever is down or dies: M23 M24 F4."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mainstay.base.errors import StorageFailed
from mainstay.contract.alerting import Alerting, Channel, Rule
from mainstay.watch.alerts.apprise import ApprisePost
from mainstay.watch.alerts.by_hand import acknowledge
from mainstay.watch.alerts.deliver import CLAIM_NS, GIVE_UP_NS
from mainstay.watch.alerts.memory import MemoryPost
from tests.watch_alerts.world import DAY, HOUR, MINUTE, TEAM, VARIABLES, World

# Apprise's own parts import what Python 3.13 has no more; it copes without.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


class Inbox(ThreadingHTTPServer):
    """The receiving end: a real server that can be out of order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.status = 200
        self.tried = 0
        self.bodies: list[dict] = []

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/alerts?token=secret-7"


class _Hook(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.tried += 1
        if self.server.status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_that_is_down_for_ten_minutes_loses_and_doubles_nothing(
    inbox: Inbox, monkeypatch
):
    """M23: a real server through Apprise, twenty models, and a new keeper every minute."""
    monkeypatch.setitem(VARIABLES, "TEAM", inbox.url)
    world = World()
    world.post = ApprisePost()
    inbox.status = 503
    for minute in range(10):
        for number in (2 * minute, 2 * minute + 1):
            world.found(model=f"m{number}")
        world.new_keeper()
        world.passes(MINUTE, 30)
    assert inbox.bodies == []
    assert 0 < inbox.tried < 60
    inbox.status = 200
    world.passes(20 * MINUTE, 60)
    titles = [body["title"] for body in inbox.bodies]
    assert sorted(titles) == sorted(f"m{number}: input amount: place" for number in range(20))
    assert all(message.state == "sent" for message in world.book.messages)
    ends = [body["message"].rpartition("(")[2] for body in inbox.bodies]
    assert sorted(ends) == sorted(f"message {number}-1)" for number in range(1, 21))
    assert {body["type"] for body in inbox.bodies} == {"warning"}
    world.over(model="m0")
    world.passes(MINUTE)
    assert inbox.bodies[-1]["type"] == "success"


def test_a_failure_never_tells_the_url(inbox: Inbox, capfd):
    """S3: what is in the URL is a secret."""
    inbox.status = 403
    with pytest.raises(StorageFailed) as told:
        ApprisePost().send(inbox.url, "t", "b", good=False)
    assert told.value.message == "json did not take it"
    with pytest.raises(StorageFailed, match="none that Apprise knows"):
        ApprisePost().send("nonsense://secret-7", "t", "b", good=False)
    written = "".join(capfd.readouterr())
    assert "secret-7" not in written + told.value.message


def test_a_keeper_that_dies_after_sending_sends_it_again_as_the_same_message():
    """M23 F4: between the two, at least once; it has the same number, so people know."""
    world = World()

    class Deadly(MemoryPost):
        def send(self, url: str, title: str, body: str, *, good: bool) -> None:
            world.post.send(url, title, body, good=good)
            raise Killed

    world.found()
    world.look()
    world.clock.advance(20)
    world.new_keeper(Deadly())
    with pytest.raises(Killed):
        world.look()
    world.new_keeper()
    world.look()
    assert len(world.post.sent) == 1, "another keeper may still be at it"
    world.passes(CLAIM_NS / 1e9 + 10)
    first, second = world.bodies()
    assert first == second
    assert "message 1-1" in first
    world.passes(DAY, 3600)
    assert len(world.post.sent) == 2


def test_a_keeper_that_dies_while_telling_the_journal_tells_it_again():
    """M24: each step, under the same id."""
    world = World()
    heard = []

    def die(events) -> None:
        heard.extend(events)
        raise Killed

    world.found()
    world.alerter._record = die
    with pytest.raises(Killed):
        world.look()
    world.new_keeper()
    world.passes(MINUTE)
    assert heard == [world.journal[0]]
    assert world.steps() == ["opened", "queued", "sent"]
    assert {event.kind for event in world.journal} == {"action"}
    assert len(world.post.sent) == 1


def test_steps_are_told_even_when_nothing_else_happens_and_once():
    """M24: what a keeper left behind, the next one tells at its first look; and no step twice."""
    world = World(channels={})
    world.found()

    def die(_events) -> None:
        raise Killed

    world.alerter._record = die
    with pytest.raises(Killed):
        world.look()
    world.new_keeper()
    for _ in range(5):
        world.look()
    assert [event.body["alerts"] for event in world.journal] == ["opened"]


def test_two_keepers_at_once_tell_it_once():
    """F4: the same journal, read by both; one message, claimed by one."""
    world = World()
    world.found()
    world.look()
    world.clock.advance(20)
    inside: list[int] = []
    other = World(store=world.store)
    other.clock, other.post = world.clock, world.post
    other.events = list(world.events)

    class Slow(MemoryPost):
        def send(self, url: str, title: str, body: str, *, good: bool) -> None:
            world.post.send(url, title, body, good=good)
            if not inside:
                inside.append(1)
                other.new_keeper()
                other.look()

    world.new_keeper(Slow())
    world.look()
    assert inside
    assert len(world.post.sent) == 1
    assert len(world.book.alerts) == 1


def test_what_is_said_of_one_alert_comes_in_order():
    """M23: the end never before the beginning."""
    world = World()
    world.post.down.add(TEAM)
    world.found()
    world.passes(35 * MINUTE)
    assert world.book.channels["team"].failing_since_ns
    world.over()
    world.post.down.clear()
    world.passes(HOUR, 10)
    assert world.book.channels["team"].failing_since_ns == 0
    assert world.titles() == ["fraud: input amount: place", "fraud: over: input amount: place"]


def test_what_never_gets_through_is_given_up_and_said():
    """M24: after three days; pauses grow to ten minutes; the journal hears of it once each."""
    world = World()
    world.post.down.add(TEAM)
    world.found()
    world.passes(MINUTE)
    world.passes(GIVE_UP_NS / 1e9 + HOUR, 60)
    (message,) = world.book.messages
    assert message.state == "given up"
    assert message.attempts < 3 * 24 * 7
    assert world.steps() == ["opened", "queued", "failed", "given up"]


def test_what_is_missing_is_said_in_words():
    """M23: a variable, or a channel that the settings no longer have."""
    world = World(channels={"team": Channel(url_env="NOT_SET")})
    world.found()
    world.passes(MINUTE)
    assert world.book.channels["team"].why == "NOT_SET is not in the environment of this process"
    world.policy = Alerting(channels={}, rules=(Rule(to="team"),))
    world.passes(20 * MINUTE)
    assert "no channel team" in world.book.channels["team"].why


def test_one_channel_that_is_down_holds_up_no_other():
    world = World(Rule(models=("a*",), to="team"), Rule(to="oncall"))
    world.post.down.add(TEAM)
    for number in range(30):
        world.found(model=f"a{number}")
    world.found(model="b")
    world.passes(MINUTE)
    assert world.titles("memory://oncall") == ["b: input amount: place"]


def test_old_news_read_again_changes_nothing():
    """M24 F4: a keeper that starts reads a week of events, each of which counts once."""
    world = World()
    world.found()
    world.passes(MINUTE)
    world.alerter.change(lambda book: acknowledge(book, "1", "ann", world.clock.now_ns()))
    world.over()
    world.passes(MINUTE)
    for _ in range(3):
        world.new_keeper()
        world.passes(HOUR, 600)
    assert len(world.post.sent) == 2
    assert len(world.book.alerts) == 1
    world.alerter.tidy()
    world.clock.advance(9 * DAY)
    world.alerter.tidy()
    assert world.store.known([event.id for event in world.events]) == set()


def test_without_apprise_it_says_what_to_install(monkeypatch):
    """M23: the extra is not installed; the words say which."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(StorageFailed, match=r"pip install 'mainstay\[alerts\]'"):
        ApprisePost().send("json://127.0.0.1", "t", "b", good=False)
