"""From a contract to its flow: which stages a version's answers go through, in which order.

The one place that knows all stages. A part of `judge` that the contract leaves out has no stage.
"""

from typing import Final

from mainstay.contract.fallbacks import models_among
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract
from mainstay.contract.people import Words
from mainstay.contract.safeguards import guard_of
from mainstay.judge.cold import ColdStage
from mainstay.judge.confidence import ConfidenceStage
from mainstay.judge.cost import CostStage
from mainstay.judge.exposure import ExposureStage
from mainstay.judge.fallback import FallbackStage
from mainstay.judge.flow import Flow, SenseStage
from mainstay.judge.hold import HoldStage
from mainstay.judge.model import Means, Other, Stage
from mainstay.judge.privacy import DiscreetStage, PrivateStage, ShareStage
from mainstay.judge.rules import RulesStage
from mainstay.judge.safeguard import SafeguardStage, made_for_another, unfit_guard
from mainstay.judge.standby import Standby
from mainstay.judge.wording import WordingStage

_ALIKE: Final = frozenset(
    {"say", "rules", "fallback", "cold", "confidence", "cost", "report", "words", "undo", "private"}
)
"""The parts of `judge` that look at nothing but the run."""


def compile_flow(contract: Contract, means: Means | None = None) -> Flow:
    """The judgement that a contract declares; without means it has its own, shared with nobody."""
    means = means or Means()
    return Flow(_first(contract, means), _fallback(contract, means), _last(contract, means))


def stateless(contract: Contract) -> bool:
    """Whether the same run is always judged alike: nothing is counted over time, and no other model
    is asked."""
    judge, usual = contract.judge, Judge()
    others = (field for field in judge.__struct_fields__ if field not in _ALIKE)
    if any(getattr(judge, field) != getattr(usual, field) for field in others):
        return False
    return not models_among(judge.fallback)


def _first(contract: Contract, means: Means) -> list[Stage]:
    """What judges the model's own answers."""
    stages: list[Stage] = [SenseStage(contract)]
    if contract.judge.cold:
        stages.append(ColdStage(contract, means.known))
    stages += _rules(contract, means)
    if contract.judge.confidence is not None or contract.judge.cost is not None:
        stages.append(ConfidenceStage(contract, means.calibration))
    if contract.judge.cost is not None:
        stages.append(CostStage(contract))
    stages += _safeguard(contract, means)
    stages += _private(contract)  # before holding: what is held may be told later
    if contract.judge.hold is not None:
        stages.append(HoldStage(contract, contract.judge.hold, means))
    return stages


def _rules(contract: Contract, means: Means) -> list[Stage]:
    return [RulesStage(contract, means)] if contract.judge.rules else []


def _safeguard(contract: Contract, means: Means) -> list[Stage]:
    """What fits no more is as good as not there: what then happens is the contract's choice."""
    safeguard = contract.judge.safeguard
    if safeguard is None:
        return []
    other = means.others.get(guard_of(contract.model, safeguard).key)
    standby = None
    if other is not None:
        manifest = other.loaded.manifest
        unfit = unfit_guard(contract, manifest.contract)
        if not unfit and not made_for_another(manifest, contract.model, means.marks):
            standby = _standby(other, means)
    return [SafeguardStage(contract, safeguard, means, standby)]


def _private(contract: Contract) -> list[Stage]:
    private = contract.judge.private
    return [] if private is None else [PrivateStage(contract, private)]


def _fallback(contract: Contract, means: Means) -> FallbackStage | None:
    if not contract.judge.fallback:
        return None
    steps = models_among(contract.judge.fallback)
    standbys = {key: _standby(each, means) for key, each in means.others.items() if key in steps}
    again = _rules(contract, means) + _private(contract)
    return FallbackStage(contract, standbys, means.clock, again=again)


def _standby(other: Other, means: Means) -> Standby:
    """A version beside another one judges its answers by itself, and never falls back."""
    manifest = other.loaded.manifest
    own = Means(clock=means.clock, calibration=manifest.calibration, known=other.loaded.known)
    return Standby(other, Flow(_first(manifest.contract, own)))


def _last(contract: Contract, means: Means) -> list[Stage]:
    """What judges everything that would be told, whoever says it."""
    stages: list[Stage] = []
    if contract.judge.hold is not None and contract.judge.fallback:
        stages.append(HoldStage(contract, contract.judge.hold, means, of="fallback"))
    if contract.judge.share is not None:
        stages.append(ShareStage(contract, contract.judge.share))
        stages += _private(contract)  # what is asked now may name more than before
    if contract.judge.exposure is not None:
        stages.append(ExposureStage(contract, contract.judge.exposure, means))
    if contract.judge.words != Words():
        stages.append(WordingStage(contract, contract.judge.words))
    if contract.judge.private is not None:
        stages.append(DiscreetStage(contract, contract.judge.private))
    return stages
