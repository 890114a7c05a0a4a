"""What every store of recalls says alike."""

from mainstay.base.errors import Conflict, NotFound
from mainstay.release.recall.model import Recall


def no_recall(number: int) -> NotFound:
    """There was never a recall of this number."""
    return NotFound(
        f"there is no recall {number}",
        field="recall",
        got=number,
        expected="a number that `mainstay recall list` shows",
    )


def is_open(recall: Recall) -> Conflict:
    """Somebody else began a recall of this model at the same moment."""
    return Conflict(
        f"recall {recall.number} of {recall.model}, begun by {recall.actor}, is not finished",
        field="model",
        rule="one recall at a time",
        got=recall.model,
        expected=f"its end; `mainstay recall show {recall.number}`",
    )


def went_on(recall: Recall) -> Conflict:
    """Somebody else carries the same recall out."""
    return Conflict(
        f"somebody else goes on with recall {recall.number} of {recall.model} at this moment",
        field="recall",
        got=recall.number,
        expected=f"the same command again; `mainstay recall show {recall.number}` tells how far it "
        "is",
    )
