"""N10: a contract that was written loads back to the equal contract."""

from hypothesis import given, settings

from mainstay.contract.difference import difference
from mainstay.contract.load import check_contract, loads_contract
from mainstay.contract.model import Category, Contract, Number, NumberOutput, Probability
from mainstay.contract.write import write_contract
from tests.contract.samples import contracts


@settings(max_examples=200, deadline=None)
@given(contracts())
def test_written_contracts_load_back(contract):
    """N10: any sound contract survives the way through a file, its order and types included."""
    check_contract(contract)
    text = write_contract(contract, dict.fromkeys(contract.inputs, "seen 1 to 2\nand more"))
    loaded = loads_contract(text, "c.yaml")
    assert loaded == contract
    assert repr(loaded) == repr(contract)  # 1 and 1.0, or another order, would show here
    assert difference(contract, loaded) == []


def test_a_file_to_enjoy():
    """N10: sections are explained, defaults are shown as comments, what was seen is beside."""
    contract = Contract(
        model="fraud",
        inputs={"amount": Number(min=0, max=50000.0), "land": Category(values=("DE", "NO"))},
        output=Probability(classes=("ok", "fraud"), threshold=0.8),
    )
    text = write_contract(contract, {"amount": "seen 1 to 10"})
    assert "  amount: {type: number, min: 0, max: 50000}  # seen 1 to 10\n" in text
    assert "  land: {type: category, values: [DE, NO]}\n" in text
    assert "output: {type: probability, classes: [ok, fraud], threshold: 0.8}\n" in text
    assert "# judge:\n#   say: " in text
    assert "# log: written\n" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_long_lists_are_wrapped():
    """N10: a category of many words stays readable."""
    contract = Contract(
        model="m",
        inputs={"c": Category(values=tuple(f"word {place}" for place in range(300)))},
        output=NumberOutput(),
    )
    text = write_contract(contract, {"c": "seen 300 different"})
    assert all(len(line) <= 100 for line in text.splitlines())
    assert loads_contract(text, "c") == contract
