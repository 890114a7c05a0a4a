"""How versions are numbered and found, whatever they are kept in.

Pure rules, shared by the registry in memory and the one in a database, so that both give the same
answer and the same words. Must never do I/O.
"""

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from mainstay.base.errors import InvalidBundle, NotFound
from mainstay.bundle.model import Card, Manifest, Version

NUMBER_MAX = 2**31 - 1
"""The largest number a version can have, so that every database can be asked for it."""

_NAMED_MAX = 10
"""How many things an error names before it says that there are more."""


def encode_card(card: Card) -> str:
    """A card as it is kept; one that could not be read back is refused before it is kept."""
    try:
        text = msgspec.json.encode(card).decode("utf-8")
        decode_card(text)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidBundle(
            f"the card cannot be kept: {error}",
            field="card",
            expected="words, finite numbers, and lists and mappings of them",
        ) from error
    return text


def decode_card(text: str) -> Card:
    """A card as it was kept."""
    return msgspec.json.decode(text, type=Card)


def next_version(
    newest: Version | None, manifest: Manifest, fingerprint: str, size_bytes: int, now_ns: int
) -> Version:
    """The version that comes after a model's newest one."""
    return Version(
        model=manifest.model,
        number=newest.number + 1 if newest else 1,
        fingerprint=fingerprint,
        size_bytes=size_bytes,
        # A clock that was put back must not make a later version look older.
        registered_at_ns=max(now_ns, newest.registered_at_ns) if newest else now_ns,
        card=decode_card(encode_card(manifest.card)),
    )


def oldest_first(versions: Iterable[Version]) -> list[Version]:
    """In the order in which they came; a model's own versions always by number."""
    return sorted(versions, key=lambda each: (each.registered_at_ns, each.model, each.number))


def no_version(
    model: str, number: int | None, known: Iterable[str], numbers: Sequence[int]
) -> NotFound:
    """Say that a version is not there, and what is."""
    if not numbers:
        names = sorted(set(known))
        close = difflib.get_close_matches(model, names, n=1)
        return NotFound(
            f"no version of a model {model!r} is registered",
            field="model",
            got=model,
            expected=f"did you mean {close[0]!r}?" if close else _one_of(names, "a model"),
        )
    return NotFound(
        f"{model} has no version {number}",
        field="number",
        got=number,
        expected=_one_of([str(each) for each in numbers], "a version"),
    )


def only_one(beginning: str, matches: Sequence[Version]) -> Version:
    """The version that a beginning of a fingerprint means, when it means exactly one."""
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise NotFound(
            f"{len(matches)} versions have a fingerprint that begins with {beginning!r}",
            field="fingerprint",
            got=beginning,
            expected="more of it: " + _one_of([str(each) for each in matches], ""),
        )
    raise NotFound(
        "no version with this fingerprint is registered",
        field="fingerprint",
        got=beginning[:80],
        expected="the fingerprint that `mainstay pack` printed, or the beginning of it",
    )


def _one_of(names: Sequence[str], what: str) -> str:
    if not names:
        return f"{what} that was registered; there is none yet"
    # The newest are what people look for, so those are named.
    shown = ", ".join(names[-_NAMED_MAX:])
    more = len(names) - _NAMED_MAX
    return "one of " + shown + (f" and {more} more" if more > 0 else "")
