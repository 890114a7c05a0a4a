"""`mainstay status`: what runs, what serves, and how it fares."""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.bundle.model import Version
from mainstay.cli.machine import WorkerUse, show_costs, show_machine, use_of
from mainstay.cli.output import NOT_SO, Ending, Output, escape, in_workspace, speaking
from mainstay.cli.rollouts import show_rollouts
from mainstay.contract.times import duration_ns
from mainstay.release.rollout.model import Record
from mainstay.serve.beside import read_beside
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.settle import still_waiting
from mainstay.serve.keeper import KeeperReport
from mainstay.serve.machine import MachineUse, machine_use
from mainstay.serve.metrics import NONE, OTHER
from mainstay.serve.routes.model import Refusal, Route, WorkerState
from mainstay.serve.snapshots import Traffic, still_there
from mainstay.serve.supervise import SupervisorReport
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.running import Server
from mainstay.wiring.workspace import Workspace, open_workspace

_ENDED_SHOWN_NS = 24 * 3600 * 1_000_000_000
"""How long a rollout that ended is still shown."""


class Status(msgspec.Struct, kw_only=True):
    """Everything that `mainstay status` shows, for programs."""

    workspace: str
    server: SupervisorReport | None
    workers: list[WorkerState]
    keeper: KeeperReport | None
    routes: list[Route]
    versions: dict[str, int]
    """Model to the number of versions registered."""
    pins: dict[str, str]
    """Model to the versions of other models that the version in force was made for, in a word."""
    traffic: dict[str, Traffic]
    machine: MachineUse
    workers_use: list[WorkerUse]
    held: int
    """Answers that wait for a person."""
    alerts: int
    """Alerts that are not over."""
    rollouts: list[Record]
    """Of every model the one that began last, unless it ended long ago."""
    problems: list[str]

    @property
    def settled(self) -> bool:
        """Whether no rollout goes on, and every worker answers with what is routed."""
        going_on = any(record.rollout.active for record in self.rollouts)
        late = any(_late(worker, route) for worker in self.workers for route in self.routes)
        return not going_on and not late


@click.command(
    epilog="""
\b
Examples:
  mainstay status --json | jq .traffic.fraud.p99_ms
  mainstay status --watch --settled-within 2h    waits for the end of a rollout
"""
)
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@click.option(
    "--settled-within",
    metavar="TIME",
    help="With --watch: end once no rollout goes on and all workers answer with what is routed.",
)
@in_workspace
@speaking
def status(output: Output, watch: bool, settled_within: str | None, workspace: str | None) -> None:
    """Show processes, models, versions, rollouts, recent requests and whatever is wrong.

    Exits 1 when something needs a person, or is not settled in time. Into a file or a pipe, --watch
    shows a page whenever more than its figures has changed.
    """
    if settled_within is not None and not watch:
        raise InvalidUsage(
            "--settled-within has no effect without --watch",
            field="settled-within",
            got=settled_within,
            expected=f"mainstay status --watch --settled-within {settled_within}",
        )
    opened = open_workspace(workspace)
    if watch:
        found = _watch(output, opened, settled_within)
        if settled_within is not None and not found.settled:
            output.note(f"Not settled within {settled_within}.")
            raise Ending(NOT_SO)
        return
    found = look(opened)
    output.result(found)
    _show(output, found)
    if found.problems:
        raise Ending(NOT_SO)


def _watch(output: Output, opened: Workspace, settled_within: str | None) -> Status:
    """Show it anew until Ctrl-C, or until all is settled or the time for that is over; what was
    seen last."""
    end_ns = None
    if settled_within is not None:
        end_ns = opened.clock.elapsed_ns() + duration_ns(settled_within)
    found: Status | None = None

    def draw(sheet: Output) -> bool:
        nonlocal found
        before, found = found, look(opened)
        sheet.event(found)
        if output.in_place or before is None or _outline(before) != _outline(found):
            _show(sheet, found)
        if end_ns is None:
            return False
        return found.settled or opened.clock.elapsed_ns() >= end_ns

    output.watch(draw)
    return found or look(opened)


def _outline(found: Status) -> tuple[object, ...]:
    """What is worth another page where pages do not replace each other."""
    places = () if found.server is None else found.server.places
    return (
        [(place.role, place.slot, place.pid, place.ready) for place in places],
        [(route.model, route.epoch) for route in found.routes],
        [(each.rollout.status, each.rollout.step) for each in found.rollouts],
        (found.versions, bool(found.held), found.alerts, found.problems),
    )


def look(opened: Workspace) -> Status:
    """Gather what is known now."""
    server = Server(opened.places.run, opened.clock)
    problems: list[str] = []
    alerts = 0
    routes: list[Route] = []
    versions: dict[str, int] = {}
    pins: dict[str, str] = {}
    rollouts: list[Record] = []
    try:
        routes = list(opened.chain.all_current())
        registered = opened.registry.versions()
        for version in registered:
            versions[version.model] = versions.get(version.model, 0) + 1
        pins = _pins(routes, registered)
        newest = [opened.rollouts.newest(route.model) for route in routes]
        telling = Alerts(opened)
        alerts = len(telling.book.open_alerts())
        problems += telling.problems()
        recent_ns = opened.clock.now_ns() - _ENDED_SHOWN_NS
        rollouts = [
            record
            for record in newest
            if record and (record.rollout.active or record.rollout.since_ns > recent_ns)
        ]
    except MainstayError as error:
        problems.append(f"The database cannot be read: {error.message}")
    report, workers, keeper = server.report(), server.workers(), None
    beside = read_beside(opened.places.run, opened.clock)
    shots = [] if report is None else server.snapshots()
    if report is not None:
        keeper = server.keeper()
        problems += _problems(report, workers, keeper, routes)
    return Status(
        workspace=str(opened.places.root),
        server=report,
        workers=workers,
        keeper=keeper,
        routes=routes,
        held=len(still_waiting(FolderDesk(opened.places.held), opened.clock.now_ns())),
        alerts=alerts,
        rollouts=rollouts,
        versions=versions,
        pins=pins,
        traffic=dict(server.traffic()),
        machine=machine_use(opened.places.root, () if beside is None else beside.gpus),
        workers_use=[
            use_of(shot)
            for shot in still_there(shots, opened.clock.now_ns())
            if report is not None and any(shot.pid == place.pid for place in report.places)
        ],
        problems=problems,
    )


def _pins(routes: list[Route], registered: Sequence[Version]) -> dict[str, str]:
    by_fingerprint = {version.fingerprint: version for version in registered}
    pins: dict[str, str] = {}
    for route in routes:
        live = by_fingerprint.get(route.fingerprint)
        upstream = {} if live is None else live.card.upstream
        made_for = [
            f"{model}@{by_fingerprint[pin].number if pin in by_fingerprint else pin[:12]}"
            for model, pin in sorted(upstream.items())
        ]
        if made_for:
            pins[route.model] = "+".join(made_for)
    return pins


def _problems(
    report: SupervisorReport,
    workers: list[WorkerState],
    keeper: KeeperReport | None,
    routes: list[Route],
) -> list[str]:
    """What a person should look at, in sentences."""
    found: list[str] = []
    for place in report.places:
        if not place.ready and not place.draining:
            why = f": it {place.last_death}" if place.last_death else ""
            found.append(f"{place.role} {place.slot} is not ready{why}")
    found += [
        f"{route.model} v{route.number} was stopped by {route.actor}: {route.stopped}; `mainstay "
        f"deploy {route.model}@{route.number}` lets it answer again"
        for route in routes
        if route.stopped
    ]
    for worker in workers:
        found += [
            f"worker {worker.slot} refuses {model}: {refusal.error}"
            for model, refusal in worker.refused.items()
        ]
        found += [
            f"worker {worker.slot} has not got {_arm(routes, model, refusal)}, and the live "
            f"version answers for it: {refusal.error}"
            for model, refusals in worker.refused_arms.items()
            for refusal in refusals
        ]
        found += [
            f"worker {worker.slot} stopped {model} v{stop.number}: {stop.finding.words}; "
            + ("its fallback answers in its place; " if stop.stands_in else "")
            + f"`mainstay rollback {model}` goes back to the version before"
            for model, stop in worker.stopped.items()
            if not stop.ordered
        ]
        for route in routes:
            has = worker.serving.get(route.model)
            told = route.model in worker.refused or route.model in worker.stopped
            if _late(worker, route) and not told and worker.ready:
                answers = f"still answers with v{has.number}" if has else "does not answer"
                found.append(
                    f"worker {worker.slot} {answers} for {route.model}, v{route.number} is routed"
                )
    for duty in keeper.duties if keeper else ():
        if duty.error:
            found.append(f"keeper, {duty.name}: {duty.error} ({duty.failures} failures)")
    return found


def _late(worker: WorkerState, route: Route) -> bool:
    """Whether a worker does not answer with a route yet."""
    return not worker.follows(route.model, route.epoch)


def _arm(routes: Sequence[Route], model: str, refusal: Refusal) -> str:
    """Which arm of which route a worker refused, in words."""
    arms = [
        f"the {arm.role} v{arm.number} of {model}"
        for route in routes
        if route.model == model
        for arm in route.arms
        if arm.fingerprint == refusal.fingerprint
    ]
    return " and ".join(arms) or f"an arm of {model} ({refusal.fingerprint[:12]})"


def _show(output: Output, found: Status) -> None:
    server = found.server
    if server is None:
        output.say(f"[bold]{escape(found.workspace)}[/]   no server is running (`mainstay up`)")
    else:
        state = " [yellow](stopping)[/]" if server.stopping else ""
        output.say(
            f"[bold]{escape(found.workspace)}[/]   [green]{server.url}[/]{state}   "
            f"up {_ago(server.started_ns)}"
        )
        output.say()
        rows = [
            (place.role + (f" {place.slot}" if place.role == "worker" else ""), place.pid,
             "draining" if place.draining else "ready" if place.ready else "not ready",
             _ago(place.started_ns), place.restarts)
            for place in server.places
        ]  # fmt: skip
        output.table(("process", ">pid", "state", ">since", ">restarts"), rows)
    output.say()
    if found.routes:
        output.table(
            ("model", "version", *(("made for",) if found.pins else ()), "fingerprint", ">minute",
             ">hour", ">day", ">2xx", ">p50 ms", ">p99 ms", "since", "by"),
            [_route_row(found, route) for route in found.routes],
        )  # fmt: skip
        output.say("[dim]requests, share of 2xx and latencies: the last hour, unless named[/]")
        show_costs(output, found.traffic)
    else:
        output.say("No model is deployed. `mainstay deploy FILE` makes one live.")
    others = [model for model in found.versions if model not in {r.model for r in found.routes}]
    for model in others:
        output.say(f"{escape(model)}: {found.versions[model]} version(s) registered, none deployed")
    for label, words in ((OTHER, "unknown models"), (NONE, "no model (outcomes, health, …)")):
        traffic = found.traffic.get(label)
        if traffic is not None and traffic.last_day:
            output.say(f"[dim]{traffic.last_hour} requests of the last hour were about {words}[/]")
    if found.held:
        output.say(f"{found.held} answer(s) wait for a person: `mainstay held list`")
    if found.alerts:
        output.say(f"{found.alerts} alert(s) are not over: `mainstay alerts list`")
    show_rollouts(output, found.rollouts, _ago)
    show_machine(output, found.machine, found.workers_use)
    for problem in found.problems:
        output.say(f"[bold red]✗[/] {escape(problem)}")


def _route_row(found: Status, route: Route) -> tuple[Any, ...]:
    traffic = found.traffic.get(route.model)
    figures: tuple[Any, ...] = (0, 0, 0, None, None, None)
    if traffic is not None:
        share = traffic.share_succeeded
        figures = (
            f"{traffic.last_minute:,}", f"{traffic.last_hour:,}", f"{traffic.last_day:,}",
            None if share is None else f"{share:.2%}",
            _milliseconds(traffic.p50_ms), _milliseconds(traffic.p99_ms),
        )  # fmt: skip
    version = f"v{route.number} of {found.versions.get(route.model, 0)}"
    return (
        route.model, version, *((found.pins.get(route.model, ""),) if found.pins else ()),
        route.fingerprint[:12], *figures, _ago(route.time_ns), route.actor,
    )  # fmt: skip


def _milliseconds(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ago(time_ns: int) -> str:
    seconds = max(0.0, time.time() - time_ns / 1e9)
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
