"""S30: a chain that cannot do what it says is refused when the version is to go live, and the
keeper finds for the workers what each step comes to."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mainstay.release.cascade import Breaks
from mainstay.release.gate.run import Wish
from mainstay.serve.routes.model import Order, Orders
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.packing import pack
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import CONTRACT, onnx_model, pack_model

ROWS = np.linspace(0, 1, 60).reshape(20, 3)


def pack_lite(workspace: Path, bias: float = 0.0, text: str = CONTRACT) -> None:
    file = workspace.parent / "lite.yaml"
    file.write_text(text.replace("model: sums", "model: lite"))
    pack(
        "lite", model=onnx_model(bias), confidence=ROWS, contract=file, workspace=workspace,
        classes=("low", "high"), quiet=True,
    )  # fmt: skip


def pack_sums(workspace: Path, chain: str) -> None:
    file = workspace.parent / "sums.yaml"
    file.write_text(f"{CONTRACT}\njudge: {{fallback: {chain}}}\n")
    pack(
        "sums", model=onnx_model(0.0), confidence=ROWS, contract=file, workspace=workspace,
        classes=("low", "high"), quiet=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """`sums` v2 falls back on `lite`, v3 on its own v1, v4 on a version that is not there."""
    folder = tmp_path_factory.mktemp("template") / "shop"
    pack_model(folder)
    pack_sums(folder, "[lite, {say: Later.}]")
    pack_sums(folder, "[{model: sums, version: 1}]")
    pack_sums(folder, "[{model: lite, version: 9}]")
    pack_lite(folder)
    pack_lite(folder, bias=0.5)
    pack_lite(folder, text=CONTRACT.replace("  c: {", "  d: {"))
    return folder


@pytest.fixture
def shop(template, tmp_path) -> Workspace:
    shutil.copytree(template, tmp_path / "shop")
    return open_workspace(tmp_path / "shop")


UNSURE = Wish(unsure=True, reason="a test has few rows")


def order_of(shop: Workspace) -> Order:
    orders = msgspec.json.decode((shop.places.run / "orders.json").read_bytes(), type=Orders)
    return next(order for order in orders.orders if order.route.model == "sums")


def refused(shop: Workspace, model: str, number: int) -> str:
    with pytest.raises(Breaks) as told:
        shop.deploy(model, number, "try", wish=UNSURE)
    return str(told.value.got)


def test_a_chain_that_cannot_work_is_refused_before_the_version_is_live(shop):
    """S30: in words, with what to do; nothing has changed."""
    assert refused(shop, "sums", 2) == (
        "sums v2: its fallback lite: nothing answers for lite yet; deploy it first"
    )
    assert "its fallback lite v9: there is no such version here; its newest is 3" in refused(
        shop, "sums", 4
    )
    shop.deploy("lite", 3, "first")
    assert "lite v3 cannot be its fallback: it takes the input 'd', which sums has not" in refused(
        shop, "sums", 2
    )
    assert shop.chain.current("sums") is None


def test_a_version_that_others_fall_back_on_must_still_fit_them(shop):
    """S30 S13: what stands in is not changed into something that cannot."""
    shop.deploy("lite", 1, "first")
    shop.deploy("sums", 2, "first")
    assert "sums v2 falls back on lite, and lite v3 cannot: it takes the input 'd'" in refused(
        shop, "lite", 3
    )
    shop.deploy("lite", 2, "fits", wish=UNSURE)


def test_orders_name_what_each_step_comes_to_now(shop):
    """S30: the version in force, or the one with that number, brought to this machine; a step
    whose model has no route any more is left out."""
    writer = OrderWriter(shop, shop.bring)
    shop.deploy("lite", 1, "first")
    shop.deploy("sums", 2, "first")
    for number in (1, 2):
        shop.deploy("lite", number, "next", wish=UNSURE)
        writer.look()
        order = order_of(shop)
        assert {key: each.number for key, each in order.fallbacks.items()} == {"lite": number}
        folder = Path(order.folders[order.fallbacks["lite"].fingerprint])
        assert (folder / "manifest.json").is_file()
    before = (shop.places.run / "orders.json").stat().st_mtime_ns
    writer.look()
    assert (shop.places.run / "orders.json").stat().st_mtime_ns == before
    shop.deploy("sums", 3, "its own first version", wish=UNSURE)
    writer.look()
    assert {key: each.number for key, each in order_of(shop).fallbacks.items()} == {"sums v1": 1}
