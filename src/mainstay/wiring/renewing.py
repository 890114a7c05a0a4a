"""When a model should be trained anew: what its contract's `renew.when` says of how it stands.

Promises that what is told begins and ends once each, over restarts of the keeper, and says why in
words; and that nothing is trained here: a rule, or a person, does that.
"""

from typing import Any, Final

from mainstay.base.errors import InvalidUsage
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract
from mainstay.contract.renewing import RenewWhen
from mainstay.contract.times import moment_us
from mainstay.journal.quoting import quoted
from mainstay.renew.schedule.due import Standing, conditions
from mainstay.renew.schedule.policies import Served
from mainstay.watch.gather.model import DAY_MS
from mainstay.watch.labels.metrics import metrics_of
from mainstay.watch.monitors.model import MARK_LENGTH
from mainstay.wiring.snapshotting import contract_of
from mainstay.wiring.telling import Telling
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace

ACTOR: Final = "renewal"
_COLUMNS: Final = {
    "inputs": ("input_", "context_", "feature_"),
    "answers": ("output_", "judged_"),
    "labels": ("label",),
}
"""How the columns begin in which something has changed, by what a contract calls it."""


class Renewing:
    """Lives in the keeper."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._watching = Watching(workspace)
        self._telling = Telling(workspace, ACTOR)

    def look(self) -> None:
        """Tell of every model in use whether it is time."""
        for route in self._workspace.chain.all_current():
            contract = contract_of(self._workspace, route.model)
            if contract.renew.when is None:
                continue
            newest = self._workspace.registry.versions(route.model)[-1]
            for finding in self._conditions(contract, contract.renew.when, newest):
                self._telling.is_so(
                    route.model, finding.check, newest.fingerprint, finding,
                    now=finding.verdict == "fail",
                )  # fmt: skip

    def conditions(self, model: str) -> list[Finding]:
        """How each condition of the contract stands now."""
        contract = contract_of(self._workspace, model)
        if contract.renew.when is None:
            raise InvalidUsage(
                f"the contract of {model} does not say when it should be trained",
                field="renew.when",
                expected="renew: {when: {fresher_than: 30d, labels: 5000}} in the contract",
            )
        newest = self._workspace.registry.find(model)
        return self._conditions(contract, contract.renew.when, newest)

    def _conditions(self, contract: Contract, when: RenewWhen, newest: Version) -> list[Finding]:
        standing = Standing(
            version=f"v{newest.number}",
            learned_until_ns=_learned_until_ns(newest),
            labels=self._labels(newest) if when.labels is not None else 0,
            drifting=self._drifting(newest) if when.drift else {},
            served=self._served(contract, newest) if when.costs is not None else Served((), ()),
        )
        return conditions(when, standing, self._workspace.clock.now_ns())

    def _labels(self, newest: Version) -> int:
        """Labels of decisions, each decision once, since the newest version was registered."""
        named = quoted(newest.model)
        table: Any = self._workspace.journal.query(
            "SELECT count(DISTINCT subject) AS labels FROM events WHERE kind = 'outcome'"  # noqa: S608  # because the name is quoted
            f" AND model = {named} AND known_ns >= {newest.registered_at_ns}"
            """ AND body LIKE '%"label":%'"""
        )
        return int(table.column("labels")[0].as_py())

    def _drifting(self, newest: Version) -> dict[str, str]:
        saved, _ = self._watching.monitors.load(newest.model)
        found: dict[str, str] = {}
        for key, each in sorted(saved.open.items(), key=lambda item: item[1].opened_ms):
            mark, _, column = key.partition("|")
            column = column.partition("|")[2]
            for kind, beginnings in _COLUMNS.items():
                if mark == newest.fingerprint[:MARK_LENGTH] and column.startswith(beginnings):
                    found.setdefault(kind, each.finding.words)
        return found

    def _served(self, contract: Contract, newest: Version) -> Served:
        """Days in which the newest version answered and labels came, the oldest first."""
        now_ms = self._workspace.clock.now_ns() // 1_000_000
        since_ms = newest.registered_at_ns // 1_000_000 - DAY_MS
        days: dict[int, tuple[float, int]] = {}
        for part in self._watching.summaries.read(newest.model, since_ms, now_ms + 1):
            if part.key.fingerprint != newest.fingerprint or part.key.arm != "live":
                continue
            metrics = metrics_of(contract, part.columns)
            lost = 0.0
            if "accuracy" in metrics:
                metric = metrics["accuracy"]
                lost = (1.0 - metric.figure) * metric.rows
            elif "mae" in metrics:
                metric = metrics["mae"]
                lost = metric.figure * metric.rows
            else:
                continue
            day = part.key.begin_ms // DAY_MS
            before, rows = days.get(day, (0.0, 0))
            days[day] = before + lost, rows + metric.rows
        told = [days[day] for day in sorted(days)]
        return Served(
            losses=tuple(lost / rows for lost, rows in told),
            rows=tuple(float(r) for _, r in told),
            promised=_promised(contract, newest),
        )


def _promised(contract: Contract, version: Version) -> float | None:
    """How wrong it was on its confidence set, in the unit of `_served`. Where silence is a label,
    that set has labels that watching does not hear."""
    if contract.labels.silence_means is not None:
        return None
    metrics = version.card.metrics
    return 1.0 - metrics["accuracy"] if "accuracy" in metrics else metrics.get("mae")


def _learned_until_ns(version: Version) -> int:
    """The end of the window on its card, where it has one."""
    window = version.card.window
    until_us = moment_us(window[1]) if window else None
    return version.registered_at_ns if until_us is None else until_us * 1000
