"""A labelled decision as columns: from these sums every metric of a window is worked out.

label_pair         truth → answer, as the model gave it (classes)
label_shown        the same, only where something was shown
label_score_of     the probability of the second class where it was the truth; of two classes
label_score_else   and where it was not
label_loss         the negative logarithm of the truth's probability
label_likely       the truth's probability
label_sure_right   the probability of the answer where it was right
label_sure_wrong   and where it was wrong
label_error        answer less truth (numbers)
label_distance     without its sign
label_place        where the truth stood in the ranking, 1 is first
label_item         the truth; label_found where it was among the items on top, and label_clicked a
                   word where these were shown too (rankings)
label_delay_s      how long after the decision the label came
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.contract.model import (
    Contract,
    Label,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
)
from mainstay.summaries.rankings import (
    CLICK,
    CLICKED,
    FOUND,
    TAKEN,
    items_ruler,
    places_of,
    shown_length,
)
from mainstay.summaries.ruler import Ruler

Floats = npt.NDArray[np.float64]

ARROW: Final = " → "
LIKELY: Final = "label_likely"
_CELLS: Final = 200
SHARES: Final = Ruler("number", tuple((np.arange(1, _CELLS) / _CELLS).tolist()))
"""Cells of half a hundredth, from 0 to 1."""
_WHOLE: Final = Ruler("number")
PLACES: Final = Ruler("number", tuple(float(place) for place in range(1, 101)))
_SIZES = 10.0 ** (np.arange(-9 * 10, 12 * 10 + 1) / 10)
DISTANCES: Final = Ruler("number", tuple(_SIZES.tolist()))
"""Cells of a quarter more, from a thousand-millionth to a million millions."""
ERRORS: Final = Ruler("number", (*(-_SIZES[::-2]).tolist(), 0.0, *_SIZES[::2].tolist()))
"""The same to both sides of 0, twice as coarse."""
DELAYS: Final = Ruler("number", tuple((10.0 ** (np.arange(0, 8 * 5) / 5)).tolist()))
"""Seconds, from one to three years."""
_PAIRS_MAX: Final = 900
_LEAST: Final = 1e-15


def rulers_of(contract: Contract) -> dict[str, Ruler]:
    """The columns that labels of a contract have."""
    output = contract.output
    found: dict[str, Ruler] = {"label_delay_s": DELAYS}
    if isinstance(output, Probability | Label):
        pairs = tuple(f"{t}{ARROW}{a}" for t in output.classes for a in output.classes)
        found |= dict.fromkeys(
            ("label_pair", "label_shown"), Ruler("category", names=pairs[:_PAIRS_MAX])
        )
    if isinstance(output, Probability):
        found |= {"label_loss": _WHOLE, LIKELY: SHARES}
        found |= {"label_sure_right": SHARES, "label_sure_wrong": SHARES}
        if len(output.classes) == 2:
            found |= {"label_score_of": SHARES, "label_score_else": SHARES}
    if isinstance(output, NumberOutput):
        found |= {"label_error": ERRORS, "label_distance": DISTANCES}
    if isinstance(output, Ranking):
        found |= {"label_place": PLACES, CLICKED: CLICK}
        found |= dict.fromkeys((TAKEN, FOUND), items_ruler(output))
    return found


def slice_name(column: str, value: Any) -> str:
    """The slice of an input's value, as people write it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{column}={text}"


def in_slice(name: str, slice_: str) -> str:
    """What a column is called in the reference that is about one slice only."""
    return f"{name}|{slice_}" if slice_ else name


def column_and_slice(name: str) -> tuple[str, str]:
    """The same back; a column that is about everything has no slice."""
    column, _, slice_ = name.partition("|")
    return column, slice_


def columns_of(
    contract: Contract, truths: Sequence[Any], outputs: Floats, answers: Sequence[Any], shown: Any
) -> dict[str, npt.NDArray[Any]]:
    """What labelled decisions say, row by row; each column has the rows it is about. `answers` are
    what the model gave, `shown` which of them anybody saw."""
    output = contract.output
    if isinstance(output, Probability | Label):
        return _of_classes(output, truths, outputs, answers, np.asarray(shown, dtype=bool))
    if isinstance(output, NumberOutput):
        errors = outputs - np.array([float(truth) for truth in truths])
        return {"label_error": errors, "label_distance": np.abs(errors)}
    if isinstance(output, Ranking):
        return _of_items(output, truths, outputs, np.asarray(shown, dtype=bool))
    return {}


def fits(contract: Contract, label: Any) -> bool:
    """Whether a label is one that this output can be held against."""
    output = contract.output
    match output:
        case Probability() | Label():
            return isinstance(label, str) and label in output.classes
        case NumberOutput():
            number = isinstance(label, int | float) and not isinstance(label, bool)
            return number and math.isfinite(label)
        case Ranking():
            return isinstance(label, str) and label in output.items
        case VectorOutput():
            return False


def _of_items(
    output: Ranking, truths: Sequence[str], outputs: Floats, shown: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[Any]]:
    places = {name: place for place, name in enumerate(output.items)}
    order = np.argsort(places_of(outputs), axis=1, kind="stable")
    rows = np.arange(len(truths))
    place = 1.0 + order[rows, [places[truth] for truth in truths]]
    items = np.array(truths, dtype=object)
    found = place <= shown_length(output)
    clicked = np.full(int((found & shown).sum()), CLICK.names[0], dtype=object)
    return {"label_place": place, TAKEN: items, FOUND: items[found], CLICKED: clicked}


def _of_classes(
    output: Probability | Label,
    truths: Sequence[str],
    outputs: Floats,
    answers: Sequence[Any],
    shown: npt.NDArray[np.bool_],
) -> dict[str, npt.NDArray[Any]]:
    pairs = np.array([f"{t}{ARROW}{a}" for t, a in zip(truths, answers, strict=True)], dtype=object)
    found: dict[str, npt.NDArray[Any]] = {"label_pair": pairs, "label_shown": pairs[shown]}
    if isinstance(output, Label):
        return found
    at = np.array([output.classes.index(truth) for truth in truths])
    chosen = np.array([output.classes.index(answer) for answer in answers])
    rows = np.arange(len(at))
    likely = outputs[rows, chosen]
    right = at == chosen
    found["label_loss"] = -np.log(np.maximum(outputs[rows, at], _LEAST))
    found[LIKELY] = outputs[rows, at]
    found["label_sure_right"] = likely[right]
    found["label_sure_wrong"] = likely[~right]
    if len(output.classes) == 2:
        found["label_score_of"] = outputs[at == 1, 1]
        found["label_score_else"] = outputs[at == 0, 1]
    return found
