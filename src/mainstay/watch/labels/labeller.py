"""Joins the outcomes of sealed pieces to their decisions, and adds them to the parts.

Promises that an outcome counts once and in the hour of its decision: what a piece brought is kept
under a name of its own beside the piece's decisions, in one transaction. Of several labels for
one decision the first that was heard counts; the later ones are counted as `same` or `other` in
`label_again`. Labels that no answer could be, those for decisions that nobody made, and those for
decisions that the model had no part in, are counted in `label_refused`.

What a fallback answered says nothing about the model and is no part of `label_shown`.

What is sealed beside them is kept here too: a second time, by when the labels came, for who must
take each into account once; what each source said (see `heard.py`); and the rows that a version
failed to answer.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from mainstay.base.errors import StorageFailed
from mainstay.contract.model import Contract, Label, NumberOutput, Probability
from mainstay.journal.arrow import pa, pq
from mainstay.journal.lake import FileMark, Lake, Marker
from mainstay.journal.quoting import quoted
from mainstay.judge.present import present
from mainstay.summaries.labels import columns_of, fits, rulers_of, slice_name
from mainstay.summaries.ruler import Ruler, fingerprint
from mainstay.summaries.summary import Categories, Summary, summarise
from mainstay.summaries.values import values_of
from mainstay.watch.gather.model import (
    ARRIVED,
    FAILED,
    FAILURES,
    NOBODY,
    STRETCH_MS,
    Key,
    Part,
    merge_parts,
)
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.labels.heard import Word, heard_parts
from mainstay.watch.labels.metrics import TOLD
from mainstay.watch.labels.reactions import reacted, reaction_parts

PIECE: Final = "labels:"
"""How the names begin under which the labels of pieces are kept."""
AGAIN: Final = Ruler("category", names=("same", "other"))
REFUSED: Final = Ruler(
    "category", names=("no such decision", "no such answer", "the model did not answer")
)
_ASKED_AT_ONCE: Final = 20_000
_BASE: Final = ("id", "time", "fingerprint", "version", "arm", "status")

Query = Callable[[str], Any]
Rows = list[dict[str, Any]]


class Versions(Protocol):
    """What is to be known of the versions whose decisions are labelled."""

    def contract(self, fingerprint: str) -> Contract | None:
        """The contract in the version's bundle; nothing when the version is gone."""
        ...

    def slices(self, fingerprint: str) -> Sequence[str]:
        """The inputs by which its contract parts the data."""
        ...


class _Heard(msgspec.Struct, frozen=True):
    """One label."""

    id: str
    subject: str
    label: Any
    time_ms: int
    actor: str
    known_ms: int
    even: bool = True
    """Whether it is part of a sample in which every decision has the same chance; of a sample with
    rates by strata a part is not."""
    strata: str = ""
    """The input whose values have those rates."""

    def tells(self, slice_: str) -> bool:
        """Whether it may stand for its slice."""
        return self.even or slice_.startswith(f"{self.strata}=")


_Told = Mapping[str, Sequence[tuple[str, Any, str]]]
"""Per decision, every label with the id of its event and who said it, in the order they came."""


class Labeller:
    """One lake, one store. Lives in the keeper that holds the lease."""

    def __init__(self, lake: Path, query: Query, store: SummaryStore, versions: Versions) -> None:
        self._lake = Lake(lake)
        self._query = query
        self._store = store
        self._versions = versions
        self._taken = {name for name in store.taken() if name.startswith(PIECE)}

    def take_in(self, at_most: int) -> int:
        """Take in the outcomes of pieces that were sealed since; how many pieces."""
        new = [m for m in self._lake.markers() if PIECE + m.piece not in self._taken]
        new = [marker for marker in new if marker.events]
        new.sort(key=lambda marker: (marker.sealed_ns, marker.piece))
        for marker in new[:at_most]:
            self._store.add(PIECE + marker.piece, self._parts(marker))
            self._taken.add(PIECE + marker.piece)
        return len(new[:at_most])

    def _parts(self, marker: Marker) -> list[Part]:
        found: dict[Key, Part] = {}
        sealed_ms = marker.sealed_ns // 1_000_000
        for file in marker.files:
            if file.kind == "event":
                for part in self._parts_of_file(file, sealed_ms - sealed_ms % STRETCH_MS):
                    before = found.get(part.key)
                    found[part.key] = merge_parts(before, part, part.key) if before else part
        return list(found.values())

    def _parts_of_file(self, file: FileMark, sealed_ms: int) -> Iterator[Part]:
        rows = self._events(file)
        heard = _labels(rows)
        for start in range(0, len(heard), _ASKED_AT_ONCE):
            for part in self._labelled(file.model, heard[start : start + _ASKED_AT_ONCE]):
                yield part
                if part.key.number:
                    yield msgspec.structs.replace(part, key=_arrived(part.key, sealed_ms))
        yield from heard_parts(file.model, _reactions(rows))
        yield from self._reacted(file.model, rows)
        yield from _failures(rows, file.model)

    def _events(self, file: FileMark) -> Rows:
        path = self._lake.folder / file.path
        columns = ["id", "kind", "subject", "body", "time_ns", "known_ns", "actor"]
        try:
            return pq.read_table(path, columns=columns, partitioning=None).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise StorageFailed(f"{file.path} of the lake cannot be read: {error}") from error

    def _labelled(self, model: str, heard: Sequence[_Heard]) -> Iterator[Part]:
        subjects = sorted({each.subject for each in heard})
        decisions = self._decisions(model, subjects)
        told = self._told(model, subjects)
        by_version: dict[str, list[tuple[_Heard, dict[str, Any]]]] = {}
        for each in heard:
            row = decisions.get(each.subject)
            contract = None if row is None else self._versions.contract(row["fingerprint"])
            if row is None or contract is None:
                yield _refused(model, each)
            elif not fits(contract, each.label):
                yield _counted(_key(model, row), "label_refused", REFUSED, REFUSED.names[1])
            elif not _answered(row):
                yield _counted(_key(model, row), "label_refused", REFUSED, REFUSED.names[2])
            else:
                first, label, _ = next(h for h in told[each.subject] if fits(contract, h[1]))
                if first == each.id:
                    by_version.setdefault(row["fingerprint"], []).append((each, row))
                    continue
                word = "same" if label == each.label else "other"
                yield _counted(_key(model, row), "label_again", AGAIN, word)
        for mark, pairs in by_version.items():
            contract = self._versions.contract(mark)
            assert contract is not None, "it was there a moment ago"
            slices = self._versions.slices(mark)
            yield from _parts_of(model, contract, pairs, slices)
        yield from heard_parts(model, self._words(heard, decisions, told))

    def _words(
        self, heard: Sequence[_Heard], decisions: Mapping[str, dict[str, Any]], told: _Told
    ) -> list[Word]:
        """What was said that a label can be, and what was said of decisions that nobody made."""
        answers = self._answers(
            [decisions[each.subject] for each in heard if each.subject in decisions]
        )
        found: list[Word] = []
        for each in heard:
            word = Word(each.actor, "label", each.subject, each.known_ms)
            row = decisions.get(each.subject)
            contract = None if row is None else self._versions.contract(row["fingerprint"])
            if row is None:
                found.append(msgspec.structs.replace(word, of="unknown"))
            elif contract is not None and fits(contract, each.label):
                mine = next(id_ for id_, _, who in told[each.subject] if who == each.actor)
                found.append(
                    msgspec.structs.replace(
                        word,
                        label=each.label,
                        answer=answers.get(each.subject),
                        version=row["version"],
                        first=mine == each.id,
                    )
                )
        return found

    def _answers(self, rows: Rows) -> dict[str, str | float]:
        """What the model answered, where that is a class or a number."""
        by_version: dict[str, dict[str, dict[str, Any]]] = {}
        for row in rows:
            if _answered(row):
                by_version.setdefault(row["fingerprint"], {})[row["id"]] = row
        found: dict[str, str | float] = {}
        for mark, own in by_version.items():
            contract = self._versions.contract(mark)
            if contract is not None and isinstance(
                contract.output, Label | Probability | NumberOutput
            ):
                outputs = outputs_of(contract, list(own.values()))
                found |= zip(own, present(contract)(outputs, {}).answers(), strict=True)
        return found

    def _decisions(self, model: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = ", ".join(map(quoted, _BASE))
        table = self._query(
            f"SELECT COLUMNS(lambda c: c IN ({wanted}) OR c LIKE 'output\\_%' ESCAPE '\\'"  # noqa: S608  # because all that is put in is quoted
            f" OR c LIKE 'input\\_%' ESCAPE '\\') FROM decisions"
            f" WHERE model = {quoted(model)} AND id BETWEEN {quoted(ids[0])}"
            f" AND {quoted(ids[-1])} AND id IN ({', '.join(map(quoted, ids))})"
        )
        return {row["id"]: row for row in table.to_pylist()}

    def _reacted(self, model: str, rows: Rows) -> Iterator[Part]:
        """What people did with answers, of decisions that were made."""
        told = [
            reacted(row["id"], row["subject"], msgspec.json.decode(row["body"]))
            for row in rows
            if row["kind"] == "outcome"
        ]
        said = [each for each in told if each is not None]
        for start in range(0, len(said), _ASKED_AT_ONCE):
            chunk = said[start : start + _ASKED_AT_ONCE]
            subjects = sorted({each.subject for each in chunk})
            decisions = self._decisions(model, subjects)
            heard = self._outcomes(model, subjects)
            every = {
                subject: [r for r in (reacted(id_, subject, body) for id_, body, _ in own) if r]
                for subject, own in heard.items()
            }
            keys = {
                subject: _keys(model, row, self._versions.slices(row["fingerprint"]))
                for subject, row in decisions.items()
            }
            yield from reaction_parts(chunk, every, lambda subject, at=keys: at.get(subject, ()))

    def _told(self, model: str, subjects: Sequence[str]) -> _Told:
        found: dict[str, list[tuple[str, Any, str]]] = {}
        for subject, own in self._outcomes(model, subjects).items():
            labels = [(id_, body["label"], who) for id_, body, who in own if "label" in body]
            if labels:
                found[subject] = labels
        return found

    def _outcomes(
        self, model: str, subjects: Sequence[str]
    ) -> dict[str, list[tuple[str, Mapping[str, Any], str]]]:
        """Per decision, every outcome with its id and who said it, in the order they were heard."""
        table = self._query(
            "SELECT subject, id, body, actor FROM events WHERE kind = 'outcome'"  # noqa: S608  # because all that is put in is quoted
            f" AND model = {quoted(model)} AND subject IN ({', '.join(map(quoted, subjects))})"
            " ORDER BY known_ns, id"
        )
        found: dict[str, list[tuple[str, Mapping[str, Any], str]]] = {}
        for row in table.to_pylist():
            told = row["id"], msgspec.json.decode(row["body"]), row["actor"]
            found.setdefault(row["subject"], []).append(told)
        return found


def _labels(rows: Rows) -> list[_Heard]:
    heard: list[_Heard] = []
    for row in rows:
        if row["kind"] == "outcome":
            body: dict[str, Any] = msgspec.json.decode(row["body"])
            if "label" in body:
                times = row["time_ns"] // 1_000_000, row["known_ns"] // 1_000_000
                who, known_ms = row["actor"], times[1]
                label, drawn = body["label"], body.get("labelling", {})
                heard.append(
                    _Heard(
                        row["id"], row["subject"], label, times[0], who, known_ms,
                        even=drawn.get("even", True), strata=drawn.get("by", ""),
                    )
                )  # fmt: skip
    return heard


def _reactions(rows: Rows) -> list[Word]:
    return [
        Word(row["actor"], "reaction", row["subject"], row["known_ns"] // 1_000_000)
        for row in rows
        if row["kind"] == "outcome" and "reaction" in msgspec.json.decode(row["body"])
    ]


def _arrived(key: Key, sealed_ms: int) -> Key:
    """Where labels are kept by when they came: their slice stands in the place of an arm, as
    text that every database can hold."""
    slice_ = json.dumps(key.slice) if key.slice else ""
    return msgspec.structs.replace(key, arm=slice_, slice=ARRIVED, begin_ms=sealed_ms)


def _failures(rows: Rows, model: str) -> Iterator[Part]:
    """What a version failed to answer, in the stretch in which it did."""
    for row in rows:
        if row["kind"] == "failure":
            body: dict[str, Any] = msgspec.json.decode(row["body"])
            time_ms = row["time_ns"] // 1_000_000
            begin_ms = time_ms - time_ms % STRETCH_MS
            key = Key(model, row["subject"], 0, body["arm"], "", begin_ms)
            counted = Categories((int(body["rows"]),))
            summary = Summary(fingerprint(FAILURES), "strings", body["rows"], 0, None, counted)
            yield Part(key, 0, {FAILED: summary})


def _key(model: str, row: Mapping[str, Any], slice_: str = "") -> Key:
    begin_ms = int(row["id"][:12], 16)
    begin_ms -= begin_ms % STRETCH_MS
    return Key(model, row["fingerprint"], row["version"], row["arm"], slice_, begin_ms)


def _keys(model: str, row: Mapping[str, Any], slices: Sequence[str]) -> list[Key]:
    """Where a decision is counted: in the whole, and in each of its slices."""
    values = [(name, row.get(f"input_{name}")) for name in slices]
    named = [slice_name(name, value) for name, value in values if value is not None]
    return [_key(model, row), *(_key(model, row, each) for each in named)]


def _refused(model: str, heard: _Heard) -> Part:
    hour = Key(model, NOBODY, 0, "", "", heard.time_ms - heard.time_ms % STRETCH_MS)
    return _counted(hour, "label_refused", REFUSED, REFUSED.names[0])


def _answered(row: Mapping[str, Any]) -> bool:
    """Whether the model gave an output that can be held against a label."""
    outputs = [value for name, value in row.items() if name.startswith("output_")]
    there = [value for value in outputs if value is not None]
    return bool(there) and all(isinstance(v, int | float) and math.isfinite(v) for v in there)


def _counted(key: Key, name: str, ruler: Ruler, word: str) -> Part:
    summary = summarise(values_of(np.array([word], dtype=object)), ruler)
    return Part(key, 0, {name: summary})


def _parts_of(
    model: str,
    contract: Contract,
    pairs: Sequence[tuple[_Heard, dict[str, Any]]],
    slices: Sequence[str],
) -> Iterator[Part]:
    """The labelled decisions of one version, by hour, arm and slice."""
    groups: dict[Key, list[int]] = {}
    for place, (heard, row) in enumerate(pairs):
        for key in _keys(model, row, slices):
            if heard.tells(key.slice):
                groups.setdefault(key, []).append(place)
    rulers = rulers_of(contract)
    outputs = outputs_of(contract, [row for _, row in pairs])
    answers = present(contract)(outputs, {}).answers()
    for key, places in groups.items():
        chosen = [pairs[place] for place in places]
        yield Part(key, 0, _summed(contract, rulers, chosen, (outputs[places], answers, places)))


def _summed(
    contract: Contract,
    rulers: Mapping[str, Ruler],
    pairs: Sequence[tuple[_Heard, dict[str, Any]]],
    told: tuple[Any, Sequence[Any], Sequence[int]],
) -> dict[str, Summary]:
    outputs, answers, places = told
    columns: dict[str, Any] = columns_of(
        contract,
        [heard.label for heard, _ in pairs],
        outputs,
        [answers[place] for place in places],
        [row["status"] in TOLD for _, row in pairs],
    )
    columns["label_delay_s"] = np.array(
        [(heard.time_ms - int(row["id"][:12], 16)) / 1000.0 for heard, row in pairs]
    )
    return {name: summarise(values_of(column), rulers[name]) for name, column in columns.items()}


def outputs_of(contract: Contract, rows: Rows) -> Any:
    """The raw outputs again, as the model gave them."""
    if isinstance(contract.output, Label):
        return np.array([row["output_label"] for row in rows], dtype=np.int64)
    names = _output_columns(contract, rows[0])
    table = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    return table[:, 0] if names == ["output_number"] else table


def _output_columns(contract: Contract, row: Mapping[str, Any]) -> list[str]:
    """Where a row has the output of this kind of contract."""
    output = contract.output
    named = getattr(output, "classes", None) or getattr(output, "items", None)
    if named is not None:
        return [f"output_{name}" for name in named]
    return [name for name in row if name.startswith("output_")]
