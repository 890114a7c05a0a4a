"""Whoever reads on in a journal meets every record once, on disk and in memory: L1, L7, N6."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mainstay.journal import news
from mainstay.journal.model import Wanted
from mainstay.journal.port import News
from tests.journal.place import Place
from tests.journal.records import CHURN, FRAUD, FRAUD_2, TIME_MS, batch, event

WANTED = Wanted(
    model="fraud", since_ms=TIME_MS, columns=("arm", "input_amount", "output_ok"), kinds=("route",)
)


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(None if request.param == "memory" else tmp_path)
    yield place
    place.close()


def read(reader: News) -> tuple[list[str], list[str]]:
    fresh = reader.read()
    return [row["id"] for row in fresh.decisions], [each.id for each in fresh.events]


def test_a_look_brings_what_is_new_of_one_model(place: Place):
    """N6: columns that are wanted and there, kinds that are wanted, nothing from before."""
    spool = place.spool()
    early = batch(0, 2, time_ms=TIME_MS - 1)
    other = batch(2, 2, layout=CHURN)
    mine = batch(4, 2)
    spool.append([early, other, mine, event("e1"), event("e2", "churn/eu")])
    reader = place.journal().news(WANTED)
    fresh = reader.read()
    assert [row["output_ok"] for row in fresh.decisions] == [-3.0, -4.0]
    assert [row["input_amount"] for row in fresh.decisions] == [2.0, 2.5]
    assert set(fresh.decisions[0]) == {
        "id", "run_first_sequence", "arm", "input_amount", "output_ok"
    }  # fmt: skip
    assert fresh.events == [event("e1")]
    assert read(reader) == ([], [])
    spool.append([batch(6, 1, layout=FRAUD_2)])
    assert len(read(reader)[0]) == 1
    nothing = place.journal().news(
        Wanted(model="fraud", since_ms=TIME_MS, columns=(), kinds=("outcome",))
    )
    assert len(read(nothing)[0]) == 3
    assert read(nothing)[1] == []


@pytest.mark.parametrize("seed", range(6))
def test_every_record_comes_once_whenever_pieces_are_sealed(
    place: Place, seed: int, monkeypatch: pytest.MonkeyPatch
):
    """L7: two processes, looks and seals in any order, parts of a look, runs that land late."""
    monkeypatch.setattr(news, "_RUNS_MAX", 3)
    monkeypatch.setattr(news, "ROWS_MAX", 20)
    random = np.random.default_rng(seed)
    spools = {number: place.spool(number) for number in (7, 8)}
    sequences = {7: 0, 8: 0}
    held: list[tuple[int, int, int]] = []
    written: list[str] = []
    told: list[str] = []
    reader = place.journal().news(WANTED)
    got: tuple[list[str], list[str]] = ([], [])

    def look() -> tuple[list[str], list[str]]:
        decisions, events = read(reader)
        got[0].extend(decisions)
        got[1].extend(events)
        return decisions, events

    def write(number: int, first: int, time_ms: int) -> None:
        run = batch(first, 2, incarnation=number, time_ms=time_ms, layout=FRAUD)
        spools[number].append([run])
        written.extend(f"{time_ms:012x}{number:08x}{first + row:08x}" for row in range(2))

    for turn in range(120):
        number = int(random.choice([7, 8]))
        time_ms = TIME_MS + turn * 800
        match random.choice(["write", "write", "write", "hold", "event", "look", "close"]):
            case "write":
                write(number, sequences[number], time_ms)
                sequences[number] += 2
            case "hold":
                held.append((number, sequences[number], time_ms))
                sequences[number] += 2
            case "event":
                spools[number].append([event(f"e{turn}"), event(f"c{turn}", "churn/eu")])
                told.append(f"e{turn}")
            case "look":
                look()
            case _:
                spools[number].close()
                place.journal().seal()
                spools[number] = place.spool(number)
        if held and turn % 4 == 3:
            late = held.pop(0)
            write(*late)
    for _ in range(60):
        look()
    assert sorted(got[0]) == sorted(written)
    assert sorted(got[1]) == sorted(told)
    fresh = place.journal().news(WANTED)
    again = [each for _ in range(60) for each in read(fresh)[0]]
    assert sorted(again) == sorted(written)
