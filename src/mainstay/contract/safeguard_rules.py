"""Whether `judge.safeguard` makes sense: alone, and with the inputs, the output and the fallback.

Promises to name every fault at its setting, with what would be right; see `rules.py`.
"""

import math
from collections.abc import Iterator

from mainstay.contract.fallback_rules import within_faults
from mainstay.contract.fallbacks import models_among
from mainstay.contract.judging import Judge
from mainstay.contract.model import Label, NumberOutput, Output, Probability, columns_of
from mainstay.contract.names import model_name_fault
from mainstay.contract.release_rules import Known
from mainstay.contract.safeguards import SAID, Safeguard, guard_of
from mainstay.contract.shape import Fault
from mainstay.contract.words import Setting

_AT: Setting = ("judge", "safeguard")


def safeguard_faults(judge: Judge, known: Known) -> Iterator[Fault]:
    """What makes no sense in the safeguard of a model."""
    safeguard = judge.safeguard
    if safeguard is None:
        return
    yield from _named_faults(judge, safeguard, known)
    if not 0 <= safeguard.at_most < 1:
        words = f"is a probability, 0 or more and less than 1; got {safeguard.at_most:g}"
        yield Fault((*_AT, "at_most"), words)
    yield from within_faults(safeguard.within, (*_AT, "within"))
    yield from _output_faults(safeguard, known.output)
    for name in columns_of(known.inputs, known.context):
        if name.startswith(SAID):
            words = f"begins with {SAID!r}, as what the safeguard is shown of the answer does; "
            part = "inputs" if name in known.inputs else "context"
            yield Fault((part, name), words + "choose another name, or leave out judge.safeguard")


def _named_faults(judge: Judge, safeguard: Safeguard, known: Known) -> Iterator[Fault]:
    if safeguard.model:
        fault = model_name_fault(safeguard.model)
        if fault is not None:
            yield Fault((*_AT, "model"), fault)
        if safeguard.model == known.model:
            yield Fault((*_AT, "model"), "a model cannot watch over itself; name another")
    elif known.model is not None and model_name_fault(known.model) is None:
        fault = model_name_fault(guard_of(known.model, safeguard).model)
        if fault is not None:
            yield Fault(_AT, f"needs a `model`: {fault}")
    if safeguard.version is not None and safeguard.version < 1:
        yield Fault((*_AT, "version"), f"versions are numbered from 1; got {safeguard.version}")
    if safeguard.version is not None and safeguard.train == "auto":
        words = "is never asked: what is trained has another version; leave out one of the two"
        yield Fault((*_AT, "train"), words)
    if known.model is not None:
        key = guard_of(known.model, safeguard).key
        if key in models_among(judge.fallback):
            words = f"{key} is a step of judge.fallback, and so no judge of whether to fall back"
            yield Fault((*_AT, "model"), words)


def _output_faults(safeguard: Safeguard, output: Output | None) -> Iterator[Fault]:
    if output is None:
        return
    kind = output.__struct_config__.tag
    if not isinstance(output, (Probability, Label, NumberOutput)):
        words = f"an output of type {kind} is never plainly wrong; only probability, label and "
        yield Fault(_AT, words + "number can have a safeguard")
        return
    at: Setting = (*_AT, "wrong_by")
    by = safeguard.wrong_by
    if not isinstance(output, NumberOutput):
        if by is not None:
            yield Fault(at, f"means nothing with an output of type {kind}: a class is right or not")
    elif by is None:
        words = "needs `wrong_by`: how far from the truth a number must be to be wrong"
        yield Fault(_AT, words)
    elif not 0 <= by < math.inf:
        yield Fault(at, f"must be a number, at least 0; got {by:g}")
