"""What bad data reached, asked of a journal (N2)."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainstay.base.errors import StorageFailed
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.model import Event
from mainstay.release.recall.model import Fed, Taint
from mainstay.release.recall.reached import bad, blast, decisions, listing
from mainstay.release.recall.reaches import fed_by
from tests.journal.place import Place
from tests.journal.records import CHURN, FRAUD, FRAUD_2, TIME_MS, batch

BAD = Taint(
    model="fraud", number=2, fingerprint=FRAUD_2.fingerprint, judged="trained", words="it did"
)
DOUBTFUL = replace(BAD, number=1, fingerprint=FRAUD.fingerprint, judged="unsure")
NEVER = replace(BAD, number=3, fingerprint="f3" * 32)


def about(decision: str, kind: Any, **body: Any) -> Event:
    return Event(
        id=f"e{decision}{kind}{sorted(body)}", kind=kind, time_ns=TIME_MS * 1_000_000,
        known_ns=TIME_MS * 1_000_000, model="fraud", actor="ann", subject=decision, body=body,
    )  # fmt: skip


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_decisions_are_counted_by_version_with_what_became_of_them(tmp_path: Path, where: str):
    """N2: by version, shadows apart; who got them; outcomes, undoing, what a webhook was told of;
    and what a fed model decided since. Each decision counts once, however much was said of it."""
    place = Place(tmp_path if where == "disk" else None)
    spool = place.spool()
    spool.append([
        replace(batch(1, 5, layout=FRAUD_2), callers=("shop", "shop", "app", "shop", "it's")),
        replace(batch(6, 2, layout=FRAUD_2, time_ms=TIME_MS + 5000), arm="shadow",
                shadows=("a", "b")),
        batch(8, 3), batch(11, 4, layout=CHURN, time_ms=TIME_MS - 1),
        batch(15, 6, layout=CHURN, time_ms=TIME_MS + 7000),
    ])  # fmt: skip
    query = place.journal().query
    ids = query("SELECT id FROM decisions WHERE version = 2 ORDER BY id").column("id").to_pylist()
    good = query("SELECT id FROM decisions WHERE version = 1").column("id").to_pylist()
    spool.append([
        about(ids[0], "outcome", label="ok"), about(ids[0], "outcome", reaction="up"),
        about(ids[1], "outcome", undo={"reason": ""}),
        about(ids[1], "action", undo_delivery="not yet", why="told"),
        about(ids[2], "outcome", undo={"reason": "x"}),
        about(ids[2], "action", undo_delivery="told"),
        about(ids[3], "outcome", report={"words": 'no "undo" here'}),
        about(good[0], "outcome", label="ok"), about("strange", "outcome", label="ok"),
    ])  # fmt: skip
    fed = [Fed(model="churn/eu", live=7), Fed(model="nobody's")]
    found = blast(query, [BAD, NEVER], fed)
    assert [(each.number, each.decisions, each.unseen) for each in found.made] == [
        (2, 5, 2), (3, 0, 0),
    ]  # fmt: skip
    assert found.made[0].first == "2023-11-14T22:13:20.000000Z"
    assert found.made[0].last == "2023-11-14T22:13:25.000000Z"
    assert found.made[1].first == ""
    assert found.callers == (("shop", 3), ("app", 1), ("it's", 1))
    assert (found.callers_in_all, found.decisions) == (3, 5)
    assert (found.outcomes, found.undone, found.told) == (1, 2, 1)
    assert [(each.model, each.decisions) for each in found.fed] == [
        ("churn/eu", 6),
        ("nobody's", 0),
    ]
    both = blast(query, [BAD, DOUBTFUL], [])
    assert (both.decisions, both.outcomes) == (8, 2)
    assert query(listing([BAD])).num_rows == 7
    assert blast(query, [], fed).fed == tuple(fed)
    assert list(decisions(query, [])) == []
    place.close()


def test_a_journal_that_cannot_be_asked_is_named_and_holds_nothing_up():
    """N2: going back does not wait for a damaged lake."""

    def broken(_sql: str) -> Any:
        raise StorageFailed("the lake cannot be read")

    assert "the lake cannot be read" in blast(broken, [BAD], []).unknown


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(1, 6)), min_size=1, max_size=6),
    st.integers(1, 12),
)
def test_pages_hold_every_decision_once_in_order_and_are_small(
    runs: Sequence[tuple[int, int]], page_rows: int
):
    """N2: as one SELECT finds them; a page is larger than asked for only within one second."""
    log = MemoryLog()
    spool = MemorySpool(log, 7)
    spool.describe(FRAUD_2)
    spool.describe(FRAUD)
    first = 1
    for at, rows in runs:
        spool.append(
            [batch(first, rows, layout=FRAUD_2, time_ms=TIME_MS + at), batch(first + 50, 1)]
        )
        first += 100
    query = MemoryJournal(log).query
    pages = list(decisions(query, [BAD], page_rows))
    wanted = query(f"SELECT id FROM decisions WHERE {bad([BAD])} ORDER BY time, id")
    assert [row["id"] for page in pages for row in page] == wanted.column("id").to_pylist()
    for page in pages:
        seconds = Counter(row["time"][:19] for row in page)
        assert page
        assert len(page) <= page_rows or len(seconds) == 1


def test_whatever_answers_reach_is_found_however_far_and_in_circles():
    """N2 L6: taken or learned from; a circle ends."""
    edges = {"b": {"a"}, "c": {"b", "x"}, "a": {"c"}, "d": {"y"}, "e": set[str]()}
    assert fed_by("a", edges) == ["b", "c"]
    assert fed_by("d", edges) == []
    assert fed_by("x", edges) == ["a", "b", "c"]
