"""From findings to messages, in simulated time: one thing is told once, and helps. M23 M24."""

import pytest

from mainstay.contract.alerting import Rule, is_quiet
from mainstay.watch.alerts.by_hand import acknowledge, silence
from mainstay.watch.alerts.group import FLAPS_MAX, ITEMS_MAX
from mainstay.watch.alerts.model import Silence
from mainstay.watch.alerts.words import plain
from tests.watch_alerts.world import DAY, HOUR, MINUTE, ONCALL, WAIT, World

_SECOND = 1_000_000_000


@pytest.fixture
def world() -> World:
    return World()


def test_what_began_together_is_one_message_that_helps(world: World):
    """M23: what, since when, how sure, what it touches, what to do, where to look."""
    world.found("input amount: place")
    world.look()
    world.clock.advance(5)
    world.found("input age: spread", slice="country=DE")
    world.passes(WAIT + 10)
    assert world.titles() == ["fraud: input amount: place and 1 more"]
    (body,) = world.bodies()
    for part in (
        "input amount: place has moved.", "since 2023-11-14 22:03 UTC", "3,120 decisions",
        "version v7 of fraud", "where country=DE", "touches: pricing", "mainstay watch fraud",
        "mainstay alerts show 1", "mainstay alerts false 1", "mainstay alerts ack 1", "message 1-1",
    ):  # fmt: skip
        assert part in body
    world.passes(2 * HOUR, 60)
    assert len(world.post.sent) == 1


def test_its_end_is_told_once_all_of_it_is_over(world: World):
    """M23: half of it is no end."""
    world.found("input amount: place")
    world.found("input age: spread")
    world.passes(MINUTE)
    world.over("input amount: place")
    world.passes(HOUR, 60)
    assert len(world.post.sent) == 1
    world.over("input age: spread")
    world.passes(MINUTE)
    assert world.titles()[1].startswith("fraud: over: ")
    assert world.book.open_alerts() == []
    assert world.steps() == ["opened", "opened", "queued", "sent", "ended", "ended", "queued",
                             "closed", "sent"]  # fmt: skip


def test_what_joins_soon_is_more_of_it_and_what_comes_late_is_new(world: World):
    """M23: a slow disaster is neither a message for each column nor one alert for ever."""
    world.found("a: place")
    world.passes(MINUTE)
    for name in ("b: place", "c: place", "d: place"):
        world.found(name)
        world.passes(MINUTE)
    world.passes(15 * MINUTE)
    assert world.titles() == ["fraud: a: place", "fraud: b: place and 2 more"]
    world.passes(HOUR, 60)
    world.found("e: place")
    world.passes(MINUTE)
    assert sorted(world.book.alerts) == ["1", "2"]
    assert world.titles()[2] == "fraud: e: place"


def test_what_is_over_before_anybody_was_told_disturbs_nobody(world: World):
    world.found()
    world.over()
    world.passes(MINUTE)
    assert world.post.sent == []
    assert world.book.alerts["1"].closed_why == "over before it was told"


def test_rules_say_where_it_goes():
    """M23: the first rule that fits; what fits none, or tells nobody, is kept."""
    world = World(
        Rule(models=("fraud",), checks=("input age*",)),
        Rule(models=("fraud",), verdicts=("fail",), to="oncall"),
        Rule(models=("ch*",), to="team"),
    )
    world.found("input age: place")
    world.found("input amount: place")
    world.found("input x: place", model="churn")
    world.found("input x: place", model="other")
    world.found("input z: place", verdict="unsure")
    world.passes(MINUTE)
    assert world.titles(ONCALL) == ["fraud: input amount: place"]
    assert world.titles() == ["churn: input x: place"]
    told = {(alert.model, alert.channel) for alert in world.book.alerts.values()}
    assert told == {("fraud", ""), ("fraud", "oncall"), ("churn", "team"), ("other", "")}
    world.over("input age: place")
    world.over("input z: place")
    world.look()
    assert world.book.alerts["1"].closed_ns


def test_without_channels_alerts_are_kept():
    """M23: the default needs nothing and disturbs nobody."""
    world = World(channels={})
    world.policy = type(world.policy)()
    world.found()
    world.passes(HOUR, 60)
    assert world.post.sent == []
    assert [alert.model for alert in world.book.open_alerts()] == ["fraud"]


def test_it_is_repeated_until_somebody_sees_to_it():
    world = World(Rule(to="team", repeat_after="1h"))
    world.found()
    world.passes(2.5 * HOUR, 60)
    assert world.titles() == [
        "fraud: input amount: place",
        *["fraud: still: input amount: place"] * 2,
    ]
    world.alerter.change(lambda book: acknowledge(book, "1", "ann", world.clock.now_ns()))
    world.passes(5 * HOUR, 60)
    assert len(world.post.sent) == 3
    world.over()
    world.passes(MINUTE)
    assert "over" in world.titles()[-1]


def test_it_goes_on_to_others_when_nobody_sees_to_it():
    """M23: escalation, once; and they hear of the end, too."""
    world = World(Rule(to="team", escalate_after="30m", escalate_to="oncall"))
    world.found()
    world.passes(29 * MINUTE)
    assert world.titles(ONCALL) == []
    world.passes(HOUR, 60)
    assert world.titles(ONCALL) == ["fraud: not seen to: input amount: place"]
    assert "Nobody has seen to it" in world.bodies(ONCALL)[0]
    world.over()
    world.passes(MINUTE)
    assert len(world.titles()) == len(world.titles(ONCALL)) == 2
    seen = World(Rule(to="team", escalate_after="30m", escalate_to="oncall"))
    seen.found()
    seen.passes(MINUTE)
    seen.alerter.change(lambda book: acknowledge(book, "1", "ann", seen.clock.now_ns()))
    seen.passes(2 * HOUR, 60)
    assert seen.titles(ONCALL) == []


def test_a_channel_that_is_dead_does_not_hold_up_escalation():
    """M23: what nobody could be told is what somebody else must hear."""
    world = World(Rule(to="team", escalate_after="30m", escalate_to="oncall"))
    world.post.down.add("memory://team")
    world.found()
    world.passes(HOUR, 60)
    assert len(world.titles(ONCALL)) == 1
    assert world.book.channels["team"].failing_since_ns
    assert world.book.channels["team"].why == "nobody answers there"


def test_quiet_hours_wait_until_morning():
    """M23: 2023-11-14 22:13 UTC is 23:13 in Berlin; what is over by the morning disturbs nobody."""
    world = World(Rule(to="team", quiet="22:00-07:00 Europe/Berlin"))
    world.found("a: place")
    world.found("b: place", model="churn")
    world.passes(HOUR, 60)
    world.over("b: place", model="churn")
    world.passes(6 * HOUR + 40 * MINUTE, 60)
    assert world.post.sent == []
    world.passes(10 * MINUTE, 60)
    assert world.titles() == ["fraud: a: place"]


@pytest.mark.parametrize(
    ("quiet", "hour", "expected"),
    [("22:00-07:00", 23, True), ("22:00-07:00", 7, False), ("22:00-07:00", 6, True),
     ("09:00-17:00", 12, True), ("09:00-17:00", 17, False), ("", 3, False)],
)  # fmt: skip
def test_hours_that_are_quiet(quiet, hour, expected):
    midnight = 1_700_006_400
    assert is_quiet(quiet, (midnight + hour * 3600) * _SECOND) is expected


def test_a_silence_holds_back_and_ends(world: World):
    """M23: by model or by check; what still goes on when it ends is told then."""
    now_ns = world.clock.now_ns()
    until = now_ns + 2 * 3600 * _SECOND
    quiet = Silence(
        model="fraud", check="input amount: place", until_ns=until, reason="r", by="ann"
    )
    world.alerter.change(lambda book: silence(book, quiet, now_ns) or quiet)
    world.found()
    world.passes(HOUR, 60)
    assert world.post.sent == []
    assert "silenced" in world.steps()
    world.found("input age: place")
    world.passes(MINUTE)
    assert world.titles() == ["fraud: input age: place"]
    world.passes(HOUR + 12 * MINUTE, 60)
    assert world.titles()[1:] == ["fraud: input amount: place"]
    assert "silence over" in world.steps()
    assert world.book.silences == []


def test_what_comes_and_goes_becomes_one_message(world: World):
    """M23: hysteresis; 30 times in ten hours are FLAPS_MAX alerts and one that says so."""
    for _ in range(30):
        world.found()
        world.passes(10 * MINUTE, 30)
        world.over()
        world.passes(10 * MINUTE, 30)
    told = world.titles()
    assert len(told) == 2 * FLAPS_MAX + 1
    assert told[-1] == "fraud: comes and goes: input amount: place"
    (alert,) = world.book.open_alerts()
    world.passes(DAY - HOUR, 600)
    assert len(world.titles()) == len(told)
    world.passes(2 * HOUR, 600)
    assert world.titles()[-1] == "fraud: over: input amount: place"
    assert world.book.alerts[alert.id].closed_ns
    world.passes(DAY, 3600)
    assert world.book.tracks == {}


def test_a_storm_is_a_few_messages_and_a_digest():
    """M23: 300 models at once; no channel gets more than `per_hour` an hour, and none is left out."""
    world = World(per_hour=5)
    for number in range(300):
        world.found(model=f"m{number}")
    world.passes(59 * MINUTE, 60)
    assert len(world.post.sent) == 5
    assert world.titles()[-1] == "296 alerts about 296 models at once"
    assert all(alert.first_told_ns for alert in world.book.alerts.values())
    for number in range(300):
        world.over(model=f"m{number}")
    world.passes(3 * HOUR, 60)
    assert len(world.post.sent) == 10
    assert world.book.open_alerts() == []


def test_a_long_storm_is_never_more_than_its_share():
    """M23: one new model a minute for three hours."""
    world = World(per_hour=4)
    times: list[float] = []
    for number in range(180):
        world.found(model=f"m{number}")
        world.passes(MINUTE, 30)
        times += [world.clock.elapsed_ns() / 1e9] * (len(world.post.sent) - len(times))
    for first, fifth in zip(times, times[4:], strict=False):
        assert fifth - first >= HOUR - 30
    world.passes(2 * HOUR, 60)
    assert all(alert.first_told_ns for alert in world.book.alerts.values())


def test_a_stopped_version_is_one_alert_that_the_next_route_ends(world: World):
    """M23 M24: each worker says so; a route that leaves the version out ends it."""
    for worker in (0, 1):
        world.happens(
            {"epoch": 3, "check": "end-to-end set", "verdict": "fail", "words": "it is wrong"},
            actor=f"worker {worker}", subject="ab" * 32,
        )  # fmt: skip
    world.passes(MINUTE)
    assert world.titles() == ["fraud: end-to-end set"]
    assert "mainstay rollback fraud" in world.bodies()[0]
    arms = [{"fingerprint": "ab" * 32}]
    world.happens({"epoch": 4, "arms": arms}, kind="route", subject="cd" * 32)
    world.passes(MINUTE)
    assert len(world.post.sent) == 1
    world.happens({"epoch": 5}, kind="route", subject="cd" * 32)
    world.passes(MINUTE)
    assert world.titles()[1] == "fraud: over: end-to-end set"


def test_answers_that_are_held_are_one_alert_while_they_come(world: World):
    """S29 M23: a hundred of them are one message, and it ends by itself."""
    for _ in range(100):
        body = {
            "check": "hold",
            "verdict": "fail",
            "words": "far above",
            "slice": "",
            "until_ns": 1,
        }
        world.happens(body, actor="judge", subject="1" * 28)
        world.passes(30)
    assert world.titles() == ["fraud: hold"]
    assert "mainstay held list" in world.bodies()[0]
    world.passes(2 * HOUR, 60)
    assert len(world.post.sent) == 1
    assert world.book.open_alerts() == []


def test_a_rollout_that_went_back_and_any_other_finding_are_told(world: World):
    world.happens({"rollout": "s", "check": "rollout", "verdict": "fail", "words": "taken back"},
                  actor="ann", subject="cd" * 32)  # fmt: skip
    world.happens({"check": "safeguard", "verdict": "unsure", "words": "too few"}, model="churn",
                  actor="keeper", subject="cd" * 32)  # fmt: skip
    world.happens({"verdict": "0a1b", "judged": "fail"}, model="gate", actor="ann")
    world.happens({"check": "x", "verdict": "pass", "words": "all is well"}, model="well")
    world.passes(MINUTE)
    assert sorted(world.titles()) == ["churn: safeguard", "fraud: rollout"]


def test_a_malicious_category_reads_as_text():
    """M23: no control or bidirectional characters, no mentions, no links, no end of length."""
    evil = "\x1b[31m<!channel>\u202e@here `rm`\n\n\x00http://evil.example|x" + "A" * 100_000
    world = World()
    world.found(f"input country: share of {evil}", words=f"share of {evil}: 90%", slice=f"c={evil}")
    world.passes(MINUTE)
    (title,), (body,) = world.titles(), world.bodies()
    for text in (title, body):
        assert not set("\x1b\x00\u202e<>@`") & set(text)
        assert "http://" not in text
    assert len(title) <= 120
    assert len(body) < 2000
    assert "“" in title
    assert len(body.splitlines()) == 8
    assert plain("a\u200bb\tc\r\nd") == "ab c d"


def test_a_flood_within_one_model_stays_bounded(world: World):
    """M23: alerts of a bounded size, all of them told, and a book that does not grow for ever."""
    for number in range(3 * ITEMS_MAX):
        world.found(f"input x{number}: place")
    world.passes(MINUTE)
    assert [len(alert.items) for alert in world.book.alerts.values()] == [ITEMS_MAX] * 3
    assert len(world.bodies()[0]) < 5000
    for number in range(400):
        world.found(model=f"m{number}")
        world.over(model=f"m{number}")
        world.passes(20)
    world.passes(2 * DAY, 3600)
    assert len([alert for alert in world.book.alerts.values() if alert.closed_ns]) == 200
    assert len(world.book.messages) <= 200
    assert world.book.tracks == {}


def test_what_begins_once_somebody_sees_to_the_alert_is_a_new_one(world: World):
    """M23: whoever sees to one thing has not seen the next."""
    world.found("a: place")
    world.passes(MINUTE)
    world.alerter.change(lambda book: acknowledge(book, "1", "ann", world.clock.now_ns()))
    world.found("b: place")
    world.passes(MINUTE)
    assert world.titles() == ["fraud: a: place", "fraud: b: place"]


def test_a_route_from_before_ends_nothing(world: World):
    """M24: whichever of the two is read first."""
    world.happens({"epoch": 4}, kind="route", subject="cd" * 32)
    late = world.unread.pop()
    world.clock.advance(10)
    world.happens({"epoch": 5, "check": "set", "verdict": "fail", "words": "wrong"},
                  actor="worker 0", subject="ab" * 32)  # fmt: skip
    world.passes(MINUTE)
    world.unread.append(late)
    world.passes(MINUTE)
    assert len(world.book.open_alerts()) == 1
    world.happens({"epoch": 6}, kind="route", subject="ef" * 32)
    world.passes(MINUTE)
    assert world.book.open_alerts() == []


def test_who_heard_of_the_end_hears_when_it_comes_back():
    """M23: the other channel has no room to hear of the end before it is back."""
    world = World(Rule(to="team", escalate_after="30m", escalate_to="oncall"), per_hour=1)
    world.found()
    world.passes(61 * MINUTE, 30)
    world.over()
    world.passes(2 * MINUTE, 30)
    assert len(world.titles()) == 2
    assert len(world.titles(ONCALL)) == 1
    world.found()
    world.passes(2 * HOUR, 30)
    assert len(world.titles()) == 3
    assert "over" not in world.titles()[2]


def test_what_happened_in_quiet_hours_is_told_in_the_morning():
    """M23: a moment that passed is still news."""
    world = World(Rule(to="team", quiet="22:00-07:00"))
    world.happens({"rollout": "s", "check": "rollout", "verdict": "fail", "words": "taken back"})
    world.passes(8 * HOUR, 600)
    assert world.post.sent == []
    world.passes(2 * HOUR, 600)
    assert world.titles() == ["fraud: rollout"]


def test_repeats_do_not_put_escalation_off():
    world = World(Rule(to="team", repeat_after="10m", escalate_after="30m", escalate_to="oncall"))
    world.found()
    world.passes(40 * MINUTE)
    assert len(world.titles()) == 4
    assert len(world.titles(ONCALL)) == 1
