"""Sources that stop, and values whose form changes, are named: M5 M6 M27 O5 O3."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mainstay.bundle.reference import packed_reference
from mainstay.contract.model import (
    Category,
    Contract,
    FromLookup,
    FunctionSource,
    Number,
    Probability,
    Text,
)
from mainstay.summaries.origins import form_of, usual_forms
from mainstay.summaries.reference import Reference
from mainstay.watch.gather.model import STRETCH_MS, merge_parts
from mainstay.watch.gather.read import parts_of
from mainstay.watch.monitors.columns import GRACE_MS, look
from mainstay.watch.monitors.model import Saved
from mainstay.watch.sources import Sources

LIVE = "ab" * 32
CONTRACT = Contract(
    model="loans",
    inputs={
        "amount": Number(source="the table payments"),
        "day": Text(),
        "note": Text(),
        "country": Category(values=("DE", "FR"), others=True),
    },
    context={
        "account": FromLookup(
            lookup="accounts", key="country", fields={"age": Number()}, otherwise={"age": 0.0}
        )
    },
    lookups={"accounts": FunctionSource(function="accounts")},
    output=Probability(classes=("ok", "bad")),
)


def columns(generator: np.random.Generator, rows: int) -> dict[str, Any]:
    days = [f"2026-{m:02}-{d:02}" for m, d in generator.integers(1, 29, (rows, 2))]
    notes = ["".join(map(chr, generator.integers(32, 127, 12))) for _ in range(rows)]
    return {
        "amount": generator.lognormal(3, 1, rows),
        "day": np.array(days, dtype=object),
        "note": np.array(notes, dtype=object),
        "country": generator.choice(["DE", "FR"], rows).astype(object),
        "account.age": generator.normal(40, 10, rows),
    }


def packed() -> Reference:
    rows = columns(np.random.default_rng(0), 1500)
    return packed_reference(CONTRACT, rows, {}, np.full((1500, 2), 0.5), None)


class Known:
    def __init__(self) -> None:
        self.known = packed()

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known

    def contract(self, fingerprint: str) -> Contract | None:
        return CONTRACT

    def source(self, fingerprint: str, column: str) -> str:
        return ""


@pytest.fixture(scope="module")
def versions() -> Known:
    return Known()


def table(rows: Mapping[str, Any], reasons: Sequence[str | None], stretch: int) -> pa.Table:
    count = len(reasons)
    return pa.table({
        "model": ["loans"] * count, "fingerprint": [LIVE] * count,
        "version": pa.array([1] * count, pa.int32()), "arm": ["live"] * count,
        "time": pa.array([stretch * STRETCH_MS * 1000 + 5] * count, pa.timestamp("us", "UTC")),
        "caller": ["shop"] * count, "status": ["answered"] * count, "door": ["http"] * count,
        "reason": pa.array(reasons, pa.string()), "steps": ["{}"] * count,
        "run_rows": pa.array([count] * count, pa.int32()),
        "waited_ns": pa.array([0] * count, pa.int64()),
        **{("input_" if name in CONTRACT.inputs else "context_") + name: pa.array(column)
           for name, column in rows.items()},
    })  # fmt: skip


def told(versions: Known, spoil, reasons=lambda rows: [None] * rows, stretches: int = 6):
    """What is found in some stretches, from the fourth on spoiled."""
    generator, found, saved = np.random.default_rng(1), [], Saved()
    for stretch in range(stretches):
        rows = columns(generator, 80)
        odd = stretch >= 3
        made = table(spoil(rows) if odd else rows, reasons(80) if odd else [None] * 80, stretch)
        whole = [
            *parts_of(made, versions.known, []),
            *Sources(versions).parts(made, versions.known),
        ]
        part = whole[0]
        for other in whole[1:]:
            part = merge_parts(part, other, part.key)
        now_ms = (stretch + 1) * STRETCH_MS + GRACE_MS
        saved, changes = look(saved, [part], versions, 30 * 144 * 9.6, now_ms)
        found += changes
    return {change.finding.check: change.finding.words for change in found}


def same(rows: dict[str, Any]) -> dict[str, Any]:
    return rows


def test_what_stays_as_it_was_is_left_alone(versions: Known):
    """M5: no look-up failed, no form is new; free words have no form."""
    assert told(versions, same, stretches=30) == {}
    assert "format_input_day" in versions.known.columns
    assert "format_input_note" not in versions.known.columns
    assert versions.known.columns["source_accounts"].ruler.names[0] == "answered"


@pytest.mark.parametrize(("reason", "what"), [
    ("look-up accounts took longer than 50ms", "late"),
    ("look-up accounts failed: OSError: no route", "failed"),
    ("not finite; look-up accounts answered: age must be a number", "wrong"),
])  # fmt: skip
def test_a_look_up_that_stops_is_named(versions: Known, reason: str, what: str):
    """M27 O3: late, failing, or with values of another kind; a key it does not know is an answer."""
    found = told(versions, same, lambda rows: [reason] * rows)
    assert set(found) == {"lookup accounts: share of answered", f"lookup accounts: share of {what}"}
    assert "100.0%, where 0.0% is usual" in found[f"lookup accounts: share of {what}"]
    unknown = "look-up accounts does not know this key"
    assert told(versions, same, lambda rows: [unknown] * rows) == {}
    assert told(versions, same, lambda rows: ["look-up other failed: x"] * rows) == {}


def test_a_date_in_another_form_is_named(versions: Known):
    """M5 M6: the form and what came instead; no day is known any more, and no other column differs."""

    def german(rows: dict[str, Any]) -> dict[str, Any]:
        days = [".".join(reversed(day.split("-"))) for day in rows["day"]]
        return {**rows, "day": np.array(days, dtype=object)}

    found = told(versions, german)
    assert set(found) == {
        "form of input day: share of 9-9-9",
        "form of input day: share of unknown",
        "input day: share of unknown",
    }
    words = found["form of input day: share of unknown"]
    assert (
        "form of input day: share of unknown: 100.0%, where 0.0% is usual, such as “9.9.9”" in words
    )


def test_categories_that_are_written_otherwise_are_shown(versions: Known):
    """M6: which, and what it may be."""

    def small(rows: dict[str, Any]) -> dict[str, Any]:
        return {
            **rows,
            "country": np.array([f" {c.lower()}" for c in rows["country"]], dtype=object),
        }

    words = told(versions, small)["input country: share of unknown"]
    assert "such as “ de”, “ fr”, as if only letters' case or spaces had changed" in words

    def new(rows: dict[str, Any]) -> dict[str, Any]:
        return {**rows, "country": np.array(["XK"] * len(rows["country"]), dtype=object)}

    words = told(versions, new)["input country: share of unknown"]
    assert "such as “XK”, since" in words


@pytest.mark.parametrize(("text", "form"), [
    ("2026-11-20", "9-9-9"), ("12,50", "9,9"), ("1.234,5 €", "9.9,9 €"), ("Anna  Lena", "a a"),
    ("", ""), ("größe9", "a9"), ("x!" * 40, "a!" * 12 + "…"),
])  # fmt: skip
def test_forms(text: str, form: str):
    """M5: runs of digits, of letters and of spaces count as one."""
    assert form_of(text) == form


def test_too_few_texts_say_nothing_of_their_form():
    """M5: and numbers have none."""
    rows = {"input_day": ["2026-01-01"] * 99, "input_amount": [1.0] * 99}
    assert usual_forms(CONTRACT, rows) == {}
    rows = {"input_day": ["2026-01-01"] * 100 + [None] * 9, "input_amount": [1.0] * 109}
    assert set(usual_forms(CONTRACT, rows)) == {"format_input_day"}


def test_first_decisions_say_what_is_usual(versions: Known):
    """M27: of a version from before there were references."""
    rows = columns(np.random.default_rng(2), 200)
    made = table(rows, [None] * 200, 0)
    known = Sources(versions).known(made, versions.known.columns)
    assert {"format_input_day", "source_accounts"} <= set(known)
