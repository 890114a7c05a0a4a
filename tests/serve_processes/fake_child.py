"""A stand-in for a worker or a keeper: says that it is ready, answers with its pid, and drains."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

from mainstay.serve.lifeline import hold_lifeline


def tell(folder: Path, name: str, *, ready: bool) -> None:
    whole = folder / f".{name}.{os.getpid()}"
    whole.write_text(json.dumps({"pid": os.getpid(), "ready": ready}))
    whole.replace(folder / name)


def main() -> None:
    role, folder, slot = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    listening = socket.socket(fileno=int(sys.argv[4])) if role == "worker" else None
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    hold_lifeline(int(sys.argv[5]))
    if (folder / f"broken-{role}").exists():
        sys.exit(3)
    if (folder / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(folder, "keeper.json" if role == "keeper" else f"worker-{slot}.json", ready=True)
    with (folder / "life.log").open("a") as log:
        log.write(f"start {role} {os.getpid()}\n")
    if listening is not None:
        listening.settimeout(0.02)
    while not stopping:
        if listening is None:
            signal.sigtimedwait([], 0.02)
            continue
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(5)
            connection.recv(1000)
            body = str(os.getpid()).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            connection.sendall(head % len(body) + body)
    if listening is not None:
        listening.close()
    while role == "keeper" and (folder / "busy").exists():
        signal.sigtimedwait([], 0.02)
    with (folder / "life.log").open("a") as log:
        log.write(f"end {role} {os.getpid()}\n")


if __name__ == "__main__":
    main()
