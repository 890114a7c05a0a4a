"""The keeper rejects what nobody decided about in time, and says so in the journal (S29)."""

from pathlib import Path

import pytest

from mainstay.base.errors import Conflict
from mainstay.judge.holding import Counted, Holding
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.model import Told, Waiting
from mainstay.tally.sqlite import SqliteTally
from mainstay.wiring.duties import duties_of
from mainstay.wiring.folders import make_workspace
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.workspace import Workspace, open_workspace

HOUR_NS = 3600 * 1_000_000_000
COUNTED = Counted(name="hold price", key="all", bucket_ns=24 * HOUR_NS, buckets=32)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    make_workspace(tmp_path / "shop")
    return open_workspace(tmp_path / "shop")


def put(shop: Workspace, number: int, until_ns: int) -> str:
    now_ns = shop.clock.now_ns()
    waiting = Waiting(
        id=f"{now_ns // 1_000_000:012x}{number:016x}",
        model="price",
        version=1,
        caller="ann",
        time_ns=now_ns,
        until_ns=until_ns,
        holding=Holding(
            side="above", words="a lot", value=5.0, limit=3.0, wait="1h", counted=COUNTED
        ),
        shown=Told(5.0, None, []),
    )
    FolderDesk(shop.places.held).put(waiting)
    return waiting.id


def duty(shop: Workspace, name: str) -> None:
    writer = OrderWriter(shop, shop.bring, "")
    [found] = [d for d in duties_of(writer, lambda: shop, print) if d.name == name]
    found.run()


def test_what_waited_too_long_is_rejected_by_the_keeper(shop: Workspace) -> None:
    """S29: what may still wait does, and the rest is a finding in the journal, once."""
    now_ns = shop.clock.now_ns()
    late, early = put(shop, 1, now_ns - 1), put(shop, 2, now_ns + HOUR_NS)
    for _ in range(2):
        duty(shop, "reject what waited too long")
    desk = FolderDesk(shop.places.held)
    assert [each.id for each in desk.waiting()] == [early]
    [finding] = shop.journal.about("price", late)
    assert (finding.kind, finding.actor) == ("finding", "time")
    assert shop.journal.about("price", early) == []
    duty(shop, "forget what was decided")
    assert desk.find(late)[1] is not None, "it is known for a while"


def test_what_the_command_releases_counts_for_every_process(shop: Workspace) -> None:
    """S29: the number is in the tally file when the command ends, and the journal knows who."""
    identity = put(shop, 1, shop.clock.now_ns() + HOUR_NS)
    with shop.settling() as settler:
        settler.decide(identity, "released", "bob", "fine")
    tally = SqliteTally(shop.places.tally, shop.clock)
    try:
        tally.declare(COUNTED.name, COUNTED.bucket_ns, COUNTED.buckets, 6)
        now_ns = shop.clock.now_ns()
        sums = tally.read(COUNTED.name, "all", now_ns - HOUR_NS, now_ns)
    finally:
        tally.close()
    assert sums[:3] == (1.0, 5.0, 25.0)
    [event] = shop.journal.about("price", identity)
    assert (event.kind, event.actor) == ("action", "bob")
    with shop.settling() as settler, pytest.raises(Conflict, match="released already, by bob"):
        settler.decide(identity, "rejected", "cid", "no")
