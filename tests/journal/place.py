"""A workspace's journal for the conformance suites."""

from pathlib import Path

from mainstay.base.clock import Clock, ManualClock
from mainstay.journal.memory import MemoryJournal, MemoryLog, MemorySpool
from mainstay.journal.port import Journal, Spool
from mainstay.journal.reader import DiskJournal
from mainstay.journal.spool import DiskSpool
from tests.journal.records import CHURN, FRAUD, FRAUD_2


class Place:
    """A workspace's journal, on disk or in memory: any number of spools and readers."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._log = MemoryLog()
        self._spools: list[Spool] = []

    def spool(self, incarnation: int = 7, clock: Clock | None = None) -> Spool:
        if self._folder is None:
            spool: Spool = MemorySpool(self._log, incarnation)
        else:
            spool = DiskSpool(
                self._folder / "spool",
                incarnation,
                clock=clock or ManualClock(),
                free=lambda _folder: 1 << 40,
            )
        for layout in (FRAUD, FRAUD_2, CHURN):
            spool.describe(layout)
        self._spools.append(spool)
        return spool

    def journal(self) -> Journal:
        if self._folder is None:
            return MemoryJournal(self._log)
        return DiskJournal(self._folder / "spool", self._folder / "lake", clock=ManualClock())

    def close(self) -> None:
        for spool in self._spools:
            spool.close()
