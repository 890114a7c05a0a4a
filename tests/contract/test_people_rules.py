"""What makes no sense in the parts of `judge` about people is named where it stands (S25 S34)."""

import pytest

from mainstay.contract.document import InvalidContractFile
from mainstay.contract.load import loads_contract

GOOD = """\
model: advice
inputs:
  user: {type: text}
  asked_for: {type: boolean}
  shape: {type: vector, length: 2}
output: {type: probability, classes: ["no", "yes"]}
"""


def problems(judge: str) -> list[str]:
    with pytest.raises(InvalidContractFile) as caught:
        loads_contract(f"{GOOD}judge:\n  {judge}\n", "c.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("exposure: {}", "c.yaml:8: judge.exposure: limits nothing; write errors, prompts or answers"),
        ("exposure: {unit: user}", "judge.exposure: limits nothing"),
        ("exposure: {prompt: 5 per 1d}", "judge.exposure.prompt: is not a setting of `exposure`; did you mean 'prompts'?"),
        ("exposure: {prompts: 5}", "judge.exposure.prompts: must be text, got the number 5; write how many and per what time, such as 5 per 1d"),
        ("exposure: {prompts: 5 a day}", "judge.exposure.prompts: '5 a day' is not a quota; write how many, and per what time, such as 5 per 1d"),
        ("exposure: {errors: 0 per 1d}", "judge.exposure.errors: must be at least 1"),
        ("exposure: {answers: 5 per 10ms}", "judge.exposure.answers: must be per 1s to 366d"),
        ("exposure: {answers: 5 per 400d}", "judge.exposure.answers: must be per 1s to 366d"),
        ("exposure: {unit: usr, answers: 5 per 1d}", "judge.exposure.unit: there is no input 'usr'; did you mean 'user'?"),
        ("exposure: {unit: shape, answers: 5 per 1d}", "judge.exposure.unit: 'shape' is of type vector"),
        ("exposure: {answers: 5 per 1d, unless: askd_for}", "judge.exposure.unless: at character 1"),
        ("exposure: {answers: 5 per 1d, unless: user}", "judge.exposure.unless: at character 1 ('user'): must be true or false, this is text"),
        ("exposure: 5 per 1d", "judge.exposure: must be a set of named settings, got the text '5 per 1d'"),
        ("report: {say: ''}", "judge.report.say: must be words for a person"),
        ("undo: {within: soon}", "judge.undo.within: 'soon' is not a duration; write 10m, 24h or 7d"),
        ("undo: {within: 24}", "judge.undo.within: must be text, got the number 24; write it with a unit"),
        ("undo: {within: 1ms}", "judge.undo.within: must be 1s to 366d"),
        ("undo: {webhook_env: UNDO_URL}", "judge.undo.webhook_env: needs `secret_env` beside it"),
        ("undo: {secret_env: UNDO}", "judge.undo.secret_env: has no effect without `webhook_env`"),
        ("undo: {webhook_env: 'https://shop/undo', secret_env: S}", "the URL itself belongs into that variable"),
        ("undo: {webhook: X}", "judge.undo.webhook: is not a setting of `undo`"),
        ("words: {asked: 'Is it {anser}?'}", "judge.words.asked: '{anser}' stands for nothing here; write {answer}"),
        ("words: {options: 'Is it {answer}?'}", "judge.words.options: '{answer}' stands for nothing here; write {options}"),
        ("words: {asked: 'Is it {answer'}", "judge.words.asked: '{answer' stands for nothing here"),
        ("words: {asked: 'Is it answer}'}", "judge.words.asked: '}' stands for nothing here"),
        ("words: {asked: ' '}", "judge.words.asked: must be words for a person"),
        ("words: {fallback: 'It is {answer}.'}", "judge.words.fallback: has no effect without `fallback`"),
        ("private: {subjects: {}}", "judge.private.subjects: names no subject"),
        ("private: {subjects: {health: []}}", "judge.private.subjects.health: needs words"),
        ("private: {subjects: {health: ['...']}}", "judge.private.subjects.health[0]: must be 1 to 8 words"),
        ("private: {subjects: {health: ['a b*']}}", "judge.private.subjects.health[0]: may have a * only at the end"),
        ("private: {subjects: {health: [diabetes]}}", "judge.private.subjects: has no effect: no answer of this model names"),
        ("private: {subjects: {health: [{pattern: '(?=sugar)x'}]}}", "c.yaml:8: judge.private.subjects.health[0].pattern: looks around itself"),
        ("private: {subjects: {health: [{pattern: '[0-9]*'}]}}", "judge.private.subjects.health[0].pattern: is found where there is nothing"),
        ("private: {subjects: {health: [{pattern: 'speak'}]}}", "is found in what is said in its place, 'This is something that we do not speak about.'"),
        ("private: {subjects: {health: [{patern: x}]}}", "judge.private.subjects.health[0]"),
        ("private: {subjects: {health: [{pattern: 10}]}}", "judge.private.subjects.health[0].pattern: must be text"),
        ("private: {subjects: {health: [{pattern: '^(yes|no)$'}]}}", "judge.private.subjects: leaves nothing to say"),
        ("private: {subjects: {health: ['yes']}}\n  say: Yes or no.", "judge.say: names health, which `judge.private` does not let it speak of"),
        ("private: {subjects: {health: ['yes']}}\n  fallback: [{answer: 'yes'}]", "judge.fallback[0].answer: names health"),
        ("private: {subjects: {health: ['yes', hm]}}\n  fallback: [{say: 'Hm.'}]", "judge.fallback[0].say: names health"),
        ("private: {subjects: {health: ['yes', hm]}}\n  rules: [{must: asked_for, otherwise: Hm}]", "judge.rules[0].otherwise: names health"),
        ("private: {subjects: {health: ['yes', hm]}}\n  words: {asked: 'Hm, {answer}?'}", "judge.words.asked: names health"),
        ("private: {subjects: {health: ['yes', hm]}}\n  report: {say: 'Hm.'}", "judge.report.say: names health"),
        ("private: {subjects: {health: ['yes', hm]}}\nrelease: {strategy: opt_back, notes: Hm}", "release.notes: names health"),
        ("share: {when: asked_for}", "judge.share: does nothing: no input says `sensitivity: personal`"),
        ("share: {when: user}", "judge.share.when: at character 1"),
        ("share: {}", "judge.share: needs `when`"),
        ("words: {declined: no}", "judge.words.declined: is not a setting of `words`"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(judge, expected):
    found = problems(judge)
    assert any(expected in problem for problem in found), found


def test_what_makes_sense_is_taken():
    part = "exposure: {unit: user, errors: 3 per 1d, prompts: 5 per day, answers: 20 per 12h, unless: asked_for}"
    exposure = loads_contract(f"{GOOD}judge: {{{part}}}\n", "c.yaml").judge.exposure
    assert exposure is not None
    assert (exposure.unit, exposure.prompts, exposure.unless) == ("user", "5 per day", "asked_for")


def test_a_class_of_sensitivity_that_changes_nothing_is_refused():
    """S35: a setting without an effect does not exist."""
    text = GOOD.replace(
        "asked_for: {type: boolean}", "asked_for: {type: boolean, sensitivity: personal}"
    )
    with pytest.raises(InvalidContractFile, match="has no effect without"):
        loads_contract(text, "c.yaml")
    loads_contract(text + "judge: {share: {when: asked_for}}", "c.yaml")
    with pytest.raises(InvalidContractFile, match="must be one of personal, private, public"):
        loads_contract(text.replace("personal", "secret"), "c.yaml")
    with pytest.raises(InvalidContractFile, match="answers of type number name nothing"):
        number = GOOD[: GOOD.index("output")] + "output: {type: number}\n"
        loads_contract(number + "judge: {private: {subjects: {a: [b]}}}", "c.yaml")


def test_what_an_input_is_about_must_lead_to_something():
    """S36: a subject that nobody made private, a misspelt one, and one that nothing can name."""

    def named(kind: str, judge: str) -> str:
        text = GOOD.replace("shape: {type: vector, length: 2}", f"shape: {kind}")
        with pytest.raises(InvalidContractFile) as caught:
            loads_contract(f"{text}judge: {judge}\n", "c.yaml")
        return "\n".join(str(problem) for problem in caught.value.problems)

    about = "{type: category, values: [maybe, 'yes'], subject: health}"
    assert "c.yaml:5: inputs.shape.subject: has no effect without `judge.private`" in named(
        about, "{}"
    )
    found = named(about.replace("health", "helth"), "{private: {subjects: {health: []}}}")
    assert (
        "inputs.shape.subject: 'helth' is no subject of `judge.private`; did you mean 'health'?"
        in found
    )
    assert "judge.private.subjects.health: needs words, such as" in found
    number = "{type: number, subject: health}"
    found = named(number, "{private: {subjects: {health: [yes]}}}")
    assert "inputs.shape.subject: has no effect: no answer names a value of type number" in found
    whole = GOOD.replace("shape: {type: vector, length: 2}", f"shape: {about}")
    loads_contract(whole + "judge: {private: {subjects: {health: []}}}", "c.yaml")
    shared = GOOD.replace("shape: {type: vector, length: 2}", f"shape: {number}")
    loads_contract(
        shared + "judge: {private: {subjects: {health: []}}, share: {when: asked_for}}", "c.yaml"
    )
    looked_up = GOOD + (
        "context: {account: {lookup: accounts, key: user, fields: {faith: {type: text, subject: faith}},"
        " otherwise: {faith: ''}}}\nlookups: {accounts: {http: 'http://localhost/{key}'}}\n"
    )
    with pytest.raises(
        InvalidContractFile, match=r"context\.account\.fields\.faith\.subject: has no"
    ):
        loads_contract(looked_up, "c.yaml")
    loads_contract(looked_up + "judge: {private: {subjects: {faith: []}}}", "c.yaml")
