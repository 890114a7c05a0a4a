"""N10 S3: a contract loads whole, or is refused naming file, line, setting and the right way."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.base.errors import InvalidContract
from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import load_contract, loads_contract
from mainstay.contract.model import FromLookup, FromRequest, FunctionSource, Number, Probability

GOOD = """\
model: fraud
inputs:
  amount: {type: number, min: 0, max: 50000}
  country: {type: category, values: [DE, FR, NO]}
context:
  account: {lookup: accounts, key: country, timeout: 20ms,
            fields: {age: {type: integer}}, otherwise: {age: 0}}
  device: {value: {type: text}, otherwise: unknown}
lookups:
  accounts: {function: accounts}
output: {type: probability, classes: [ok, fraud], threshold: 0.8}
"""
START = "model: m\ninputs:\n  a: {type: number}\n"
END = "output: {type: number}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidContractFile) as caught:
        loads_contract(text, "c.yaml")
    error = caught.value
    assert isinstance(error, InvalidContract)
    assert error.code == "invalid_contract"
    assert error.message == "\n".join(map(str, error.problems)) or "more" in error.message
    return [str(problem) for problem in error.problems]


def test_a_contract_loads():
    """N10: settings mean what the file shows, and the kinds of source need no tag."""
    contract = loads_contract(GOOD, "c.yaml")
    assert contract.inputs["amount"] == Number(min=0, max=50000)
    assert contract.inputs["country"].values == ("DE", "FR", "NO")  # NO is no boolean
    assert isinstance(contract.context["account"], FromLookup)
    assert isinstance(contract.context["device"], FromRequest)
    assert contract.lookups["accounts"] == FunctionSource(function="accounts")
    assert contract.output == Probability(classes=("ok", "fraud"), threshold=0.8)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("model: fraud", "model: Fraud X", "c.yaml:1: model: 'Fraud X' is not a model name"),
        ("model: fraud", "modl: fraud", "c.yaml:1: modl: is not a setting of a contract; did you mean 'model'?"),
        ("min: 0,", "minimum: 0,", "c.yaml:3: inputs.amount.minimum: is not a setting of `amount` of type number; did you mean 'min'?"),
        ("type: number", "type: float", "c.yaml:3: inputs.amount.type: must be one of number, integer, boolean, category, text, timestamp, vector; got the text 'float'; did you mean 'number'?"),
        ("type: number, ", "", "c.yaml:3: inputs.amount: needs a `type`"),
        ("min: 0,", "min: 70000,", "c.yaml:3: inputs.amount.min: 70000 is more than max, 50000"),
        ("min: 0,", "min: .nan,", "c.yaml:3: inputs.amount.min: must be a finite number"),
        ("min: 0,", "min: 1e999,", "c.yaml:3: inputs.amount.min: must be a finite number"),
        ("min: 0,", "min: '0',", "c.yaml:3: inputs.amount.min: must be a number, got the text '0'"),
        ("[DE, FR, NO]", "[DE, FR, 1]", "c.yaml:4: inputs.country.values[2]: must be text, got the number 1; put it in quotes"),
        ("min: 0,", f"min: 0, source: {'x' * 1001},", "c.yaml:3: inputs.amount.source: is longer than 1000 characters"),
        ("min: 0,", "min: 0, from_model: other, source: a table,", "c.yaml:3: inputs.amount.source: is known already: the model other; leave it out"),
        ("[DE, FR, NO]", "[]", "c.yaml:4: inputs.country.values: needs at least 1, has 0"),
        ("[DE, FR, NO]", "[DE, DE]", "c.yaml:4: inputs.country.values[1]: 'DE' is listed already"),
        ("[DE, FR, NO]", "DE", "c.yaml:4: inputs.country.values: must be a list"),
        ("  amount:", "  matrix:", "c.yaml:3: inputs.matrix: 'matrix' means all inputs at once"),
        ("  amount:", "  a.b:", "c.yaml:3: inputs.a.b: a name has no '.' in it; 'a_b' would do"),
        ("  amount:", '  "a\\tb":', "a name has no control characters"),
        ("  amount:", "  device:", "c.yaml:8: context.device: an input has this name too"),
        ("lookup: accounts", "lookup: acounts", "c.yaml:6: context.account.lookup: there is no lookup 'acounts'; did you mean 'accounts'?"),
        ("key: country", "key: contry", "c.yaml:6: context.account.key: there is no input 'contry'; did you mean 'country'?"),
        ("timeout: 20ms", "timeout: 20", "c.yaml:6: context.account.timeout: must be text, got the number 20; write it with a unit"),
        ("timeout: 20ms", "timeout: 20s", "c.yaml:6: context.account.timeout: must be shorter than serve.deadline"),
        ("timeout: 20ms", "timeout: 2h", "c.yaml:6: context.account.timeout: must be 1ms to 60s"),
        ("otherwise: {age: 0}", "otherwise: {}", "c.yaml:7: context.account.otherwise: needs 'age'"),
        ("otherwise: {age: 0}", "otherwise: {age: 0, b: 1}", "c.yaml:7: context.account.otherwise.b: is not one of the fields"),
        ("otherwise: {age: 0}", "otherwise: {age: old}", "c.yaml:7: context.account.otherwise.age: must be a whole number"),
        ("otherwise: {age: 0}", "otherwise: {age: null}", "c.yaml:7: context.account.otherwise.age: must be a whole number, or make the field `optional: true`"),
        ("otherwise: unknown", "otherwise: 3", "c.yaml:8: context.device.otherwise: must be text"),
        ("value: {type: text}", "valu: {type: text}", "c.yaml:8: context.device: needs `lookup` or `value`; did you mean 'value'?"),
        ("function: accounts", "function: 1 x", "c.yaml:10: lookups.accounts.function: must be the name of a Python function"),
        ("function: accounts", "http: 'ftp://x/{key}'", "c.yaml:10: lookups.accounts.http: must be a URL that starts with http"),
        ("function: accounts", "http: https://x/", "c.yaml:10: lookups.accounts.http: must have {key}"),
        ("function: accounts", "sql: 'delete', database: A", "c.yaml:10: lookups.accounts.sql: must be one SELECT"),
        ("function: accounts", "function: a, http: b", "c.yaml:10: lookups.accounts: has `function` and `http`; keep one"),
        ("[ok, fraud]", "[ok]", "c.yaml:11: output.classes: needs at least 2, has 1"),
        ("[ok, fraud]", "[ok, ok]", "c.yaml:11: output.classes[1]: 'ok' is listed already"),
        ("[ok, fraud]", "[ok, fraud, c]", "c.yaml:11: output.threshold: means something with two classes only"),
        ("threshold: 0.8", "threshold: 0", "c.yaml:11: output.threshold: must be more than 0 and at most 1"),
        ("threshold: 0.8", "threshold: .nan", "c.yaml:11: output.threshold: must be more than 0 and at most 1"),
        ("model: fraud", "model: fraud\nlog: durabel", "c.yaml:2: log: must be one of buffered, durable, written, got the text 'durabel'; did you mean 'durable'?"),
        ("model: fraud", "model: fraud\nmodel: x", "c.yaml:2: model: given twice, in line 1 and in line 2"),
        ("model: fraud", "model: &a fraud", "c.yaml:1: model: anchors are not used"),
        ("model: fraud", "model: !!python/name:os.system fraud", "c.yaml:1: model: tags such as"),
        ("model: fraud", "model: fraud\nserve: {deadline: 9 parsecs}", "c.yaml:2: serve.deadline: '9 parsecs' is not a duration"),
        ("model: fraud", "model: fraud\nfacts: {depends_on: {numpy: two}}", "c.yaml:2: facts.depends_on.numpy: 'two' is not a version range"),
        ("model: fraud", "model: fraud\nfacts: {features: 0}", "c.yaml:2: facts.features: must be at least 1"),
        ("model: fraud", "model: fraud\njudge: {say: ''}", "c.yaml:2: judge.say: must be words"),
        ("type: text", "type: text, max_length: 0", "c.yaml:8: context.device.value.max_length: must be 1 to"),
        ("type: text", "type: text, min_length: -1", "c.yaml:8: context.device.value.min_length: must be 0 to"),
        ("model: fraud", "\tmodel: fraud", "c.yaml:1: this is not YAML: found character that cannot start any token; indent with spaces"),
        ("model: fraud", "model: fr: aud", "c.yaml:1: this is not YAML: mapping values are not allowed"),
        (GOOD, "", "c.yaml:1: the file is empty"),
        (GOOD, "[]", "c.yaml:1: a contract is a set of named settings, got a list"),
        (GOOD, START, "c.yaml:1: needs `output`"),
        (GOOD, "model: m\ninputs: {}\n" + END, "c.yaml:2: inputs: a model needs at least one input"),
        (GOOD, GOOD + "---\na: 1", "c.yaml:12: a second document starts here"),
        (GOOD, START + "output: {type: ranking, items: [a], top: 0}", "c.yaml:4: output.top: must be at least 1"),
        (GOOD, "a: " + "[" * 99, "c.yaml:1: settings are nested more than 32 deep"),
        (GOOD, "a: \x00", "c.yaml:1: this is not YAML"),
        (GOOD, "a: \ud800", "c.yaml:1: this character is not valid Unicode"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(old, new, expected):
    """N10: the message says where, what is wrong and what would be right."""
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("c.yaml:") for problem in found)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("assets: {metric: accurracy}", "assets.metric: must be one of accuracy, log_loss, mae, rmse, roc_auc, got the text 'accurracy'; did you mean 'accuracy'?"),
        ("assets: {metric: rmse}", "assets.metric: rmse cannot be measured on an output of type probability; accuracy, roc_auc, log_loss would do"),
        ("assets: {acceptable: [0, 1]}", "assets.acceptable: needs `metric` beside it"),
        ("assets: {metric: accuracy, acceptable: 0.9}", "assets.acceptable: must be a list"),
        ("assets: {metric: accuracy, acceptable: [0.9]}", "assets.acceptable: must be two numbers, lowest and highest, such as [0.8, 1]; got [0.9]"),
        ("assets: {metric: accuracy, acceptable: [1, 0.9]}", "assets.acceptable: the lowest comes first: [0.9, 1]"),
        ("assets: {metric: accuracy, acceptable: [90, 100]}", "assets.acceptable: accuracy is always 0 to 1"),
        ("assets: {metric: log_loss, acceptable: [0, .inf]}", "assets.acceptable: log_loss is always at least 0 and finite"),
        ("assets: {metric: log_loss, acceptable: [.nan, 1]}", "assets.acceptable: log_loss is always at least 0 and finite"),
        ("assets: {every: 10}", "assets.every: must be text, got the number 10; write it with a unit, such as 20ms"),
        ("assets: {every: often}", "assets.every: 'often' is not a duration"),
        ("assets: {every: 1ms}", "assets.every: must be 1s to 7d, got 1ms"),
        ("assets: {every: 8d}", "assets.every: must be 1s to 7d, got 8d"),
        ("gate: {worse_by: -0.1}", "gate.worse_by: must be a number, at least 0; got -0.1"),
        ("gate: {slices: [contry]}", "gate.slices[0]: there is no input 'contry'; did you mean 'country'?; inputs are amount, country"),
        ("gate: {slices: [amount]}", "gate.slices[0]: 'amount' is of type number, whose values are no groups; name an input of type category, boolean or integer"),
        ("gate: {parity: [country, country]}", "gate.parity[1]: 'country' is listed already, as [0]"),
        ("gate: {parity_within: 2}", "gate.parity_within: is a difference of shares, from 0 to 1; got 2"),
        ("gate: {slower_by: 0}", "gate.slower_by: is a factor, more than 0, such as 1.5; got 0"),
        ("gate: {larger_by: .nan}", "gate.larger_by: is a factor, more than 0"),
        ("gate: {cost: {fruad: {ok: 5}}}", "gate.cost.fruad: 'fruad' is not a class of the output; did you mean 'fraud'?; classes are ok, fraud"),
        ("gate: {cost: {ok: {no: 5}}}", "gate.cost.ok.no: 'no' is not a class of the output"),
        ("gate: {cost: {ok: {ok: 5}}}", "gate.cost.ok.ok: this answer is right and costs nothing; leave it out"),
        ("gate: {cost: {ok: {fraud: -5}}}", "gate.cost.ok.fraud: must be a number, at least 0; got -5"),
        ("gate: {cost: {ok: 5}}", "gate.cost.ok: must be a set of named settings, got the number 5"),
        ("release: {strategy: canarry}", "release.strategy: must be one of ab, bandit, canary, direct, gradual, opt_back, shadow, got the text 'canarry'; did you mean 'canary'?"),
        ("release: {steps: [1, 100]}", "release.steps[0]: must be text, got the number 1; write it with its sign, such as 10 %"),
        ("release: {steps: []}", "release.steps: must be 1 to 20 shares, got 0"),
        ("release: {steps: [some, 100 %]}", "release.steps[0]: 'some' is not a share; write a number with %, such as 1 %"),
        ("release: {steps: [50 %, 10 %, 100 %]}", "release.steps[1]: each step must be more than the one before, 50 %; got 10 %"),
        ("release: {steps: [0 %, 100 %]}", "release.steps[0]: each step must be more than 0 %"),
        ("release: {steps: [10 %, 50 %]}", "release.steps[1]: must end at 100 %, or the old version never leaves; got 50 %"),
        ("release: {steps: [10 %, 101 %]}", "release.steps[1]: '101 %' is not a share"),
        ("release: {bake: 1000d}", "release.bake: must be 1ms to 90d, got 1000d"),
        ("release: {unit: amount}", "release.unit: 'amount' is of type number"),
        ("release: {unit: user}", "release.unit: there is no input 'user'"),
        ("release: {worse_by: 0}", "release.worse_by: is a difference of shares, more than 0 and at most 1; got 0"),
        ("release: {decide_by: soon}", "release.decide_by: 'soon' is not a duration; write 10s, 10m, 1h or 7d"),
        ("release: {decide_by: 2000d}", "release.decide_by: must be 1s to 365d, got 2000d"),
        ("release: {opt_back_until: 0s}", "release.opt_back_until: must be 1s to 365d, got 0s"),
        ("release: {opt_back_until: Monday}", "release.opt_back_until: 'Monday' is not a duration; write 10s, 10m, 1h or 7d"),
        ('release: {notes: "a\\x07"}', "release.notes: must be words for people, at most 1000 characters"),
        ("release: {shadow: much}", "release.shadow: 'much' is not a share; write a number with %, such as 1 %"),
        ("release: {strategy: shadow, shadow: 0 %}", "release.shadow: a shadow of 0 % sees nothing; write 100 %"),
        ("labels: {hold_out: 1}", "labels.hold_out: must be text, got the number 1; write it with its sign, such as 10 %"),
        ("labels: {hold_out: some}", "labels.hold_out: 'some' is not a share; write a number with %, such as 1 %"),
        ("labels: {hold_out: 51 %}", "labels.hold_out: must be at most 50 %, or the model answers the few; got 51 %"),
        ("labels: {hold_out: 1 %}", "labels.hold_out: needs `release.unit`: the input that names who is held out"),
        ("labels: {holdout: 1 %}", "labels.holdout: is not a setting of `labels`; did you mean 'hold_out'?"),
        ("release: {floor: none}", "release.floor: 'none' is not a share; write a number with %, such as 1 %"),
        ("release: {floor: 0 %}", "release.floor: must be 0.1 % to 25 %, or nothing is left to share out; got 0 %"),
        ("release: {floor: 26 %}", "release.floor: must be 0.1 % to 25 %, or nothing is left to share out; got 26 %"),
        ("release: {share_by: tompson}", "release.share_by: must be one of epsilon, thompson, got the text 'tompson'; did you mean 'thompson'?"),
        ("release: {false_alarms: 0 %}", "release.false_alarms: must be more than 0 % and at most 50 %; got 0 %"),
        ("release: {false_alarms: 51 %}", "release.false_alarms: must be more than 0 % and at most 50 %; got 51 %"),
        ("release: {false_alarms: 1}", "release.false_alarms: must be text, got the number 1; write it with its sign, such as 10 %"),
    ],
)  # fmt: skip
def test_what_a_version_must_show_is_held_to_the_rest(part, expected):
    """S8 N6 N10: assets, gate and release name inputs, classes and metrics that are there, and
    shares that lead from nobody to everybody."""
    found = problems(GOOD + part)
    assert any(problem.startswith(f"c.yaml:12: {expected}") for problem in found), found


def test_a_metric_fits_the_output():
    """S8: an output without truth to compare has no metric; costs need classes."""
    text = START + "output: {type: vector, length: 2}\n"
    assert "no metric is known for it" in problems(text + "assets: {metric: rmse}")[0]
    costly = problems(text + "gate: {cost: {a: {b: 1}}}")[0]
    assert "answers of type vector have no classes" in costly
    grouped = text.replace("inputs:", "inputs:\n  group: {type: boolean}")
    even = problems(grouped + "gate: {parity: [group]}")[0]
    assert "gate.parity: only answers that are classes are right or wrong" in even
    sliced = problems(grouped + "gate: {slices: [group]}")[0]
    assert "gate.slices: no metric is known for answers of type vector" in sliced
    assert loads_contract(START + END + "assets: {metric: mae, acceptable: [0, 2]}", "c").assets


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("{type: timestamp, after: 2020-01-01}", "inputs.a.after: '2020-01-01' is not a moment"),
        (
            "{type: timestamp, after: 2020-01-02T00:00:00Z, before: 2020-01-02T00:00:00Z}",
            "inputs.a.after: 2020-01-02T00:00:00Z is not earlier than before",
        ),
        ("{type: vector, length: 0}", "inputs.a.length: must be 1 to 65536, got 0"),
        ("{type: vector, length: 3, space: ''}", "inputs.a.space: must be the name"),
        (
            "{type: integer, max: 9007199254740992}",
            "inputs.a.max: must lie within ±9007199254740991",
        ),
        ("{type: integer, max: 0.5}", "inputs.a.max: must be a whole number"),
        ("{type: boolean, min: 0}", "inputs.a.min: is not a setting of `a` of type boolean"),
    ],
)
def test_each_kind_has_its_rules(kind, expected):
    """N10 S3: a kind that nothing could pass, or that cannot be kept exactly, is refused."""
    found = problems(f"model: m\ninputs:\n  a: {kind}\n{END}")
    assert any(problem.startswith(f"c.yaml:3: {expected}") for problem in found), found


def test_all_mistakes_are_told_at_once():
    """N10: one run names every mistake, in the order of the lines."""
    text = GOOD.replace("min: 0", "mn: 0").replace("[DE, FR, NO]", "[DE, DE]")
    text = text.replace("threshold: 0.8", "threshold: 8")
    assert [p.split(": ")[:2] for p in problems(text)] == [
        ["c.yaml:3", "inputs.amount.mn"],
        ["c.yaml:4", "inputs.country.values[1]"],
        ["c.yaml:11", "output.threshold"],
    ]


def test_numbers_are_read_as_yaml_1_2_does():
    """N10: no octal by a leading zero, no base sixty, no underscores."""
    text = START.replace("number", "number, min: 010, max: 0x10") + END
    assert loads_contract(text, "c").inputs["a"] == Number(min=10, max=16)
    assert "got the text '1_0'" in problems(START.replace("number", "number, min: 1_0") + END)[0]
    assert "got the text '1:30'" in problems(START.replace("number", "number, min: 1:30") + END)[0]


def test_extends_merges_setting_by_setting(tmp_path):
    """N10: a contract is written as a change of another; null takes a setting away."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.yaml").write_text(GOOD)
    (tmp_path / "c.yaml").write_text(
        "extends: base/a.yaml\n"
        "inputs:\n"
        "  amount: {max: 99}\n"
        "  country: {type: text}\n"
        "  age: {type: integer}\n"
        "context:\n  device: null\n  account: {otherwise: {age: 7}}\n"
        "lookups:\n  accounts: {http: 'https://x/{key}'}\n"
        "output: {threshold: null}\n"
    )
    contract = load_contract(tmp_path / "c.yaml")
    assert contract.inputs["amount"] == Number(min=0, max=99)
    assert list(contract.inputs) == ["amount", "country", "age"]
    assert type(contract.inputs["country"]).__name__ == "Text"
    assert list(contract.context) == ["account"]
    assert contract.context["account"].otherwise == {"age": 7}
    assert contract.context["account"].timeout == "20ms"
    assert contract.lookups["accounts"].http == "https://x/{key}"
    assert contract.output == Probability(classes=("ok", "fraud"))


def test_mistakes_name_the_file_they_stand_in(tmp_path):
    """N10: a mistake in what is extended is told with its own file and line."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("extends: a.yaml\ninputs:\n  amount:\n    min: 90000\n")
    with pytest.raises(InvalidContractFile, match=r"b\.yaml:4: inputs\.amount\.min: 90000"):
        load_contract(tmp_path / "b.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\ninputs:\n  country: {values: [A, A]}\n")
    with pytest.raises(InvalidContractFile, match=r"b\.yaml:3: inputs\.country\.values\[1\]"):
        load_contract(tmp_path / "b.yaml")
    (tmp_path / "a.yaml").write_text(GOOD.replace("min: 0", "mn: 0"))
    with pytest.raises(InvalidContractFile, match=r"a\.yaml:3: inputs\.amount\.mn"):
        load_contract(tmp_path / "b.yaml")


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ("c.yaml", "in a circle: c.yaml → c.yaml"),
        ("b.yaml", "in a circle: c.yaml → b.yaml → c.yaml"),
        ("nothing.yaml", "there is no file"),
        (".", "there is no file"),
        ("/etc/passwd", "must be a path relative to this file"),
        ("[a]", "must be the path of another contract file, got a list"),
        ('"a\\0b"', "must be the path of another contract file"),
    ],
)
def test_what_cannot_be_extended(tmp_path, extends, expected):
    """N10: a circle is refused with its path, and so is what is not there."""
    (tmp_path / "c.yaml").write_text(f"extends: {extends}\n")
    (tmp_path / "b.yaml").write_text("extends: c.yaml\n")
    with pytest.raises(InvalidContractFile) as caught:
        load_contract(tmp_path / "c.yaml")
    assert expected in caught.value.message
    assert caught.value.field == "extends"


def test_a_long_chain_is_refused(tmp_path):
    """N10: at most eight files extend one another."""
    (tmp_path / "0.yaml").write_text(GOOD)
    for number in range(1, 10):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number - 1}.yaml\n")
    assert load_contract(tmp_path / "7.yaml").model == "fraud"
    with pytest.raises(InvalidContractFile, match="more than 8 files"):
        load_contract(tmp_path / "9.yaml")


def test_files_that_cannot_be_read(tmp_path):
    """N10: a missing, binary or huge file is refused in words; a byte order mark is not a fault."""
    with pytest.raises(InvalidContractFile, match="there is no file"):
        load_contract(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_bytes(b"model: x\n\xff\xfe")
    with pytest.raises(InvalidContractFile, match=r"c\.yaml:2: the file is not UTF-8 text"):
        load_contract(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(InvalidContractFile, match="at most 4194304 are read"):
        load_contract(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_contract(tmp_path / "c.yaml").model == "fraud"


def test_an_alias_bomb_stays_small():
    """N10: aliases are never followed, so nested ones cannot grow."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert any("aliases are not followed" in problem for problem in problems("\n".join(lines)))


_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["number", "text", "vector", "probability", "a", "1s"]),
)  # fmt: skip
_settings = st.sampled_from(
    ["type", "min", "max", "values", "length", "otherwise", "value", "lookup", "fields", "key", "a",
     "http", "by", "from", "classes", "timeout", "optional"]
)  # fmt: skip
_trees = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_settings, inner, max_size=4),
    max_leaves=12,
)
_parts = st.sampled_from(
    ["model", "inputs", "context", "lookups", "output", "facts", "judge", "serve", "log", "about"]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_parts, _trees, max_size=6), _parts)
def test_any_tree_loads_or_is_refused(tree, part):
    """N10: whatever a file holds, the answer is a contract or its mistakes, nothing else."""
    whole = {"model": "m", "inputs": {"a": {"type": "number"}}, "output": {"type": "number"}}
    text = json.dumps({**whole, **tree, part: tree.get(part, None)})
    try:
        loads_contract(text.replace("NaN", ".nan").replace("Infinity", ".inf"), "c.yaml")
    except InvalidContractFile as error:
        assert all(problem.place.line >= 1 for problem in error.problems)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("amodel: {}[]-#&*!|>'\"%@`\n\t?,.0NO~é\\"), max_size=60))
def test_any_text_loads_or_is_refused(text):
    """N10: no text makes the loader fall over."""
    with pytest.raises(InvalidContractFile):
        loads_contract(text, "c.yaml")
