"""What people do about alerts: the button for false alarms stays within its bound. M23 M24."""

import pytest

from mainstay.base.errors import Conflict, NotFound
from mainstay.watch.alerts.by_hand import call_false, call_true, find, question_of
from mainstay.watch.monitors.detector import Question, State
from mainstay.watch.monitors.model import Saved
from mainstay.watch.monitors.questions import Asked
from mainstay.watch.monitors.tolerance import TUNED_MAX, retuned, tolerant
from tests.watch_alerts.world import MINUTE, World


@pytest.mark.parametrize(
    ("figure", "least"), [(0.51, 0.1), (0.6, 0.12), (0.35, 0.18), (0.9, TUNED_MAX), (None, 0.2)]
)
def test_the_tolerance_is_what_would_not_have_told_it_within_the_bound(figure, least):
    """M23: at least twice the least effect, at most a fifth, whatever was found."""
    world = World()
    world.found(figure=figure)
    world.passes(MINUTE)
    tuned = world.alerter.change(lambda book: call_false(book, "1", "ann", "sales", 0))
    assert tuned == {"input_amount|place": pytest.approx(least)}
    assert world.book.alerts["1"].closed_why == "called false"


@pytest.mark.parametrize(
    ("check", "part", "question"),
    [
        ("input amount: place", "", "input_amount|place"),
        ("output high: spread", "country=DE", "output_high|spread"),
        ("input c: share of x|input_z|place", "", "input_c|share of x|input_z|place"),
        ("input c: missing", "c=a|input_z|share of q", "input_c|missing"),
        ("input amount: dead", "", ""),
        ("labels: share of yes", "", ""),
    ],
)
def test_a_question_is_known_by_its_key_whatever_callers_wrote(check, part, question):
    """M23: text of a caller never tunes another question."""
    world = World()
    world.found(check, slice=part)
    world.look()
    ((key, item),) = world.book.alerts["1"].items.items()
    assert question_of(key, item) == question


def test_only_what_is_there_and_once():
    world = World()
    world.found("input amount: dead")
    world.look()
    assert world.alerter.change(lambda book: call_false(book, "#1", "ann", "r", 0)) == {}
    with pytest.raises(Conflict, match="called false already: r"):
        world.alerter.change(lambda book: call_false(book, "1", "bob", "s", 0))
    world.alerter.change(lambda book: call_true(book, "1", "ann", 0))
    with pytest.raises(Conflict, match="was not called false"):
        world.alerter.change(lambda book: call_true(book, "1", "ann", 0))
    with pytest.raises(NotFound):
        find(world.book, "77")
    assert world.steps() == ["opened", "called false", "closed", "called true"]


def test_tolerances_of_several_alerts_and_what_is_taken_back():
    """M23: the widest counts, never beyond the bound, and each can be taken back."""
    asked = [
        Asked("place", Question((0.0, 1.0), 0.5, 0.05)),
        Asked("spread", Question((0.0, 1.0), 0.5, 0.3)),
    ]
    states = {
        "ab||input_x|place": State(),
        "ab|s|input_x|place": State(),
        "ab||input_x|spread": State(),
    }

    def tolerances(saved: Saved) -> list[float]:
        return [each.question.tolerance for each in tolerant("input_x", asked, saved.tuned)]

    plain = Saved(states=states)
    one = retuned(plain, "1", {"input_x|place": 0.1})
    assert tolerances(one) == [0.1, 0.3]
    assert list(one.states) == ["ab||input_x|spread"]
    two = retuned(one, "2", {"input_x|place": 0.9, "input_x|spread": 0.2})
    assert tolerances(two) == [TUNED_MAX, 0.3]
    assert tolerances(retuned(two, "2", {})) == [0.1, 0.3]
    assert tolerances(retuned(retuned(two, "1", {}), "2", {})) == [0.05, 0.3]
    assert retuned(retuned(two, "1", {}), "2", {}).tuned == {}
    assert retuned(plain, "9", {}) == plain
