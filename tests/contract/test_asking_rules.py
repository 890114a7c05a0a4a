"""What makes no sense in `labels.ask` is said at its setting, in words (N8 L4 N10)."""

from pathlib import Path

import pytest

from mainstay.base.errors import InvalidContract
from mainstay.contract.asking import Ask
from mainstay.contract.load import load_contract
from mainstay.contract.write import write_contract

HEAD = """\
model: fraud
inputs:
  amount: {{type: number}}
  country: {{type: category, values: [DE, US, FR]}}
  shop: {{type: category, values: [a], others: true}}
  note: {{type: text{note}}}
output: {output}
labels:
  ask: {ask}
"""
CLASSES = "{type: probability, classes: [ok, fraud]}"


def loaded(folder: Path, ask: str, output: str = CLASSES, note: str = ""):
    file = folder / "fraud.yaml"
    file.write_text(HEAD.format(ask=ask, output=output, note=note))
    return load_contract(file)


def test_what_makes_sense_is_taken_and_written_back(tmp_path: Path):
    """N10: read, written and read again it is the same."""
    words = (
        "{most: 20 per 1h, by: country, rates: {US: 10 %, other: 50 %}, show: [amount],"
        " blind: false, question: Fraud?, overlap: 3, sure: 90 %, lease: 5m, gold: 20 %,"
        " bar: 80 %, below: weigh, ordered: true, enough: 100}"
    )
    contract = loaded(tmp_path, words)
    assert contract.labels.ask == Ask(
        most="20 per 1h", by="country", rates={"US": "10 %", "other": "50 %"}, show=("amount",),
        blind=False, question="Fraud?", overlap=3, sure="90 %", lease="5m", gold="20 %",
        bar="80 %", below="weigh", ordered=True, enough=100,
    )  # fmt: skip
    (tmp_path / "again.yaml").write_text(write_contract(contract))
    assert load_contract(tmp_path / "again.yaml") == contract
    assert loaded(tmp_path, "{}").labels.ask == Ask()
    assert loaded(tmp_path, "{by: shop, rates: {b: 1 %}}").labels.ask.by == "shop"
    assert loaded(tmp_path, "{}", "{type: number}").labels.ask == Ask()


def test_sensitivity_has_an_effect_where_labelers_are_shown_inputs(tmp_path: Path):
    """S35: it is no idle setting there, but where what is shown is listed."""
    private = ", sensitivity: private"
    assert loaded(tmp_path, "{}", note=private).inputs["note"].sensitivity == "private"
    with pytest.raises(InvalidContract, match=r"judge\.share"):
        loaded(tmp_path, "{show: [note]}", note=private)


@pytest.mark.parametrize(
    ("ask", "at", "words"),
    [
        ("{most: often}", "most", "not how many in which time; write 1 to 10,000"),
        ("{most: 0 per 1d}", "most", "must be 1 to 10,000"),
        ("{most: 20000 per 1d}", "most", "must be 1 to 10,000"),
        ("{most: 5 per 90d}", "most", "in 1s to 30d"),
        ("{most: 5}", "most", "5 per 1d"),
        ("{by: land}", "by", "there is no input 'land'"),
        ("{by: amount}", "by", "whose values are no groups"),
        ("{by: note}", "by", "whose values are no groups"),
        ("{rates: {DE: 1 %}}", "rates", "needs `by`"),
        ("{by: country, rates: {DEE: 1 %}}", "rates.DEE", "no value of country; did you mean 'DE'"),
        ("{by: country, rates: {DE: 0 %}}", "rates.DE", "must be more than 0 % to 100 %"),
        ("{by: country, rates: {DE: some}}", "rates.DE", "is not a share"),
        ("{show: [amout]}", "show[0]", "did you mean 'amount'"),
        ("{show: [amount, amount]}", "show[1]", "listed already"),
        ("{sure: 40 %}", "sure", "must be 50 % to 99.9 %"),
        ("{sure: 0.9}", "sure", "with its sign"),
        ("{gold: 60 %}", "gold", "must be 0 % to 50 %"),
        ("{bar: high}", "bar", "is not a share"),
        ("{lease: soon}", "lease", "is not a duration"),
        ("{lease: 10ms}", "lease", "must be 1s to 7d"),
        ("{lease: 8d}", "lease", "must be 1s to 7d"),
        ("{overlap: 0}", "overlap", "must be 1 to 10, got 0"),
        ("{overlap: 11}", "overlap", "must be 1 to 10, got 11"),
        ("{enough: 0}", "enough", "must be 1 to"),
        ('{question: "a\\nb"}', "question", "on one line"),
        ("{below: shout}", "below", "exclude"),
        ("{blind: 1}", "blind", "true"),
        ("{overlaps: 2}", "overlaps", "overlap"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(tmp_path: Path, ask: str, at: str, words: str):
    with pytest.raises(InvalidContract) as told:
        loaded(tmp_path, ask)
    [line] = [line for line in str(told.value).splitlines() if f"labels.ask.{at}" in line]
    assert words in line


@pytest.mark.parametrize(
    ("output", "ask", "words"),
    [
        ("{type: vector, length: 3}", "{}", "which vector is right"),
        ("{type: number}", "{ordered: true}", "only classes stand in order"),
        ("{type: ranking, items: [a, b]}", "{ordered: true}", "only classes stand in order"),
    ],
)
def test_outputs_that_nobody_can_label_are_refused(
    tmp_path: Path, output: str, ask: str, words: str
):
    with pytest.raises(InvalidContract, match=words):
        loaded(tmp_path, ask, output)
