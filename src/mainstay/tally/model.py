"""Counts in memory: bounded in names, keys and buckets; the part that every keeper shares.

A bucket is named by its place: the number of whole buckets since 1970. What lies further from the
newest addition than the stretch that is kept is let go of, before it and after it, so a clock that
was set wrong and put right again leaves nothing behind that would count for ever. Keys that were
neither added to nor read for longest make room for new ones. Not locked: whoever owns it locks.
"""

import hashlib
import math
from collections import OrderedDict

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import (
    TALLY_BUCKETS_MAX,
    TALLY_KEY_MAX_CHARACTERS,
    TALLY_NAMES_MAX,
    TALLY_WIDTH_MAX,
)

Amounts = tuple[float, ...]


class Form(msgspec.Struct, frozen=True):
    """How one name is counted."""

    bucket_ns: int
    buckets: int
    """How many are kept."""
    width: int
    """How many amounts a bucket has."""


def sum_of(first: Amounts, second: Amounts) -> Amounts:
    """Two rows of amounts as one."""
    if len(first) == 1:
        return (first[0] + second[0],)
    return tuple(map(float.__add__, first, second))


def key_of(text: str) -> str:
    """A key as it is kept: of bounded length, and what a file can hold."""
    if len(text) <= TALLY_KEY_MAX_CHARACTERS and text.isascii():
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Counts:
    """Name, key and bucket to amounts."""

    def __init__(self, keys_max: int) -> None:
        self.forgotten = 0
        self._keys_max = keys_max
        self._forms: dict[str, Form] = {}
        self._kept: OrderedDict[tuple[str, str], dict[int, Amounts]] = OrderedDict()

    def declare(self, name: str, form: Form) -> bool:
        """Take a name in; whether it is new."""
        if not (
            form.bucket_ns >= 1
            and 1 <= form.buckets <= TALLY_BUCKETS_MAX
            and 1 <= form.width <= TALLY_WIDTH_MAX
        ):
            raise InvalidUsage(
                f"nothing can be counted as {name!r} in this form",
                field="form",
                got=repr(form),
                expected=f"buckets of at least 1 ns, 1 to {TALLY_BUCKETS_MAX} of them, "
                f"with 1 to {TALLY_WIDTH_MAX} amounts",
            )
        known = self._forms.get(name)
        if known is None:
            if len(self._forms) >= TALLY_NAMES_MAX:
                raise InvalidUsage(
                    "too many different things are counted",
                    field="name",
                    got=name,
                    expected=f"at most {TALLY_NAMES_MAX} names",
                )
            self._forms[name] = form
            return True
        if (known.bucket_ns, known.width) != (form.bucket_ns, form.width):
            raise InvalidUsage(
                f"{name!r} is counted in another form already",
                field="form",
                got=repr(form),
                expected=f"{known!r}, or another name",
            )
        if form.buckets > known.buckets:
            self._forms[name] = form
        return False

    def form(self, name: str) -> Form:
        """How a name is counted; `InvalidUsage` when nobody said so."""
        found = self._forms.get(name)
        if found is None:
            raise InvalidUsage(
                f"nobody declared what is counted as {name!r}", field="name", got=name
            )
        return found

    def check(self, name: str, amounts: Amounts) -> Form:
        """The form that amounts were found to fit."""
        form = self.form(name)
        if len(amounts) != form.width or not all(map(math.isfinite, amounts)):
            raise InvalidUsage(
                f"these amounts cannot be added to {name!r}",
                field="amounts",
                got=repr(amounts)[:100],
                expected=f"{form.width} finite numbers",
            )
        return form

    def add(self, name: str, key: str, place: int, amounts: Amounts) -> None:
        """Add to a bucket; `place` is the newest time there is."""
        buckets = self._of(name, key)
        before = buckets.get(place)
        buckets[place] = amounts if before is None else sum_of(before, amounts)
        if before is None:
            self._let_go(buckets, place, self._forms[name].buckets)

    def put(self, name: str, key: str, place: int, amounts: Amounts) -> None:
        """Set a bucket to what is known of it."""
        self._of(name, key)[place] = amounts

    def read(self, name: str, key: str, since_ns: int, until_ns: int) -> Amounts:
        """The sums of the buckets between two moments."""
        form = self.form(name)
        buckets = self._kept.get((name, key))
        if buckets is None:
            return (0.0,) * form.width
        self._kept.move_to_end((name, key))
        first, last = since_ns // form.bucket_ns, until_ns // form.bucket_ns
        rows = [amounts for place, amounts in buckets.items() if first <= place <= last]
        if len(rows) == 1:
            return rows[0]
        return tuple(map(math.fsum, zip(*rows, strict=True))) if rows else (0.0,) * form.width

    def _of(self, name: str, key: str) -> dict[int, Amounts]:
        found = self._kept.get((name, key))
        if found is not None:
            self._kept.move_to_end((name, key))
            return found
        if len(self._kept) >= self._keys_max:
            self._kept.popitem(last=False)
            self.forgotten += 1
        made: dict[int, Amounts] = {}
        self._kept[name, key] = made
        return made

    @staticmethod
    def _let_go(buckets: dict[int, Amounts], place: int, kept: int) -> None:
        for other in [each for each in buckets if abs(each - place) >= kept]:
            del buckets[other]
