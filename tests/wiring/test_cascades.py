"""Models that feed each other, in a real workspace: S13, N9; configuration alone: O7; O18."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mainstay.base.errors import Conflict, NotAllowed
from mainstay.release.cascade import Breaks
from mainstay.release.gate.model import NotPassed
from mainstay.release.gate.run import Wish
from mainstay.wiring.packing import PackedVersion, pack
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import CONTRACT, mainstay, onnx_model, pack_model

ROWS = np.linspace(0, 1, 60).reshape(20, 3)


def pack_offers(
    workspace: Path, upstream: int | str, bias: float = 0.0, *, narrow: bool = False, **card
) -> PackedVersion:
    """A version of a model that takes the probability of `sums` as its first input."""
    text = CONTRACT.replace("model: sums", "model: offers")
    text = text.replace("a: {type: number,", "a: {type: number, from_model: sums,")
    if narrow:
        text = text.replace("c: {type: number, min: -100", "c: {type: number, min: -1")
    file = workspace.parent / "offers.yaml"
    file.write_text(text)
    return pack(
        "offers", model=onnx_model(bias), confidence=ROWS, contract=file, workspace=workspace,
        classes=("low", "high"), upstream={"sums": upstream}, card=card, quiet=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """`sums` v1 feeds `offers` v1, both live; v2 of `sums` waits, and nothing is made for it."""
    folder = tmp_path_factory.mktemp("template") / "shop"
    pack_model(folder)
    pack_offers(folder, 1)
    shop = open_workspace(folder)
    shop.deploy("sums", 1, "first")
    shop.deploy("offers", 1, "first")
    pack_model(folder, bias=0.001)
    return folder


@pytest.fixture
def shop(template, tmp_path) -> Workspace:
    shutil.copytree(template, tmp_path / "shop")
    return open_workspace(tmp_path / "shop")


def live(shop: Workspace) -> dict[str, int]:
    return {route.model: route.number for route in shop.chain.all_current()}


UNSURE = Wish(unsure=True, reason="a test has few rows")


def test_an_upstream_model_goes_live_with_what_was_made_for_it_or_not_at_all(shop):
    """N9: refused in words, then the whole set at one moment, then back at one moment."""
    root = shop.places.root
    with pytest.raises(Breaks, match="sums v2 cannot go live") as refused:
        shop.deploy("sums", 2, "", wish=UNSURE)
    assert "offers v1: it was made for another version of sums" in refused.value.got
    assert live(shop) == {"sums": 1, "offers": 1}
    made = pack_offers(root, shop.registry.find("sums", 2).fingerprint[:10], bias=0.002)
    assert made.version.card.upstream == {"sums": shop.registry.find("sums", 2).fingerprint}
    with pytest.raises(Breaks, match="offers v2 cannot go live") as early:
        shop.deploy("offers", 2, "", wish=UNSURE)
    assert "`mainstay deploy sums@2` changes both together" in early.value.got
    shown = mainstay(
        "deploy", "sums", "--dry-run", "--accept-unsure", "--reason", "a look", workspace=root
    )
    assert "Together, at one moment: sums v2, offers v2" in shown.stdout, shown.stderr
    assert live(shop) == {"sums": 1, "offers": 1}
    deployed = shop.deploy("sums", 2, "", wish=UNSURE)
    assert "and with it offers v2" in str(deployed)
    assert live(shop) == {"sums": 2, "offers": 2}
    assert shop.chain.current("offers").reason == "goes along with sums v2"
    assert "sums@2" in mainstay("status", workspace=root).stdout
    back = shop.rollback("sums", None, "worse")
    assert [(route.model, route.number) for route in back.along] == [("offers", 1)]
    assert live(shop) == {"sums": 1, "offers": 1}


def test_a_set_goes_live_directly(shop):
    """N9: a rollout of one of several would leave the others behind."""
    root = shop.places.root
    pack_offers(root, 2, bias=0.002)
    refused = mainstay("deploy", "sums", "--strategy", "canary", workspace=root)
    assert refused.returncode
    assert "a set goes live at one moment" in refused.stdout + refused.stderr
    assert live(shop) == {"sums": 1, "offers": 1}


def test_a_loop_through_training_data_is_accepted_by_name(shop):
    """S13: `offers` learned from itself; the gate names the path and asks."""
    pack_offers(shop.places.root, 1, bias=0.003, trained_on=["offers"])
    with pytest.raises(NotPassed) as asked:
        shop.deploy("offers", None, "")
    assert "training loop offers → offers" in [
        f"{each.check} {each.slice}" for each in asked.value.verdict.findings
    ]
    accepted = Wish(accept=("training loop",), unsure=True, reason="a test has few rows")
    deployed = shop.deploy("offers", None, "", wish=accepted)
    assert "training loop offers → offers" in shop.verdicts.find(deployed.verdict).accepted


def test_a_changed_contract_alone_is_a_version_through_the_same_gate(shop):
    """O7: same model, narrower inputs: a number of its own, and the gate names what breaks."""
    pack_offers(shop.places.root, 1, narrow=True)
    before, after = (
        shop.unpacked(shop.registry.find("offers", number).fingerprint).manifest
        for number in (1, 2)
    )
    assert before.files == after.files
    assert before.contract != after.contract
    verdict = shop.gate("offers", 2)
    assert not verdict.allows
    (broken,) = [each for each in verdict.findings if each.check == "contract"]
    assert broken.slice == "inputs.c.min changed"


def test_a_push_from_an_old_state_is_refused(shop):
    """O7, S5: who saw another epoch is told what happened since, at the terminal too."""
    with pytest.raises(Conflict, match="was first"):
        shop.deploy("offers", 1, "", expected_epoch=0)
    refused = mainstay("deploy", "offers@1", "--expected-epoch", "0", workspace=shop.places.root)
    assert refused.returncode
    assert "was first" in refused.stdout + refused.stderr


def test_a_process_of_another_environment_deploys_nothing(shop, monkeypatch):
    """O18: refused with both names; the workspace's own environment passes."""
    monkeypatch.setenv("MAINSTAY_ENVIRONMENT", "test")
    for verb in (shop.deploy, shop.rollback):
        with pytest.raises(NotAllowed, match=r"works for 'test' .* is 'production'"):
            verb("sums", 1, "")
    monkeypatch.setenv("MAINSTAY_ENVIRONMENT", "production")
    assert not shop.deploy("sums", 1, "").changed
