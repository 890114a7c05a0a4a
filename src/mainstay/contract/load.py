"""Contract files, read whole or refused.

Promises that a contract that loads is sound, and that a file that does not load is answered with
everything that is wrong in it: file, line, setting, what is wrong and what would be right. Must
never run or import anything a file names, nor read more than a bounded number of bounded files.

A file may say `extends: other.yaml`, a path relative to itself: its settings are then changes to
the other file's. Named settings are merged one by one, lists and single values replace what was
there, and `null` takes a setting away. A value that becomes another `type` of thing, or another
kind of source, is written anew: settings of the former kind do not linger.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from mainstay.base.errors import InvalidContract
from mainstay.base.limits import CONTRACT_MAX_BYTES, EXTENDS_DEPTH_MAX
from mainstay.contract.document import (
    Document,
    InvalidContractFile,
    Mistake,
    Place,
    read_document,
)
from mainstay.contract.judging import Judge
from mainstay.contract.model import (
    Assets,
    Context,
    Contract,
    Facts,
    Gate,
    Input,
    Labels,
    Output,
    Release,
    Serve,
    Source,
)
from mainstay.contract.renewing import Renew
from mainstay.contract.repairing import Step
from mainstay.contract.rules import Draft, draft_of, rule_faults
from mainstay.contract.shape import (
    GIVEN_IN_FILE,
    Fault,
    contract_type,
    describe,
    infer_tags,
    shape_faults,
)
from mainstay.contract.watching import Watch
from mainstay.contract.words import Setting, setting_name

_KINDS_OF_SOURCE: Final = {
    "context": frozenset({"lookup", "value"}),
    "lookups": frozenset({"function", "http", "sql"}),
}
_NAMED_PARTS: Final[dict[str, Any]] = {"inputs": Input, "context": Context, "lookups": Source}
_WHOLE_PARTS: Final[dict[str, Any]] = {
    "model": str,
    "output": Output,
    "facts": Facts,
    "repair": dict[str, tuple[Step, ...]],
    "judge": Judge,
    "serve": Serve,
    "assets": Assets,
    "gate": Gate,
    "release": Release,
    "labels": Labels,
    "expect": tuple[str, ...],
    "watch": Watch,
    "renew": Renew,
}


class Chain(NamedTuple):
    """A file and those it extends, the outermost base first."""

    documents: tuple[Document, ...]
    mistakes: list[Mistake]


def load_contract(path: Path) -> Contract:
    """The contract that a file describes; `InvalidContractFile` with all that is wrong."""
    return _contract(read_chain(path))


def loads_contract(text: str, name: str, folder: Path | None = None) -> Contract:
    """The contract that a text describes; `name` stands for it in messages, and `extends` is
    read relative to `folder`."""
    document = read_document(text, name)
    return _contract(_extended(document, name, folder, ()))


def read_chain(path: Path) -> Chain:
    """A contract file with everything it extends, not yet merged."""
    return _extended(_read(path, None), str(path), path.parent, (path.resolve(),))


def _read(path: Path, asked_by: Place | None) -> Document:
    place = asked_by or Place(str(path), 1)
    setting = GIVEN_IN_FILE if asked_by else ""
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        with path.open("rb") as file:
            data = file.read(CONTRACT_MAX_BYTES + 1)
    except FileNotFoundError as error:
        words = f"there is no file {str(path)!r}"
        raise InvalidContractFile([Mistake(place, setting, words)]) from error
    except (OSError, ValueError) as error:
        words = f"{str(path)!r} cannot be read: {error}"
        raise InvalidContractFile([Mistake(place, setting, words)]) from error
    try:
        return read_document(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        words = "the file is not UTF-8 text"
        raise InvalidContractFile([Mistake(Place(str(path), line), "", words)]) from error


def _extended(document: Document, name: str, folder: Path | None, seen: tuple[Path, ...]) -> Chain:
    value = document.value
    if not isinstance(value, dict):
        words = f"a contract is a set of named settings, got {describe(value)}"
        raise InvalidContractFile([Mistake(Place(name, 1), "", words), *document.mistakes])
    if GIVEN_IN_FILE not in value:
        return Chain((document,), list(document.mistakes))
    place = document.places[(GIVEN_IN_FILE,)]
    base = cast("dict[str, Any]", value)[GIVEN_IN_FILE]
    fault = _extends_fault(base, folder)
    if fault is not None:
        raise InvalidContractFile([Mistake(place, GIVEN_IN_FILE, fault), *document.mistakes])
    path = cast("Path", folder) / base
    resolved = path.resolve()
    if resolved in seen:
        loop = " → ".join(each.name for each in (*seen[seen.index(resolved) :], resolved))
        words = f"files extend each other in a circle: {loop}"
        raise InvalidContractFile([Mistake(place, GIVEN_IN_FILE, words)])
    if len(seen) >= EXTENDS_DEPTH_MAX:
        words = f"more than {EXTENDS_DEPTH_MAX} files extend one another"
        raise InvalidContractFile([Mistake(place, GIVEN_IN_FILE, words)])
    below = _extended(_read(path, place), str(path), path.parent, (*seen, resolved))
    return Chain((*below.documents, document), [*below.mistakes, *document.mistakes])


def _extends_fault(base: Any, folder: Path | None) -> str | None:
    if not isinstance(base, str) or not base or "\0" in base:
        return f"must be the path of another contract file, got {describe(base)}"
    if folder is None:
        return "this contract is not in a folder, so there is nothing to extend"
    if Path(base).is_absolute():
        return "must be a path relative to this file, so that the files can move together"
    return None


def is_value(at: Setting) -> bool:
    """Whether null is a value here, rather than taking a setting away."""
    return len(at) == 4 and at[0] == "context" and at[2] == "otherwise"


def becomes_another(base: Mapping[str, Any], change: Mapping[str, Any], at: Setting) -> bool:
    """Whether a change turns a value into another kind of thing, so that it is written anew."""
    if "type" in change and "type" in base and change["type"] != base["type"]:
        return True
    kinds = _KINDS_OF_SOURCE.get(str(at[0])) if len(at) == 2 else None
    if kinds is None:
        return False
    before, after = kinds & base.keys(), {k for k in kinds if change.get(k) is not None}
    return bool(after) and not after & before and bool(before)


def merge(base: Document, change: Document) -> Document:
    """The settings of `base` with the changes of `change`; each keeps the place it came from."""
    places = dict(base.places)
    value = _merged(base.value, change, places, ())
    return Document(value, places, [])


def _merged(base: Any, change: Document, places: dict[Setting, Place], at: Setting) -> Any:
    changed: Any = change.value
    for part in at:
        changed = changed[part]
    if at in change.places:
        places[at] = change.places[at]
    if not isinstance(changed, dict):
        return _placed(changed, change, places, at)
    changes = cast("dict[str, Any]", changed)
    result: dict[str, Any] = {}
    if isinstance(base, dict) and not becomes_another(cast("dict[str, Any]", base), changes, at):
        result.update(cast("dict[str, Any]", base))
    for name, item in changes.items():
        here = (*at, name)
        if item is None and not is_value(here):
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), change, places, here)
    return result


def _placed(value: Any, change: Document, places: dict[Setting, Place], at: Setting) -> Any:
    """A value that replaces what was there, with its own places."""
    if at in change.places:
        places[at] = change.places[at]
    if isinstance(value, list):
        for number, item in enumerate(cast("list[Any]", value)):
            _placed(item, change, places, (*at, number))
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            _placed(item, change, places, (*at, name))
    return cast("Any", value)


def resolved(chain: Chain) -> Document:
    """All files of a chain as one document."""
    whole = Document({}, {}, [])
    for document in chain.documents:
        whole = merge(whole, document)
    whole.value.pop(GIVEN_IN_FILE, None)
    return whole


def _contract(chain: Chain) -> Contract:
    whole = resolved(chain)
    faults = [*infer_tags(whole.value), *shape_faults(whole.value, contract_type())]
    faults.extend(rule_faults(_draft(whole, faults)))
    mistakes = chain.mistakes + [_mistake(fault, whole.places) for fault in faults]
    if mistakes:
        raise InvalidContractFile(sorted(set(mistakes), key=lambda m: (m.place, m.setting)))
    return msgspec.convert(whole.value, Contract)


def _mistake(fault: Fault, places: dict[Setting, Place]) -> Mistake:
    at = fault.at
    while at not in places:
        at = at[:-1]
    return Mistake(places[at], setting_name(fault.at), fault.words)


def _draft(whole: Document, faults: list[Fault]) -> Draft:
    """The parts without a fault, as typed values."""
    bad: set[Setting] = set()
    for fault in faults:
        bad.update(fault.at[:depth] for depth in (1, 2))
        if len(fault.at) == 1:
            bad.add((fault.at[0], "*"))
    parts: dict[str, Any] = {"written": frozenset(whole.places)}
    for name, kind in _WHOLE_PARTS.items():
        if name in whole.value and (name,) not in bad:
            parts[name] = msgspec.convert(whole.value[name], kind)
    for name, kind in _NAMED_PARTS.items():
        entries = whole.value.get(name)
        if not isinstance(entries, dict):
            continue
        named = cast("dict[str, Any]", entries)
        parts[name.removesuffix("s") + "_names"] = tuple(named)
        parts[name] = {
            entry: msgspec.convert(value, kind)
            for entry, value in named.items()
            if (name, entry) not in bad
        }
    if "serve" not in parts and ("serve",) not in bad:
        parts["serve"] = Serve()
    return Draft(**parts)


def check_contract(contract: Contract) -> None:
    """Refuse a contract made in Python that no file could describe."""
    mistakes = [
        Mistake(Place(contract.model[:128], 0), setting_name(fault.at), fault.words)
        for fault in _contract_faults(contract)
    ]
    if mistakes:
        words = "; ".join(f"{mistake.setting}: {mistake.words}" for mistake in mistakes[:10])
        raise InvalidContract(words, field=mistakes[0].setting)


def _contract_faults(contract: Contract) -> Iterator[Fault]:
    value = msgspec.to_builtins(contract, builtin_types=())
    value = msgspec.json.decode(msgspec.json.encode(value))
    yield from rule_faults(draft_of(contract))
    yield from shape_faults(value, contract_type())
