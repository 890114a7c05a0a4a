"""What a contract expects: three answers, told once, and false alarms as rare as promised. M2 M24."""

import math

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from mainstay.contract.model import Contract, Number, Probability
from mainstay.journal.model import STATUSES
from mainstay.summaries.labels import columns_of, rulers_of
from mainstay.summaries.ruler import fingerprint
from mainstay.summaries.summary import Categories, Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import (
    DAY_MS,
    FAILED,
    FAILURES,
    HOUR_MS,
    LATENCY,
    RUNTIME_RULERS,
    STRETCH_MS,
    TIMES,
    Key,
    Part,
)
from mainstay.watch.monitors.bounds import share_bounds
from mainstay.watch.monitors.expectations import Seen, expected, hold_to, longest_ms
from mainstay.watch.monitors.model import Saved

MARK = "ab" * 32
BEGIN = 1_700_000_400_000 // STRETCH_MS * STRETCH_MS
LOOKS = 4 * 4320.0


def contract(*lines: str) -> Contract:
    return Contract(
        model="m",
        inputs={"x": Number()},
        output=Probability(classes=("ok", "fraud")),
        expect=lines,
    )


def status(answered: int, declined: int = 0) -> Summary:
    words = np.array(["answered"] * answered + ["declined"] * declined, dtype=object)
    return summarise(values_of(words), RUNTIME_RULERS["status"])


def part(at: int, rows: int, columns: dict[str, Summary], mark: str = MARK) -> Part:
    return Part(Key("m", mark, 1, "live", "", BEGIN + at * STRETCH_MS), rows, columns)


def failed(rows: int) -> dict[str, Summary]:
    return {FAILED: Summary(fingerprint(FAILURES), "strings", rows, 0, None, Categories((rows,)))}


def seen(*parts: Part, stretches: int = 6, since: int = BEGIN) -> Seen:
    return Seen(parts, MARK, since, BEGIN + stretches * STRETCH_MS)


def one(line: str, evidence: Seen):
    (finding,) = expected(contract(line), evidence, LOOKS)
    return finding


def labelled(at: int, rows: int, generator: np.random.Generator, right: float = 0.8) -> Part:
    """Scores that are right as often as they say, or less."""
    truth = generator.integers(0, 2, rows)
    second = np.where(generator.random(rows) < right, truth, 1 - truth) * 0.6 + 0.2
    outputs = np.stack([1 - second, second], axis=1)
    names = np.array(["ok", "fraud"])
    found = columns_of(
        contract(), names[truth].tolist(), outputs, names[outputs.argmax(1)].tolist(), [True] * rows
    )
    rulers = rulers_of(contract())
    return part(at, 0, {n: summarise(values_of(c), rulers[n]) for n, c in found.items()})


@pytest.mark.parametrize(
    ("answered", "lost", "verdict"),
    [(5000, 0, "pass"), (200, 0, "unsure"), (9960, 40, "fail"), (997, 3, "unsure"), (0, 0, "unsure")],
)  # fmt: skip
def test_a_share_has_three_answers(answered: int, lost: int, verdict: str):
    """M2: failures leave no decision, and count."""
    evidence = seen(part(0, answered, {"status": status(answered)}), part(1, 0, failed(lost)))
    finding = one("share of 2xx >= 99.9 %", evidence)
    assert finding.verdict == verdict
    assert finding.samples == answered + lost


def test_statuses_have_shares():
    """M2: in either direction."""
    evidence = seen(part(0, 1000, {"status": status(700, 300)}))
    assert one("share answered >= 95 %", evidence).verdict == "fail"
    assert one("share declined <= 20 %", evidence).verdict == "fail"
    assert one("share declined <= 40 %", evidence).verdict == "pass"
    assert (
        "70.00% of 1,000 decisions in the last hour"
        in one("share answered >= 95 %", evidence).words
    )


@pytest.mark.parametrize(
    ("limit", "verdict"), [("45 ms", "fail"), ("20 ms", "fail"), ("90 ms", "pass")]
)
def test_latency_is_held_against_its_quantile(limit: str, verdict: str):
    """M2: the quantile of the rows, read to the width of a cell."""
    times = np.random.default_rng(1).lognormal(math.log(20e6), 0.5, 5000)
    truth = float(np.quantile(times, 0.99))
    evidence = seen(part(0, 5000, {LATENCY: summarise(values_of(times), TIMES)}))
    finding = one(f"p99 latency < {limit}", evidence)
    assert finding.figure == pytest.approx(truth, rel=0.06)
    assert finding.verdict == verdict
    few = seen(part(0, 20, {LATENCY: summarise(values_of(times[:20]), TIMES)}))
    assert one("p99 latency < 45 ms", few).verdict == "unsure"
    near = one(f"p99 latency < {truth / 1e6:.4f} ms", evidence)
    assert near.verdict == "unsure"


def test_requests_are_counted():
    """M2: exactly, and only over a time that somebody looked at."""
    parts = [part(at, 20, {"status": status(20)}) for at in range(6)]
    assert one("requests >= 100 per 1h", seen(*parts)).verdict == "pass"
    assert one("requests >= 130 per 1h", seen(*parts)).verdict == "fail"
    assert one("requests >= 125 per 1h", seen(*parts, part(5, 0, failed(10)))).verdict == "pass"
    assert one("requests >= 130 per 1h", seen(*parts, since=BEGIN + 1)).verdict == "unsure"
    assert one("requests >= 1 per 1h", seen(*parts, stretches=200)).words == (
        "requests >= 1 per 1h: 0 requests in the last hour."
    )


@pytest.mark.parametrize(
    ("line", "rows", "verdict"),
    [
        ("accuracy >= 0.7", 2000, "pass"),
        ("accuracy >= 0.9", 2000, "fail"),
        ("accuracy >= 0.9", 20, "unsure"),
        ("roc_auc >= 0.7 over 1 day", 2000, "pass"),
        ("roc_auc >= 0.9", 2000, "fail"),
        ("log_loss <= 0.6", 2000, "pass"),
        ("log_loss <= 0.3", 2000, "fail"),
        ("log_loss <= 0.3", 30, "unsure"),
        ("recall of fraud >= 0.95", 2000, "fail"),
        ("precision of ok >= 70 %", 2000, "pass"),
        ("calibration error <= 0.2", 2000, "pass"),
    ],
)
def test_metrics_of_labels(line: str, rows: int, verdict: str):
    """M2 M3: of the version that answers now."""
    own = labelled(0, rows, np.random.default_rng(2))
    other = msgspec.structs.replace(
        own, key=msgspec.structs.replace(own.key, fingerprint="cd" * 32)
    )
    assert one(line, seen(own)).verdict == verdict
    assert one(line, seen(other)).verdict == "unsure"


def test_calibration_by_chance_alone_is_no_fault():
    """M2: a fair forecaster shows some error in few rows."""
    generator = np.random.default_rng(3)
    verdicts = {
        one("calibration error <= 0.01", seen(labelled(0, 100, generator))).verdict
        for _ in range(100)
    }
    assert "fail" not in verdicts
    sure_but_wrong = labelled(0, 4000, generator, right=0.5)
    assert one("calibration error <= 0.05", seen(sure_but_wrong)).verdict == "fail"


def test_a_broken_promise_is_told_once_and_its_end_once():
    """M2 M24: through the memory of monitors, and gone with its line."""
    saved, told = Saved(first_ms=BEGIN), []
    lines = contract("share answered >= 95 %", "accuracy >= 0.5")
    parts: list[Part] = []
    for at in range(40):
        bad = 10 <= at < 20
        parts.append(part(at, 400, {"status": status(300, 100) if bad else status(400)}))
        evidence = Seen(parts, MARK, BEGIN, BEGIN + (at + 1) * STRETCH_MS)
        saved, changes = hold_to(saved, lines, evidence, LOOKS)
        told += [(change.kind, at) for change in changes]
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(saved), type=Saved)
    assert [kind for kind, _ in told] == ["opened", "resolved"]
    assert 10 <= told[0][1] <= 12
    assert saved.open == {}
    parts.append(part(40, 400, {"status": status(0, 400)}))
    evidence = Seen(parts, MARK, BEGIN, BEGIN + 41 * STRETCH_MS)
    saved, _ = hold_to(saved, lines, evidence, LOOKS)
    assert len(saved.open) == 1
    saved, changes = hold_to(saved, contract("accuracy >= 0.5"), evidence, LOOKS)
    assert [change.kind for change in changes] == ["resolved"]
    assert saved.open == {}


def test_at_the_very_limit_alarms_are_as_rare_as_promised():
    """M8: at 1 in 50 looks for one line, 200 looks of 60 runs, windows overlapping."""
    generator = np.random.default_rng(4)
    line = contract("share answered >= 90 %")
    fails = looks = 0
    for _ in range(60):
        counts = generator.binomial(50, 0.9, 205)
        summaries = [part(at, 50, {"status": status(n, 50 - n)}) for at, n in enumerate(counts)]
        for at in range(6, 205):
            evidence = Seen(summaries[at - 6 : at], MARK, BEGIN, BEGIN + at * STRETCH_MS)
            (finding,) = expected(line, evidence, 50.0)
            fails += finding.verdict == "fail"
            looks += 1
    assert fails / looks <= 1 / 50


@pytest.mark.parametrize("rows", [1, 7, 50, 1000])
@pytest.mark.parametrize("sure", [math.log(20), math.log(20_000)])
def test_bounds_are_never_narrower_than_exact_ones(rows: int, sure: float):
    """M2: beside SciPy's Clopper and Pearson; and not much wider."""
    for hits in {0, 1, rows // 3, rows - 1, rows}:
        low, high = share_bounds(hits / rows, rows, sure)
        exact = binomtest(hits, rows).proportion_ci(1 - 2 * math.exp(-sure), "exact")
        assert low <= exact.low + 1e-9
        assert high >= exact.high - 1e-9
        assert high - low <= 1.7 * (exact.high - exact.low)


def test_how_far_back_a_contract_looks():
    """M2: as far as its longest line."""
    assert longest_ms(contract()) == 0
    assert longest_ms(contract("p99 latency < 1s")) == HOUR_MS
    assert longest_ms(contract("p99 latency < 1s", "accuracy >= 0.5")) == 7 * DAY_MS
    assert len(STATUSES) == 6


def test_a_few_slow_ones_prove_nothing():
    """M2: one of twenty is more than one of a hundred, and may be chance."""
    times = np.array([10e6] * 19 + [100e6])
    few = seen(part(0, 20, {LATENCY: summarise(values_of(times), TIMES)}))
    assert one("p99 latency < 45 ms", few).verdict == "unsure"


def test_what_chance_does_to_calibration_is_taken_off():
    """M2: at the interval of a single look too."""
    generator = np.random.default_rng(5)
    line = contract("calibration error <= 0.02")
    for _ in range(60):
        (finding,) = expected(line, seen(labelled(0, 60, generator)), 40.0)
        assert finding.verdict == "unsure"


def test_what_is_still_below_its_limit_is_not_over():
    """M24: too few to be certain is no end, as long as the figure is on the wrong side."""
    line = contract("share answered >= 95 %")
    bad = Seen([part(0, 400, {"status": status(200, 200)})], MARK, BEGIN, BEGIN + HOUR_MS)
    saved, _ = hold_to(Saved(first_ms=BEGIN), line, bad, LOOKS)
    doubtful = Seen([part(0, 50, {"status": status(47, 3)})], MARK, BEGIN, BEGIN + HOUR_MS)
    for _ in range(20):
        saved, changes = hold_to(saved, line, doubtful, LOOKS)
        assert changes == []
    assert len(saved.open) == 1
