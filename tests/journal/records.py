"""Records as the tests of the journal make them: small, with values that tell."""

import numpy as np

from mainstay.contract.columns import Columns, encode
from mainstay.journal.model import DecisionBatch, Event, Layout

TIME_MS = 1_700_000_000_000
FRAUD = Layout(
    fingerprint="f1" * 32,
    model="fraud",
    number=1,
    inputs=("amount", "age"),
    features=("amount", "age"),
    outputs=("ok", "fraud"),
)
FRAUD_2 = Layout(
    fingerprint="f2" * 32,
    model="fraud",
    number=2,
    inputs=("amount", "country"),
    features=("log_amount",),
    outputs=("ok", "fraud"),
)
CHURN = Layout(
    fingerprint="c1" * 32,
    model="churn/eu",
    number=7,
    inputs=("note",),
    features=("length",),
    outputs=("score",),
)


def batch(
    first: int,
    rows: int = 4,
    *,
    incarnation: int = 7,
    layout: Layout = FRAUD,
    time_ms: int = TIME_MS,
) -> DecisionBatch:
    """A run whose values follow from the sequences of its rows."""
    sequence = np.arange(first, first + rows, dtype=np.float64)
    inputs: Columns = {"matrix": np.stack([sequence * 0.5, -sequence], axis=1)}
    features, output = b"", np.stack([1 - sequence, sequence], axis=1).astype(np.float32)
    if layout is FRAUD_2:
        country = np.array([None if n % 3 == 0 else "DE" for n in range(rows)], dtype=object)
        inputs = {"amount": sequence * 0.5, "country": country}
        features = encode({"matrix": sequence.astype(np.float32).reshape(rows, 1)})
    elif layout is CHURN:
        inputs = {"note": np.array([f"note {n}" for n in range(rows)], dtype=object)}
        output = sequence
        features = encode({"length": np.full(rows, 6, dtype=np.int64)})
    return DecisionBatch(
        fingerprint=layout.fingerprint,
        route=3,
        door="http",
        time_ms=time_ms,
        incarnation=incarnation,
        first_sequence=first,
        rows=rows,
        callers=("local",),
        inputs=encode(inputs),
        features=features,
        outputs=encode({"output": output}),
        statuses=bytes(n % 2 for n in range(rows)),
        reasons={0: "not finite"},
        waited_ns=tuple(range(rows)),
        steps_ns={"predict": 5, "judge": 1},
    )


def event(identity: str, model: str = "fraud") -> Event:
    return Event(
        id=identity,
        kind="route",
        time_ns=TIME_MS * 1_000_000 + 123,
        known_ns=TIME_MS * 1_000_000 + 456,
        model=model,
        actor="ann",
        subject=FRAUD.fingerprint,
        body={"number": 1, "why": "ünïcode"},
    )
