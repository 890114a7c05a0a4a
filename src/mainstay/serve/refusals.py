"""How many requests each caller made of each model, and which of them were refused, in one worker.

What is refused leaves no decision, and must leave no record of its own either: who sends nonsense
must not fill the disk. So they are counted here, since the worker began, and the keeper reads the
counts. Promises bounded memory, however many callers, models and mistakes there are, and that
counting costs well below a microsecond. Must never become a label of the metrics page, nor keep
what a request said: of a refusal it is the code, and the declared field that it names.
"""

import msgspec

from mainstay.access.model import Caller
from mainstay.base.errors import MainstayError, Refused, Withheld
from mainstay.base.limits import REFUSED_CALLERS_MAX, REFUSED_REASONS_MAX

NOBODY = ""
"""Who has no valid key."""
OTHERS = "(other)"


class AskedBy(msgspec.Struct, frozen=True, kw_only=True):
    """What one caller asked of one model since the worker began."""

    model: str
    caller: str
    asked: int
    refused: int
    why: dict[str, int] = {}
    """By code and field."""


class _Counts:
    __slots__ = ("asked", "refused", "why")

    def __init__(self) -> None:
        self.asked = 0
        self.refused = 0
        self.why: dict[str, int] = {}


class Refusals:
    """The counts of one worker. All methods are called from one thread."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Counts] = {}

    def asked(self, model: str, caller: Caller | None) -> None:
        """A caller asked something of a model."""
        self._of(model, NOBODY if caller is None else caller.name).asked += 1

    def refused(
        self, model: str, caller: Caller | None, error: MainstayError, fields: frozenset[str]
    ) -> None:
        """What it asked was refused; what the model has no answer to is not, nor what failed."""
        if not isinstance(error, Refused) or isinstance(error, Withheld):
            return
        counts = self._of(model, NOBODY if caller is None else caller.name)
        counts.refused += 1
        why = f"{error.code} {error.field}" if error.field in fields else error.code
        if why not in counts.why and len(counts.why) >= REFUSED_REASONS_MAX:
            why = OTHERS
        counts.why[why] = counts.why.get(why, 0) + 1

    def counted(self) -> list[AskedBy]:
        """Of every caller, so far."""
        return [
            AskedBy(model=m, caller=c, asked=n.asked, refused=n.refused, why=dict(n.why))
            for (m, c), n in self._counts.items()
        ]

    def _of(self, model: str, caller: str) -> _Counts:
        found = self._counts.get((model, caller))
        if found is None:
            if len(self._counts) >= REFUSED_CALLERS_MAX:
                caller = OTHERS
            found = self._counts.setdefault((model, caller), _Counts())
        return found
