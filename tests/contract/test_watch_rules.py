"""`watch` in a contract: what makes no sense is named at its line, with what would be right. N10 M23."""

import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import loads_contract

TEXT = """\
model: fraud
inputs:
  amount: {type: number}
  country: {type: category, values: [DE, FR]}
output: {type: number}
watch:
  false_alarms: %s
  slices: %s
"""


def test_what_is_right_is_taken():
    watch = loads_contract(TEXT % ("2 per 7d", "[country]"), "fraud.yaml").watch
    assert (watch.false_alarms, watch.slices) == ("2 per 7d", ("country",))


@pytest.mark.parametrize(
    ("alarms", "slices", "line", "words"),
    [
        ("often", "[]", 7, "is not how often; write how many in which time, such as 1 per 30d"),
        ("0 per 30d", "[]", 7, "must be at least 1 in 1h to 10 years"),
        ("1 per 1s", "[]", 7, "must be at least 1 in 1h to 10 years"),
        ("1 per 30d", "[contry]", 8, "did you mean 'country'?"),
        ("1 per 30d", "[amount]", 8, "amount"),
        ("1 per 30d", "[country, country]", 8, "is listed already, as [0]"),
    ],
)
def test_what_is_wrong_is_named(alarms: str, slices: str, line: int, words: str):
    with pytest.raises(InvalidContractFile) as refused:
        loads_contract(TEXT % (alarms, slices), "fraud.yaml")
    assert f"fraud.yaml:{line}" in str(refused.value)
    assert words in str(refused.value)


def test_rules_of_usage_are_taken():
    """M12: either or both."""
    text = TEXT % ("1 per 30d", "[]") + "  usage: {hour_vs_yesterday: 30 %}\n"
    usage = loads_contract(text, "fraud.yaml").watch.usage
    assert usage is not None
    assert (usage.hour_vs_yesterday, usage.day_vs_last_week) == ("30 %", "")


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ("{}", "needs a rule, such as hour_vs_yesterday: 30 %"),
        ("{hour_vs_yesterday: 0.3}", "hour_vs_yesterday"),
        ('{day_vs_last_week: "0.15"}', "is not a share; write a number with %"),
        ("{hour_vs_yesterdy: 30 %}", "did you mean 'hour_vs_yesterday'?"),
    ],
)
def test_wrong_rules_of_usage_are_named(usage: str, words: str):
    """M12 N10: at their line."""
    with pytest.raises(InvalidContractFile) as refused:
        loads_contract(TEXT % ("1 per 30d", "[]") + f"  usage: {usage}\n", "fraud.yaml")
    assert "fraud.yaml:9" in str(refused.value)
    assert words in str(refused.value)
