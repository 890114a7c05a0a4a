"""What is told of a version's limits names nothing that it may not speak about (S33 S36 M26)."""

from typing import Any

import msgspec

from mainstay.bundle.judgement import Evidence, InputEvidence, Judgement, Part
from mainstay.bundle.model import Card, Manifest, ModelPart
from mainstay.contract.load import loads_contract
from mainstay.judge.limits import Limits, limits_of

CONTRACT = """
model: advice
inputs:
  city: {type: category, values: [Berlin, Lourdes, Rome, Paris]}
  faith: {type: category, values: [zen, sufi], optional: true, subject: religion}
  tithe: {type: number, subject: religion}
  mass_hours: {type: number}
  hours: {type: number}
output: {type: label, classes: [stay, go, pilgrimage]}
judge:
  private: {subjects: {religion: [lourdes, mass*, pilgrimage, {pattern: "^rome$"}]}}
  share: {when: hours > 3}
"""


def limits(text: str = CONTRACT) -> Limits:
    few = {"rows": 3, "error": 0.5, "worse": True}
    numbers = {"missing": 0, "usual": (1.0, 2.0), "parts": (Part(low=1.0, high=2.0, **few),)}
    evidence = Evidence(
        rows=100,
        labelled=100,
        error=0.1,
        interval=(0.05, 0.2),
        inputs=(
            InputEvidence(
                input="city",
                missing=0,
                parts=(Part(value="Lourdes", **few), Part(value="Berlin", **few)),
            ),
            InputEvidence(input="faith", missing=0, parts=(Part(value="zen", **few),)),
            InputEvidence(input="tithe", **numbers),
            InputEvidence(input="mass_hours", **numbers),
            InputEvidence(input="hours", **numbers),
        ),
    )
    manifest = Manifest(
        model="advice",
        contract=loads_contract(text, "c.yaml"),
        features=(),
        runs=ModelPart(format="onnx", file="model/model.onnx", layout="matrix"),
        files={},
        card=Card(packed_at="2026-01-01T00:00:00Z"),
        judgement=Judgement(evidence=evidence),
    )
    return limits_of(manifest, 1)


def test_limits_leave_out_what_is_private() -> None:
    """S36: an input by its class and by its name, and a value by a word or a pattern."""
    told = msgspec.json.encode(limits()).decode().lower()
    for private in ("lourdes", "zen", "sufi", "faith", "tithe", "mass_hours", "rome"):
        assert private not in told
    for fine in ("berlin", "paris", '"hours"'):
        assert fine in told


def test_without_a_private_subject_all_of_it_is_told() -> None:
    text = CONTRACT[: CONTRACT.index("judge:")].replace(", subject: religion", "")
    told: dict[str, Any] = msgspec.to_builtins(limits(text))
    assert {each["input"] for each in told["more_often_wrong"]} == {
        "city", "faith", "tithe", "mass_hours", "hours",
    }  # fmt: skip
    assert "Rome" in told["little_evidence"][0]["never"]
