"""`python -m mainstay.renew.training.backtest`: train as of a moment, and ask about what came.

Promises that the model sees nothing from after its moment; that it is asked through its packed
version, as a caller would ask it; and that no version is kept. It is `child.py` with one more step.
"""

import sys
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.archive import unpack
from mainstay.bundle.assets import decode_examples
from mainstay.bundle.child import answer_over, end_child
from mainstay.bundle.load import load
from mainstay.bundle.trial import answer_all
from mainstay.contract.columns import Column, encode
from mainstay.contract.model import NumberOutput, Output, Probability, Ranking, VectorOutput
from mainstay.renew.training import child
from mainstay.renew.training.model import Task

ANSWERS: Final = "answers"
"""The one column of the file of raw answers."""


class Later(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is trained on, and asked about."""

    task: Task
    asked: str
    """The file of all later rows, oldest first."""
    ends: tuple[int, ...]
    """Where each later period ends among them."""
    answers: str = ""
    """The file that its raw answers are written to, where anybody wants them."""


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """How wrong the model was in each later period: the share of wrong answers, or for numbers the
    mean distance. Nothing where a period has no rows."""

    losses: tuple[float | None, ...]


def run(file: Path) -> Aged:
    """What the child does, in this process."""
    later = msgspec.json.decode(file.read_bytes(), type=Later)
    made = child.run(later.task)
    into = Path(later.task.into)
    unpacked = unpack(Path(made.file), into / "unpacked")
    loaded = load(unpacked.folder, unpacked.fingerprint)
    asked = decode_examples(Path(later.asked).read_bytes(), later.asked)
    assert asked.expected is not None
    raw = answer_all(loaded, asked.inputs)
    if later.answers:
        Path(later.answers).write_bytes(encode({ANSWERS: raw}))
    wrong = errors_of(loaded.manifest.contract.output, raw, asked.expected)
    begins = (0, *later.ends[:-1])
    return Aged(
        losses=tuple(
            float(wrong[begin:end].mean()) if end > begin else None
            for begin, end in zip(begins, later.ends, strict=True)
        )
    )


def losses_of(output: Output, raw: Column, labels: Column) -> Column:
    """For each row how far the answer is off: of probabilities the squared distance from what
    turned out, 0 to 1; else as `errors_of`."""
    if not isinstance(output, Probability):
        return errors_of(output, raw, labels)
    truth = labels.astype(object)[:, None] == np.array(output.classes, dtype=object)
    apart: Column = raw.astype(np.float64) - truth
    return (apart * apart).sum(axis=1) / 2


def errors_of(output: Output, raw: Column, labels: Column) -> Column:
    """For each row 1 where the answer is wrong, 0 where it is right; for numbers the distance."""
    if isinstance(output, NumberOutput):
        return np.abs(raw.astype(np.float64) - labels.astype(np.float64))
    assert not isinstance(output, VectorOutput), "no snapshot has labels that are vectors"
    names = output.items if isinstance(output, Ranking) else output.classes
    told = np.array(names, dtype=object)[chosen_classes(output, raw)]
    return (told != labels.astype(object)).astype(np.float64)


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], lambda own: run(Path(own[0]))))
