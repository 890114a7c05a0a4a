"""N10: the reference page names every setting, because it is made from the same Structs."""

import msgspec.inspect as mi

from mainstay.contract.model import Contract
from mainstay.contract.reference import contract_reference


def structs(kind):
    match kind:
        case mi.StructType():
            yield kind
            for field in kind.fields:
                yield from structs(field.type)
        case mi.UnionType():
            for each in kind.types:
                yield from structs(each)
        case mi.DictType():
            yield from structs(kind.value_type)


def test_every_setting_is_there_with_its_words():
    """N10: each setting of each part has a line with a type, a default and a meaning."""
    page = contract_reference()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`" in line]
    for struct in structs(mi.type_info(Contract)):
        if struct.tag is not None:
            assert f"{struct.tag}\n" in page
        for field in struct.fields:
            assert any(f"`{field.name}`" in row for row in rows), field.name
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, row
        assert all(cells), row


def test_the_page_is_stable():
    """N10: the page is a pure function, so a check can hold the file to it."""
    assert contract_reference() == contract_reference()
    assert contract_reference().startswith("# The contract file\n")
