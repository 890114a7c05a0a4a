"""What the journal tells of a rollout: every unit once, whenever and however often one looks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.base.draws import draw
from mainstay.base.errors import StorageFailed
from mainstay.base.ids import DecisionIds
from mainstay.contract.columns import encode
from mainstay.contract.model import Contract, Integer, Number, NumberOutput, Probability
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.model import DecisionBatch, Layout, Wanted
from mainstay.release.rollout import evidence
from mainstay.release.rollout.controllers import begin
from mainstay.release.rollout.evidence import JournalEvidence
from mainstay.release.rollout.model import Rollout, Strategy
from mainstay.release.rollout.statistics import Pairs, bad_of
from mainstay.serve.failures import Failures
from mainstay.serve.mixture import Missed
from mainstay.serve.outcomes import Outcomes
from mainstay.serve.routes.model import Route
from tests.release_rollout.simulated import CANDIDATE, CURRENT, plan

CONTRACT = Contract(
    model="fraud",
    inputs={"user": Integer()},
    output=Probability(classes=("ok", "fraud"), threshold=0.8),
)


class Place:
    """A journal, a writing process, and somebody who looks."""

    def __init__(self, strategy: Strategy = "canary", contract: Contract = CONTRACT) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.spool = MemorySpool(self.log, 7)
        self.ids = DecisionIds(7, self.clock)
        self.outcomes = Outcomes(self.spool, self.ids, self.clock)
        self.contract = contract
        self.user_of: dict[str, int] = {}
        started = begin(plan(strategy, (0.1, 0.5, 1.0), unit="user"), 1, self.clock.now_ns())
        self.rollout: Rollout = structs.replace(started, shares={2: 0.1, 3: 0.5}, epoch=3)
        outputs = ("ok", "fraud") if isinstance(contract.output, Probability) else ("number",)
        for side in (CURRENT, CANDIDATE):
            self.spool.describe(
                Layout(
                    fingerprint=side.fingerprint, model="fraud", number=side.number,
                    inputs=("user",), features=("user",), outputs=outputs,
                )
            )  # fmt: skip
        self.looks = self.new_look()

    def new_look(self) -> JournalEvidence:
        """Somebody who has not looked yet, such as a keeper that was just started."""
        journal = MemoryJournal(self.log)
        return JournalEvidence(journal, lambda _mark: self.contract, self.clock.now_ns)

    def decide(
        self,
        users: Sequence[int],
        fraud: Sequence[float],
        *,
        candidate: bool = False,
        epoch: int = 2,
        **changes: Any,
    ) -> list[str]:
        """A model run; returns the ids of its decisions."""
        time_ms, first = self.ids.take(len(users))
        values = np.array(fraud)
        output = np.column_stack([1 - values, values])
        if isinstance(self.contract.output, NumberOutput):
            output = values
        settings: dict[str, Any] = {
            "fingerprint": (CANDIDATE if candidate else CURRENT).fingerprint, "route": epoch,
            "door": "decide", "time_ms": time_ms, "incarnation": 7, "first_sequence": first,
            "rows": len(users), "callers": ("shop",),
            "inputs": encode({"user": np.array(users)}), "outputs": encode({"output": output}),
            "statuses": bytes(len(users)), "steps_ns": {"predict": 1000 * len(users)},
            "arm": "share" if candidate else "live", "propensity": 0.1 if candidate else 0.9,
        }  # fmt: skip
        self.spool.append([DecisionBatch(**(settings | changes))])
        made = [f"{time_ms:012x}{7:08x}{first + row:08x}" for row in range(len(users))]
        self.user_of.update(zip(made, users, strict=True))
        return made

    def hear(self, label: str, *decisions: str, model: str = "fraud") -> None:
        """Outcomes arrive."""
        self.clock.advance(0.001)
        for decision in decisions:
            self.outcomes.record(model, "shop", decision, {"reaction": "seen"})
            self.outcomes.record(model, "shop", decision, {"label": label})


def test_each_unit_counts_once_and_by_the_step_in_which_it_was_met_first():
    """N6: what a user does often must not count often, or the intervals are too narrow."""
    place = Place()
    first = place.decide([1, 2, 2, 3], [0.1, 0.9, 0.1, 0.7])
    other = place.decide([4], [0.9], candidate=True)
    place.decide([1, 4, 5], [0.1, 0.1, 0.1], epoch=3)
    place.hear("fraud", first[1], first[2], other[0])
    place.hear("ok", first[3])
    for _ in range(3):
        seen = place.looks.look(place.rollout, None)
        assert [(s.share, s.candidate.total, s.current.total) for s in seen.withheld] == [
            (0.1, 1, 3),
            (0.5, 0, 1),
        ]
        (outcomes,) = seen.outcomes
        assert outcomes.candidate == bad_of(0, 1)
        assert outcomes.current == bad_of(0, 2), "0.7 is below the threshold, so it was right"
        assert seen.decisions == 8
    assert place.new_look().look(place.rollout, None) == seen


def test_looking_often_counts_as_looking_once():
    """A keeper that looks every second and one that was just started see the same."""
    place = Place()
    random = np.random.default_rng(4)
    ids: list[str] = []
    seen = None
    for _ in range(12):
        place.clock.advance(float(random.choice([0.1, 1.0, 7.0])))
        users = random.integers(0, 300, 5).tolist()
        candidate = bool(random.random() < 0.3)
        ids += place.decide(users, random.random(5), candidate=candidate)
        place.hear(
            str(random.choice(["ok", "fraud"])), *map(str, random.choice(ids, 2, replace=False))
        )
        seen = place.looks.look(place.rollout, None)
    assert seen is not None
    fresh = place.new_look().look(place.rollout, None)
    assert fresh.withheld == seen.withheld
    assert fresh.decisions == seen.decisions == 60
    assert (fresh.candidate_ns, fresh.current_rows) == (seen.candidate_ns, seen.current_rows)
    totals = [sum(s.total for s in each.outcomes) for each in (fresh, seen)]
    assert totals[0] == totals[1] > 9


def test_what_is_not_of_the_rollout_is_left_out():
    """Before it, by number, by another version, undrawn, of another model, held out, or of nothing;
    S14: who is held out is no evidence for or against either version."""
    place = Place()
    early = place.decide([1], [0.1], epoch=1)
    named = place.decide([2], [0.1], arm="named")
    undrawn = place.decide([3], [0.1], propensity=1.0)
    held_out = place.decide([5], [0.1], arm="held_out", propensity=0.01)
    place.hear("ok", *early, *named, *undrawn, *held_out, "0" * 28)
    mine = place.decide([4], [0.1])
    place.hear("ok", *mine, model="churn")
    seen = place.looks.look(place.rollout, None)
    assert [s.total for s in seen.withheld] == [1]
    assert seen.outcomes == ()


def test_withheld_answers_are_bad_ones_and_never_right():
    """S19: what was declined counts against a version twice: as withheld, and as not right."""
    place = Place()
    ids = place.decide([1, 2], [0.1, 0.1], candidate=True, statuses=b"\0\5")
    place.hear("ok", *ids)
    seen = place.looks.look(place.rollout, None)
    assert seen.withheld[0].candidate == bad_of(1, 2)
    assert seen.outcomes[0].candidate == bad_of(1, 2)


def test_a_shadow_is_paired_with_what_was_shown():
    """S31: the same request, both answers, and the outcome of the one that was shown."""
    place = Place("shadow")
    shown = place.decide([1, 2, 3, 3], [0.1, 0.1, 0.9, 0.9])
    place.looks.look(place.rollout, None)
    place.clock.advance(2)
    place.decide(
        [1, 2, 3, 3], [0.1, 0.9, 0.1, 0.1], candidate=True, arm="shadow", propensity=1.0,
        shadows=tuple(shown), door="shadow", steps_ns={"predict": 400_000},
    )  # fmt: skip
    place.hear("fraud", *shown)
    seen = place.looks.look(place.rollout, None)
    assert seen.answers == Pairs(same=1, worse=2)
    assert seen.paired == Pairs(better=1, same=1, worse=1)
    assert seen.unanswered == Pairs(same=3)
    assert seen.candidate_ns == pytest.approx(100_000, rel=0.07)
    assert seen.current_ns == pytest.approx(1000, rel=0.07)


def fail(place: Place, arm: str, *users: int, rows: int = 0, candidate: bool = True) -> None:
    """A worker says that requests of these users failed."""
    place.clock.advance(0.001)
    side = CANDIDATE if candidate else CURRENT
    route = Route(
        model="fraud", number=side.number, fingerprint=side.fingerprint, actor="ann", reason="",
        epoch=2, time_ns=0,
    )  # fmt: skip
    draws = tuple(draw(place.rollout.plan.salt, str(user)) for user in users)
    failures = Failures(place.spool, place.ids, place.clock, 0)
    failures.add(Missed(route, rows or len(users), "failed", arm, draws))
    failures.record()


def shade(place: Place, shown: list[str], fraud: Sequence[float], **changes: Any) -> list[str]:
    """The candidate answers unseen what was shown."""
    users = [place.user_of[each] for each in shown]
    return place.decide(
        users, fraud, candidate=True, arm="shadow", propensity=1.0, shadows=tuple(shown),
        door="shadow", **changes,
    )  # fmt: skip


def test_a_label_of_a_canary_judges_both_versions_once():
    """N6: the drawn units and the pairs, whether the label or the shadow is read first."""
    place = Place()
    shown = place.decide([1, 2, 3, 3], [0.1, 0.1, 0.9, 0.9])
    place.hear("fraud", shown[0])
    first = place.looks.look(place.rollout, None)
    assert first.paired == Pairs()
    shade(place, shown, [0.9, 0.1, 0.1, 0.1], statuses=b"\0\5\0\0")
    place.hear("fraud", *shown)
    place.hear("ok", *shown)
    mine = place.decide([4], [0.1], candidate=True)
    place.hear("ok", *mine)
    for _ in range(2):
        seen = place.looks.look(place.rollout, None)
        assert seen.paired == Pairs(better=1, same=1, worse=1)
        assert seen.unanswered == Pairs(same=2, worse=1)
        assert seen.answers == Pairs(same=0, worse=3)
        assert [(s.candidate, s.current) for s in seen.outcomes] == [(bad_of(0, 1), bad_of(2, 3))]
        assert seen.current_rows == 4
        assert seen.candidate_rows == 1, "shadows run beside the traffic, which is no fair race"
    assert place.new_look().look(place.rollout, None) == seen


def test_an_outcome_of_an_old_decision_is_looked_up_with_its_shadow(
    monkeypatch: pytest.MonkeyPatch,
):
    """N6: what is remembered is bounded; labels that come later count all the same, and once."""
    monkeypatch.setattr(evidence, "_REMEMBERED_MAX", 3)
    place = Place()
    shown = place.decide(range(8), [0.1] * 8)
    shade(place, shown, [0.9] * 8)
    place.looks.look(place.rollout, None)
    place.hear("ok", *shown[:2], "0" * 28)
    assert place.looks.look(place.rollout, None).paired.total == 2
    place.hear("ok", shown[2])
    assert place.looks.look(place.rollout, None).paired.total == 2, "not at every look"
    for _ in range(3):
        place.clock.advance(11)
        place.hear("ok", *shown)
        seen = place.looks.look(place.rollout, None)
    assert seen.paired == Pairs(worse=8)
    assert [s.current for s in seen.outcomes] == [bad_of(0, 8)]


def test_what_failed_counts_as_unanswered_once_for_each_unit():
    """N6: a version that fails leaves no decision, and must not look better for it."""
    place = Place()
    place.decide([1], [0.1], candidate=True)
    fail(place, "share", 1, 2, 3)
    fail(place, "live", 3, 4, candidate=False)
    fail(place, "shadow", 5, 6, 6)
    fail(place, "shadow", 6, 7)
    seen = place.looks.look(place.rollout, None)
    (drawn,) = seen.withheld
    assert (drawn.candidate, drawn.current) == (bad_of(2, 3), bad_of(1, 1))
    assert seen.unanswered == Pairs(worse=3, better=2)
    assert place.new_look().look(place.rollout, None) == seen
    place.rollout = structs.replace(
        place.rollout, plan=structs.replace(place.rollout.plan, unit="")
    )
    by_caller = place.new_look().look(place.rollout, None)
    assert by_caller.unanswered == Pairs(worse=5, better=2), "without users, every request counts"


def test_a_journal_that_breaks_off_is_read_anew():
    """L7: half a look is not counted as a whole one."""
    place = Place()
    place.decide([1], [0.1])

    class Breaking(MemoryJournal):
        broken = True

        def news(self, wanted: Wanted) -> Any:
            news, self_ = super().news(wanted), self

            class Reader:
                def read(self) -> Any:
                    fresh = news.read()
                    if self_.broken:
                        raise StorageFailed("the disk is gone")
                    return fresh

            return Reader()

    journal = Breaking(place.log)
    looks = JournalEvidence(journal, lambda _mark: CONTRACT, place.clock.now_ns)
    with pytest.raises(StorageFailed):
        looks.look(place.rollout, None)
    journal.broken = False
    assert looks.look(place.rollout, None).decisions == 1


def test_a_number_is_not_right_or_wrong():
    """Said in words by the checks, not guessed."""
    contract = Contract(model="fraud", inputs={"user": Integer()}, output=NumberOutput())
    place = Place(contract=contract)
    place.decide([1], [0.5])
    assert not place.looks.look(place.rollout, None).comparable


def test_nothing_is_asked_before_there_is_anything():
    """A rollout before its first step, and a journal without a single decision."""
    place = Place()
    assert place.looks.look(structs.replace(place.rollout, shares={}), None).decisions == 0
    assert place.looks.look(place.rollout, None).withheld == ()


def test_a_contract_without_the_unit_column_is_no_obstacle():
    """An input that only one of the versions has."""
    contract = Contract(model="fraud", inputs={"b": Number()}, output=CONTRACT.output)
    place = Place(contract=contract)
    place.rollout = structs.replace(
        place.rollout, plan=structs.replace(place.rollout.plan, unit='b\'s "x"')
    )
    place.decide([1], [0.5])
    assert place.looks.look(place.rollout, None).decisions == 1
