"""A second model says how probably the first one is wrong, and takes part in the judgement.

Promises that no answer whose risk is above the contract's bar leaves as `answered`; that the same
holds of an answer whose risk cannot be told, where the contract fails closed; that where it fails
open such an answer is noted in its decision and counted, never passed over; and that a safeguard
which was made for another version is never asked. Every row that makes sense is asked about, also
one that another check declined: what was withheld teaches as well.
"""

from collections.abc import Collection
from typing import Final

import numpy as np

from mainstay.base.errors import MainstayError
from mainstay.bundle.features import as_named
from mainstay.bundle.model import Manifest
from mainstay.contract.columns import Column, Columns
from mainstay.contract.model import Contract, Probability, columns_of
from mainstay.contract.safeguards import RIGHT_OR_WRONG, Safeguard, guard_of
from mainstay.contract.times import duration_ns
from mainstay.judge.breaker import Breaker
from mainstay.judge.model import ASKED, DECLINED, Case, Mask, Means
from mainstay.judge.present import present
from mainstay.judge.said import asked_kinds, offered, sayer
from mainstay.judge.sense import Sense
from mainstay.judge.standby import Standby, inputs_unfit

RISK: Final = "risk"
"""The column of `judged`: the probability that the answer is wrong; nothing where nobody said."""
VERSION: Final = "safeguard_version"
_STATUS: Final = {"decline": DECLINED, "ask": ASKED}


class SafeguardStage:
    """Asks the safeguard, and takes back what it takes for wrong."""

    def __init__(
        self, contract: Contract, safeguard: Safeguard, means: Means, standby: Standby | None
    ) -> None:
        """`standby` is the safeguard's version, where it is here and fits this one."""
        guard = guard_of(contract.model, safeguard)
        self._key = guard.key
        self._contract = contract
        self._standby = standby
        self._clock = means.clock
        self._breaker = Breaker(means.clock)
        self._within_ns = duration_ns(safeguard.within)
        self._bar = safeguard.at_most
        self._status = _STATUS[safeguard.unsure]
        self._closed = safeguard.otherwise == "closed"
        self._sense = Sense(contract)
        self._said = sayer(contract.output, means.calibration)
        self._present = present(contract)
        wanted = () if standby is None else standby.takes
        asked = asked_kinds(contract)
        self._asked = {name: asked[name][0] for name in wanted if name in asked}

    def __call__(self, case: Case) -> None:
        """Ask about every row that makes sense; take back the rows above the bar."""
        risk = np.full(case.rows, np.nan)
        number = 0 if self._standby is None else self._standby.number
        case.judged[RISK] = risk
        case.judged[VERSION] = np.full(case.rows, number)
        why = self._ask(case, risk)
        above: Mask = risk > self._bar
        if above.any():
            self._take(case, above, risk)
        unknown: Mask = np.isnan(risk) & case.standing()
        if unknown.any():
            self._without(case, unknown, why)

    def _ask(self, case: Case, risk: Column) -> dict[int, str] | str:
        """Write what the safeguard says; why it does not, row by row or of all."""
        standby = self._standby
        if standby is None:
            return self._trouble(case, "missing", "there is none here for this version")
        rows = np.flatnonzero(self._sense(case.output))
        if not len(rows):
            return {}
        if not self._breaker.allows():
            return self._trouble(case, "paused", "it failed or was slow, and is left alone")
        began = self._clock.elapsed_ns()
        try:
            judged = standby.judged(self._shown(case, rows), np.arange(len(rows)))
        except MainstayError as error:
            return self._failed(case, f"v{standby.number} failed: {error.message}")
        except Exception as error:  # noqa: BLE001  # because a safeguard that breaks down must not break the run
            return self._failed(case, f"v{standby.number} failed: {type(error).__name__}: {error}")
        if self._clock.elapsed_ns() - began > self._within_ns:
            self._breaker.failed()
            case.count("safeguard_troubles", self._key, "slow")
        else:
            self._breaker.succeeded()
        self._tell_state(case)
        good = judged.good
        risk[rows[judged.asked[good]]] = judged.part.output[good, 1]
        where: list[int] = rows.tolist()
        return {where[place]: why for place, why in judged.refused().items()}

    def _shown(self, case: Case, rows: Column) -> Case:
        """The rows as the safeguard is shown them."""
        given = {**as_named(case.inputs, self._contract), **case.context}
        columns: Columns = {shown: given[own][rows] for shown, own in self._asked.items()}
        columns |= self._said(case.output[rows])
        callers = case.callers
        return Case(
            rows=len(rows),
            inputs=columns,
            context={},
            output=case.output[rows],
            names=tuple(columns),
            callers=lambda: [callers()[row] for row in rows.tolist()],
            time_ns=case.time_ns,
            statuses=np.zeros(len(rows), dtype=np.uint8),
            reasons={},
        )

    def _take(self, case: Case, above: Mask, risk: Column) -> None:
        changed = case.turn(
            above,
            self._status,
            lambda row: f"the risk that it is wrong, {risk[row]:.6g}, is above {self._bar:g}",
        )
        if self._status == ASKED and changed.any():
            presented = self._present(case.output, {})
            for row in np.flatnonzero(changed).tolist():
                case.words[row] = f"This may be wrong. Is it {presented[row].answer}?"

    def _without(self, case: Case, rows: Mask, why: dict[int, str] | str) -> None:
        """What the contract says of answers that the safeguard cannot judge."""

        def words(row: int) -> str:
            said = why if isinstance(why, str) else why.get(row, "it withheld its answer")
            return f"the safeguard {self._key}: {said}"

        then = "closed" if self._closed else "open"
        case.count("safeguard_unsure", then, by=int(np.count_nonzero(rows)))
        if self._closed:
            case.turn(rows, DECLINED, lambda row: f"{words(row)}, so nothing passes")
            return
        for row in np.flatnonzero(rows).tolist():
            case.note(row, f"{words(row)}, so it passes unguarded")

    def _failed(self, case: Case, why: str) -> str:
        self._breaker.failed()
        self._tell_state(case)
        return self._trouble(case, "failed", why)

    def _tell_state(self, case: Case) -> None:
        case.levels["safeguard_breaker_open", self._key] = float(self._breaker.state != "closed")

    def _trouble(self, case: Case, trouble: str, why: str) -> str:
        case.count("safeguard_troubles", self._key, trouble)
        return why


def unfit_guard(contract: Contract, other: Contract) -> str:
    """Why a version cannot watch over another one, in words; nothing when it can."""
    output = other.output
    if not isinstance(output, Probability) or output.classes != RIGHT_OR_WRONG:
        return "a safeguard answers with a probability of the two classes right and wrong"
    if other.context:
        return f"it needs the context {next(iter(other.context))!r}; a safeguard takes inputs only"
    mine = offered(contract)
    if not mine.keys() - columns_of(contract.inputs, contract.context).keys():
        return f"nothing that {contract.model} says can be shown to it"
    return inputs_unfit(mine, other.inputs, contract.model)


def made_for_another(manifest: Manifest, model: str, marks: Collection[str]) -> str:
    """Whether a safeguard says that it was made for another version than the one with these
    fingerprints, in words; nothing when it was not, or says nothing."""
    pinned = manifest.card.upstream.get(model)
    if pinned is None or not marks or pinned in marks:
        return ""
    return f"it was made for another version of {model} ({pinned[:12]})"
