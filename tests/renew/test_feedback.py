"""M17 S14 N12 A2 L2: how long to wait, who is trusted, what the model's answers do to what is heard."""

import re
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from mainstay.base.errors import InvalidContract
from mainstay.contract.hearing import Labels
from mainstay.contract.load import loads_contract
from mainstay.journal.reader import ask
from mainstay.renew.health.heard import heard_of
from mainstay.renew.health.loops import Fed, loop_of
from mainstay.renew.health.window import Past, trade_off
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition, Unhealthy, joined, left_out_of
from mainstay.renew.labels.read import WEIGHT_MAX, read
from mainstay.renew.snapshots.changed import changed
from tests.renew.history import CLASSES, COLUMNS, MS, History, Made, Said

OK, FRAUD = CLASSES
DAY = 86_400.0
ALL = Definition(
    model="fraud", since_ns=0, until_ns=10**18, known_ns=10**18, answers=CLASSES, columns=COLUMNS
)
MADE = [Made(place, 1000 + place) for place in range(4)]


def say(place: int, decision: Made, label: str, actor: str = "shop", **more: object) -> Said:
    when = (2000 + place) * MS
    body = {"label": label, **more}
    return Caller(place, decision.id, when, when, tuple(body.items()), actor=actor)


class Caller(Said):
    """Somebody who says something."""

    def __init__(self, *values: object, actor: str) -> None:
        super().__init__(*values)
        object.__setattr__(self, "actor", actor)

    def event(self):
        return structs.replace(super().event(), actor=self.actor)


def labels(history: History, **changes: object) -> dict[str, tuple[str, float, str]]:
    rows = read(history.query, structs.replace(ALL, **changes)).table.to_pylist()
    return {row["id"]: (row["label"], row["weight"], row["source"]) for row in rows}


def test_the_declared_one_of_several_labels_counts():
    """A2: the last, the first, or what most say, each by the last word."""
    one = MADE[0]
    said = [
        say(0, one, OK, "ann"), say(1, one, FRAUD, "bob"), say(2, one, OK, "bob"),
        say(3, one, FRAUD, "cec"), say(4, one, FRAUD, "cec"), say(5, one, FRAUD, "cec"),
    ]  # fmt: skip
    history = History(MADE[:1], said)
    assert labels(history)[one.id] == (FRAUD, 1.0, "cec")
    assert labels(history, counts="first")[one.id] == (OK, 1.0, "ann")
    majority = labels(history, counts="majority")[one.id]
    assert majority == (OK, 1.0, "bob"), "two people against one, and he said it last"
    trust = {"ann": 0.2, "bob": 0.3, "cec": 1.0}
    assert labels(history, counts="majority", trust=trust)[one.id] == (FRAUD, 1.0, "cec")
    for rule in ("last", "first", "majority"):
        found = read(history.query, structs.replace(ALL, counts=rule))
        assert (found.contradicted, found.left_out) == (1, {words.AGAIN: 5})


def test_trust_weighs_and_takes_away():
    """A2: by hand, and by what a label says of itself; nobody counts more than one."""
    said = [
        say(0, MADE[0], OK, "crowd"), say(1, MADE[1], OK, "shop"), say(2, MADE[2], FRAUD, "crowd"),
        say(3, MADE[2], OK, "shop"), say(4, MADE[3], OK, "shop", weight=0.25),
    ]  # fmt: skip
    history = History(MADE, said)
    weighed = labels(history, trust={"crowd": 0.5})
    assert [weighed[made.id][1] for made in MADE] == [0.5, 1.0, 1.0, 0.25]
    without = read(history.query, structs.replace(ALL, trust={"crowd": 0.0}))
    assert [row["id"] for row in without.table.to_pylist()] == [m.id for m in MADE[1:]]
    assert without.left_out == {words.DISTRUSTED: 2, words.UNLABELLED: 1}
    whole = read(history.query, ALL).table
    told = changed(whole, without.table, ["crowd"])
    assert (told.gone, told.other) == (1, 0)
    assert told.words.startswith("without crowd: 1 decisions fewer, 0 with another label")
    assert told.shares[OK] == (1.0, 1.0)
    heavy = History(MADE[:1], [say(0, MADE[0], OK, weight=7)])
    assert labels(heavy)[MADE[0].id][1] == 1.0


def test_only_what_the_model_had_no_say_in():
    """S14: the held-out ones, and those in which it said nothing."""
    made = [
        Made(0, 1000), Made(1, 1001, arm="held_out"), Made(2, 1002, status="declined"),
        Made(3, 1003, arm="share"),
    ]  # fmt: skip
    history = History(made, [say(n, each, OK) for n, each in enumerate(made)])
    found = read(history.query, structs.replace(ALL, unshaped=True))
    assert [row["id"] for row in found.table.to_pylist()] == [made[1].id, made[2].id]
    assert found.left_out == {words.SHAPED: 2}


def test_what_was_improbable_counts_more():
    """N12: by the propensity that was logged, with a bound; it is a column too."""
    made = [Made(0, 1000), Made(1, 1001)]
    history = History(made, [say(n, each, OK) for n, each in enumerate(made)])
    batches = [each.run() for each in made]
    rare = structs.replace(batches[0][0], propensity=0.1)
    rarest = structs.replace(batches[1][0], propensity=1e-6)

    def query(sql: str):
        runs = [(rare, batches[0][1]), (rarest, batches[1][1])]
        return ask(sql, runs=runs, events=[each.event() for each in history.said])

    rows = read(query, structs.replace(ALL, by_propensity=True)).table.to_pylist()
    assert [row["weight"] for row in rows] == [pytest.approx(10.0), WEIGHT_MAX]
    assert [row["propensity"] for row in rows] == [0.1, 1e-6]
    assert [row["weight"] for row in read(query, ALL).table.to_pylist()] == [1.0, 1.0]


def test_outcomes_from_the_future_are_none():
    """M16: of a decision that is yet to be made, or heard before it happened."""
    late = Made(0, 500_000)
    early = Said(0, late.id, 1000 * MS, 1000 * MS, (("label", OK),))
    ahead = Said(1, MADE[0].id, 900_000 * MS, 2000 * MS, (("label", OK),))
    skewed = Said(2, MADE[1].id, 900 * MS, 900 * MS, (("label", OK),))
    history = History([late, *MADE[:2]], [early, ahead, skewed])
    found = read(history.query, ALL)
    assert [row["id"] for row in found.table.to_pylist()] == [MADE[1].id]
    assert found.left_out == {words.TOO_SOON: 2, words.UNLABELLED: 2}


def test_a_version_did_not_learn_from_what_was_left_out():
    gap = Unhealthy(begin_ns=5, end_ns=9, check="labels.silent", source="", why="…")
    definition = structs.replace(ALL, without=((1, 3), (8, 12)), unhealthy=(gap,))
    assert left_out_of(definition) == ((1, 3), (5, 12))
    assert joined([(3, 4), (1, 3), (6, 7)]) == ((1, 4), (6, 7))


def test_the_window_is_the_shortest_after_which_few_labels_come():
    """M17: against what a simulation without any censoring says."""
    draw = np.random.default_rng(6)
    delays, fraud = draw.exponential(2 * DAY, 40_000), draw.random(40_000) < 0.3
    ages = draw.uniform(0.0, 40 * DAY, 40_000)
    said = fraud & (delays <= ages)
    past = Past(np.where(said, delays, ages), said, said, np.ones(40_000))
    found = trade_off(past, ("10d", 10 * DAY))
    assert found.labels == pytest.approx(0.3, abs=0.01)
    by_name = {row.window: row for row in found.rows}
    for row in found.rows:
        if row.sure:
            true = 0.3 * np.exp(-row.seconds / 2 / DAY)
            low, high = row.interval
            assert low - 0.004 <= true <= high + 0.004
            assert row.known == pytest.approx(1 - np.exp(-row.seconds / 2 / DAY), abs=0.02)
    assert found.recommended == "7d", "exp(-3.5) is 3 %, exp(-1.5) is 22 %"
    assert "10d" in by_name
    strict = trade_off(past, ("", 0.0), missing=0.005)
    assert strict.recommended == "14d"


def test_a_label_that_means_what_silence_means_is_not_waited_for():
    """M17: late ones that say "ok" harm nobody where silence means ok."""
    delays = np.concatenate([np.full(500, 600.0), np.full(500, 20 * DAY)])
    said = np.ones(1000, dtype=bool)
    other = np.concatenate([np.ones(500, dtype=bool), np.zeros(500, dtype=bool)])
    waiting = Past(
        np.append(delays, 30 * DAY), np.append(said, False), np.append(other, False),
        np.append(np.ones(1000), 1000.0),
    )  # fmt: skip
    found = trade_off(waiting, ("", 0.0))
    assert found.recommended == "15m"
    meaningless = trade_off(structs.replace(waiting, other=None), ("", 0.0))
    assert meaningless.recommended == "30d"
    assert all(row.wrong is None for row in meaningless.rows)


def test_a_short_history_recommends_nothing():
    young = Past(np.full(50, 3600.0), np.arange(50) < 10, np.arange(50) < 10, np.ones(50))
    found = trade_off(young, ("", 0.0))
    assert found.recommended == ""
    assert not any(row.sure for row in found.rows)


def loop(shares: tuple[float, float], rows: tuple[int, int], seed: int = 0):
    draw = np.random.default_rng(seed)
    told = [
        np.where(draw.random(n) < s, "buys", "leaves") for s, n in zip(shares, rows, strict=True)
    ]
    held = np.concatenate([np.zeros(rows[0], dtype=bool), np.ones(rows[1], dtype=bool)])
    return loop_of("shop", Fed([*told[0], *told[1]], held, ("buys", "leaves")))


def test_the_strength_of_a_loop_is_told_with_an_interval():
    """S14 N12: what is heard where the model had its say, against where it had none."""
    strong = loop((0.5, 0.2), (4000, 400))
    assert strong.finding.verdict == "fail"
    first = strong.differences[0]
    assert (
        first.interval[0] < 0.3 < first.interval[1] or first.interval[0] < -0.3 < first.interval[1]
    )
    assert "learn from held_out" in strong.finding.words
    assert loop((0.2, 0.2), (40_000, 8000)).finding.verdict == "pass"
    assert loop((0.2, 0.2), (400, 60)).finding.verdict == "unsure"
    few = loop((0.5, 0.2), (4000, 20))
    assert few.finding.verdict == "unsure"
    assert "too few" in few.finding.words
    assert loop((0.5, 0.2), (100, 0)).finding.verdict == "unsure"


def test_loops_that_are_not_there_are_hardly_ever_told():
    """S14: 5 % of the time at most, over all labels together."""
    told = [loop((0.3, 0.3), (2000, 300), seed).finding.verdict == "fail" for seed in range(200)]
    assert sum(told) <= 10


def test_loops_of_numbers_are_differences_of_means():
    draw = np.random.default_rng(1)
    told = np.concatenate([draw.normal(3.0, 1.0, 2000), draw.normal(2.0, 1.0, 300)])
    held = np.arange(2300) >= 2000
    found = loop_of("shop", Fed(told.tolist(), held))
    assert found.finding.verdict == "fail"
    assert found.differences[0].difference == pytest.approx(1.0, abs=0.2)
    low, high = found.differences[0].interval
    assert low < 1.0 < high


def test_what_was_heard_is_told_as_it_was_known():
    """L2 M16: by whom, how much, how late; and nothing that came later."""
    said = [
        say(0, MADE[0], OK, "ann"), say(1, MADE[0], FRAUD, "ann"), say(2, MADE[1], OK, "bob"),
        Caller(3, MADE[1].id, 2003 * MS, 2003 * MS, (("reaction", "ignored"),), actor="bob"),
        say(900, MADE[2], OK, "cec"),
    ]  # fmt: skip
    found = heard_of(History(MADE, said).query, "fraud", 0, 2500 * MS)
    assert [(each.caller, each.kind, each.count, each.decisions) for each in found] == [
        ("ann", "label", 2, 1), ("bob", "label", 1, 1), ("bob", "reaction", 1, 1),
    ]  # fmt: skip
    assert found[0].said == {OK: 1, FRAUD: 1}
    assert found[0].delay_s[0] == pytest.approx(1.0005)
    assert found[2].said == {"ignored": 1}
    later = heard_of(History(MADE, said).query, "fraud", 0, 10**18)
    assert [each.caller for each in later] == ["ann", "bob", "bob", "cec"]


BASE = """
model: fraud
inputs: {amount: {type: number}, user: {type: category, values: [a, b]}}
output: {type: probability, classes: [ok, fraud]}
release: {unit: user}
"""


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("window: soon", "'soon' is not a duration; write 30m, 12h or 30d"),
        ("window: 1s", "must be 1m to 3650d, got 1s"),
        ("silence_means: ok", "needs `labels.window`"),
        ("{window: 1d, silence_means: fine}", "'fine' is not a class of the model"),
        ("{window: 1d, silence_means: 3}", "3.0 is not a class of the model"),
        ("trust: {crowd: 1.5}", "must be 0 to 1, got 1.5"),
        ("learn_from: held_out", "needs `labels.hold_out`"),
        ("learn_from: some", "must be"),
        ("counts: median", "must be"),
        ("weigh: much", "must be"),
        ("key: user", "needs `labels.within`"),
        ("within: 7d", "needs `labels.key`"),
        ("{key: user, within: soon}", "'soon' is not a duration"),
        ("{key: user, within: 1s}", "must be 1m to 3650d, got 1s"),
        ("{key: amount, within: 7d}", "'amount' is no key: only text, a category or a whole"),
        ("{key: usr, within: 7d}", "'usr' is no input or context value; did you mean 'user'?"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(settings: str, told: str):
    text = settings if settings.startswith("{") else f"{{{settings}}}"
    with pytest.raises(InvalidContract, match=re.escape(told)):
        loads_contract(BASE + f"labels: {text}\n", "c.yaml")


def test_what_makes_sense_is_taken(tmp_path: Path):
    text = "{window: 30d, silence_means: ok, counts: majority, trust: {crowd: 0.5},"
    text += " learn_from: held_out, hold_out: 1 %, weigh: propensity, key: user, within: 7d}"
    contract = loads_contract(BASE + f"labels: {text}\n", "c.yaml")
    assert contract.labels == Labels(
        window="30d", silence_means="ok", counts="majority", trust={"crowd": 0.5},
        learn_from="held_out", hold_out="1 %", weigh="propensity", key="user", within="7d",
    )  # fmt: skip
