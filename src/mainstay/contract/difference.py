"""The difference of two contracts, setting by setting, and what it can break.

Compares resolved contracts, so it does not matter in which file or by which default a setting
came about. Promises that equal contracts (the order of the inputs included, because a matrix
follows it) have no difference and others have one; and that a change flagged as harmless refuses
no request that was taken before and shows no answer that was ruled out before.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from mainstay.contract.model import Context, Contract, FromRequest, Input, Output
from mainstay.contract.words import setting_name

_NAMED: Final = ("inputs", "context", "lookups")
_ABSENT: Final[Any] = object()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that differs."""

    setting: str
    before: Any
    after: Any
    """Plain values; nothing where the setting is not there."""
    breaks: bool
    """A client that works today may be refused, or be answered what it does not expect."""
    words: str
    """What the change means for a client."""


def difference(before: Contract, after: Contract) -> list[Change]:
    """Everything in which two contracts differ."""
    return list(_changes(before, after))


def _changes(before: Contract, after: Contract) -> Iterator[Change]:
    if before.model != after.model:
        words = "clients call the model by its name"
        yield _change("model", before.model, after.model, words, breaks=True)
    yield from _scalars("", {"about": before.about}, {"about": after.about})
    yield from _inputs(before.inputs, after.inputs)
    yield from _contexts(before.context, after.context)
    yield from _scalars("lookups", _plain(before.lookups), _plain(after.lookups))
    yield from _outputs(before.output, after.output)
    for change in _scalars("repair", _plain(before.repair), _plain(after.repair)):
        loses = change.before is not None
        words = "values that were put right may be refused" if loses else "fewer values are refused"
        yield msgspec.structs.replace(change, breaks=loses, words=words)
    yield from _judged(_plain(before.judge), _plain(after.judge))
    for part in ("facts", "serve", "assets", "gate", "release", "labels", "watch", "renew"):
        yield from _scalars(part, _plain(getattr(before, part)), _plain(getattr(after, part)))
    yield from _scalars("", {"expect": before.expect or None}, {"expect": after.expect or None})
    yield from _scalars("", {"log": before.log}, {"log": after.log})


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _change(setting: str, before: Any, after: Any, words: str, *, breaks: bool) -> Change:
    return Change(setting=setting, before=before, after=after, breaks=breaks, words=words)


def _scalars(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Settings that no client sees."""
    for name in [*before, *(n for n in after if n not in before)]:
        old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if old is _ABSENT or new is _ABSENT or old != new:
            at = setting_name((part, name) if part else (name,))
            old, new = (None if value is _ABSENT else value for value in (old, new))
            yield _change(at, old, new, "clients are not affected", breaks=False)


def _judged(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """What is withheld otherwise: an answer that was held back so far may be told now."""
    for change in _scalars("judge", before, after):
        name = change.setting.removeprefix("judge.")
        if name not in _WITHHOLDING:
            yield change
            continue
        stricter = not change.before or (
            name == "confidence" and _higher_bar_alone(change.before, change.after)
        )
        words = "answers that were told may be withheld"
        if not stricter:
            words = "what is withheld changes: an answer that was held back may be told"
        yield _change(change.setting, change.before, change.after, words, breaks=not stricter)


_WITHHOLDING: Final = frozenset(
    {"cold", "confidence", "cost", "exposure", "hold", "private", "rules", "safeguard", "share"}
)


def _higher_bar_alone(before: Any, after: Any) -> bool:
    if after is None:
        return False
    others = {**before, "at_least": 0} == {**after, "at_least": 0}
    return others and after["at_least"] >= before["at_least"]


def _inputs(before: Mapping[str, Input], after: Mapping[str, Input]) -> Iterator[Change]:
    for name, kind in before.items():
        at = f"inputs.{name}"
        if name not in after:
            words = "clients that send it are refused, because it is not known any more"
            yield _change(at, _plain(kind), None, words, breaks=True)
        else:
            yield from _kinds(at, kind, after[name])
    for name, kind in after.items():
        if name not in before:
            needed = not kind.optional
            words = "clients that do not send it are refused" if needed else "it may be left out"
            yield _change(f"inputs.{name}", None, _plain(kind), words, breaks=needed)
    kept_before = [name for name in before if name in after]
    kept_after = [name for name in after if name in before]
    if kept_before != kept_after:
        words = "rows sent as a matrix follow the order of the inputs"
        yield _change("inputs (order)", kept_before, kept_after, words, breaks=True)


def _higher(before: Any, after: Any) -> bool:
    return after is not None and (before is None or after > before)


def _lower(before: Any, after: Any) -> bool:
    return after is not None and (before is None or after < before)


_Verdict = tuple[bool, str]
_REFUSED: Final = "values that were let through are refused"
_WIDER: Final = "everything that was let through still is"


def _narrower(*, narrows: bool) -> _Verdict:
    return narrows, _REFUSED if narrows else _WIDER


def _verdict(name: str, old: Any, new: Any, kind: Mapping[str, Any]) -> _Verdict:
    """Whether a change of one setting of a kind narrows what may be sent."""
    match name:
        case "optional":
            words = "it may be left out" if new else "clients that leave it out are refused"
            return not new, words
        case "min" | "min_length" | "after":
            return _narrower(narrows=_higher(old, new))
        case "max" | "max_length" | "before":
            return _narrower(narrows=_lower(old, new))
        case "values":
            gone = [value for value in old if value not in new]
            return _narrower(narrows=bool(gone) and not kind.get("others", False))
        case "others":
            return _narrower(narrows=not new)
        case "length":
            return True, "vectors of the former length are refused"
        case "space":
            return new is not None, (
                "vectors from another embedding space are refused" if new else _WIDER
            )
        case "from_model" if old and new:
            return True, f"the value must be an answer of {new} rather than of {old}"
        case _:
            return False, "clients are not affected"


def _kinds(at: str, before: Input, after: Input) -> Iterator[Change]:
    old, new = _plain(before), _plain(after)
    if type(before) is not type(after):
        words = f"values were {old['type']}, now they must be {new['type']}"
        yield _change(at, old, new, words, breaks=True)
        return
    for name, value in old.items():
        if value != new[name]:
            breaks, words = _verdict(name, value, new[name], new)
            yield _change(f"{at}.{name}", value, new[name], words, breaks=breaks)


def _contexts(before: Mapping[str, Context], after: Mapping[str, Context]) -> Iterator[Change]:
    for name in [*before, *(n for n in after if n not in before)]:
        at, old, new = f"context.{name}", before.get(name), after.get(name)
        if isinstance(old, FromRequest) and isinstance(new, FromRequest):
            yield from _requested(at, old, new)
        elif isinstance(new, FromRequest):
            needed = _must_be_sent(new)
            words = "clients that do not send it are refused" if needed else "it may be left out"
            yield _change(at, _plain(old), _plain(new), words, breaks=needed)
        elif isinstance(old, FromRequest):
            words = "clients that send it are refused"
            yield _change(at, _plain(old), _plain(new), words, breaks=True)
        elif old is None or new is None:
            words = "clients are not affected"
            yield _change(at, _plain(old), _plain(new), words, breaks=False)
        else:
            yield from _scalars(at, _plain(old), _plain(new))


def _must_be_sent(source: FromRequest) -> bool:
    return source.otherwise is None and not source.value.optional


def _requested(at: str, before: FromRequest, after: FromRequest) -> Iterator[Change]:
    for change in _kinds(f"{at}.value", before.value, after.value):
        if change.setting == f"{at}.value.optional":
            breaks = _must_be_sent(after) and not _must_be_sent(before)
            words = "clients that leave it out are refused" if breaks else _WIDER
            yield msgspec.structs.replace(change, breaks=breaks, words=words)
        else:
            yield change
    old, new = before.otherwise, after.otherwise
    if old != new or type(old) is not type(new):
        breaks = _must_be_sent(after) and not _must_be_sent(before)
        words = "clients that leave it out are refused" if breaks else "clients are not affected"
        yield _change(f"{at}.otherwise", old, new, words, breaks=breaks)


def _outputs(before: Output, after: Output) -> Iterator[Change]:
    old, new = _plain(before), _plain(after)
    if type(before) is not type(after):
        words = f"the model answered with a {old['type']}, now with a {new['type']}"
        yield _change("output", old, new, words, breaks=True)
        return
    for name, value in old.items():
        if value != new[name]:
            breaks, words = _OUTPUT_VERDICTS.get(name, _any_output)(value, new[name])
            yield _change(f"output.{name}", value, new[name], words, breaks=breaks)


def _any_output(_before: Any, _after: Any) -> _Verdict:
    return False, "clients are not affected"


def _classes(before: Any, after: Any) -> _Verdict:
    gone = [each for each in before if each not in after]
    fresh = [each for each in after if each not in before]
    if gone:
        return True, f"{_some(gone)} will never be answered any more"
    if fresh:
        return True, f"{_some(fresh)} may be answered, which clients have not met"
    return True, "clients that read raw scores by their place read others"


def _some(words: list[str]) -> str:
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ", ".join(repr(word) for word in words[:3]) + more


def _output_bound(widens: Callable[[Any, Any], bool]) -> Callable[[Any, Any], _Verdict]:
    def judged(before: Any, after: Any) -> _Verdict:
        if before is not None and (after is None or widens(before, after)):
            return True, "answers may lie outside the range that was promised"
        return False, "answers stay within the range that was promised"

    return judged


_OUTPUT_VERDICTS: Final[dict[str, Callable[[Any, Any], _Verdict]]] = {
    "classes": _classes,
    "items": _classes,
    "threshold": lambda _before, _after: (False, "the same probabilities are answered differently"),
    "min": _output_bound(lambda before, after: after < before),
    "max": _output_bound(lambda before, after: after > before),
    "unit": lambda _before, _after: (True, "the same number means something else"),
    "top": lambda before, after: (after < before, "more or fewer items are answered"),
    "length": lambda _before, _after: (True, "answers have another length"),
    "space": lambda _before, _after: (True, "answers live in another embedding space"),
}
