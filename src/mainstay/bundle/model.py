"""What a version is made of, as immutable values.

A bundle is one file (`.mainstay`, a plain zip) or the folder it unpacks to:

    manifest.json     the `Manifest`: every other file with its SHA-256, and what they mean
    signature.json    optional: a key's signature over the fingerprint
    model/…           the model in one of the formats of `ModelPart`
    code/…            optional: Python source of the feature extractor, lookups or model
    assets/…          the end-to-end set, the confidence set and, optional, first impressions, as
                      encoded columns; and, for `judge.cold`, marks of what is known

The fingerprint is the SHA-256 of the bytes of `manifest.json`, so model, extractor, contract,
assets and card are fixed together: change one bit of one of them and it is another version.
"""

from typing import Any, Literal

import msgspec

from mainstay.bundle.judgement import Calibration, Judgement
from mainstay.contract.model import Contract

MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "signature.json"


class ModelPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model is kept and fed."""

    format: Literal["onnx", "lightgbm", "xgboost", "skops", "source"]
    file: str
    """Path inside the bundle."""
    layout: Literal["matrix", "columns"]
    """Fed with one float32 matrix [rows, features], or with one named tensor per feature."""
    output: str = ""
    """The name of the model's output that holds the answer, where the format has names."""
    tolerance: float = 1e-5
    """The largest difference that counts as the same answer."""
    numbers: Literal["float32", "float64"] = "float32"
    """What the matrix is made of; ONNX takes 32 bits, models kept in their own format take the 64
    bits they were trained on."""
    order: tuple[int, ...] = ()
    """Where the model answers probabilities in another order than the contract's classes: the
    place of each of those among its own."""
    labels: tuple[str, ...] = ()
    """What the model itself calls the contract's classes, in their order, where it answers with
    labels."""


class CodePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Source code in the bundle, one file, and the functions that are called in it."""

    file: str
    extract: str | None = None
    """The feature extractor: a batch of input and context columns in, features out."""
    lookups: tuple[str, ...] = ()
    model: str | None = None
    """The class of a plain Python model (format `source`)."""


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How the converted model compares with the one that was handed to pack."""

    rows: int
    largest_difference: float
    tolerance: float


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of production, with the outcomes that were heard of them, as a confidence set."""

    of: str
    """The fingerprint of the version whose model this is."""
    window: tuple[str, str]
    """From when to when the outcomes were heard, RFC 3339."""
    rows: int
    classes: dict[str, float]
    """The share of each class, by the outcomes."""
    left_out: dict[str, int]
    """Why to how many decisions with an outcome that are not in it."""


class KnownValues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which values of an input the model learned from."""

    file: str
    """Path inside the bundle: a mark for each value, in order."""
    count: int
    """How many marks."""
    mistaken: float
    """The share of new values that are taken for known ones."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from: what data, which window, which code, who, when, how good."""

    packed_at: str
    """RFC 3339, UTC."""
    author: str = ""
    snapshot: str = ""
    """The name or hash of the training data."""
    window: tuple[str, str] | None = None
    """From when to when the training data reaches: from the first moment up to, but without, the
    second; a day belongs to it whole."""
    without: tuple[tuple[str, str], ...] = ()
    """Stretches within the window whose data was left out, such as quarantined ones."""
    code_revision: str = ""
    code_dirty: bool = False
    """The work tree had changes that no revision holds."""
    parameters: dict[str, Any] = {}
    libraries: dict[str, str] = {}
    metrics: dict[str, float] = {}
    parity: Parity | None = None
    notes: str = ""
    upstream: dict[str, str] = {}
    """Models whose answers this version takes, each with the fingerprint it was made for."""
    confidence: Refreshed | None = None
    """Where the confidence set is from, when it was refreshed after packing."""
    trained_on: tuple[str, ...] = ()
    """Models whose answers shaped the training data."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a version is."""

    format: Literal[1] = 1
    model: str
    contract: Contract
    features: tuple[str, ...]
    """The names of the features in the order the model takes them."""
    runs: ModelPart
    code: CodePart | None = None
    files: dict[str, str]
    """Path inside the bundle to SHA-256 in hexadecimal, for every file but this and the
    signature."""
    card: Card
    judgement: Judgement | None = None
    """What was learned of its own judgement; versions from before do not have it."""
    known: dict[str, KnownValues] = {}
    """By input, for those whose new values `judge.cold` looks for."""

    @property
    def calibration(self) -> Calibration | None:
        """How it corrects its confidence; nothing where it does not."""
        return None if self.judgement is None else self.judgement.calibration


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a registry knows: people say `fraud v3`, machines say the fingerprint."""

    model: str
    number: int
    fingerprint: str
    size_bytes: int
    registered_at_ns: int
    card: Card

    def __str__(self) -> str:
        return f"{self.model} v{self.number} ({self.fingerprint[:12]})"
