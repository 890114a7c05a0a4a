"""What the keeper reads of machine and workers, so that it is kept: graphics processors, memory,
and what callers were refused.

Promises that workers are read from the files they write anyway, and asked nothing.
"""

from mainstay.base.clock import Clock
from mainstay.base.ids import new_incarnation
from mainstay.serve.beside import look_beside
from mainstay.serve.routes.model import Route
from mainstay.serve.snapshots import still_there
from mainstay.watch.gather.port import SummaryStore
from mainstay.watch.gather.processes import Held, Processes, Reading
from mainstay.watch.gather.refused import Count, Counted, Refused
from mainstay.watch.gather.sql import SqlSummaryStore
from mainstay.wiring.running import Server
from mainstay.wiring.workspace import Workspace


class Measuring:
    """The readings of one keeper."""

    def __init__(self, workspace: Workspace) -> None:
        self._store: SummaryStore = SqlSummaryStore(workspace.database)
        self._run = workspace.places.run
        self._clock: Clock = workspace.clock
        self._server = Server(self._run, self._clock)
        self._processes = Processes()
        self._refused = Refused()
        self._incarnation = new_incarnation()

    def look(self) -> None:
        """Read once; what was read in the stretch before is kept once that is over."""
        look_beside(self._run, self._clock)
        now_ms = self._clock.now_ns() // 1_000_000
        for name, parts in (
            ("processes", self._processes.take(self._readings(), now_ms)),
            ("refused", self._refused.take(self._counted(), now_ms)),
        ):
            if parts:
                begin_ms = parts[0].key.begin_ms
                self._store.add(f"{name}-{self._incarnation:08x}-{begin_ms}", parts)

    def _counted(self) -> list[Counted]:
        """What every process counted of its callers, those that are gone as well."""
        return [
            Counted(
                process=f"{shot.slot} {shot.pid} {shot.born_ns}",
                born_ms=shot.born_ns // 1_000_000,
                counts=tuple(
                    Count(**{name: getattr(each, name) for name in Count.__struct_fields__})
                    for each in shot.asked
                ),
            )
            for shot in self._server.snapshots()
        ]

    def _readings(self) -> list[Reading]:
        shots = {
            (shot.slot, shot.pid): shot
            for shot in still_there(self._server.snapshots(), self._clock.now_ns())
        }
        found: list[Reading] = []
        for worker in self._server.workers():
            shot = shots.get((worker.slot, worker.pid))
            if shot is not None and shot.resident_bytes:
                found.append(
                    Reading(
                        process=f"worker {worker.slot} ({shot.born_ns // 1_000_000:x})",
                        held=tuple(map(_held, worker.serving.values())),
                        resident_bytes=shot.resident_bytes,
                    )
                )
        return found


def _held(route: Route) -> Held:
    return Held(route.model, route.fingerprint, route.number)
