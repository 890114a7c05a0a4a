"""`expect` in a contract: read in one way, or refused at its line with what would be right. M2 N10."""

import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.contract.expectations import STATUS_WORDS, expectation, known_metrics
from mainstay.contract.load import loads_contract
from mainstay.contract.model import Label, NumberOutput, Output, Probability, Ranking, VectorOutput
from mainstay.contract.reactions import REACTIONS, rate_of
from mainstay.contract.write import write_contract
from mainstay.journal.model import STATUSES

FRAUD = Probability(classes=("ok", "fraud"))
TEXT = """\
model: fraud
inputs:
  amount: {type: number}
output: {type: probability, classes: [ok, fraud]}
expect:
"""
HOUR = 3_600_000


def loaded(*lines: str):
    return loads_contract(TEXT + "".join(f"  - {line}\n" for line in lines), "fraud.yaml")


@pytest.mark.parametrize(
    ("text", "output", "kind", "name", "below", "limit", "window"),
    [
        ("p99 latency < 50 ms", FRAUD, "latency", "p99 latency", True, 50e6, HOUR),
        ("p99.9 latency <= 1s over 1 day", FRAUD, "latency", "p99.9 latency", True, 1e9, 24 * HOUR),
        ("share of 2xx >= 99.9 %", FRAUD, "share", "2xx", False, 0.999, HOUR),
        ("share  declined<=5 % over 2h", FRAUD, "share", "declined", True, 0.05, 2 * HOUR),
        ("requests >= 100 per 1h", FRAUD, "requests", "requests", False, 100.0, HOUR),
        ("requests > 1 over 1d", FRAUD, "requests", "requests", False, 1.0, 24 * HOUR),
        ("roc_auc >= 0.92 over 7 days", FRAUD, "metric", "roc_auc", False, 0.92, 168 * HOUR),
        ("recall of fraud >= 80 %", FRAUD, "metric", "recall of fraud", False, 0.8, 168 * HOUR),
        ("calibration error <= 0.05", FRAUD, "metric", "calibration error", True, 0.05, 168 * HOUR),
        ("rmse <= 12.5", NumberOutput(), "metric", "rmse", True, 12.5, 168 * HOUR),
    ],
)  # fmt: skip
def test_a_line_is_read(text, output, kind, name, below, limit, window):
    found = expectation(text, output)
    read = (found.kind, found.name, found.below, found.limit, found.window_ms)
    assert read == (kind, name, below, pytest.approx(limit), window)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("p99 latency > 50 ms", "has a most, and no least; write p99 latency < 50 ms"),
        ("p50 latency < 5", "'5' is not a duration"),
        ("latency < 5 ms", "did you mean 'p99 latency'?"),
        ("share of 2xx >= 0.99", "is not a share; write a number with %"),
        ("share answred >= 95 %", "did you mean 'answered'?"),
        ("share answered >= 0 %", "this can never fail"),
        ("share answered >= 95 % per 1h", "`per` is for requests"),
        ("requests >= 100", "write requests >= 100 per 1h"),
        ("requests >= 0 per 1h", "this can never fail"),
        ("roc_acu >= 0.9", "did you mean 'roc_auc'?"),
        ("accuracy >= 92", "lies between 0 and 1; got 92"),
        ("accuracy <= 1", "this can never fail"),
        ("rmse <= 3", "is not known for an output of type probability"),
        ("log_loss >= 3", "better when it is smaller; write log_loss <= 3"),
        ("accuracy >= 0.9 over 1m", "must be over 10m to 90 days"),
        ("all is well", "says nothing that can be held to"),
        ("3", "must be text"),
    ],
)
def test_what_is_wrong_is_named(line: str, words: str):
    with pytest.raises(InvalidContractFile) as refused:
        loaded("p99 latency < 50 ms", line)
    assert "fraud.yaml:7: expect[1]" in str(refused.value)
    assert words in str(refused.value)


def test_twice_is_a_fault():
    with pytest.raises(InvalidContractFile, match=r"is expected already, as \[0\]"):
        loaded("accuracy >= 0.9", "accuracy  >= 0.9")


def test_it_is_written_as_it_is_read():
    contract = loaded("p99 latency < 50 ms", "share of 2xx >= 99.9 %")
    assert loads_contract(write_contract(contract), "c") == contract


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (FRAUD, "precision of fraud"),
        (Probability(classes=("a", "b", "c")), "log_loss"),
        (Label(classes=("a", "b")), "accuracy"),
        (NumberOutput(), "mae"),
        (Ranking(items=("a", "b")), "hit rate at 3"),
    ],
)
def test_each_output_has_its_metrics(output: Output, name: str):
    assert name in known_metrics(output)
    rates = tuple(map(rate_of, REACTIONS))
    assert known_metrics(VectorOutput(length=3)) == rates == known_metrics(output)[-len(rates) :]
    assert "roc_auc" not in known_metrics(Probability(classes=("a", "b", "c")))


def test_the_words_for_statuses_are_those_of_the_journal():
    assert STATUS_WORDS == STATUSES
