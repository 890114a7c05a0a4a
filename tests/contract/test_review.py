"""N10: settings that do nothing are found, and taking them away changes nothing."""

from mainstay.contract.load import load_contract
from mainstay.contract.review import idle_settings

BASE = """\
model: m
about: ""
inputs:
  a: {type: number, min: 0, optional: false}
  c:
    type: category
    values: [x, y]
    others: false
context:
  d: {value: {type: text, max_length: 1000, optional: true}, otherwise: web}
  l: {lookup: s, key: c, timeout: 50ms, fields: {n: {type: integer}}, otherwise: {n: 0}}
lookups:
  s: {function: f}
  unused: {function: g}
output: {type: probability, classes: [ok, bad], threshold: 0.5}
serve: {join: true, deadline: 5s}
log: written
"""
DEFAULT, SAME = "equals the default", "equals what it extends"


def names(found):
    return [(place.rsplit("/", 1)[-1], setting, why) for place, setting, why in found]


def test_defaults_and_what_nothing_uses(tmp_path):
    """N10: a setting that equals its default, or that nothing uses, is named with its line."""
    (tmp_path / "a.yaml").write_text(BASE)
    assert names(idle_settings(tmp_path / "a.yaml")) == [
        ("a.yaml:2", "about", DEFAULT),
        ("a.yaml:4", "inputs.a.optional", DEFAULT),
        ("a.yaml:8", "inputs.c.others", DEFAULT),
        ("a.yaml:10", "context.d.value.max_length", DEFAULT),
        ("a.yaml:10", "context.d.value.optional",
         "it is never missing, because `otherwise` stands in"),
        ("a.yaml:11", "context.l.timeout", DEFAULT),
        ("a.yaml:14", "lookups.unused", "no context uses this lookup"),
        ("a.yaml:15", "output.threshold", DEFAULT),
        ("a.yaml:16", "serve.join", DEFAULT),
        ("a.yaml:17", "log", DEFAULT),
    ]  # fmt: skip


def test_what_equals_what_it_extends(tmp_path):
    """N10: a change that changes nothing is named; one that goes back to a default is not."""
    base = "model: m\ninputs:\n  a: {type: number, min: 0}\noutput: {type: number}\nlog: durable\n"
    (tmp_path / "a.yaml").write_text(base)
    (tmp_path / "b.yaml").write_text(
        "extends: a.yaml\n"
        "inputs:\n"
        "  a:\n"
        "    min: 0\n"
        "    max: 5\n"
        "    about: null\n"
        "log: written\n"
        "model: n\n"
        "output: {type: number}\n"
    )
    assert names(idle_settings(tmp_path / "b.yaml")) == [
        ("b.yaml:4", "inputs.a.min", SAME),
        ("b.yaml:6", "inputs.a.about", "null takes a setting away, and there is none here"),
        ("b.yaml:9", "output.type", SAME),
    ]


def test_a_lean_contract_has_none(tmp_path):
    """N10: nothing is reported of a file in which every setting counts."""
    (tmp_path / "a.yaml").write_text(
        "model: m\ninputs: {a: {type: number}}\noutput: {type: ranking, items: [a, b], top: 1}\n"
    )
    assert idle_settings(tmp_path / "a.yaml") == []
    (tmp_path / "a.yaml").write_text(
        "model: m\ninputs: {a: {type: number}}\noutput: {type: ranking, items: [a, b], top: 2}\n"
    )
    assert names(idle_settings(tmp_path / "a.yaml")) == [
        ("a.yaml:3", "output.top", "all 2 items are shown anyway")
    ]


def test_a_strategy_has_its_own_settings(tmp_path):
    """N10 S31: steps without a strategy that takes them, and a bound on nothing, mislead."""
    lean = "model: m\ninputs: {a: {type: integer}}\noutput: {type: number}\n"
    written = {
        "steps": "[5 %, 100 %]", "bake": "1h", "unit": "a", "shadow": "50 %", "worse_by": "0.1", "false_alarms": "2 %",
        "decide_by": "3d", "floor": "1 %", "share_by": "epsilon", "opt_back_until": "3d",
        "notes": "new",
    }  # fmt: skip
    back = ["opt_back_until", "notes"]
    settings = "".join(f"  {name}: {value}\n" for name, value in written.items())
    for strategy, idle in {
        "shadow": ["steps", "decide_by", "floor", "share_by", *back],
        "canary": ["decide_by", "floor", "share_by", *back],
        "gradual": ["shadow", "worse_by", "false_alarms", "decide_by", "floor", "share_by", *back],
        "ab": ["steps", "shadow", "floor", "share_by", *back],
        "bandit": ["steps", "shadow", *back],
        "opt_back": [
            "steps",
            "bake",
            "shadow",
            "worse_by",
            "false_alarms",
            "decide_by",
            "floor",
            "share_by",
        ],
    }.items():
        text = f"{lean}release:\n  strategy: {strategy}\n{settings}"
        (tmp_path / "a.yaml").write_text(text)
        found = idle_settings(tmp_path / "a.yaml")
        assert [setting for _, setting, _ in found] == [f"release.{name}" for name in idle]
    held_out = f"{lean}release: {{unit: a}}\nlabels: {{hold_out: 1 %}}\n"
    (tmp_path / "a.yaml").write_text(held_out)
    assert idle_settings(tmp_path / "a.yaml") == []
    (tmp_path / "a.yaml").write_text(f"{lean}release:\n{settings}gate: {{parity_within: 0.2}}\n")
    assert [setting for _, setting, _ in idle_settings(tmp_path / "a.yaml")] == [
        *(f"release.{name}" for name in written),
        "gate.parity_within",
    ]


def test_taking_them_away_changes_nothing(tmp_path):
    """N10: the contract without its idle settings is the same, but for what nothing used."""
    (tmp_path / "a.yaml").write_text(BASE)
    before = load_contract(tmp_path / "a.yaml")
    lean = BASE
    for piece in (
        'about: ""\n', ", optional: false", "    others: false\n", ", max_length: 1000",
        ", timeout: 50ms", ", threshold: 0.5", "join: true, ", "log: written\n",
    ):  # fmt: skip
        assert piece in lean
        lean = lean.replace(piece, "")
    (tmp_path / "a.yaml").write_text(lean)
    assert load_contract(tmp_path / "a.yaml") == before
