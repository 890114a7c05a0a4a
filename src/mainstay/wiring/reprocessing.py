"""Reprocessing in one workspace: the journal read, the version in force, and a spool to write to.

Promises that a command that was killed anywhere and is run again answers what was not answered yet
and nothing twice: a decision that replaces another one, and the event about the old one that says
so, are written in one transaction, and looked up before anything is done. Only one process of a
machine reprocesses a model at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from mainstay.base.errors import Conflict, InvalidUsage
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.model import Version
from mainstay.contract.correcting import receivers_of
from mainstay.journal.model import Event
from mainstay.journal.port import Spool
from mainstay.journal.quoting import quoted
from mainstay.journal.rows import rfc3339
from mainstay.journal.spool import DiskSpool
from mainstay.release.reprocess.again import ROWS, Again, Old, Reading
from mainstay.release.reprocess.model import (
    DOOR,
    REFUSED_SHOWN,
    REPLACED,
    Done,
    Value,
    Work,
)
from mainstay.serve.outcomes import event_about
from mainstay.serve.pipeline import Pipeline
from mainstay.wiring.alone import only_one
from mainstay.wiring.correcting import TOLD
from mainstay.wiring.recalling import recalls_of
from mainstay.wiring.workspace import Workspace, whoever_runs_this

_MADE: Final = """
SELECT count(*) AS n FROM decisions
WHERE model = {model} AND fingerprint IN ({bad}) AND (arm <> 'shadow' OR door = '{door}')"""
_EVENTS: Final = """
FROM events WHERE kind = 'action' AND model = {model} AND
    CAST(json_extract(body, '$.{replaced}.before.version') AS BIGINT) IN ({numbers})"""
_REPLACED: Final = f"""
SELECT DISTINCT subject {_EVENTS}
    AND CAST(json_extract(body, '$.{{replaced}}.after.version') AS BIGINT) NOT IN ({{numbers}})"""
_UNDONE: Final = """
SELECT DISTINCT subject FROM events
SEMI JOIN (SELECT id FROM decisions WHERE model = {model} AND fingerprint IN ({bad})) made
    ON made.id = subject
WHERE kind = 'outcome' AND model = {model} AND json_extract(body, '$.undo') IS NOT NULL"""
_VALUES: Final = f"""
SELECT subject AS replaces, epoch_us(time) AS time, body, receivers, told_us
FROM (SELECT * {_EVENTS}) replaced LEFT JOIN (
    SELECT made, list(receiver) AS receivers, list(told_us) AS told_us FROM ({TOLD}) GROUP BY made
) told ON told.made = json_extract_string(body, '$.{{replaced}}.by')
ORDER BY id LIMIT {{limit}} OFFSET {{offset}}"""  # noqa: S608  # because it is made of our own words
_PAGE: Final = 50_000


class Reprocessing:
    """What there is to answer anew, and the way to do it."""

    def __init__(self, workspace: Workspace, model: str, numbers: Sequence[int]) -> None:
        """`InvalidUsage` where nothing answers for the model, or one of the versions does."""
        self._workspace = workspace
        self._bad = [workspace.registry.find(model, number) for number in sorted(set(numbers))]
        route = workspace.chain.current(model)
        if route is None:
            raise InvalidUsage(
                f"nothing answers for {model}, so nothing can be answered anew",
                field="model",
                got=model,
                expected="a version in force; `mainstay deploy` makes one live",
            )
        arms = {route.fingerprint, *(arm.fingerprint for arm in route.arms)}
        for version in self._bad:
            if version.fingerprint in arms:
                raise InvalidUsage(
                    f"{version} answers itself, and would say the same",
                    field="version",
                    got=version.number,
                    expected=f"another version in force; `mainstay recall {model}` or "
                    f"`mainstay rollback {model}` goes back to one",
                )
        self._route = route
        self._receivers = receivers_of(workspace.places.settings.corrections, model)
        self._actor = whoever_runs_this()
        self._terms = {
            "model": quoted(model),
            "bad": ", ".join(quoted(version.fingerprint) for version in self._bad),
            "door": DOOR,
            "replaced": REPLACED,
            "numbers": ", ".join(str(version.number) for version in self._bad),
        }
        self._replaced = {row["subject"] for row in self._ask(_REPLACED)}
        self._undone = {row["subject"] for row in self._ask(_UNDONE)} - self._replaced
        self.work = Work(
            model=model,
            versions=tuple(version.number for version in self._bad),
            fingerprints=tuple(version.fingerprint for version in self._bad),
            by=route.number,
            by_fingerprint=route.fingerprint,
            epoch=route.epoch,
            decisions=self._ask(_MADE)[0]["n"],
            replaced=len(self._replaced),
            undone=len(self._undone),
        )

    def run(self, progress: Callable[[float], None]) -> Done:
        """Answer all that is left; `progress` is told how many there are by now."""
        with only_one(self._workspace, "reprocess", self.work.model):
            return self._run(progress)

    def values(self) -> Iterator[list[dict[str, Any]]]:
        """Page by page, what was replaced by what and who was told of it, the oldest first."""
        offset = 0
        while rows := self._ask(_VALUES, limit=_PAGE, offset=offset):
            yield [self._value(row) for row in rows]
            offset += len(rows)

    def _value(self, row: dict[str, Any]) -> dict[str, Any]:
        replaced = msgspec.json.decode(row["body"])[REPLACED]
        told: dict[str, str | None] = {}
        if replaced["changed"]:
            told = dict.fromkeys(self._receivers)
            for name, time_us in zip(row["receivers"] or (), row["told_us"] or (), strict=True):
                told[name] = rfc3339(time_us)
        when = rfc3339(row["time"])
        return {"replaces": row["replaces"], "time": when, **replaced, "told": told}

    def _run(self, progress: Callable[[float], None]) -> Done:
        workspace, route = self._workspace, self._route
        ids = DecisionIds(new_incarnation(), workspace.clock)
        loaded = workspace.load(workspace.registry.find_fingerprint(route.fingerprint))
        pipeline = Pipeline(loaded, route, ids, workspace.clock, arm="shadow")
        again = Again(pipeline, workspace.clock)
        spool = DiskSpool(workspace.places.spool, ids.incarnation, clock=workspace.clock)
        try:
            spool.describe(pipeline.layout())
            done = Done(work=self.work)
            for rows in self._pages():
                self._check_route()
                done = self._one(spool, ids, again, rows, done)
                progress(done.answered + done.refused)
            return done
        finally:
            spool.close()

    def _one(
        self, spool: Spool, ids: DecisionIds, again: Again, rows: list[Old], done: Done
    ) -> Done:
        """Answer some rows and keep it, all of it or nothing."""
        found = again.answer(rows)
        spool.append([*found.batches, *(self._event(ids, each) for each in found.values)])
        return replace(
            done,
            answered=done.answered + len(found.values),
            changed=done.changed + sum(each.changed for each in found.values),
            refused=done.refused + len(found.refused),
            first_refused=(*done.first_refused, *found.refused)[:REFUSED_SHOWN],
        )

    def _pages(self) -> Iterator[list[Old]]:
        """The rows that are left, so many at a time."""
        skip = self._replaced | self._undone
        readings = {version.fingerprint: self._reading(version) for version in self._bad}
        page: list[Old] = []
        for batch, layout in self._workspace.journal.runs(self.work.model, readings.keys()):
            if batch.arm == "shadow" and batch.door != DOOR:
                continue
            page += readings[layout.fingerprint].rows(batch, skip)
            while len(page) >= ROWS:
                yield page[:ROWS]
                del page[:ROWS]
        if page:
            yield page

    def _reading(self, version: Version) -> Reading:
        return Reading(self._workspace.unpacked(version.fingerprint).manifest, version.number)

    def _check_route(self) -> None:
        current = self._workspace.chain.current(self.work.model)
        if current is None or current.fingerprint != self._route.fingerprint:
            now = "there is none" if current is None else f"v{current.number} answers"
            raise Conflict(
                f"the route of {self.work.model} changed meanwhile: {now}",
                field="epoch",
                got=0 if current is None else current.epoch,
                expected="the same command again: what was answered stays, and it goes on",
            )

    def _event(self, ids: DecisionIds, value: Value) -> Event:
        about = (self.work.model, self._actor, value.replaces)
        body = {REPLACED: {
            "by": value.id, "before": value.before, "after": value.after, "changed": value.changed,
        }}  # fmt: skip
        return event_about(ids, self._workspace.clock, about, msgspec.to_builtins(body), "action")

    def _ask(self, question: str, **terms: Any) -> list[dict[str, Any]]:
        table: Any = self._workspace.journal.query(question.format(**self._terms, **terms))
        return table.to_pylist()


def versions_of_recall(workspace: Workspace, number: int) -> tuple[str, list[int]]:
    """The model of a recall, and its versions that learned from the stretch, or may have."""
    recall = recalls_of(workspace).find(number)
    numbers = [each.number for each in recall.plan.suspects if each.model == recall.model]
    if not numbers:
        raise InvalidUsage(
            f"no version learned from the stretch of recall {number}, so nothing has to be "
            "answered anew",
            field="recall",
            got=number,
            expected="a recall whose plan names versions; `mainstay recall list`",
        )
    return recall.model, numbers
