"""What a running server says of itself: the files that its processes keep in the run folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mainstay.base.clock import Clock
from mainstay.serve.keeper import KEEPER_FILE, KeeperReport
from mainstay.serve.routes.model import Refusal, WorkerState
from mainstay.serve.snapshots import Snapshot, Traffic, decode_snapshot, traffic_by_model
from mainstay.serve.supervise import SupervisorReport
from mainstay.wiring.server import running


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far one model's newest route got on this machine."""

    epoch: int
    workers: int
    serving: int
    refused: tuple[Refusal, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Every worker answers with it."""
        return self.workers > 0 and self.serving == self.workers


class Server:
    """A server as its files show it; each question reads them anew."""

    def __init__(self, run: Path, clock: Clock) -> None:
        self._run = run
        self._clock = clock

    def report(self) -> SupervisorReport | None:
        """The supervisor and its processes, while they run."""
        return running(self._run)

    def keeper(self) -> KeeperReport | None:
        """The keeper and its duties."""
        try:
            data = (self._run / KEEPER_FILE).read_bytes()
            return msgspec.json.decode(data, type=KeeperReport)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def workers(self) -> list[WorkerState]:
        """The workers that are there and not on their way out."""
        report = self.report()
        if report is None:
            return []
        wanted = {
            (place.slot, place.pid)
            for place in report.places
            if place.role == "worker" and not place.draining
        }
        return [state for state in self._states() if (state.slot, state.pid) in wanted]

    def _states(self) -> Iterator[WorkerState]:
        for file in sorted(self._run.glob("worker-*.json")):
            try:
                yield msgspec.json.decode(file.read_bytes(), type=WorkerState)
            except (FileNotFoundError, msgspec.MsgspecError):
                continue

    def reached(self, model: str, epoch: int) -> Reached:
        """How many workers answer with a route, or with a newer one."""
        workers = self.workers()
        serving = [worker for worker in workers if worker.follows(model, epoch)]
        refused = [
            w.refused[model]
            for w in workers
            if model in w.refused and w.refused[model].epoch == epoch
        ]
        return Reached(
            epoch=epoch, workers=len(workers), serving=len(serving), refused=tuple(refused)
        )

    def traffic(self) -> Mapping[str, Traffic]:
        """Recent requests of each model."""
        return traffic_by_model(self._metric_files(), self._clock.now_ns())

    def snapshots(self) -> list[Snapshot]:
        """What each slot counted."""
        return [found for data in self._metric_files() if (found := decode_snapshot(data))]

    def _metric_files(self) -> list[bytes]:
        found: list[bytes] = []
        for file in sorted(self._run.glob("metrics-*.json")):
            try:
                found.append(file.read_bytes())
            except FileNotFoundError:
                continue
        return found
