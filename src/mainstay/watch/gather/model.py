"""A part: the summary of the decisions of one version, arm and slice in one stretch of time.

Everything that is counted is a column with a ruler: the inputs, features and outputs on those of
the version's reference, what the runtime adds (status, door, caller, times) on rulers that are
the same everywhere. So there is one way to merge, and one way to compare.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from mainstay.journal.model import STATUSES
from mainstay.summaries.ruler import Ruler
from mainstay.summaries.summary import Summary, merge

STRETCH_MS: Final = 600_000
"""Ten minutes: how finely the newest decisions are kept apart."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

_PER_DECADE: Final = 20
_EDGES = 10.0 ** (np.arange(3 * _PER_DECADE, 11 * _PER_DECADE + 1) / _PER_DECADE)
TIMES: Final = Ruler("number", tuple(_EDGES.tolist()))
"""Nanoseconds from a microsecond to a hundred seconds, in cells of an eighth more."""

RUNTIME_RULERS: Final[dict[str, Ruler]] = {
    "status": Ruler("category", names=STATUSES),
    "door": Ruler("category"),
    "caller": Ruler("category"),
    "waited_ns": TIMES,
}
STEP: Final = "step_"
"""How the names of columns of step times begin."""
LATENCY: Final = "latency_ns"
"""From receipt to the end of the run that answered: a row waits for its whole run."""
LABEL: Final = "label_"
"""How the names of columns begin that labels make."""
PROCESSOR: Final = "processor_ns"
"""Processor time of a row: its share of that of its run."""
PROCESSES: Final = "processes"
"""In the place of a slice: what a process used that answered; the process is in that of an arm."""
FAILED: Final = "failed"
"""Rows that a version could not answer; they leave no decision."""
FAILURES: Final = Ruler("category", names=(FAILED,))
ARRIVED: Final = "arrived"
"""In the place of a slice: labels in the stretch in which they were sealed, not in that of their
decision. A slice of decisions has a `=` in its name."""
NOBODY: Final = "0" * 64
"""The fingerprint of what belongs to no version."""
DECIDED: Final = "decided"
"""In the place of a slice: how many decisions there were that a label may be heard of, of all
versions together."""
HEARD: Final = "heard|"
"""How the name begins that stands in the place of a slice: what one source said, in the stretch in
which that was heard."""
TOLD: Final = "told|"
"""The same in the stretch of the decision that it was said of."""
CALLERS: Final = "callers"
"""In the place of a slice: how callers asked."""
REFUSED: Final = "refused"
"""In the place of a slice: what each caller asked and what of it was refused."""


class Key(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Whose decisions, and when."""

    model: str
    fingerprint: str
    number: int
    arm: str
    slice: str
    """`country=DE`; empty for all decisions."""
    begin_ms: int
    width_ms: int = STRETCH_MS


def is_slice(name: str) -> bool:
    """Whether a name in the place of a slice is that of one."""
    return "=" in name


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of them."""

    key: Key
    rows: int
    columns: dict[str, Summary]


def merge_parts(one: Part, other: Part, key: Key) -> Part:
    """Both together, under the key that covers them; the order does not matter."""
    columns = dict(one.columns)
    for name, summary in other.columns.items():
        before = columns.get(name)
        columns[name] = summary if before is None else merge(before, summary)
    return Part(key, one.rows + other.rows, columns)


def merged(parts: Iterable[Part], key: Key) -> Part:
    """All of them as one."""
    whole = Part(key, 0, {})
    for part in parts:
        whole = merge_parts(whole, part, key)
    return whole


def widened(key: Key, width_ms: int) -> Key:
    """The key of the longer stretch that holds this one."""
    return msgspec.structs.replace(
        key, begin_ms=key.begin_ms - key.begin_ms % width_ms, width_ms=width_ms
    )
