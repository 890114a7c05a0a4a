"""What makes no sense in rules and in what is held is named where it stands (S19 S29)."""

import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.contract.holding import Hold, Rule
from mainstay.contract.load import loads_contract
from mainstay.contract.write import write_contract

GOOD = """model: m
inputs:
  amount: {type: number, min: 0, max: 1000}
  user: {type: category, values: [a, b], others: true}
  shape: {type: vector, length: 2}
context:
  channel: {value: {type: text}, otherwise: web}
output: {type: number, min: 0}
"""


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("rules: [amout > 2]", "c.yaml:10: judge.rules[0]: at character 1 ('amout > 2'): there is no 'amout' here; did you mean 'amount'?"),
        ("rules: [{must: 3}]", "judge.rules[0].must: must be text, got the number 3"),
        ("rules: [{otherwise: no}]", "judge.rules[0]: needs `must`"),
        ("rules: [{must: amount > 1, other: no}]", "judge.rules[0].other: is not a setting"),
        ("rules: [{must: amount, otherwise: no}]", "judge.rules[0].must: at character 1 ('amount'): must be true or false, this is a number"),
        ("rules: [3]", "judge.rules[0]: must be text, or a set of named settings; got the number 3"),
        ("rules: amount > 3", "judge.rules: must be a list"),
        ("rules: [1 < 2]", "judge.rules[0]: looks at nothing, so it is always the same"),
        ("rules: [amount > 2, amount > 2]", "judge.rules[1]: is the same as [0]"),
        ("rules: [output / amount < 3]", "judge.rules[0]: at character 8 ('/ amount < 3'): what follows / can be zero"),
        ("rules: [confidence > 0.5]", "judge.rules[0]: at character 1 ('confidence >'…): there is no 'confidence' here"),
        ("rules: [shape > 1]", "it is a vector, not one value"),
        ("rules: [amount ** 99 > 1]", "judge.rules[0]: at character 11 ('99 > 1'): an exponent must be a plain number"),
        ("hold: {}", "judge.hold: holds nothing; write above or below, such as `above: mean + 3 sd`"),
        ("hold: mean + 3 sd", "judge.hold: must be a set of named settings"),
        ("hold: {above: mean + 3 std}", "judge.hold.above: at character 10 ('std'): there is no 'std' here; did you mean 'sd'?"),
        ("hold: {below: (output - mean) / sd}", "judge.hold.below: at character 17 ('/ sd'): what follows / can be zero"),
        ("hold: {above: 5, below: 6}", "judge.hold.below: is 6, not less than above, 5; all would be held"),
        ("hold: {above: .inf}", "judge.hold.above: must be a finite number"),
        ("hold: {above: amount > 3}", "judge.hold.above: at character 1 ('amount > 3'): must be a number, this is true or false"),
        ("hold: {above: 5, least: 40}", "judge.hold.least: does nothing: neither above nor below uses mean or sd"),
        ("hold: {above: 5, by: user}", "judge.hold.by: does nothing"),
        ("hold: {above: mean, by: usr}", "judge.hold.by: there is no 'usr'; did you mean 'user'?"),
        ("hold: {above: mean, by: shape}", "judge.hold.by: 'shape' is a vector, which forms no groups"),
        ("hold: {above: mean, what: user}", "judge.hold.what: at character 1 ('user'): must be a number, this is text"),
        ("hold: {above: mean, what: '3'}", "judge.hold.what: looks at nothing"),
        ("hold: {above: mean, over: 3}", "judge.hold.over: must be text, got the number 3; write it with a unit"),
        ("hold: {above: mean, over: 3 fortnights}", "judge.hold.over: '3 fortnights' is not a duration"),
        ("hold: {above: mean, over: 400d}", "judge.hold.over: must be 1m to 366d, got 400d"),
        ("hold: {above: mean, wait: 0s}", "judge.hold.wait: must be 1s to 90d, got 0s"),
        ("hold: {above: mean, least: 1}", "judge.hold.least: must be 2 to 1000000, got 1"),
        ("hold: {above: mean, unsure: maybe}", "judge.hold.unsure: must be one of hold, pass"),
        ("hold: {above: mean, say: ''}", "judge.hold.say: must be words for a person"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(judge: str, expected: str) -> None:
    """S19 S29: refused at `check`, with the line, the setting and what would be right."""
    with pytest.raises(InvalidContractFile) as found:
        loads_contract(f"{GOOD}judge:\n  {judge}\n", "c.yaml")
    assert any(expected in str(problem) for problem in found.value.problems), str(found.value)


def test_outputs_that_are_no_number_say_what_is_looked_at() -> None:
    """S29: the default is the number that the model answers, where it answers one."""
    text = GOOD.replace("type: number, min: 0}", "type: label, classes: [a, b]}")
    text = text.replace("  amount: {type: label, classes: [a, b]}", "  amount: {type: number}")
    with pytest.raises(InvalidContractFile, match="needs `what`: an output of type label"):
        loads_contract(f"{text}judge: {{hold: {{above: 3}}}}\n", "c.yaml")


def test_good_ones_are_read_and_written() -> None:
    """S19 S29: what is read is what is written again."""
    judge = """judge:
  rules:
    - output <= 5 amount + 10
    - {must: 'channel != "fax" or amount < 10', otherwise: Not by fax.}
  hold: {what: output / 2, above: mean + 3 sd, below: mean - 5 sd, by: user, over: 7d, least: 10,
         wait: 2h, unsure: hold, say: Wait.}
"""
    contract = loads_contract(GOOD + judge, "c.yaml")
    assert contract.judge.rules == (
        "output <= 5 amount + 10",
        Rule(must='channel != "fax" or amount < 10', otherwise="Not by fax."),
    )
    assert contract.judge.hold == Hold(
        what="output / 2", above="mean + 3 sd", below="mean - 5 sd", by="user", over="7d",
        least=10, wait="2h", unsure="hold", say="Wait.",
    )  # fmt: skip
    assert loads_contract(write_contract(contract), "c.yaml") == contract
