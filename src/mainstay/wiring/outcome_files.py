"""What was right, read from a file: outcomes by a key or by the id of a decision.

A CSV file with a head, or one JSON object on each line: `key` (or the name of `labels.key`) or
`decision`, then `label`, `reaction`, `dwell_ms`, `place` and `time`. Promises that nothing is taken
of a file with a line that is wrong; and that a line counts once, however often the file is read,
and wherever reading it was cut short: what a line becomes has an id that follows from the line.
What a line without a `time` says of a key happens now, and is known by its file and its place in
it.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import msgspec

from mainstay.base.errors import InvalidRequest, InvalidUsage, MainstayError
from mainstay.base.ids import DecisionId, parse_decision_id
from mainstay.contract.keyed import Key, key_of
from mainstay.contract.model import Contract, NumberOutput
from mainstay.contract.words import did_you_mean, one_of
from mainstay.journal.model import Event
from mainstay.journal.quoting import quoted
from mainstay.serve.http.keyed import asked_key
from mainstay.serve.http.wire.keyed import KeyedBody, happened_ns, told_of
from mainstay.serve.http.wire.outcome import Said, check_said, said_by
from mainstay.serve.http.wire.strict import UNKNOWN_QUOTES, decode, refuse_duplicate_keys
from mainstay.serve.outcomes import keyed_event
from mainstay.wiring.joining import note_errors
from mainstay.wiring.pinning import live_contract
from mainstay.wiring.workspace import Workspace, whoever_runs_this

_AT_ONCE: Final = 5_000
_NAMES: Final = ("key", "decision", "label", "reaction", "dwell_ms", "place", "time")
Progress = Callable[[float], None]


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file."""

    model: str
    lines: int
    added: int
    already: int
    """So many were told before."""


class _Line(Said, frozen=True, forbid_unknown_fields=True, kw_only=True):
    key: str | int | msgspec.UnsetType = msgspec.UNSET
    decision: str | msgspec.UnsetType = msgspec.UNSET
    time: str | msgspec.UnsetType = msgspec.UNSET


class _Place(NamedTuple):
    number: int
    line: _Line


def add_outcomes(workspace: Workspace, model: str, file: Path, progress: Progress) -> Added:
    """Tell the journal what a file says."""
    workspace.registry.find(model, None)  # a model that nobody knows is told here
    contract = live_contract(workspace, model)
    if contract is None:
        raise InvalidUsage(f"nothing answers for {model} yet", field="model", got=model)
    reading = _Reading(contract, file, workspace.clock.now_ns())
    lines = sum(len(reading.events(some)) for some in reading.some())
    added = done = 0
    for some in reading.some():
        events = reading.events(some)
        new = _new(workspace, model, events)
        note_errors(workspace, [event for event in new if event.kind == "outcome"])
        workspace.record(new)
        added, done = added + len(new), done + len(events)
        progress(done / max(lines, 1))
    return Added(model=model, lines=lines, added=added, already=lines - added)


def _new(workspace: Workspace, model: str, events: Sequence[Event]) -> list[Event]:
    """Those that the journal does not have, each once."""
    by_id = {event.id: event for event in reversed(events)}
    listed = ", ".join(f"'{id_}'" for id_ in sorted(by_id))
    found = workspace.journal.query(
        f"SELECT id FROM events WHERE model = {quoted(model)} AND kind IN ('keyed', 'outcome')"  # noqa: S608  # because what is put in is quoted
        f" AND id BETWEEN '{min(by_id)}' AND '{max(by_id)}' AND id IN ({listed})"
    )
    there = {row["id"] for row in found.to_pylist()}
    return [event for event in reversed(by_id.values()) if event.id not in there]


class _Reading:
    """One file, read for one model."""

    def __init__(self, contract: Contract, file: Path, now_ns: int) -> None:
        self._contract = contract
        self._file = file
        self._now_ns = now_ns
        self._who = whoever_runs_this()
        self._key: Key | None = key_of(contract)
        self._numbers = isinstance(contract.output, NumberOutput)
        try:
            with file.open("rb") as opened:
                self._digest = _digest_of(opened)
        except OSError as error:
            raise InvalidUsage(
                f"{file} cannot be read: {error.strerror}", field="file", got=str(file)
            ) from error

    def some(self) -> Iterator[list[_Place]]:
        """The lines, a few thousand at a time."""
        with self._file.open(encoding="utf-8-sig", newline="") as opened:
            lines = self._csv(opened) if self._file.suffix == ".csv" else self._json(opened)
            try:
                while some := list(islice(lines, _AT_ONCE)):
                    yield some
            except (UnicodeDecodeError, csv.Error) as error:
                words = f"{self._file.name} is no text in UTF-8 that can be read: {error}"
                raise InvalidUsage(words, field="file", got=str(self._file)) from error

    def events(self, some: Sequence[_Place]) -> list[Event]:
        """What some lines say, as events; `InvalidUsage` names the first line that is wrong."""
        try:
            return self._events(some)
        except MainstayError:
            for place in some:
                try:
                    self._events([place])
                except MainstayError as error:
                    raise self._wrong(place.number, error) from None
            raise

    def _events(self, some: Sequence[_Place]) -> list[Event]:
        keyed = self._keyed([place for place in some if place.line.key is not msgspec.UNSET])
        return [
            keyed[place.number] if place.number in keyed else self._by_id(place) for place in some
        ]

    def _keyed(self, some: Sequence[_Place]) -> dict[int, Event]:
        if not some:
            return {}
        key = self._key or asked_key(self._contract)
        rows: list[KeyedBody] = []
        for _, line in some:
            assert not isinstance(line.key, msgspec.UnsetType)
            if line.decision is not msgspec.UNSET:
                raise InvalidRequest("there is a `decision` beside the `key`", field="key",
                                     rule="duplicate", expected="one of the two")  # fmt: skip
            rows.append(KeyedBody(key=line.key, label=line.label, reaction=line.reaction,
                                  dwell_ms=line.dwell_ms, place=line.place,
                                  time=line.time))  # fmt: skip
        about = self._contract.model, self._who
        found: dict[int, Event] = {}
        for place, told in zip(
            some, told_of(rows, key, [self._contract], self._now_ns), strict=True
        ):
            when = self._when(place, told.by.time_ns)
            identity = self._identity(place, when, (told.key, told.said))
            found[place.number] = keyed_event(identity, self._now_ns + place.number, about, told)
        return found

    def _by_id(self, place: _Place) -> Event:
        line = place.line
        if isinstance(line.decision, msgspec.UnsetType):
            raise InvalidRequest("this does not say of what", field="key", rule="missing",
                                 expected="a `key`, or the id of a `decision`")  # fmt: skip
        made = parse_decision_id(line.decision)
        check_said(line)
        said = said_by(line, [self._contract])
        time_ns = happened_ns(line.time, self._now_ns)
        when = self._when(place, time_ns) or made.time_ms
        return Event(
            id=self._identity(place, when, (line.decision, said)),
            kind="outcome",
            time_ns=time_ns,
            known_ns=self._now_ns + place.number,
            model=self._contract.model,
            actor=self._who,
            subject=line.decision,
            body=said,
        )

    def _when(self, place: _Place, time_ns: int) -> int:
        """The millisecond that an id begins with; 0 where the line does not say when."""
        return 0 if place.line.time is msgspec.UNSET else time_ns // 1_000_000

    def _identity(self, place: _Place, when_ms: int, said: tuple[str, Any]) -> str:
        """The id of what a line becomes: the same one, whenever it is read."""
        whole: list[Any] = [self._contract.model, when_ms, *said]
        if not when_ms:
            whole += [self._digest, place.number]
        digest = blake2b(msgspec.json.encode(whole), digest_size=8).digest()
        halves = (int.from_bytes(digest[:4]), int.from_bytes(digest[4:]))
        return str(DecisionId(when_ms, *halves))

    # Forms ----------------------------------------------------------------------------------------

    def _json(self, opened: TextIO) -> Iterator[_Place]:
        name = self._contract.labels.key
        for number, text in enumerate(opened, start=1):
            if text.strip():
                try:
                    row = decode(_raw, text.encode())
                    refuse_duplicate_keys(text.encode(), UNKNOWN_QUOTES)
                    yield _Place(number, msgspec.convert(_renamed(row, name), _Line))
                except (MainstayError, msgspec.ValidationError) as error:
                    raise self._wrong(number, error) from None

    def _csv(self, opened: TextIO) -> Iterator[_Place]:
        rows = csv.DictReader(opened, strict=True)
        name = self._contract.labels.key
        known = (*_NAMES, name) if name else _NAMES
        for head in rows.fieldnames or ():
            if head not in known:
                words = f"{head[:60]!r} is no column of outcomes{did_you_mean(head, known)}"
                raise InvalidUsage(f"{self._file.name}: {words}", field="file", got=head[:60],
                                   expected=one_of(known))  # fmt: skip
        for row in rows:
            number = rows.line_num
            try:
                if None in row or None in row.values():
                    raise InvalidRequest("it has not as many values as there are columns")
                filled = {head: text for head, text in row.items() if text}
                yield _Place(number, msgspec.convert(self._typed(_renamed(filled, name)), _Line))
            except (MainstayError, msgspec.ValidationError) as error:
                raise self._wrong(number, error) from None

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        """Texts of a CSV file as what they stand for; what does not fit is refused later."""
        kinds: dict[str, type] = {"dwell_ms": float, "place": int}
        if self._numbers:
            kinds["label"] = float
        if self._key is not None and self._key.whole:
            kinds["key"] = int
        typed = dict(row)
        for name, kind in kinds.items():
            if name in typed:
                try:
                    typed[name] = kind(typed[name])
                except ValueError:
                    continue
        return typed

    def _wrong(self, number: int, error: Exception) -> InvalidUsage:
        told = error if isinstance(error, MainstayError) else MainstayError(str(error))
        return InvalidUsage(
            f"{self._file.name}:{number}: {told.message}; nothing of the file was taken",
            field=told.field,
            rule=told.rule,
            got=told.got,
            expected=told.expected,
        )


_raw = msgspec.json.Decoder(dict[str, Any])


def _renamed(row: dict[str, Any], name: str) -> dict[str, Any]:
    """The key may be called what the contract calls it."""
    if name and name not in _NAMES and name in row:
        if "key" in row:
            raise InvalidRequest(f"there is `key`, and {name!r} beside it", field="key")
        return {"key" if each == name else each: value for each, value in row.items()}
    return row


def _digest_of(opened: Any) -> str:
    digest = blake2b(digest_size=16)
    while data := opened.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()
