"""M16 M17 O3 O16: absence is no label: what labels did not come for is in no snapshot, as known then."""

from pathlib import Path

import pytest
from msgspec import structs

from mainstay.contract.finding import worst
from mainstay.journal.model import Event
from mainstay.journal.reader import ask
from mainstay.renew.health.unhealthy import TRUSTED, Hearing, unhealthy
from mainstay.renew.labels import model as words
from mainstay.renew.labels.model import Definition, Unhealthy
from mainstay.renew.labels.read import read
from mainstay.watch.gather.model import STRETCH_MS
from mainstay.watch.monitors.columns import GRACE_MS
from mainstay.wiring.snapshotting import define, take_snapshot, verify
from mainstay.wiring.watching import Watching
from tests.renew.history import CLASSES, COLUMNS, MS, History, Made, Said
from tests.renew.shop import Shop

ALL = Definition(
    model="fraud", since_ns=0, until_ns=10**18, known_ns=10**18, answers=CLASSES, columns=COLUMNS
)
SILENT = "labels.silent"


def found(
    number: int, state: str, touched: list[int], check: str = SILENT, source: str = "shop label",
    known_ms: int = 2000, since_ms: int = 1500,
) -> Event:  # fmt: skip
    body = {
        "state": state, "key": f"||heard|{source}|{check}", "since_ms": since_ms, "check": check,
        "verdict": "fail", "words": "…", "slice": f"source={source or 'all'}",
    }  # fmt: skip
    if touched:
        body["touched_ms"] = touched
    return Event(
        id=f"f{number:05d}", kind="finding", time_ns=known_ms * MS, known_ns=known_ms * MS,
        model="fraud", actor="watch", subject="", body=body,
    )  # fmt: skip


def spans(events: list[Event], known_ms: int = 5000, hearing: Hearing | None = None):
    def query(sql: str):
        return ask(sql, runs=[], events=events)

    told = unhealthy(query, "fraud", known_ms * MS, hearing or Hearing())
    return [(each.check, each.source, each.begin_ns // MS, -(-each.end_ns // MS)) for each in told]


def test_a_finding_leaves_out_what_it_touches_as_far_as_it_was_known():
    """M16: nothing before it was found, everything since while it goes on, then what it touched."""
    events = [found(1, "opened", [1400, 0]), found(2, "resolved", [1420, 2900], known_ms=4000)]
    assert spans(events, 1999) == []
    assert spans(events, 3000) == [(SILENT, "shop label", 1400, 3001)]
    assert spans(events, 4000) == [(SILENT, "shop label", 1420, 2900)]
    assert spans([events[0], found(2, "resolved", [])]) == []
    assert spans(events[::-1]) == spans(events)
    assert spans([structs.replace(event, model="churn") for event in events]) == []


def test_which_findings_leave_decisions_out():
    """M16: what comes late, or less, is a label; silence alone says nothing then."""
    kinds = ("labels.silent", "labels.meaning", "labels.late", "labels.fewer", "labels.unknown")
    events = [
        found(n, "opened", [1400 + n, 0], check=kind, since_ms=n) for n, kind in enumerate(kinds)
    ]
    assert [check for check, *_ in spans(events)] == list(kinds[:2])
    silence = spans(events, hearing=Hearing(silence_counts=True))
    assert [check for check, *_ in silence] == list(kinds[:4])
    assert spans(events, hearing=Hearing(trust={"shop": 0.0})) == []
    assert spans([found(1, "opened", [1400, 0], source="shop reaction")]) == []
    assert spans([found(1, "opened", [1400, 0], source="")]) == [(SILENT, "", 1400, 5001)]


def test_somebody_may_say_that_labels_were_all_right():
    """M16: which is known from then on."""
    trusted = Event(
        id="t1", kind="action", time_ns=3000 * MS, known_ns=3000 * MS, model="fraud", actor="ann",
        subject="", body={TRUSTED: {"begin_ns": 1600 * MS, "end_ns": 1700 * MS, "reason": "…"}},
    )  # fmt: skip
    events = [found(1, "opened", [1400, 0]), trusted]
    assert spans(events, 2500) == [(SILENT, "shop label", 1400, 2501)]
    assert spans(events, 3500) == [
        (SILENT, "shop label", 1400, 1600), (SILENT, "shop label", 1700, 3501),
    ]  # fmt: skip


def gap(begin_ms: int, end_ms: int) -> Unhealthy:
    return Unhealthy(
        begin_ns=begin_ms * MS, end_ns=end_ms * MS, check=SILENT, source="", why="labels silent"
    )


def said(*pairs: tuple[Made, str]) -> list[Said]:
    return [
        Said(n, made.id, (1101 + n) * MS, (1101 + n) * MS, (("label", label),))
        for n, (made, label) in enumerate(pairs)
    ]


def test_silence_is_no_label_where_labels_were_silent():
    """O3 O16: neither as a label that was heard, nor as what silence means; all are counted."""
    made = [Made(place, 1000 + place) for place in range(10)]
    history = History(made, said((made[1], "it's fraud"), (made[5], "it's fraud")))
    silence = structs.replace(ALL, silence="ok", window_ns=50 * MS, known_ns=2000 * MS)
    whole = read(history.query, silence)
    labels = [row["label"] for row in whole.table.to_pylist()]
    assert labels == ["ok", "it's fraud", *["ok"] * 3, "it's fraud", *["ok"] * 4]
    assert (whole.silent, whole.left_out) == (8, {})
    gone = read(history.query, structs.replace(silence, unhealthy=(gap(1004, 1008),)))
    assert [row["id"] for row in gone.table.to_pylist()] == [
        made[n].id for n in (0, 1, 2, 3, 8, 9)
    ]  # fmt: skip
    assert gone.left_out == {"labels silent": 4}
    assert gone.silent == 5
    heard = read(history.query, structs.replace(ALL, unhealthy=(gap(1004, 1008),)))
    assert [row["label"] for row in heard.table.to_pylist()] == ["it's fraud"]
    assert heard.left_out == {"labels silent": 4, words.UNLABELLED: 5}


def test_what_is_younger_than_the_window_is_left_out():
    """M17: whatever was heard of it, because the quick ones come first."""
    made = [Made(place, 1000 + 10 * place) for place in range(10)]
    history = History(made, said(*((each, "ok") for each in made[::2])))
    definition = structs.replace(ALL, window_ns=100 * MS, known_ns=1150 * MS, silence="it's fraud")
    rows = read(history.query, definition)
    assert [row["id"] for row in rows.table.to_pylist()] == [made[n].id for n in range(6)]
    assert rows.left_out[words.YOUNG] == 4
    assert rows.silent == 3
    heard_us = {row["id"]: row["heard_us"] for row in rows.table.to_pylist()}
    assert heard_us[made[1].id] == 1_110_000, "silence is known once the window has passed"
    assert rows.late == 1, "the first was heard 101 ms after it was made"
    later = read(history.query, structs.replace(definition, known_ns=1190 * MS))
    assert later.table.num_rows == 10


def test_silence_is_no_label_where_what_was_said_is_quarantined():
    """N2 O3: what was said in the stretch does not count, so that nothing was said says nothing; and
    those of whom something was heard before it are one-sided then."""
    made = [Made(place, 1000 + 10 * place) for place in range(12)]
    history = History(made, said((made[1], "it's fraud"), (made[7], "it's fraud")))
    silence = structs.replace(ALL, silence="ok", window_ns=50 * MS, known_ns=2000 * MS)
    away = structs.replace(silence, without=((1100 * MS, 1105 * MS),))
    rows = read(history.query, away)
    assert [row["id"] for row in rows.table.to_pylist()] == [
        made[n].id for n in (0, 1, 2, 3, 4, 11)
    ]  # fmt: skip
    assert rows.left_out == {words.CUT_SHORT: 5, words.QUARANTINED: 1, words.SAID_AWAY: 2}
    heard = read(history.query, structs.replace(away, silence=None))
    assert words.CUT_SHORT not in heard.left_out


class SlowShop(Shop):
    """A shop that somebody watches, in simulated time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.close()
        self.clock.jump(-(self.clock.now_ns() / 1e9 % 86_400.0) - 86_400.0)
        self.workspace.clock = self.clock
        self.watching = Watching(self.workspace)
        self.waiting: list[tuple[str, str]] = []
        self.number = 0
        contract = self.workspace.unpacked(self.version.fingerprint).manifest.contract
        self.classes = contract.output.classes

    def stretch(self, *, labels: bool = True) -> None:
        """Ten minutes: of what was decided in the ten before, labels come."""
        self.open()
        self.number += 1
        waiting, self.waiting = self.waiting, []
        for part in range(5):
            self.clock.advance(100.0)
            rows = self.rows(12, 10 * self.number + part)
            sums = [self.classes[int(total > 0)] for total in rows.sum(axis=1)]
            self.waiting += zip(self.decide(rows), sums, strict=True)
            due = waiting[part::5]
            if labels and due:
                self.hear([label for _, label in due], [id_ for id_, _ in due])
        self.clock.advance(STRETCH_MS / 1000.0 - 500.005)
        self.close()
        self.workspace.journal.seal()
        self.clock.advance(GRACE_MS / 1000.0)
        self.watching.tick()
        self.clock.jump(-GRACE_MS / 1000.0)


@pytest.mark.slow
def test_a_silent_source_leaves_a_gap_in_what_is_learned(tmp_path: Path):
    """M16 O3: from the journal through the keeper's duty to the card of a snapshot, as known then."""
    shop = SlowShop(tmp_path / "shop")
    begin_ns = shop.clock.now_ns()
    for _ in range(20):
        shop.stretch()
    shop.workspace.journal.seal()
    before = define(shop.workspace, "sums", begin_ns)
    assert before.unhealthy == ()
    stopped_ns = shop.clock.now_ns()
    for _ in range(6):
        shop.stretch(labels=False)
    (overview,) = shop.watching.overviews("sums")
    assert [each.finding.check for each in overview.findings] == [SILENT]
    assert overview.findings[0].opened_ms * MS - stopped_ns <= 3600 * 10**9
    silent = define(shop.workspace, "sums", begin_ns)
    (gap,) = silent.unhealthy
    assert gap.begin_ns < stopped_ns
    assert gap.end_ns == silent.known_ns + 1
    taken = take_snapshot(shop.workspace, silent)
    assert taken.reaches[0] < gap.begin_ns
    assert taken.left_out[gap.why] >= 6 * 60
    assert "labels of shop were silent" in gap.why
    again = define(shop.workspace, "sums", begin_ns, known_ns=before.known_ns)
    assert again == before
    assert worst(verify(shop.workspace, taken)) == "pass"
