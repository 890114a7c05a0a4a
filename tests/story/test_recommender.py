"""A recommender on a real server: lists are shown, something is taken, and the command tells how it
fares."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mainstay.wiring.packing import pack
from tests.servers.mainstay import mainstay, start_server
from tests.servers.until import until

pytestmark = pytest.mark.slow

ITEMS = ("coat", "hat", "scarf", "shirt", "shoes", "socks")
CONTRACT = f"""\
model: shop
inputs:
  user: {{type: integer, min: 0, source: the table of accounts}}
  warm: {{type: number, min: -10, max: 10}}
output: {{type: ranking, items: [{", ".join(ITEMS)}], top: 2}}
release: {{unit: user}}
expect: [click-through rate >= 5 % over 1 day]
"""


def model() -> bytes:
    """Coats first where it is cold, shirts where it is warm; hats always second."""
    weights = np.zeros((2, 6), dtype=np.float32)
    weights[1] = [-1.0, 0.0, -0.5, 1.0, 0.0, 0.1]
    bias = np.array([0.0, 0.6, 0.0, 0.0, -3.0, -3.0], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["scores"]),
        ],
        "shop",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 6])],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [2, 6], weights.ravel()),
            helper.make_tensor("b", TensorProto.FLOAT, [6], bias),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def test_from_lists_to_what_became_of_them(tmp_path: Path) -> None:
    """M15 M3 M25: shown, taken, new people and items; by the command, as JSON, and on a page."""
    folder, contract = tmp_path / "shop", tmp_path / "shop.yaml"
    contract.write_text(CONTRACT)
    generator = np.random.default_rng(1)
    rows = {"user": generator.integers(0, 60, 400), "warm": generator.normal(0, 3, 400)}
    taken = [("coat", "hat", "shirt", "shirt")[at % 4] for at in range(400)]
    pack(
        "shop", model=model(), confidence=(rows, taken), contract=contract, workspace=folder,
        quiet=True,
    )  # fmt: skip
    assert mainstay("deploy", "shop", workspace=folder).returncode == 0
    server = start_server(folder, "--workers", "1")
    try:
        until(lambda: server.report.workers and server.complete(), what=server.said())
        asked = [{"inputs": {"user": n, "warm": float(n % 7 - 3)}} for n in range(40, 140)]
        status, answer = server.ask("POST", "/models/shop/decide", {"rows": asked})
        assert status == 200, answer
        decisions = answer["rows"]
        assert decisions[0]["answer"][0] in ITEMS
        for place, decision in enumerate(decisions[:30]):
            item = decision["answer"][0] if place < 20 else "socks"
            told, said = server.ask("POST", f"/decisions/{decision['id']}/outcome",
                                    {"label": item, "model": "shop"})  # fmt: skip
            assert told in {200, 201, 202}, said
    finally:
        server.stop()
    page = tmp_path / "shop.html"
    shown = mainstay("watch", "shop", "--json", "--html", str(page), workspace=folder)
    assert shown.returncode == 0, shown.stderr
    (version,) = json.loads(shown.stdout)[0]["versions"]
    metrics = {each["name"]: each for each in version["metrics"]}
    assert (metrics["click-through rate"]["figure"], metrics["click-through rate"]["rows"]) == (
        0.2, 100,
    )  # fmt: skip
    lists = version["recommended"]
    assert lists["diversity"]["lists"] == 100
    lists_of = [tuple(each["answer"]) for each in decisions]
    assert lists["diversity"]["coverage"] == len({i for each in lists_of for i in each}) / 6
    pairs = [len({*a} & {*b}) / 2 for n, a in enumerate(lists_of) for b in lists_of[:n]]
    assert lists["diversity"]["overlap"] == pytest.approx(np.mean(pairs))
    found = {each["name"]: each["figure"] for each in lists["metrics"]}
    assert found["new items"] == pytest.approx(10 / 30)
    assert found["new units"] == pytest.approx(0.8)
    assert found["hit rate of the unseen"] == 0.0
    said = mainstay("watch", "shop", workspace=folder)
    assert "100 lists in 7 days" in said.stdout
    assert "click-through rate 0.2" in " ".join(said.stdout.split())
    assert "what two lists share" in page.read_text()
