"""The skew test in one workspace: decisions of its journal, made again by an extractor.

Promises that the extractor runs in a throw-away process and nowhere else; that what is asked again
is what was logged, through the path that training takes; and that a keeper who looks by itself
takes at most a hundredth of a core, tells what begins and ends once each, and says so where it
cannot look.
"""

from typing import Any, Final

import msgspec

from mainstay.base.draws import draw
from mainstay.base.errors import InvalidBundle, InvalidUsage, NotFound
from mainstay.bundle.archive import Unpacked
from mainstay.bundle.extracting import ROWS_MAX, extracted_by
from mainstay.bundle.extractor import digest_of, imported_by, read_besides, written
from mainstay.bundle.model import Version
from mainstay.bundle.source import versions_of
from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract, columns_of
from mainstay.contract.times import duration_ns
from mainstay.release.gate.rows import fit
from mainstay.renew.labels.model import logged_columns, sql_type
from mainstay.renew.skew.compare import (
    CHECK,
    Compared,
    Hints,
    compare,
    findings_of,
    other_releases,
)
from mainstay.renew.skew.sample import drawn, values
from mainstay.serve.routes.model import Route
from mainstay.serve.validity import Pace
from mainstay.wiring.features import PREFIX, as_features, feature_types, logged_inputs, version_of
from mainstay.wiring.telling import Telling
from mainstay.wiring.workspace import Workspace

ACTOR: Final = "skew"
ROWS: Final = 1000
_BACK_NS: Final = 86_400_000_000_000
"""The keeper looks at the decisions of the last day."""
_TOLD_MAX: Final = 50
"""So many features of a model are told at most."""


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a skew test."""

    model: str
    version: int
    against: int | None = None
    """Another version, whose extractor was asked."""
    rows: int
    """Decisions that were made again."""
    left_out: int = 0
    """Decisions that the extractor, or its contract, did not take."""
    compared: Compared | None = None
    """Nothing where there is nothing to compare."""
    findings: tuple[Finding, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made again."""

    model: str
    version: int | None = None
    """By default the one that answers, else the newest."""
    against: int | None = None
    since_ns: int
    rows: int = ROWS
    salt: str = CHECK
    """Another one draws other decisions."""


def skew(workspace: Workspace, wanted: Wanted) -> Skew:
    """Make the features of some decisions again, and compare. `InvalidBundle` or `NotFound` where
    the version cannot be run."""
    if not 1 <= wanted.rows <= ROWS_MAX:
        raise InvalidUsage(
            "so many decisions cannot be made again at once",
            field="rows",
            got=wanted.rows,
            expected=f"1 to {ROWS_MAX:,}",
        )
    version = version_of(workspace, wanted.model, wanted.version)
    maker = workspace.here(version.fingerprint)
    if not digest_of(maker.folder, maker.manifest):
        words = f"{version} has no extractor: its features are its inputs"
        return _told(version, wanted, "pass", words)
    other = maker
    if wanted.against is not None:
        other = workspace.here(workspace.registry.find(wanted.model, wanted.against).fingerprint)
    since_ms = max(wanted.since_ns, 0) // 1_000_000
    query = workspace.journal.query
    ids = drawn(query, version.fingerprint, since_ms, wanted.rows, wanted.salt)
    if not ids:
        words = f"{version} has made no features since then, so there is nothing to make again"
        return _told(version, wanted, "unsure", words)
    return _made_again(workspace, (version, maker, other), wanted, ids)


def _made_again(
    workspace: Workspace,
    who: tuple[Version, Unpacked, Unpacked],
    wanted: Wanted,
    ids: list[str],
) -> Skew:
    version, maker, other = who
    contract = other.manifest.contract
    kept = feature_types(workspace, ids[0])
    types = {PREFIX + name: kind for name, kind in kept.items()}
    columns = {**_input_types(contract), **types}
    table = values(workspace.journal.query, version.fingerprint, ids, columns)
    fitted = fit(contract, logged_inputs(contract, table), frozenset(), "its contract")
    if fitted.why:
        return _told(version, wanted, "unsure", f"nothing can be made again: {fitted.why}")
    logged = {name: each[fitted.rows] for name, each in as_features(table, types).items()}
    found = extracted_by(other.folder, other.fingerprint, fitted.columns)
    hints = _hints(maker) if other is maker else None
    compared = compare([ids[int(row)] for row in fitted.rows], logged, found, hints)
    rows = len(found.rows)
    return Skew(
        model=version.model,
        version=version.number,
        against=wanted.against,
        rows=rows,
        left_out=len(ids) - rows,
        compared=compared,
        findings=tuple(findings_of(compared, rows)),
    )


def _input_types(contract: Contract) -> dict[str, str]:
    kinds = columns_of(contract.inputs, contract.context)
    return {column: sql_type(kinds[name]) for column, name in logged_columns(contract).items()}


def _hints(opened: Unpacked) -> Hints:
    source = written(opened.folder, opened.manifest)
    now = versions_of(imported_by(source))
    return Hints(
        reads=read_besides(source),
        libraries=other_releases(opened.manifest.card.libraries, now),
    )


def _told(version: Version, wanted: Wanted, verdict: Any, words: str) -> Skew:
    return Skew(
        model=version.model,
        version=version.number,
        against=wanted.against,
        rows=0,
        findings=(Finding(check=CHECK, verdict=verdict, words=words),),
    )


class SkewKeeper:
    """Looks now and then, in the keeper."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._telling = Telling(workspace, ACTOR)
        self._due: dict[str, int] = {}
        self._every: dict[str, int] = {}
        self._rested_ns = 0

    def look(self) -> None:
        """Test the version that answers for a model, if one is due and it may be."""
        clock = self._workspace.clock
        now = clock.elapsed_ns()
        if now < self._rested_ns:
            return
        routes = {route.fingerprint: route for route in self._workspace.chain.all_current()}
        self._due, self._every = (
            {mark: value for mark, value in known.items() if mark in routes}
            for known in (self._due, self._every)
        )
        for mark, route in routes.items():
            every = self._every_ns(route)
            due = self._due.setdefault(mark, now + round(every * draw("first skew test", mark)))
            if now >= due:
                self._test(route)
                ended = clock.elapsed_ns()
                self._due[mark] = ended + every
                self._rested_ns = ended + Pace.rest_ns(ended - now)
                return

    def _every_ns(self, route: Route) -> int:
        if route.fingerprint not in self._every:
            contract = self._workspace.here(route.fingerprint).manifest.contract
            self._every[route.fingerprint] = duration_ns(contract.assets.every)
        return self._every[route.fingerprint]

    def _test(self, route: Route) -> None:
        now_ns = self._workspace.clock.now_ns()
        wanted = Wanted(
            model=route.model,
            version=route.number,
            since_ns=now_ns - _BACK_NS,
            salt=f"{CHECK} {now_ns}",
        )
        try:
            found = skew(self._workspace, wanted)
        except (InvalidBundle, NotFound) as error:
            words = f"no feature could be made again: {error.message}"
            self._tell(route, [Finding(check=CHECK, verdict="fail", words=words)])
            return
        if not any(each.verdict == "unsure" for each in found.findings):
            self._tell(route, [each for each in found.findings if each.verdict == "fail"])

    def _tell(self, route: Route, failing: list[Finding]) -> None:
        """Tell what is so now, and that what was told before is over."""
        checks = {each.check for each in failing}
        for each in failing[:_TOLD_MAX]:
            self._telling.is_so(route.model, each.check, route.fingerprint, each, now=True)
        for check in self._telling.going_on(route.model):
            if check not in checks:
                over = Finding(check=check, verdict="pass", words=f"{check} is over")
                self._telling.is_so(route.model, check, route.fingerprint, over, now=False)
