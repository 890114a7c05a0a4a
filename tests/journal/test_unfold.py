"""A run becomes rows of Parquet and comes back bit for bit: L1, L3."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from msgspec import structs

from mainstay.base.errors import StorageFailed
from mainstay.contract.columns import encode
from mainstay.journal.arrow import pq
from mainstay.journal.lake import write_parquet
from mainstay.journal.model import DecisionBatch, Layout
from mainstay.journal.reader import ask
from mainstay.journal.unfold import fold, unfold, unfold_events
from tests.journal.forms import runs
from tests.journal.records import CHURN, FRAUD, FRAUD_2, batch, event


def through_parquet(table):
    """What the lake's files do to a table."""
    file = io.BytesIO()
    write_parquet(table, file)
    return pq.read_table(io.BytesIO(file.getvalue()))


@settings(max_examples=150, deadline=None)
@given(runs())
def test_every_run_comes_back_bit_for_bit(made: list[tuple[DecisionBatch, Layout]]):
    """L3: whatever the form, the columns, the NaNs."""
    tables = unfold(made)
    assert sum(table.num_rows for table in tables) == sum(run.rows for run, _ in made)
    back = [run for table in tables for run in fold(through_parquet(table))]
    assert sorted(back, key=lambda run: run[0].first_sequence) == made


def test_rows_say_who_when_what_and_why():
    """L1: the columns that people ask for, by their names."""
    (table,) = unfold([(batch(8, layout=FRAUD_2), FRAUD_2)])
    row = table.to_pylist()[1]
    assert row["id"] == f"{1_700_000_000_000:012x}{7:08x}{9:08x}"
    assert row["time"].isoformat() == "2023-11-14T22:13:20+00:00"
    assert (row["model"], row["version"], row["route"], row["door"]) == ("fraud", 2, 3, "http")
    assert (row["caller"], row["request"], row["status"]) == ("local", None, "asked")
    assert (row["run_first_sequence"], row["run_rows"], row["waited_ns"]) == (8, 4, 1)
    assert row["steps"] == '{"predict":5,"judge":1}'
    assert (row["input_amount"], row["input_country"]) == (4.5, "DE")
    assert (row["feature_log_amount"], row["features_are_inputs"]) == (9.0, False)
    assert (row["output_ok"], row["output_fraud"]) == (-8.0, 9.0)
    first = table.to_pylist()[0]
    assert (first["reason"], first["input_country"]) == ("not finite", None)


def test_a_matrix_of_inputs_has_the_contracts_names_and_no_features_of_its_own():
    (table,) = unfold([(batch(0), FRAUD)])
    assert "input_amount" in table.column_names
    assert not [name for name in table.column_names if name.startswith("feature_")]
    assert table.column("features_are_inputs").to_pylist() == [True] * 4


def test_missing_inputs_are_null_and_outputs_keep_their_nan():
    """A question in SQL can count what is missing, and M10 can count what is not finite."""
    values = np.array([1.0, np.nan])
    run = batch(0, 2)
    run = DecisionBatch(
        **{
            **{field: getattr(run, field) for field in run.__struct_fields__},
            "inputs": encode({"amount": values}),
            "outputs": encode({"output": values}),
        }
    )
    layout = Layout(
        fingerprint=FRAUD.fingerprint,
        model="m",
        number=1,
        inputs=("amount",),
        features=("amount",),
        outputs=("score",),
    )
    (table,) = unfold([(run, layout)])
    assert table.column("input_amount").null_count == 1
    assert table.column("output_score").null_count == 0
    assert np.isnan(table.column("output_score")[1].as_py())


def test_versions_and_forms_are_kept_apart():
    tables = unfold([(batch(0), FRAUD), (batch(4, layout=CHURN), CHURN), (batch(8), FRAUD)])
    assert [table.num_rows for table in tables] == [8, 4]


@pytest.mark.parametrize("field", ["inputs", "outputs", "statuses", "waited_ns", "reasons"])
def test_a_run_that_cannot_be_read_is_kept_whole(field: str):
    """L7: it stops nobody, and nothing of it is lost."""
    good = batch(0)
    bad = {
        "inputs": b"not columns",
        "outputs": encode({"output": np.zeros(3)}),
        "statuses": b"\xff" * 4,
        "waited_ns": (1, 2),
        "reasons": {99: "where"},
    }
    run = DecisionBatch(
        **{
            **{name: getattr(good, name) for name in good.__struct_fields__},
            field: bad[field],
        }
    )
    tables = unfold([(good, FRAUD), (run, FRAUD)])
    assert [table.num_rows for table in tables] == [4, 4]
    assert fold(through_parquet(tables[1])) == [(run, FRAUD)]


def test_a_table_from_before_there_were_arms_gives_the_same_runs():
    """L3, S31: what it does not say was answered by the live version, as sure as can be."""
    (table,) = unfold([(batch(0), FRAUD), (batch(4), FRAUD)])
    old = table.drop_columns(["arm", "propensity", "shadows"])
    assert fold(through_parquet(old)) == [(batch(0), FRAUD), (batch(4), FRAUD)]


def test_a_table_without_a_form_is_refused():
    with pytest.raises(StorageFailed, match="form"):
        fold(unfold_events([event("e")]))


def test_events_are_rows_with_exact_times():
    (row,) = unfold_events([event("e")]).to_pylist()
    assert row["time_ns"] == 1_700_000_000_000_000_123
    assert row["body"] == '{"number":1,"why":"ünïcode"}'


def test_sql_over_files_from_before_there_were_arms(tmp_path):
    """N12, S31: beside new ones and alone, they count as answered by the live version."""
    (table,) = unfold([(batch(0), FRAUD)])
    old = tmp_path / "old.parquet"
    with old.open("wb") as file:
        write_parquet(table.drop_columns(["arm", "propensity", "shadows"]), file)
    shadow = structs.replace(
        batch(4), arm="shadow", propensity=0.5, shadows=tuple(f"id {n}" for n in range(4))
    )
    sql = "SELECT arm, propensity, count(shadows) AS n FROM decisions GROUP BY ALL ORDER BY 1"
    live = {"arm": "live", "propensity": 1.0, "n": 0}
    assert ask(sql, runs=[], events=[], decision_files=[str(old)]).to_pylist() == [live]
    both = ask(sql, runs=[(shadow, FRAUD)], events=[], decision_files=[str(old)]).to_pylist()
    assert both == [live, {"arm": "shadow", "propensity": 0.5, "n": 4}]
