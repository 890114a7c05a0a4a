"""Who tries a model out is named, who uses it is left alone: M20 A3."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mainstay.bundle.reference import packed_reference
from mainstay.contract.model import Category, Contract, Number, Probability, Vector
from mainstay.summaries.probes import FAR, NEAR, SWEPT, far, listed, near, swept
from mainstay.summaries.reference import Reference
from mainstay.watch.callers.gather import CALLERS_MAX, Callers
from mainstay.watch.callers.monitor import KEY, STATES_MAX, look_at_callers, usual_of
from mainstay.watch.gather.model import CALLERS, STRETCH_MS, Part, merge_parts
from mainstay.watch.monitors.model import Saved

LIVE = "ab" * 32
LOOKS = 30 * 144 * 9.6
COUNTRIES = ("DE", "FR", "US", "PL", "IT")
CONTRACT = Contract(
    model="fraud",
    inputs={
        **{f"x{n}": Number() for n in range(6)},
        "country": Category(values=COUNTRIES, others=True),
    },
    output=Probability(classes=("ok", "fraud")),
)


def people(generator, rows: int, shift: float = 0.0) -> dict[str, Any]:
    """Rows as people send them; a caller of its own kind is a little elsewhere."""
    common = generator.normal(0, 1, rows)
    columns: dict[str, Any] = {
        f"x{n}": 0.6 * common + 0.8 * generator.normal(shift, 1, rows) for n in range(6)
    }
    columns["country"] = generator.choice(COUNTRIES, rows, p=[0.5, 0.2, 0.15, 0.1, 0.05]).astype(
        object
    )
    return columns


def sweep(generator, rows: int) -> dict[str, Any]:
    """Twenty values of one input for each of a few rows."""
    base = people(generator, -(-rows // 20))
    columns = {name: np.repeat(column, 20)[:rows] for name, column in base.items()}
    columns["x2"] = np.tile(np.linspace(-2, 2, 20), len(base["x2"]))[:rows]
    return columns


def uniform(generator, rows: int) -> dict[str, Any]:
    """All corners of the space of inputs alike, as to copy the model."""
    columns: dict[str, Any] = {f"x{n}": generator.uniform(-3.5, 3.5, rows) for n in range(6)}
    columns["country"] = generator.choice(COUNTRIES, rows).astype(object)
    return columns


def boundary(generator, rows: int) -> dict[str, Any]:
    """Always where the model does not know."""
    columns = people(generator, rows)
    columns["x5"] = generator.normal(0, 0.1, rows) - sum(columns[f"x{n}"] for n in range(5))
    return columns


def model(columns: Mapping[str, Any]) -> np.ndarray:
    risk = 1 / (1 + np.exp(-sum(columns[f"x{n}"] for n in range(6))))
    return np.stack([1 - risk, risk], axis=1)


def reference() -> Reference:
    columns = people(np.random.default_rng(0), 3000)
    return packed_reference(CONTRACT, columns, {}, model(columns), None)


class Known:
    def __init__(self) -> None:
        self.known = reference()

    def reference(self, fingerprint: str) -> Reference | None:
        return self.known if fingerprint == LIVE else None

    def contract(self, fingerprint: str) -> Contract | None:
        return CONTRACT if fingerprint == LIVE else None

    def source(self, fingerprint: str, column: str) -> str:
        return ""


@pytest.fixture(scope="module")
def versions() -> Known:
    return Known()


def table(stretch: int, asked: Mapping[str, Mapping[str, Any]], arm: str = "live") -> pa.Table:
    """Decisions of several callers, mixed."""
    parts = []
    for caller, columns in asked.items():
        rows = len(columns["country"])
        output = model(columns)
        parts.append(pa.table({
            "model": ["fraud"] * rows, "fingerprint": [LIVE] * rows,
            "version": pa.array([1] * rows, pa.int32()), "arm": [arm] * rows,
            "time": pa.array([stretch * STRETCH_MS * 1000 + 5] * rows, pa.timestamp("us", "UTC")),
            "caller": [caller] * rows,
            **{f"input_{name}": pa.array(column) for name, column in columns.items()},
            "output_ok": output[:, 0], "output_fraud": output[:, 1],
        }))  # fmt: skip
    whole = pa.concat_tables(parts)
    return whole.take(np.argsort(np.arange(len(whole)) % 37, kind="stable"))


def run(versions: Known, stretches, saved: Saved | None = None):
    """The stretches one after the other; what was told."""
    gather, told = Callers(versions), []
    saved = saved or Saved()
    for stretch, asked in stretches:
        parts = list(gather.parts(table(stretch, asked), versions.known))
        saved = structs.replace(saved, until_ms=(stretch + 1) * STRETCH_MS)
        saved, changes = look_at_callers(saved, parts, (LIVE, versions), LOOKS)
        told += changes
    return saved, told


@pytest.mark.parametrize(("probe", "what", "words"), [
    (sweep, "swept", "differ from others of its own in one input alone, mostly input x2"),
    (uniform, "far", "values it sends are at the ends of what the reference has, or beyond"),
    (boundary, "near", "of its requests the model was nearly undecided"),
])  # fmt: skip
def test_who_probes_is_named_and_those_who_do_not_are_not(versions: Known, probe, what, words: str):
    """M20 A3: among ordinary callers, with what it does and since when; and over when it stops."""
    generator = np.random.default_rng(3)

    def stretch(thief) -> dict[str, Any]:
        return {
            "shop": people(generator, 120), "app|eu": people(generator, 60, 0.2),
            "thief": thief(generator, 80),
        }  # fmt: skip

    saved, told = run(versions, [(n, stretch(people)) for n in range(10)])
    assert told == []
    saved, told = run(versions, [(n, stretch(probe)) for n in range(10, 30)], saved)
    assert [(change.kind, change.key) for change in told] == [
        ("opened", f"{LIVE[:16]}{KEY}{what}|thief")
    ]
    assert told[0].finding.words.startswith("caller thief: ")
    assert words in told[0].finding.words
    assert told[0].since_ms >= 9 * STRETCH_MS
    saved, told = run(versions, [(n, stretch(people)) for n in range(30, 45)], saved)
    assert [change.kind for change in told] == ["resolved"]


def test_callers_who_differ_within_reason_are_left_alone(versions: Known):
    """M20: six callers for hours, each of its own kind, over three seeds."""
    for seed in range(3):
        generator = np.random.default_rng(seed)
        shifts = generator.normal(0, 0.15, 6)
        stretches = [
            (n, {f"c{c}": people(generator, 25, shift) for c, shift in enumerate(shifts)})
            for n in range(50)
        ]
        saved, told = run(versions, stretches)
        assert told == []
        assert len(saved.states) == 18


def test_what_all_callers_do_is_no_probing(versions: Known):
    """M20 M6: a change of the data is told by the monitor of columns; a lone caller's too."""
    generator = np.random.default_rng(5)
    everybody = [(n, {c: uniform(generator, 60) for c in ("a", "b")}) for n in range(8)]
    assert run(versions, everybody)[1] == []
    assert run(versions, [(n, {"a": uniform(generator, 60)}) for n in range(8)])[1] == []
    alone = run(versions, [(n, {"a": sweep(generator, 60)}) for n in range(8)])[1]
    assert [change.key for change in alone] == [f"{LIVE[:16]}{KEY}swept|a"]


def test_memory_is_bounded_however_many_callers(versions: Known):
    """M20: of a piece the busiest, of all the loudest; little of each is enough to say nothing."""
    generator = np.random.default_rng(6)
    many = {f"c{n:03}": people(generator, 20 + n % 3) for n in range(CALLERS_MAX + 25)}
    (part,) = Callers(versions).parts(table(0, many), versions.known)
    callers = {name.partition("|")[2] for name in part.columns}
    assert len(callers) == CALLERS_MAX
    assert "c000" not in callers, "the busiest are kept"
    few = {"shop": people(generator, 10)}
    assert list(Callers(versions).parts(table(0, few), versions.known)) == []
    assert list(Callers(versions).parts(table(0, many, "shadow"), versions.known)) == []
    saved = Saved()
    for n in range(STATES_MAX // 40):
        asked = {f"d{n}-{c}": people(generator, 20) for c in range(CALLERS_MAX)}
        saved, _ = run(versions, [(n, asked)], saved)
    assert len(saved.states) == STATES_MAX


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_sweeps_are_those_that_a_search_through_all_rows_finds(seed: int, pieces: int):
    """M20: five rows of a hundred that differ in one input, by brute force."""
    generator = np.random.default_rng(seed)
    columns: dict[str, Sequence[Any]] = {
        name: generator.integers(0, 4, 130).tolist() for name in ("a", "b", "c")
    }
    found, which = swept(columns, 130)
    rows = list(zip(*columns.values(), strict=True))
    for at in range(130):
        block = rows[at // 100 * 100 : at // 100 * 100 + 100]
        places = [
            place
            for place in range(3)
            if len({
                other[place] for other in block
                if all(other[i] == rows[at][i] for i in range(3) if i != place)
            }) >= 5
        ]  # fmt: skip
        assert (found[at] == 1.0) == bool(places)
        assert which[at] == (places[0] if places else -1)


def test_parts_of_callers_merge_in_any_order(versions: Known):
    """M20: pieces of one stretch."""
    generator = np.random.default_rng(8)
    asked = [{"a": sweep(generator, 40), "b": uniform(generator, 30)} for _ in range(4)]
    parts = [
        part for each in asked for part in Callers(versions).parts(table(0, each), versions.known)
    ]
    forward, backward = parts[0], parts[-1]
    for part in parts[1:]:
        forward = merge_parts(forward, part, part.key)
    for part in parts[-2::-1]:
        backward = merge_parts(backward, part, part.key)
    assert forward.key.slice == CALLERS
    for name, summary in forward.columns.items():
        other = backward.columns[name]
        assert summary.rows == other.rows
        if summary.numbers is not None and other.numbers is not None:
            mean, same = summary.numbers.moments.mean, other.numbers.moments.mean
            assert mean == pytest.approx(same)


def test_how_unusual_a_row_is(versions: Known):
    """M20: ends of the numbers, unknown words; not what is missing."""
    columns = {
        "input_x0": [0.0, 9.0, -9.0, None, float("nan")],
        "input_country": ["DE", "??", "DE", None, "FR"],
    }
    assert far(columns, versions.known.columns, 5).tolist() == [0.0, 1.0, 0.5, 0.0, 0.0]
    rows = people(np.random.default_rng(1), 4000)
    usual = far({f"input_{n}": c for n, c in rows.items()}, versions.known.columns, 4000).mean()
    assert usual == pytest.approx(0.05 * 6 / 7, abs=0.01)
    two = near(CONTRACT, np.array([[0.5, 0.5], [0.46, 0.54], [0.4, 0.6]]))
    assert two is not None
    assert two.tolist() == [1.0, 1.0, 0.0]


def test_where_few_inputs_sweep_by_themselves_nobody_is_blamed():
    """M20: what is usual is measured on the reference."""
    known = reference().columns
    assert set(usual_of(known)) == {FAR, NEAR, SWEPT}
    contract = structs.replace(CONTRACT, inputs={"a": Number(), "b": Number()})
    generator = np.random.default_rng(2)
    few = {"a": generator.integers(0, 5, 900) * 1.0, "b": generator.integers(0, 5, 900) * 1.0}
    raw = np.full((900, 2), 0.5)
    assert SWEPT not in usual_of(packed_reference(contract, few, {}, raw, None).columns)


def test_vectors_are_told_apart_and_nothing_else(versions: Known):
    """M20: an embedding among the inputs is one of them; the same from NumPy and from Arrow."""
    generator = np.random.default_rng(3)
    whole = generator.normal(0, 1, (60, 8))
    whole[10:] = whole[10]
    arrow = pa.chunked_array([pa.array(list(whole), pa.list_(pa.float64()))])
    assert listed(whole) == listed(arrow)
    inputs = {"input_v": listed(arrow), "input_x": list(range(60))}
    found, which = swept(inputs, 60)
    assert found.tolist() == [0.0] * 10 + [1.0] * 50
    assert set(which[10:].tolist()) == {1}
    contract = Contract(
        model="m", inputs={"v": Vector(length=8), "x": Number()}, output=CONTRACT.output
    )
    asked = {"v": whole, "x": np.arange(60.0)}
    known = packed_reference(contract, asked, {}, np.full((60, 2), 0.5), None).columns
    assert far({"input_v": listed(whole)}, known, 60).tolist() == [0.0] * 60
    gone = pa.chunked_array([pa.array([[1.0, 2.0], None])])
    assert listed(gone) == [[1.0, 2.0], None]


def test_parts_of_another_version_are_not_asked_about(versions: Known):
    """M20: only the one that answers now."""
    generator = np.random.default_rng(9)
    (part,) = Callers(versions).parts(table(0, {"a": sweep(generator, 90)}), versions.known)
    moved = Part(structs.replace(part.key, fingerprint="cd" * 32), 0, part.columns)
    saved, told = look_at_callers(Saved(), [moved], (LIVE, versions), LOOKS)
    assert (saved.states, told) == ({}, [])
