"""Whether people use what they are told, and whether it is people who say so (S27)."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mainstay.contract.finding import Finding
from mainstay.watch.engagement import Said, engagement, share_interval


def people(
    count: int, left: float = 0.1, actor: str = "web", seed: int = 1, dwell: bool = True
) -> list[Said]:
    """People as they are: each looks for a while of their own."""
    draw = random.Random(seed)
    return [
        Said(
            f"{actor}{number}",
            actor,
            number,
            "ignored" if draw.random() < left else "accepted",
            round(draw.lognormvariate(8, 0.7), 1) if dwell else None,
        )
        for number in range(count)
    ]


def found(said: Sequence[Said], earlier: int = 1000, later: int = 1000) -> dict[str, Finding]:
    return {finding.check: finding for finding in engagement(said, earlier, later)}


def test_people_who_use_it_pass():
    findings = found(people(500))
    assert {finding.verdict for finding in findings.values()} == {"pass"}
    dwell = findings["dwell"].figure
    assert dwell is not None
    assert 1500 < dwell < 6000
    assert findings["ignored"].samples == 500


def test_nothing_said_is_never_a_pass():
    """Three verdicts: without evidence there is doubt, in words that say what would help."""
    findings = found([], 0, 0)
    assert {finding.verdict for finding in findings.values()} == {"unsure"}
    assert "POST" in findings["ignored"].words


@pytest.mark.parametrize(
    ("earlier", "later", "verdict"),
    [(1000, 1000, "pass"), (1000, 300, "fail"), (10, 6, "unsure"), (0, 50, "pass"), (1000, 690, "unsure"), (500, 0, "fail")],
)  # fmt: skip
def test_less_use_is_seen_where_it_is_beyond_chance(earlier, later, verdict):
    assert found(people(50), earlier, later)["use"].verdict == verdict


@pytest.mark.parametrize(("left", "verdict"), [(0.9, "fail"), (0.1, "pass"), (0.5, "unsure")])
def test_answers_that_are_ignored(left, verdict):
    assert found(people(300, left))["ignored"].verdict == verdict


def test_the_newest_reaction_to_an_answer_counts():
    """Somebody who ignores an answer at first and then takes it, took it."""
    early = [Said(f"d{n}", "web", n, "ignored", None) for n in range(100)]
    late = [Said(f"d{n}", "web", n + 1000, "accepted", None) for n in range(100)]
    assert found(early + late)["ignored"].figure == 0


def test_faster_than_anybody_reads_is_suspicious():
    robot = [Said(f"r{n}", "robot", n, "accepted", 3.0 + n / 100) for n in range(100)]
    findings = found(people(300) + robot)
    assert findings["suspicious: fast"].verdict == "fail"
    assert found(people(300))["suspicious: fast"].verdict == "pass"
    # Whoever ignores an answer may do so at once.
    skipped = [Said(f"s{n}", "web", n, "ignored", 1.0) for n in range(100)]
    assert found(people(300) + skipped)["suspicious: fast"].verdict == "pass"


def test_a_caller_whose_people_all_take_exactly_as_long_is_named():
    robot = [Said(f"r{n}", "robot", n, "accepted", 5000.0) for n in range(40)]
    finding = found(people(300) + robot)["suspicious: constant"]
    assert finding.verdict == "fail"
    assert "robot" in finding.words
    few = [Said(f"r{n}", "robot", n, "accepted", 5000.0) for n in range(5)]
    assert found(few)["suspicious: constant"].verdict == "unsure"


def test_a_caller_that_repeats_itself_is_named():
    flood = [Said(f"d{n % 3}", "flood", n, "corrected", None) for n in range(100)]
    finding = found(people(300) + flood)["suspicious: repeated"]
    assert finding.verdict == "fail"
    assert "flood" in finding.words


@given(of=st.integers(1, 500), part=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_shares_are_known_as_well_as_an_independent_library_says(of, part):
    """A second oracle for the interval of a share."""
    hits = round(of * part)
    theirs = stats.binomtest(hits, of).proportion_ci(0.99, method="wilson")
    ours = share_interval(hits, of)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-5)


def test_verdicts_are_rarely_wrong():
    """At the limit itself, one verdict in a hundred may be a false alarm; seeded, 300 worlds."""
    alarms = sum(
        found(people(200, 0.5, seed=seed, dwell=False))["ignored"].verdict == "fail"
        for seed in range(300)
    )
    assert alarms <= 8
