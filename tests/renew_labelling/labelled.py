"""A shop whose contract asks people, with the keeper's part of it moved by hand."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from mainstay.access.model import Caller
from mainstay.base.clock import ManualClock
from mainstay.contract.asking import Ask
from mainstay.contract.model import Input
from mainstay.wiring.label_keeping import LabelKeeper
from mainstay.wiring.labelling import Labelling
from tests.renew.shop import Shop
from tests.servers.mainstay import CONTRACT

ASK = Ask(most="1000 per 1h", gold="0 %")
WRITTEN = CONTRACT + "labels: {ask: {most: 1000 per 1h, gold: 0 %}}\n"


def make_shop(folder: Path) -> None:
    """A shop that asks people, to be copied: making one takes seconds."""
    Shop(folder, written=WRITTEN, assets="{metric: accuracy, acceptable: [0, 1]}").close()


class Labelled:
    """A workspace, its labelling and its keeper, on a clock that is set by hand. `settings` are
    taken as if the contract had them; `kinds` in the place of its inputs."""

    def __init__(
        self, folder: Path, kinds: dict[str, Input] | None = None, **settings: Any
    ) -> None:
        self.shop = Shop(folder, made=True)
        # Later than everything, and the same in every run: what is drawn follows from it.
        self.clock = ManualClock(1_900_000_000 * 10**9)
        self.shop.workspace.clock = self.clock
        written = self.shop.loaded.manifest.contract
        assert written.labels.ask == ASK
        ask = replace(ASK, **settings)
        self.contract = replace(
            written, labels=replace(written.labels, ask=ask), inputs=kinds or written.inputs
        )
        self.again()

    def again(self) -> None:
        """As after a start of everything."""
        self.labelling = Labelling(self.shop.workspace)
        versions = self.labelling._versions
        versions._contracts[self.shop.version.fingerprint] = self.contract
        self.keeper = LabelKeeper(self.labelling)

    def decided(self, count: int, seed: int = 0) -> list[str]:
        """Decisions, sealed."""
        ids = self.shop.decide(self.shop.rows(count, seed))
        self.seal()
        return ids

    def seal(self) -> None:
        """What was written so far is in the lake."""
        self.shop.close()
        self.shop.workspace.journal.seal()
        self.shop.open()

    def set_aside(self) -> None:
        """Take in what is sealed, and let its stretch end."""
        self.keeper.tick()
        self.clock.advance(3600)
        self.keeper.tick()

    def next(self, name: str) -> dict[str, Any]:
        return self.labelling.next("sums", caller(name))

    def answer(self, name: str, task: str, label: Any) -> dict[str, Any]:
        return self.labelling.answer(task, caller(name), label)

    def events(self, kind: str) -> list[dict[str, Any]]:
        table = self.shop.workspace.journal.query(
            f"SELECT * FROM events WHERE kind = '{kind}' AND actor = 'labelling' ORDER BY known_ns, id"
        )
        rows = table.to_pylist()
        return [row | {"body": msgspec.json.decode(row["body"])} for row in rows]


def caller(name: str, *models: str) -> Caller:
    return Caller(name=name, models=models or ("*",), purposes=("label",))
