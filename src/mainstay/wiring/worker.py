"""`python -m mainstay.wiring.worker`: one worker process, as the supervisor starts it.

Imports only what answering needs; what looks things up, seals or talks to a database is in the
keeper's process.
"""

import argparse
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstay.base.clock import Clock, SystemClock
from mainstay.base.errors import MainstayError
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.load import LoadedVersion, load, warm
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence, read_evidence
from mainstay.contract.model import FunctionSource
from mainstay.journal.spool import DiskSpool
from mainstay.serve.asking import Asker
from mainstay.serve.gather import Sources
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.keeper import words_of
from mainstay.serve.lifeline import hold_lifeline
from mainstay.serve.metrics import Metrics
from mainstay.serve.sources import open_source
from mainstay.serve.tracing import Tracing
from mainstay.serve.worker import WorkerParts, WorkerSettings, run_worker
from mainstay.tally.sqlite import SqliteTally
from mainstay.wiring.folders import Places, open_places
from mainstay.wiring.telemetry import telemetry_of


class BundleLoader:
    """Brings bundles into memory, with what their contracts look up."""

    def load(self, folder: Path, fingerprint: str) -> Loaded:
        """The version in that folder, its digests checked."""
        return load(folder, fingerprint)

    def sources(self, loaded: Loaded) -> Sources:
        """What its contract looks up."""
        lookups = loaded.manifest.contract.lookups
        return {
            name: _Carried(loaded.lookup(name))
            if isinstance(source, FunctionSource)
            else open_source(source)
            for name, source in lookups.items()
        }

    def warm(self, loaded: Loaded) -> None:
        """Answer once, so that the first caller does not pay for it."""
        if isinstance(loaded, LoadedVersion):
            warm(loaded)

    def evidence(self, folder: Path, loaded: Loaded) -> Evidence:
        """The assets it must prove itself with; their digests are checked anew."""
        return read_evidence(folder, loaded.manifest)


class _Carried:
    """A look-up function from a bundle."""

    def __init__(self, function: Callable[[list[Any]], dict[Any, dict[str, Any]]]) -> None:
        self._function = function

    def fetch(self, keys: Sequence[Any]) -> Mapping[Any, Mapping[str, Any]]:
        """The fields of each key that is known."""
        return self._function(list(keys))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="mainstay.wiring.worker")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--slot", type=int, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--start", required=True, help="the mark of the server start")
    parser.add_argument("--local", action="store_true")
    asked = parser.parse_args(arguments)
    hold_lifeline(asked.lifeline)
    try:
        places = open_places(Path(asked.workspace))
        settings = WorkerSettings(
            slot=asked.slot,
            run_folder=places.run,
            local=asked.local,
            start=asked.start,
        )
        run_worker(settings, _parts(places, asked.slot), socket.socket(fileno=asked.fd))
    except MainstayError as error:
        print(f"worker {asked.slot}: {words_of(error)}", file=sys.stderr)  # noqa: T201  # because the terminal is where a process says why it ends
        return 1
    return 0


def _parts(places: Places, slot: int) -> WorkerParts:
    clock = SystemClock()
    incarnation = new_incarnation()
    asker = Asker(places.run)
    return WorkerParts(
        spool=DiskSpool(places.spool, incarnation, clock=clock),
        loader=BundleLoader(),
        ids=DecisionIds(incarnation, clock),
        clock=clock,
        metrics=Metrics(slot, os.getpid(), clock, _last_snapshot(places.run, slot)),
        find_decision=asker.find,
        ask_for_labels=asker.label,
        tally=SqliteTally(places.tally, clock),
        desk=FolderDesk(places.held),
        tracing=_tracing(places, slot, clock),
    )


def _tracing(places: Places, slot: int, clock: Clock) -> Tracing | None:
    """What is told of requests; where nobody wants to know, nothing is imported for it."""
    wanted = telemetry_of(places.settings.telemetry)
    if not wanted.traces:
        return None
    from mainstay.wiring.sending import tracing_to

    return tracing_to(wanted.traces, places, slot, clock)


def _last_snapshot(run: Path, slot: int) -> bytes | None:
    """What the last worker of this slot had counted."""
    try:
        return (run / f"metrics-{slot}.json").read_bytes()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
