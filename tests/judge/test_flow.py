"""The way through the stages: what takes back is final, and a check that breaks down withholds. S19 S21."""

import numpy as np
import pytest

from mainstay.contract.model import Contract, Number, NumberOutput
from mainstay.journal.model import STATUSES
from mainstay.judge.flow import Flow, SenseStage
from mainstay.judge.model import ASKED, DECLINED, FALLBACK, Case
from mainstay.judge.present import Shown
from tests.judge.world import case

PRICE = Contract(model="price", inputs={"amount": Number()}, output=NumberOutput())


def priced(*prices: float) -> Case:
    return case(PRICE, {"amount": np.ones(len(prices))}, np.array(prices))


def statuses(judged: Case) -> list[str]:
    return [STATUSES[code] for code in judged.statuses]


class BrokenStage:
    """A check that cannot run."""

    def __call__(self, case: Case) -> None:
        raise ZeroDivisionError("of all things")


class AskingStage:
    """Asks about every row."""

    def __call__(self, case: Case) -> None:
        case.turn(np.ones(case.rows, dtype=bool), ASKED, "asked about")


class BoldStage:
    """Answers whatever was declined."""

    def __call__(self, case: Case) -> None:
        for row in np.flatnonzero(case.statuses == DECLINED).tolist():
            case.statuses[row] = FALLBACK
            case.shown[row] = Shown(7.0)


@pytest.mark.parametrize("place", ["first", "fallback", "last"])
def test_a_check_that_breaks_down_withholds_every_row(place: str) -> None:
    """S21: wherever it stands, nothing is told that it did not look at; the record says why."""
    sense = SenseStage(PRICE)
    flow = {
        "first": Flow([sense, BrokenStage()]),
        "fallback": Flow([sense], BrokenStage()),
        "last": Flow([sense], None, [BrokenStage()]),
    }[place]
    found = priced(1.0, np.nan)
    flow(found)
    assert statuses(found) == ["declined", "declined"]
    assert "the check `broken` broke down: ZeroDivisionError" in found.reasons[0]


def test_what_a_fallback_says_does_not_get_past_a_broken_last_check() -> None:
    """S30: a fallback's answer is withheld as well when the last check cannot run."""
    found = priced(np.nan)
    Flow([SenseStage(PRICE)], BoldStage(), [BrokenStage()])(found)
    assert statuses(found) == ["declined"]


def test_no_stage_gives_back_what_another_took() -> None:
    """S18 S19: what makes no sense is not asked about."""
    found = priced(1.0, np.nan)
    Flow([SenseStage(PRICE), AskingStage()])(found)
    assert statuses(found) == ["asked", "declined"]
    assert found.judged["withheld_by"].tolist() == ["asking", "sense"]
