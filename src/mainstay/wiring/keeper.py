"""`python -m mainstay.wiring.keeper`: the keeper process, as the supervisor starts it."""

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from mainstay.base.errors import MainstayError
from mainstay.serve.asking import QuestionServer
from mainstay.serve.keeper import Keeper, words_of
from mainstay.serve.lifeline import hold_lifeline
from mainstay.wiring.duties import duties_of
from mainstay.wiring.workspace import open_workspace


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # because the terminal of `mainstay up` is where its keeper reports


async def _answer_until(server: QuestionServer, keeper: Keeper, stopped: asyncio.Event) -> None:
    """Answer look-ups while the keeper's own thread does its duties."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        keeper.stop()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    duties = threading.Thread(target=keeper.run, name="keeper")
    duties.start()
    try:
        await server.run(stopped)
    finally:
        keeper.stop()
        await asyncio.to_thread(duties.join)


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep until told to stop."""
    parser = argparse.ArgumentParser(prog="mainstay.wiring.keeper")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    asked = parser.parse_args(arguments)
    hold_lifeline(asked.lifeline)
    try:
        workspace = open_workspace(Path(asked.workspace))
        places = workspace.places
        keeper = Keeper(places.run, duties_of(workspace, _say), workspace.clock, _say)
        server = QuestionServer(places.run, workspace.journal.find)

        async def live() -> None:
            await _answer_until(server, keeper, asyncio.Event())

        asyncio.run(live())
    except MainstayError as error:
        _say(f"keeper: {words_of(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
