"""The keeper's orders: whole, current, and kept when something is away (S5, S9, S10)."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from mainstay.access.keys import create_key, revoke_key
from mainstay.base.errors import InvalidBundle, NotFound, StorageFailed
from mainstay.serve.routes.model import Arm, Orders
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.serve_routes.drafts import draft
from tests.servers.mainstay import pack_model


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A workspace with a version that is live, and a second one that is not."""
    folder = tmp_path_factory.mktemp("template") / "shop"
    pack_model(folder)
    open_workspace(folder).deploy("sums", 1, "first")
    pack_model(folder, bias=1.0)
    return folder


@pytest.fixture
def shop(template, tmp_path) -> Workspace:
    """A copy of it: a workspace may be moved as a whole."""
    shutil.copytree(template, tmp_path / "shop")
    return open_workspace(tmp_path / "shop")


def writer_of(shop: Workspace, start: str = "") -> OrderWriter:
    return OrderWriter(shop, shop.bring, start)


def orders(shop: Workspace) -> Orders:
    return msgspec.json.decode((shop.places.run / "orders.json").read_bytes(), type=Orders)


def numbers(shop: Workspace) -> dict[str, int]:
    return {order.route.model: order.route.number for order in orders(shop).orders}


def test_orders_follow_routes_and_keys_and_change_only_when_they_do(shop):
    """S5: what workers read is replaced when something changed, and only then."""
    writer = writer_of(shop)
    writer.look()
    assert orders(shop).environment == "production"
    assert numbers(shop) == {"sums": 1}
    (folder,) = map(Path, orders(shop).orders[0].folders.values())
    assert (folder / "manifest.json").is_file()
    stamp = (shop.places.run / "orders.json").stat().st_mtime_ns
    writer.look()
    assert (shop.places.run / "orders.json").stat().st_mtime_ns == stamp
    shop.deploy("sums", 2, "second")
    writer.look()
    assert numbers(shop) == {"sums": 2}
    secret, key = create_key(shop.keys, "checkout")
    writer.look()
    assert [each.id for each in orders(shop).keys] == [key.id]
    assert secret.encode() not in (shop.places.run / "orders.json").read_bytes()
    revoke_key(shop.keys, key.id)
    writer.look()
    assert orders(shop).keys == ()


def test_with_the_database_away_the_last_orders_stay(shop):
    """S5: a keeper that starts while the database is away changes nothing, and says so."""
    writer_of(shop).look()
    before = (shop.places.run / "orders.json").read_bytes()
    database = shop.places.root / "mainstay.db"
    database.unlink()
    database.mkdir()
    with pytest.raises(StorageFailed):
        writer_of(open_workspace(shop.places.root)).look()
    assert (shop.places.run / "orders.json").read_bytes() == before


def test_with_the_database_away_the_first_look_confirms_the_last_orders(shop):
    """S5: what was in force is in force in this server start as well; where nothing ever was,
    nothing is said, so that no worker calls itself ready."""
    writer_of(shop, "before").look()
    database = shop.places.root / "mainstay.db"
    database.unlink()
    database.mkdir()
    away = open_workspace(shop.places.root)
    before = orders(shop)
    writer = writer_of(away, "now")
    writer.first()
    after = orders(shop)
    assert (before.start, after.start) == ("before", "now")
    assert (after.orders, after.keys) == (before.orders, before.keys)
    with pytest.raises(StorageFailed):
        writer.look()
    (shop.places.run / "orders.json").unlink()
    writer_of(away, "now").first()
    assert not (shop.places.run / "orders.json").exists()


def test_the_first_look_is_what_is_in_force_now_and_not_what_was(shop):
    """S1 S5: under the mark of this start, and written anew where a command wrote over it."""
    _, key = create_key(shop.keys, "checkout")
    writer_of(shop, "before").look()
    revoke_key(shop.keys, key.id)
    shop.deploy("sums", 2, "while nobody served")
    writer = writer_of(shop, "now")
    writer.first()
    assert (orders(shop).start, orders(shop).keys, numbers(shop)) == ("now", (), {"sums": 2})
    writer_of(shop).look()
    assert orders(shop).start == ""
    writer.look()
    assert orders(shop).start == "now"


def test_a_version_that_cannot_be_brought_here_leaves_the_one_before(shop):
    """S9: a damaged bundle in the store is refused by name; the old version stays in force."""
    writer = writer_of(shop)
    writer.look()
    second = shop.registry.find("sums", 2)
    shop.chain.append(draft("sums", 2, second.fingerprint, "somebody", "past the check"), 1)
    for folder in shop.places.cache.glob(f"{second.fingerprint}*"):
        folder.rename(shop.places.root / "gone")
    bundle = shop.places.root / "bundles" / f"{second.fingerprint}.mainstay"
    whole = bundle.read_bytes()
    bundle.chmod(0o644)
    bundle.write_bytes(whole[:-1000] + bytes(1000))
    with pytest.raises(StorageFailed, match="sums v2"):
        writer.look()
    assert numbers(shop) == {"sums": 1}
    bundle.write_bytes(whole)
    writer.look()
    assert numbers(shop) == {"sums": 2}


def test_what_is_unpacked_here_is_not_fetched_again_and_is_checked_all_the_same(shop):
    """S5 S9: a server follows at once what was deployed on its machine, store or no store, and
    what is damaged here is fetched anew."""
    version = shop.registry.find("sums", 2)
    bundle = shop.places.root / "bundles" / f"{version.fingerprint}.mainstay"
    folder = shop.bring(version.fingerprint)
    away = bundle.rename(shop.places.root / "away")
    assert shop.bring(version.fingerprint) == folder
    with pytest.raises(NotFound):
        shop.unpacked(version.fingerprint)
    (model,) = (folder / "model").iterdir()
    model.chmod(0o644)
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    with pytest.raises(NotFound):
        shop.bring(version.fingerprint)
    away.rename(bundle)
    assert shop.bring(version.fingerprint) == folder
    assert model.read_bytes()[-1:] != b"!"


def test_a_damaged_version_cannot_be_deployed(shop):
    second = shop.registry.find("sums", 2)
    bundle = shop.places.root / "bundles" / f"{second.fingerprint}.mainstay"
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(InvalidBundle):
        shop.deploy("sums", 2, "broken")
    current = shop.chain.current("sums")
    assert current is not None
    assert current.number == 1
    events = shop.journal.query("select kind from events").to_pylist()
    assert {"kind": "refusal"} in events


def test_the_cache_is_tidied_of_what_was_not_in_force_lately(shop):
    """Whoever is about to deploy a version finds it still there."""
    writer = writer_of(shop)
    writer.look()
    stale = shop.places.cache / ("0" * 64)
    stale.mkdir()
    tried = shop.bring(shop.registry.find("sums", 2).fingerprint)
    live = Path(*orders(shop).orders[0].folders.values())
    for folder in (stale, tried, live):
        os.utime(folder, (1, 1))
    shop.bring(tried.name)
    writer.tidy()
    assert not stale.exists()
    assert tried.is_dir()
    assert live.is_dir()
    os.utime(tried, (1, 1))
    writer.tidy()
    assert not tried.exists()


def test_orders_carry_every_version_of_a_route_and_an_arm_that_is_away_stops_nothing(shop):
    """S31: the live version is ordered all the same, and the duty says which arm is missing."""
    live, second = (shop.registry.find("sums", number) for number in (1, 2))
    arms = (
        Arm(role="share", number=2, fingerprint=second.fingerprint, share=0.1),
        Arm(role="shadow", number=3, fingerprint="0" * 64, share=1.0),
    )
    shop.chain.append(draft("sums", 1, live.fingerprint, arms=arms, salt="s"), 1)
    with pytest.raises(StorageFailed, match=r"sums v3 \(shadow\)"):
        writer_of(shop).look()
    (order,) = orders(shop).orders
    assert order.route.arms == arms
    assert order.folders.keys() == {live.fingerprint, second.fingerprint}
    assert all(Path(folder).is_dir() for folder in order.folders.values())
    writer = writer_of(shop)
    with pytest.raises(StorageFailed):
        writer.look()
    writer.tidy()
    assert all(Path(folder).is_dir() for folder in order.folders.values())
