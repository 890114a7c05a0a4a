"""`renew` in a contract: what makes no sense is named at its line, with what would be right. N5."""

import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import loads_contract

TEXT = """\
model: fraud
inputs:
  amount: {type: number}
output: {type: number}
renew:
  %s
"""


def test_what_is_right_is_taken():
    written = "train: jobs.fraud:run\n  over: 30d\n  newest: 10 %\n  time: 2h\n  memory_gb: 16"
    renew = loads_contract(TEXT % written, "fraud.yaml").renew
    assert (renew.train, renew.over, renew.newest) == ("jobs.fraud:run", "30d", "10 %")
    assert (renew.time, renew.memory_gb, renew.disk_gb) == ("2h", 16, 1.0)


@pytest.mark.parametrize(
    ("written", "line", "words"),
    [
        ("over: 30d", 6, "has no effect without `renew.train`"),
        ("train: fraud", 6, "is not a function; write module:function"),
        ("train: 'a b:c'", 6, "is not a function"),
        ("train: fraud:train\n  over: 30", 7, "must be text"),
        ("train: fraud:train\n  over: month", 7, "is not a duration"),
        ("train: fraud:train\n  over: 1s", 7, "must be 1h to 36500d, got 1s"),
        ("train: fraud:train\n  time: 90d", 7, "must be 1s to 30d, got 90d"),
        ("train: fraud:train\n  newest: 0.2", 7, "must be text"),
        ("train: fraud:train\n  newest: few", 7, "is not a share"),
        ("train: fraud:train\n  newest: 60 %", 7, "must be 1 % to 50 %"),
        ("train: fraud:train\n  memory_gb: 0.5", 7, "must be 1 to 4096 gigabytes"),
        ("train: fraud:train\n  disk_gb: 0", 7, "must be 0.001 to 4096 gigabytes"),
        ("train: fraud:train\n  trian: x", 7, "did you mean 'train'?"),
        ("train: fraud:train\n  features: loged", 7, "did you mean 'logged'?"),
        ("features: logged", 6, "has no effect without `renew.train`"),
        (
            "train: fraud:train\n  features: logged\nlabels: {learn_from: held_out}",
            7,
            "leaves nothing to learn from",
        ),
    ],
)
def test_what_is_wrong_is_named(written: str, line: int, words: str):
    with pytest.raises(InvalidContractFile) as refused:
        loads_contract(TEXT % written, "fraud.yaml")
    assert f"fraud.yaml:{line}" in str(refused.value)
    assert words in str(refused.value)


HISTORY = """\
model: fraud
inputs:
  amount: {type: number}
output: {type: probability, classes: [ok, fraud]}
renew:
  train: fraud:train
  history:
    id: payment
    time: decided_at
    label: is_fraud
    known: reported_at
    %s
"""
SQL = "sql: SELECT * FROM t\n    database_env: PAYMENTS_URL"


def test_a_history_is_taken():
    """N1: files or a SELECT, with what its columns are."""
    written = "parquet: h/*.parquet\n    columns: {amount: eur}\n    means: {'1': fraud, '0': ok}"
    history = loads_contract(HISTORY % written, "fraud.yaml").renew.history
    assert history is not None
    assert (history.parquet, history.columns) == ("h/*.parquet", {"amount": "eur"})
    select = (
        "sql: |\n      with x as (select 1)\n      select * from x;\n    database_env: PAYMENTS_URL"
    )
    assert loads_contract(HISTORY % select, "fraud.yaml").renew.history is not None


@pytest.mark.parametrize(
    ("written", "line", "words"),
    [
        ("weight: w", 7, "has neither `parquet` nor `sql`; write one of them"),
        (f"parquet: h.parquet\n    {SQL}", 7, "has both `parquet` and `sql`"),
        ("parquet: s3://shop/h.parquet", 12, "must be a path of this machine"),
        ("parquet: ../h.parquet", 12, "must not lead upwards"),
        ("parquet: h.parquet\n    database_env: X", 13, "has no effect without `sql`"),
        ("sql: SELECT 1", 7, "must name the environment variable"),
        ("sql: SELECT 1\n    database_env: postgresql://a:b@c/d", 13, "a URL may hold a password"),
        ("sql: SELECT 1\n    database_env: MY-URL", 13, "is no name of an environment variable"),
        ("sql: DELETE FROM t\n    database_env: X", 12, "must be one SELECT; it changes nothing"),
        ("sql: SELECT 1; DROP TABLE t\n    database_env: X", 12, "so there is no ; in it"),
        ("parquet: h.parquet\n    columns: {amonut: eur}", 13, "did you mean 'amount'?"),
        ("parquet: h.parquet\n    columns: {amount: ''}", 13, "cannot be empty"),
        ("parquet: h.parquet\n    means: {'1': fruad}", 13, "did you mean 'fraud'?"),
        ("parquet: h.parquet\n    held_out: h", 13, "has no effect without `labels.learn_from"),
        ("parquet: h.parquet\n    propensity: p", 13, "has no effect without `labels.weigh"),
        ("parquet: h.parquet\n  features: logged", 13, "`logged` are features of the journal"),
        ("parquet: h.parquet\n    lable: p", 13, "did you mean 'label'?"),
        ("parquet: h.parquet\nlabels: {weigh: propensity}", 13, "needs `renew.history.propensity`"),
    ],
)
def test_what_is_wrong_in_a_history_is_named(written: str, line: int, words: str):
    with pytest.raises(InvalidContractFile) as refused:
        loads_contract(HISTORY % written, "fraud.yaml")
    assert f"fraud.yaml:{line}" in str(refused.value)
    assert words in str(refused.value)
