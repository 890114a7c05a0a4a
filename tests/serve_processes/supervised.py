"""Runs the real supervisor over stand-ins: `supervised.py FOLDER WORKERS GRACE_SECONDS`."""

import sys
from pathlib import Path

from mainstay.base.clock import SystemClock
from mainstay.serve.supervise import Command, Plan, Supervisor, listen, url_of

CHILD = Path(__file__).with_name("fake_child.py")


def main() -> int:
    folder, workers, grace = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    listening = listen("127.0.0.1", 0)

    def command(role: str) -> Command:
        return lambda slot, fd, line: [
            sys.executable, str(CHILD), role, str(folder), str(slot), str(fd), str(line),
        ]  # fmt: skip

    plan = Plan(
        folder=folder,
        url=url_of(listening),
        workers=workers,
        worker=command("worker"),
        keeper=command("keeper"),
        grace_seconds=grace,
    )
    return Supervisor(plan, listening, SystemClock(), lambda text: print(text, flush=True)).run()


if __name__ == "__main__":
    sys.exit(main())
