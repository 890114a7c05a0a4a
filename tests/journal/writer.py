"""A process that writes decisions until it is killed, and says which it was promised to keep.

Arguments: the folder, its incarnation. Standard output carries one line for each acknowledged run:
its first sequence. Every level that acknowledges takes part, and pieces are small.
"""

import os
import sys
import threading
from pathlib import Path

from mainstay.journal.spool import DiskSpool, SpoolLimits
from tests.journal.records import FRAUD, FRAUD_2, batch

ROWS = 4


def main(folder: Path, incarnation: int) -> None:
    spool = DiskSpool(
        folder / "spool",
        incarnation,
        breath=SpoolLimits(free_disk_bytes=0, piece_bytes=60_000, sync_every_ms=10),
    )
    for layout in (FRAUD, FRAUD_2):
        spool.describe(layout)
    waiting = threading.Semaphore(20)

    def acknowledge(first: int) -> None:
        os.write(1, b"%d\n" % first)

    def confirm(first: int, error: BaseException | None) -> None:
        if error is None:
            acknowledge(first)
        waiting.release()

    number = 0
    while True:
        first = ROWS * number
        number += 1
        run = batch(first, ROWS, incarnation=incarnation, layout=(FRAUD, FRAUD_2)[number % 2])
        if number % 3:
            spool.append([run])
            acknowledge(first)
        else:
            waiting.acquire()
            spool.append_durable([run], lambda error, first=first: confirm(first, error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
