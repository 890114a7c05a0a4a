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
