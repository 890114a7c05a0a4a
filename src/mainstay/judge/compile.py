"""From a contract to its flow: which stages a version's answers go through, in which order.

The one place that knows all stages. A part of `judge` that the contract leaves out has no stage.
"""

from mainstay.contract.model import Contract
from mainstay.judge.flow import Flow, SenseStage
from mainstay.judge.model import Means


def compile_flow(contract: Contract, means: Means | None = None) -> Flow:
    """The judgement that a contract declares; without means it has its own, shared with nobody."""
    means = means or Means()
    return Flow([SenseStage(contract)])
