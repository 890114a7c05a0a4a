"""What a ranking shows, as columns: from these counts every measure of a recommender is worked out.

shown_item         every item of every list that was shown; one list has each item once
shown_unit         who it was shown to, under a hash
label_item         what people took, whatever was shown (see `labels.py`)
label_found        that, where it was on the list
label_clicked      a word for each list of which something was taken, where the list was shown

Exact for items, of which a contract has at most 10 000; of units a sample of 1 024 that merges in
any order. Must never keep a unit's own name: parts outlive what is erased.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.model import Contract, Ranking
from mainstay.summaries.arrow import arrow
from mainstay.summaries.reference import Known
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import summarise
from mainstay.summaries.values import values_of

SHOWN: Final = "shown_"
"""How the names of columns begin that lists make."""
ITEM: Final = "shown_item"
UNIT: Final = "shown_unit"
TAKEN: Final = "label_item"
FOUND: Final = "label_found"
CLICKED: Final = "label_clicked"
CLICK: Final = Ruler("category", names=("clicked",))
UNITS: Final = Ruler("category")

Floats = npt.NDArray[np.float64]


def items_ruler(output: Ranking) -> Ruler:
    """On which items are counted."""
    return Ruler("category", names=output.items)


def shown_length(output: Ranking) -> int:
    """How many items a list has."""
    return min(output.top, len(output.items))


def places_of(scores: Floats) -> npt.NDArray[np.int64]:
    """The items of each row, best first; of equal ones the first of the contract."""
    return np.argsort(-scores, axis=1, kind="stable")


def unit_of(contract: Contract) -> str:
    """The input that names who an answer is for; empty where none does."""
    exposure = contract.judge.exposure
    return contract.release.unit or ("" if exposure is None else exposure.unit)


def shown(contract: Contract, scores: Floats, units: Sequence[Any] | None) -> dict[str, Known]:
    """The columns of lists that were made of these scores, for these units (None where nobody
    is named)."""
    output = contract.output
    assert isinstance(output, Ranking), "only rankings make lists"
    sound = np.asarray(np.isfinite(scores).all(axis=1), dtype=np.bool_)
    best = places_of(scores[sound])[:, : shown_length(output)]
    pa = arrow()
    codes = pa.array(best.ravel(), pa.int32())
    listed = pa.DictionaryArray.from_arrays(codes, pa.array(output.items, pa.string()))
    ruler = items_ruler(output)
    found = {ITEM: Known(ruler, summarise(values_of(pa.chunked_array([listed])), ruler))}
    if units is not None:
        marks = [_mark(units[row]) for row in np.flatnonzero(sound).tolist()]
        column = pa.chunked_array([pa.array(marks, pa.string())])
        found[UNIT] = Known(UNITS, summarise(values_of(column), UNITS))
    return found


def _mark(unit: Any) -> str | None:
    if unit is None:
        return None
    # A whole number may have been kept among other numbers, as a float.
    same = int(unit) if isinstance(unit, float) and unit.is_integer() else unit
    text = str(same).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
