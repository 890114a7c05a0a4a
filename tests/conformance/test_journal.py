"""Every journal answers the same, on disk and in memory, before sealing and after: L1, L3, L7."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import InvalidUsage, NotFound
from mainstay.base.ids import DecisionId
from mainstay.journal.model import DecisionBatch
from tests.journal.place import Place
from tests.journal.records import CHURN, FRAUD, FRAUD_2, TIME_MS, batch, event

RUNS = [
    (batch(0, 4), FRAUD),
    (batch(4, 3, layout=FRAUD_2), FRAUD_2),
    (batch(7, 2, layout=CHURN, time_ms=TIME_MS + 86_400_000), CHURN),
    (batch(9, 1), FRAUD),
]


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(None if request.param == "memory" else tmp_path)
    yield place
    place.close()


@pytest.fixture(params=["tail", "sealed", "both"])
def full(request: pytest.FixtureRequest, place: Place) -> Place:
    """All runs and two events: unsealed, sealed, or some of each."""
    first = place.spool()
    first.append([RUNS[0][0], RUNS[1][0], event("e1")])
    if request.param == "both":
        first.close()
        assert place.journal().seal() == 1
        first = place.spool()
    first.append([RUNS[2][0], RUNS[3][0], event("e2", "churn/eu")])
    if request.param == "sealed":
        first.close()
        assert place.journal().seal() == 1
    return place


def identity(run: DecisionBatch, row: int) -> str:
    return str(DecisionId(run.time_ms, run.incarnation, run.first_sequence + row))


def test_every_decision_is_found_with_its_run(full: Place):
    """L3: the run comes back bit for bit, so it can be replayed."""
    journal = full.journal()
    for run, layout in RUNS:
        for row in range(run.rows):
            assert journal.run_of(identity(run, row)) == (run, layout)


def test_the_runs_of_some_versions_come_each_once(full: Place):
    """L3 L6: bit for bit, and none of another version or model."""
    journal = full.journal()

    def found(model: str, *fingerprints: str) -> list[DecisionBatch]:
        runs = list(journal.runs(model, set(fingerprints)))
        assert {layout.model for _, layout in runs} <= {model}
        return sorted((run for run, _ in runs), key=lambda run: run.first_sequence)

    fraud, second, churn = (each.fingerprint for each in (FRAUD, FRAUD_2, CHURN))
    assert found("fraud", fraud) == [RUNS[0][0], RUNS[3][0]]
    assert found("fraud", fraud, second, churn) == [RUNS[0][0], RUNS[1][0], RUNS[3][0]]
    assert found(CHURN.model, churn) == [RUNS[2][0]]
    assert found(CHURN.model, fraud) == []
    assert found("fraud") == []


def test_a_decision_says_everything(full: Place):
    """L1."""
    decision = full.journal().find(identity(RUNS[1][0], 1))
    assert decision.id == identity(RUNS[1][0], 1)
    assert (decision.model, decision.version, decision.route) == ("fraud", 2, 3)
    assert (decision.fingerprint, decision.door) == (FRAUD_2.fingerprint, "http")
    assert (decision.caller, decision.request) == ("local", "")
    assert (decision.status, decision.reason) == ("asked", "")
    assert decision.time == "2023-11-14T22:13:20.000000Z"
    assert decision.inputs == {"amount": 2.5, "country": "DE"}
    assert decision.features == {"log_amount": 5.0}
    assert decision.output == {"ok": -4.0, "fraud": 5.0}
    assert decision.waited_ns == 1
    assert decision.steps_ns == {"predict": 5, "judge": 1}
    assert (decision.run_rows, decision.run_row) == (3, 1)
    assert full.journal().find(identity(RUNS[1][0], 0)).reason == "not finite"


def test_features_that_are_the_inputs_are_shown_as_both(full: Place):
    """L1."""
    decision = full.journal().find(identity(RUNS[0][0], 2))
    assert decision.features == decision.inputs == {"amount": 1.0, "age": -2.0}


@pytest.mark.parametrize(
    "decision_id",
    [
        str(DecisionId(TIME_MS, 7, 10)),
        str(DecisionId(TIME_MS, 8, 1)),
        str(DecisionId(TIME_MS + 1, 7, 1)),
        str(DecisionId(0, 0, 0)),
        "",
        "x",
        "../../etc/passwd",
    ],
)
def test_nobody_made_this_decision(full: Place, decision_id: str):
    with pytest.raises(NotFound) as refusal:
        full.journal().find(decision_id)
    assert refusal.value.field == "id"


def test_sql_sees_every_row_once(full: Place):
    """L7: lake and tail as one."""
    rows = (
        full.journal()
        .query(
            "SELECT model, version, count(*) AS n, count(DISTINCT id) AS ids FROM decisions"
            " GROUP BY ALL ORDER BY ALL"
        )
        .to_pylist()
    )
    assert rows == [
        {"model": "churn/eu", "version": 7, "n": 2, "ids": 2},
        {"model": "fraud", "version": 1, "n": 5, "ids": 5},
        {"model": "fraud", "version": 2, "n": 3, "ids": 3},
    ]


def test_sql_sees_the_values_of_every_version_and_model(full: Place):
    """L1: columns are united by name; what a version does not have is null."""
    rows = (
        full.journal()
        .query(
            "SELECT sequence, input_amount, input_country, output_fraud, output_score, input_note"
            " FROM decisions WHERE sequence IN (1, 5, 8) ORDER BY sequence"
        )
        .to_pylist()
    )
    assert rows == [
        {
            "sequence": 1,
            "input_amount": 0.5,
            "input_country": None,
            "output_fraud": 1.0,
            "output_score": None,
            "input_note": None,
        },
        {
            "sequence": 5,
            "input_amount": 2.5,
            "input_country": "DE",
            "output_fraud": 5.0,
            "output_score": None,
            "input_note": None,
        },
        {
            "sequence": 8,
            "input_amount": None,
            "input_country": None,
            "output_fraud": None,
            "output_score": 8.0,
            "input_note": "note 1",
        },
    ]
    total = full.journal().query("SELECT sum(input_amount) AS s FROM decisions").to_pylist()
    assert total == [{"s": float(np.sum(np.array([0, 1, 2, 3, 4, 5, 6, 9]) * 0.5))}]


def test_a_question_that_takes_long_prints_nothing_beside_its_answer(place: Place):
    """A bar that shows how far a query is would stand in the middle of a command's JSON."""
    told = place.journal().query("SELECT current_setting('enable_progress_bar') AS bar")
    assert told.to_pylist() == [{"bar": False}]


def test_sql_sees_events(full: Place):
    rows = full.journal().query("SELECT id, model, body FROM events ORDER BY id").to_pylist()
    assert [(row["id"], row["model"]) for row in rows] == [("e1", "fraud"), ("e2", "churn/eu")]
    assert rows[0]["body"] == '{"number":1,"why":"ünïcode"}'


def test_sealing_twice_seals_nothing_more(full: Place):
    journal = full.journal()
    journal.seal()
    count = "SELECT count(*) AS n FROM decisions"
    assert journal.seal() == 0
    assert journal.query(count).to_pylist() == [{"n": 10}]


def test_an_empty_journal_answers(place: Place):
    journal = place.journal()
    assert journal.query("SELECT id, caller FROM decisions").num_rows == 0
    assert journal.query("SELECT id, body FROM events").num_rows == 0
    assert journal.seal() == 0
    with pytest.raises(NotFound):
        journal.find(str(DecisionId(TIME_MS, 7, 0)))


def test_a_living_spool_is_not_sealed(place: Place):
    """L7: what is still written to must not be taken away."""
    spool = place.spool()
    spool.append([batch(0)])
    assert place.journal().seal() == 0
    spool.append([batch(4)])
    assert place.journal().query("SELECT count(*) AS n FROM decisions").to_pylist() == [{"n": 8}]


def test_processes_are_kept_apart(place: Place):
    for incarnation in (7, 8, 0xFFFFFFFF):
        place.spool(incarnation).append([batch(0, 1, incarnation=incarnation)])
    for incarnation in (7, 8, 0xFFFFFFFF):
        run, _ = place.journal().run_of(str(DecisionId(TIME_MS, incarnation, 0)))
        assert run.incarnation == incarnation


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine AS SELECT 1",
        "DROP VIEW decisions",
        "COPY decisions TO 'out.csv'",
        "SELECT 1; SELECT 2",
        "",
        "CHECKPOINT",
        "SET enable_external_access = true",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SELEC 1",
        "SELECT nothing FROM decisions",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM 'pyproject.toml'",
        "SELECT * FROM read_parquet('/nowhere/*.parquet')",
    ],
)
@pytest.mark.parametrize("full", ["both"], indirect=True)
def test_sql_can_only_ask_and_only_about_the_journal(
    full: Place,
    sql: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InvalidUsage) as refusal:
        full.journal().query(sql)
    assert refusal.value.field == "sql"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_was_said_of_a_decision_is_found_with_it(place: Place):
    """S26 S28: reports and undoing are shown with the decision, in the order in which they came,
    wherever they are kept; what is about another decision or another model is not."""
    spool = place.spool()
    run = batch(1, 2)
    spool.append([run])
    decision, other = identity(run, 0), identity(run, 1)
    told = [
        msgspec.structs.replace(
            event(f"{place_:032x}", model),
            kind="outcome",
            subject=subject,
            time_ns=time_ns,
            body=body,
        )
        for place_, (model, subject, time_ns, body) in enumerate(
            [
                ("fraud", decision, 3, {"undo": {"reason": "no"}, "kind": "?"}),
                ("fraud", other, 2, {"label": "ok"}),
                ("churn", decision, 2, {"label": "ok"}),
                ("fraud", decision, 1, {"report": {"what": "wrong"}}),
            ]
        )
    ]
    told = [msgspec.structs.replace(e, time_ns=TIME_MS * 1_000_000 + e.time_ns) for e in told]
    spool.append(told[:2])
    spool.close()
    place.journal().seal()
    place.spool().append(told[2:])
    found = place.journal().find_with_all(decision).since
    assert [each["id"] for each in found] == [told[3].id, told[0].id]
    assert found[0]["report"] == {"what": "wrong"}
    assert (found[1]["kind"], found[1]["actor"]) == ("outcome", "ann")
    assert found[1]["time"].startswith("2023-11-14T22:13:20")
    assert place.journal().find(decision).since == []
