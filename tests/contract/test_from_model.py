"""Where another model's answer enters, as a contract says it: S13, N9."""

import pytest

from mainstay.base.errors import InvalidContract
from mainstay.contract.difference import difference
from mainstay.contract.load import load_contract
from mainstay.contract.model import Contract, kinds_from_models
from mainstay.contract.write import write_contract

TEXT = """\
model: ranker
inputs:
  query: {type: vector, length: 4, from_model: embedder}
  x: {type: number}
context:
  risk: {value: {type: number, from_model: fraud}, otherwise: 0}
  seen:
    lookup: log
    key: x
    fields: {kind: {type: category, values: [a, b], from_model: sorter}}
    otherwise: {kind: a}
lookups:
  log: {function: log}
output: {type: number}
"""


def loaded(folder, text: str = TEXT) -> Contract:
    file = folder / "ranker.yaml"
    file.write_text(text)
    return load_contract(file)


def test_inputs_context_and_lookups_may_be_answers(tmp_path):
    """S13: every place a value comes from, and what is written reads back the same."""
    contract = loaded(tmp_path)
    found = {name: kind.from_model for name, kind in kinds_from_models(contract).items()}
    assert found == {"query": "embedder", "risk": "fraud", "seen.kind": "sorter"}
    assert loaded(tmp_path, write_contract(contract)) == contract


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("x: {type: number}", "x: {type: text, from_model: a}", "only a category, a number or"),
        ("from_model: embedder", "from_model: Em Bedder", "'em-bedder' would do"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(tmp_path, before, after, said):
    """N9: in words, at the setting."""
    with pytest.raises(InvalidContract) as refused:
        loaded(tmp_path, TEXT.replace(before, after))
    assert said in str(refused.value)
    assert "from_model" in str(refused.value)


def test_an_answer_of_another_model_is_a_change_that_breaks(tmp_path):
    """O13: whoever sends the answer must send another one; saying where it comes from is free."""
    (other,) = difference(
        loaded(tmp_path), loaded(tmp_path, TEXT.replace("embedder", "embedder-2"))
    )
    assert (other.setting, other.breaks) == ("inputs.query.from_model", True)
    assert "an answer of embedder-2 rather than of embedder" in other.words
    bare = loaded(tmp_path, TEXT.replace(", from_model: embedder", ""))
    (said,) = difference(bare, loaded(tmp_path))
    assert not said.breaks
