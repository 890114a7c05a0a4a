"""Which values a version learned from, small enough to travel with it: a mark of each.

Promises that a value the version learned from is never taken for a new one, and that a new one is
taken for a known one no more often than the manifest says: a mark has 32 bits, so that is the share
of all marks that are taken. Bounded by `KNOWN_VALUES_MAX` values of an input, four bytes each. A
mark does not say its value; but whoever has a bundle and a value can look whether it is among them.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.base.limits import KNOWN_VALUES_MAX
from mainstay.bundle.anything import is_dict
from mainstay.bundle.folder import read_checked
from mainstay.bundle.frames import column_of, is_missing, table_of
from mainstay.bundle.model import KnownValues, Manifest
from mainstay.contract.model import Contract, Input, Integer, lists_known

_BYTES: Final = 4
_MARKS: Final = 2 ** (8 * _BYTES)
Mask = npt.NDArray[np.bool_]


class Marks:
    """The values of one input that a version learned from."""

    def __init__(self, ordered: npt.NDArray[np.uint32]) -> None:
        """`ordered` are marks, each once, the lowest first."""
        self._ordered = ordered

    def know(self, values: list[Any]) -> Mask:
        """Which of these it learned from; of a missing value nothing has to be known."""
        missing = np.array([is_missing(value) for value in values], dtype=np.bool_)
        if not len(self._ordered):
            return missing
        marks = marks_of(values)
        places = np.minimum(np.searchsorted(self._ordered, marks), len(self._ordered) - 1)
        return missing | (self._ordered[places] == marks)


def marks_of(values: Iterable[Any]) -> npt.NDArray[np.uint32]:
    """A mark for each value; a number that is whole has the mark of its digits."""
    digests = (
        blake2b(_written(value).encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
        for value in values
    )
    return np.frombuffer(b"".join(digests), dtype="<u4").astype(np.uint32)


def _written(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole or isinstance(value, bool) else str(value)


def packed_known(
    contract: Contract, learned_from: Any
) -> tuple[dict[str, KnownValues], dict[str, bytes]]:
    """What is known of each input that `judge.cold` names, and the files that hold it.

    `learned_from` are the rows that the model learned from, or at least those of their columns.
    """
    cold = contract.judge.cold
    columns: Mapping[str, Any] = {}
    if learned_from is not None:
        if not cold:
            raise InvalidUsage(
                "nothing reads what the model learned from: the contract names no input in "
                "`judge.cold`",
                field="learned_from",
                expected="nothing, or a contract with judge: {cold: {INPUT: fallback}}",
            )
        columns = _columns(contract, learned_from)
    known: dict[str, KnownValues] = {}
    files: dict[str, bytes] = {}
    for name in cold:
        if name in columns:
            marks = _all_marks(name, contract.inputs[name], columns[name].tolist())
            file = f"assets/known-{list(contract.inputs).index(name)}.marks"
            files[file] = marks.astype("<u4").tobytes()
            known[name] = KnownValues(file=file, count=len(marks), mistaken=len(marks) / _MARKS)
        elif not lists_known(contract.inputs[name]):
            raise InvalidUsage(
                f"nothing says which values of {name!r} the model learned from, and `judge.cold` "
                "asks what becomes of others",
                field="learned_from",
                got=", ".join(list(columns)[:20]) or "nothing",
                expected=f"the rows it learned from, or just learned_from={{{name!r}: values}}",
            )
    return known, files


def _columns(contract: Contract, learned_from: Any) -> Mapping[str, Any]:
    """Rows by column; or lists of values, which need not be as long as each other."""
    if not is_dict(learned_from):
        return table_of(learned_from, "learned_from", tuple(contract.inputs)).columns
    return {
        str(name): column_of(values, f"learned_from[{name!r}]")
        for name, values in learned_from.items()
        if name in contract.judge.cold
    }


def _all_marks(name: str, kind: Input, values: list[Any]) -> npt.NDArray[np.uint32]:
    there = {value for value in values if not is_missing(value)}
    wrong = [value for value in there if not _fits(kind, value)]
    if wrong:
        raise InvalidUsage(
            f"what the model learned from has values of {name!r} that no request can have",
            field="learned_from",
            got=wrong[0],
            expected=f"values of type {kind.__struct_config__.tag}",
        )
    if len(there) > KNOWN_VALUES_MAX:
        raise InvalidUsage(
            f"the model learned from more values of {name!r} than are kept",
            field="learned_from",
            got=len(there),
            expected=f"at most {KNOWN_VALUES_MAX}, such as those of the last year",
        )
    return np.unique(marks_of(there))


def _fits(kind: Input, value: Any) -> bool:
    if not isinstance(kind, Integer):
        return isinstance(value, str)
    return isinstance(value, (int, float)) and float(value).is_integer()


def check_known(manifest: Manifest) -> None:
    """Refuse a manifest that does not say what its own judgement has to know."""
    contract = manifest.contract
    for name in contract.judge.cold:
        if name not in manifest.known and not lists_known(contract.inputs[name]):
            raise InvalidBundle(
                f"the bundle does not say which values of {name!r} its model learned from",
                field=f"known.{name}",
                rule="missing file",
                expected="a bundle that `pack` made, with what the model learned from",
            )


def read_known(folder: Path, manifest: Manifest) -> dict[str, Marks]:
    """What an unpacked bundle knows of which inputs."""
    found: dict[str, Marks] = {}
    for name, known in manifest.known.items():
        data = read_checked(folder, manifest, known.file)
        ordered = np.frombuffer(data[: len(data) // _BYTES * _BYTES], dtype="<u4")
        rising = bool((ordered[1:] > ordered[:-1]).all())
        if len(data) != _BYTES * known.count or known.count > KNOWN_VALUES_MAX or not rising:
            raise InvalidBundle(
                f"the marks of what is known of {name!r} are not as they were written",
                field=known.file,
                rule="known",
                got=f"{len(data)} bytes",
                expected=f"{known.count} different marks of {_BYTES} bytes, in order",
            )
        found[name] = Marks(ordered)
    return found
