"""`python -m mainstay.wiring.keeper`: the keeper process, as the supervisor starts it.

The first thing it does is to look what is in force and to tell the workers, who wait for it. So
this module imports little, and the rest when that is done.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mainstay.base.errors import MainstayError
from mainstay.serve.keeper import Keeper, words_of
from mainstay.serve.lifeline import hold_lifeline
from mainstay.wiring.duties import Late, duties_of
from mainstay.wiring.folders import Places, open_places
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.stores import Stores


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # because the terminal of `mainstay up` is where its keeper reports


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep until told to stop."""
    parser = argparse.ArgumentParser(prog="mainstay.wiring.keeper")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--start", required=True, help="the mark of the server start")
    asked = parser.parse_args(arguments)
    hold_lifeline(asked.lifeline)
    try:
        places = open_places(Path(asked.workspace))
        late = Late(places)
        writer = OrderWriter(Stores(places), late.bring, asked.start)
        writer.first()
        _keep(places, writer, late)
    except MainstayError as error:
        _say(f"keeper: {words_of(error)}")
        return 1
    return 0


def _keep(places: Places, writer: OrderWriter, late: Late) -> None:
    """Do the duties in a thread, and answer look-ups beside them, until a signal ends it."""
    import asyncio
    import signal
    import threading

    from mainstay.journal.model import Decision
    from mainstay.serve.asking import Labelling, QuestionServer

    keeper = Keeper(places.run, duties_of(writer, late, _say), writer.clock, _say)

    def find(decision_id: str) -> Decision:
        return late().journal.find_with_all(decision_id)

    def label(wanted: Labelling) -> Mapping[str, Any]:
        from mainstay.wiring.labelling import labelling_of

        return labelling_of(late()).told(wanted)

    server = QuestionServer(places.run, find, label)

    async def live() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()

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

    asyncio.run(live())


if __name__ == "__main__":
    sys.exit(main())
