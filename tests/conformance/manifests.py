"""Small manifests for tests that need a version but no model."""

from mainstay.bundle.model import Card, Manifest, ModelPart
from mainstay.contract.model import Contract, Number, NumberOutput


def manifest(model: str = "fraud", card: Card | None = None) -> Manifest:
    """What a version of a model says of itself."""
    return Manifest(
        model=model,
        contract=Contract(model=model, inputs={"amount": Number()}, output=NumberOutput()),
        features=("amount",),
        runs=ModelPart(format="onnx", file="model/model.onnx", layout="matrix"),
        files={"model/model.onnx": "0" * 64},
        card=card or Card(packed_at="2026-11-20T10:00:00Z", author="ann"),
    )


def fingerprint(seed: int) -> str:
    """A fingerprint that is told apart from others by its first eight digits."""
    return f"{seed:08x}" + "ab" * 28
