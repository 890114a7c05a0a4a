"""What rules want done is wanted once and done at least once, and only where a rule says so: M24 F4."""

import pytest

from mainstay.base.errors import Conflict, StorageFailed
from mainstay.contract.alerting import Do, Rule
from mainstay.watch.alerts.acting import ATTEMPTS_MAX, CLAIM_NS, Acting
from mainstay.watch.alerts.group import FLAPS_MAX
from mainstay.watch.alerts.model import Action, Silence
from tests.watch_alerts.world import DAY, HOUR, MINUTE, World


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


class Doer:
    """Remembers what it did; fails as it is told to."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str, str]] = []
        self.fails: list[BaseException] = []
        self.dies = False
        self.follows: tuple[Do, str] | None = None

    def then(self, action: Action) -> tuple[Do, str] | None:
        return self.follows if action.do == "recall" else None

    def do(self, action: Action) -> str:
        if self.fails:
            raise self.fails.pop(0)
        self.did.append((action.do, action.model, action.subject))
        if self.dies:
            raise Killed
        return f"did {action.do}"


def world_of(*do, **more) -> tuple[World, Doer]:
    return World(Rule(to="team", do=do, **more)), Doer()


def act(world: World, doer: Doer) -> int:
    """A keeper that has just started looks, and does what is wanted."""
    world.new_keeper()
    world.look()
    return Acting(world.alerter.change, doer, world.clock).look()


def test_nothing_is_done_unless_a_rule_says_so():
    """M24: off by default."""
    world, doer = World(), Doer()
    world.found()
    assert act(world, doer) == 0
    assert world.book.actions == []


def test_what_a_rule_wants_is_done_once_and_told():
    """M24: three actions, each step an event of the alert."""
    world, doer = world_of("roll back", "quarantine", "retrain")
    world.found()
    assert act(world, doer) == 3
    for _ in range(3):
        world.clock.advance(HOUR)
        assert act(world, doer) == 0
    assert doer.did == [(do, "fraud", "ab" * 8) for do in ("roll back", "quarantine", "retrain")]
    told = [event for event in world.journal if event.body["alerts"] == "action done"]
    assert [event.body["words"] for event in {e.id: e for e in told}.values()] == [
        "did roll back", "did quarantine", "did retrain",
    ]  # fmt: skip
    assert {event.subject for event in told} == {"alert 1"}
    assert world.steps()[:4] == ["opened", "wanted", "wanted", "wanted"]
    first = world.book.actions[1]
    assert first.until_ns - first.since_ns == 600_000 * 1_000_000


def test_a_keeper_that_dies_in_between_does_it_again_later():
    """F4: at least once; another keeper waits until the first must be dead."""
    world, doer = world_of("roll back")
    world.found()
    doer.dies = True
    with pytest.raises(Killed):
        act(world, doer)
    doer.dies = False
    assert act(world, doer) == 0, "somebody may still be at it"
    world.clock.advance(CLAIM_NS["roll back"] / 1e9 + 1)
    assert act(world, doer) == 1
    assert len(doer.did) == 2
    assert world.book.actions[0].state == "done"


def test_what_follows_from_a_recall_is_done_after_it_and_once_a_day():
    """N2 M23: training follows a recall that is done, as an action of its own; however often a day is
    recalled, it trains once; and a recall that cannot be is followed by nothing."""
    world, doer = world_of("recall")
    doer.follows = ("retrain", "recall-3")
    doer.fails = [Conflict("no version is known to be clean")]
    world.found("input a: place")
    assert act(world, doer) == 0
    assert [action.do for action in world.book.actions] == ["recall"]
    world.found("input b: place")
    assert act(world, doer) == 2
    world.found("input c: place")
    assert act(world, doer) == 1
    assert [(do, subject) for do, _, subject in doer.did] == [
        ("recall", "ab" * 8), ("retrain", "recall-3"), ("recall", "ab" * 8),
    ]  # fmt: skip
    last = world.book.actions[-1]
    assert (last.do, last.state) == ("retrain", "left out")
    assert "for today" in last.words
    assert len({action.id for action in world.book.actions}) == len(world.book.actions)


def test_what_is_away_is_tried_again_and_what_cannot_be_is_said():
    """M24: pauses that grow, then an end; a refusal at once."""
    world, doer = world_of("roll back")
    world.found()
    doer.fails = [StorageFailed("the database is away")] * 2
    act(world, doer)
    assert act(world, doer) == 0, "not before the pause"
    for _ in range(40):
        world.clock.advance(MINUTE)
        act(world, doer)
    (action,) = world.book.actions
    assert (action.state, action.attempts) == ("done", 3)
    world, doer = world_of("roll back")
    world.found()
    doer.fails = [StorageFailed("the database is away")] * 99
    for _ in range(200):
        world.clock.advance(MINUTE)
        act(world, doer)
    (action,) = world.book.actions
    assert (action.state, action.attempts) == ("failed", ATTEMPTS_MAX)
    world, doer = world_of("roll back")
    world.found()
    doer.fails = [Conflict("there is no version before this one")]
    act(world, doer)
    (action,) = world.book.actions
    assert (action.state, action.words) == ("failed", "there is no version before this one")
    assert "action failed" in world.steps()


def test_one_of_a_kind_for_a_model_in_a_day():
    """M23: a storm of findings rolls back once; the next day may again."""
    world, doer = world_of("roll back", "quarantine")
    for number in range(6):
        world.found(f"input x{number}: place")
        world.found(f"input x{number}: place", model="other")
        act(world, doer)
        world.clock.advance(HOUR)
    assert sorted(model for do, model, _ in doer.did if do == "roll back") == ["fraud", "other"]
    assert sum(do == "quarantine" for do, *_ in doer.did) == 12
    left = [each for each in world.book.actions if each.state == "left out"]
    assert {each.words for each in left} >= {"action 1 was the one of this kind for today"}
    world.clock.advance(DAY)
    world.found("input y: place")
    act(world, doer)
    assert [do for do, *_ in doer.did].count("roll back") == 3


@pytest.mark.parametrize("do", ["roll back", "stop", "fall back"])
def test_what_is_unsure_silenced_or_about_no_version_is_left_alone(do: Do):
    """M23: nobody wanted it, or it has no object."""
    world, doer = world_of(do)
    world.found(verdict="unsure")
    world.happens({"state": "opened", "key": "||usage|usual", "since_ms": 0, "check": "usage",
                   "verdict": "fail", "words": "w"}, subject="")  # fmt: skip
    assert act(world, doer) == 0
    assert [each.words for each in world.book.actions] == ["it is not about one version"]
    silenced = Silence(model="fraud", check="", until_ns=world.clock.now_ns() + 10**15,
                       reason="sale", by="me")  # fmt: skip
    world.alerter.change(lambda book: book.silences.append(silenced) or book)
    world.found("input z: place")
    assert act(world, doer) == 0
    assert world.book.actions[-1].words == "it is silenced"


@pytest.mark.parametrize("do", ["quarantine", "recall"])
def test_the_end_of_it_leaves_out_what_was_decided_meanwhile(do: Do):
    """N2: from where it began until it was found, and from then until it was over."""
    world, doer = world_of(do)
    begun = world.found()
    act(world, doer)
    world.clock.advance(2 * HOUR)
    ended = world.over()
    act(world, doer)
    first, last = world.book.actions
    assert (first.until_ns, last.since_ns) == (begun.time_ns, begun.time_ns)
    assert last.until_ns == ended.time_ns
    assert [did for did, *_ in doer.did] == [do, do]


def test_what_comes_and_goes_is_acted_on_no_more():
    """M23: once it flaps, a person is asked."""
    world, doer = world_of("quarantine")
    for _ in range(6):
        world.found()
        act(world, doer)
        world.clock.advance(MINUTE)
        world.over()
        act(world, doer)
        world.clock.advance(MINUTE)
    assert len(world.book.actions) == 2 * FLAPS_MAX


def test_what_is_kept_of_actions_stays_bounded():
    """M24: the journal has all of them."""
    world, doer = world_of("quarantine")
    for number in range(260):
        world.found(f"input x{number}: place", model=f"m{number}")
    act(world, doer)
    assert len(doer.did) == 260
    world.found("input y: place", model="last")
    act(world, doer)
    assert len(world.book.actions) <= 201
