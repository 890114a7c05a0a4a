"""From a contract to its flow: which stages a version's answers go through, in which order.

The one place that knows all stages. A part of `judge` that the contract leaves out has no stage.
"""

from mainstay.contract.model import Contract
from mainstay.judge.flow import Flow, SenseStage


def compile_flow(contract: Contract) -> Flow:
    """The judgement that a contract declares."""
    return Flow([SenseStage(contract)])
