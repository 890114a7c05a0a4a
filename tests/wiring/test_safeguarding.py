"""A safeguard that is trained on what was logged and turned out (S22 S8)."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from mainstay.base.errors import InvalidUsage
from mainstay.cli import cli
from mainstay.contract.model import Probability
from mainstay.journal.model import STATUSES
from mainstay.judge.learning import LABELS_MIN, WRONG_MIN
from mainstay.release.gate.run import Wish
from mainstay.serve.pipeline import layout_of
from mainstay.wiring.duties import duties_of
from mainstay.wiring.guarding import SafeguardKeeper
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.safeguarding import effect, logged, trained
from tests.servers.mainstay import CONTRACT, pack_model
from tests.wiring.test_refreshing import Shop

GUARDED = CONTRACT + "judge: {safeguard: {at_most: 0.4}}\n"
HELD, DECLINED = STATUSES.index("held"), STATUSES.index("declined")


def world(count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Rows, and the truth: the model is right but for where a and b are large, where it mostly is
    not, whatever it says."""
    random = np.random.default_rng(seed)
    rows = random.uniform(-1, 1, (count, 3))
    high = rows @ [1.0, 2.0, 3.0] > 0
    odd = (rows[:, 0] > 0.4) & (rows[:, 1] > 0) & (random.random(count) < 0.9)
    return rows, ["high" if each else "low" for each in high ^ odd]


def command(shop: Shop, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["safeguard", *arguments, "--workspace", str(shop.workspace.places.root)]
    )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop", written=GUARDED)


def lived(shop: Shop, count: int, seed: int = 0, **changes: Any) -> list[str]:
    """Decisions of a time, each with its outcome."""
    rows, truth = world(count, seed)
    made = shop.decide(rows, **changes)
    shop.hear(list(truth), made)
    return made


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Result]:
    """A workspace with a past, and what the command said."""
    shop = Shop(tmp_path_factory.mktemp("taught") / "shop", written=GUARDED)
    lived(shop, 1200)
    return shop, command(shop, "train", "sums", "--json")


def test_it_learns_where_the_model_is_wrong_and_goes_live(taught: tuple[Shop, Result]) -> None:
    """S22: what is wrong in one region is told from the rest, better than confidence tells it;
    the version is made for the one whose errors it learned, and passes the gate as any other."""
    shop, told = taught
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    learned = found["learned"]
    assert learned["auc"] > 0.9 > learned["confidence_auc"]
    assert learned["interval"][0] < learned["auc"] < learned["interval"][1]
    version = shop.workspace.registry.find("sums-safeguard")
    assert version.card.upstream == {"sums": shop.version.fingerprint}
    assert version.card.window is not None
    assert version.card.snapshot.startswith("outcomes of sums v1, ")
    assert version.card.metrics["roc_auc"] == pytest.approx(learned["auc"], abs=1e-3)
    route = shop.workspace.chain.current("sums-safeguard")
    assert route is not None
    assert (route.fingerprint, found["strategy"]) == (version.fingerprint, "direct")
    contract = shop.workspace.unpacked(version.fingerprint).manifest.contract
    assert contract.output == Probability(classes=("right", "wrong"))
    assert list(contract.inputs) == [
        "a", "b", "c", "said_answer", "said_confidence", "said_probabilities",
    ]  # fmt: skip
    loaded = shop.workspace.load(version)
    there = {"a": 0.9, "b": 0.9, "c": -0.2}, {"a": -0.9, "b": 0.9, "c": -0.2}
    risks: list[float] = []
    for row in there:
        said = np.array([[0.2, 0.8]])
        shown = {name: np.array([value]) for name, value in row.items()} | {
            "said_answer": np.array(["high"], dtype=object),
            "said_confidence": np.array([0.8]),
            "said_probabilities": said,
        }
        risks.append(float(loaded.predict(loaded.extract(shown))[0, 1]))
    assert risks[0] > 0.4 > risks[1]


def test_only_what_somebody_was_answered_and_what_turned_out_teaches(shop: Shop) -> None:
    """S22: the first outcome that is a class; no shadow, nobody held out, nothing held back; what
    was declined counts, silence does not; other versions' decisions are theirs."""
    made = lived(shop, 30)
    shop.hear(["low"] * 30, made)  # later ones change nothing
    lived(shop, 7, 1, statuses=bytes([DECLINED] * 7), reasons={0: "why"})
    lived(shop, 4, 2, statuses=bytes([HELD] * 4))
    lived(shop, 3, 3, arm="shadow", shadows=tuple(made[:3]))
    lived(shop, 2, 4, arm="held_out")
    another = structs.replace(layout_of(shop.loaded, 2), fingerprint="f" * 64)
    shop.spool.describe(another)
    lived(shop, 6, 5, fingerprint="f" * 64)
    shop.decide(world(5, 6)[0])
    late = shop.decide(world(2, 7)[0])
    shop.hear(["nonsense", "nonsense"], late)
    shop.hear(["low", "high"], late)
    found = logged(shop.workspace, "sums", None, None)
    assert len(found.wrong) == 30 + 7 + 2
    rows = np.column_stack([found.inputs[name] for name in "abc"])
    assert rows[:30].tolist() == world(30)[0].tolist(), "oldest first"
    truth = world(30)[1]
    high = found.inputs["said_answer"][:30] == "high"
    assert found.wrong[:30].tolist() == [
        each != (label == "high") for each, label in zip(high, truth, strict=True)
    ]
    assert np.isnan(found.risk).all()
    shop.clock.advance(7200)
    assert len(logged(shop.workspace, "sums", None, 3_600_000_000_000).wrong) == 0


def test_too_few_are_refused_with_how_many_are_needed(shop: Shop) -> None:
    """S22: absence of labels is no model; in words, exit 1, and nothing is kept."""
    told = command(shop, "train", "sums")
    assert told.exit_code == 1
    assert f"{LABELS_MIN} with at least {WRONG_MIN} wrong" in " ".join(told.stdout.split())
    rows, _ = world(LABELS_MIN)
    made = shop.decide(rows)
    shop.hear(["high" if row @ [1.0, 2.0, 3.0] > 0 else "low" for row in rows], made)
    found = trained(shop.workspace, "sums", None, None, None)
    assert (found.version, found.learned.verdict) == (None, "unsure")
    assert f"{LABELS_MIN} decisions with a known outcome, 0 of them wrong" in found.learned.words
    assert not shop.workspace.registry.versions("sums-safeguard")


def test_what_cannot_be_told_from_chance_is_no_safeguard(shop: Shop) -> None:
    """S22: a model that is wrong at random teaches nothing; said in words."""
    rows, _ = world(600)
    made = shop.decide(rows)
    shop.hear(np.random.default_rng(3).choice(["low", "high"], 600).tolist(), made)
    found = trained(shop.workspace, "sums", None, None, None)
    assert found.version is None
    assert "0.5 is chance" in found.learned.words


def test_a_new_version_of_the_model_goes_live_without_its_safeguard(
    taught: tuple[Shop, Result],
) -> None:
    """S22 S13: what learned the errors of the old version keeps no new one from going live; going
    back brings it into its own again."""
    shop, _ = taught
    pack_model(shop.workspace.places.root, bias=0.25, written=GUARDED)
    shop.workspace.deploy("sums", 2, "newer", wish=Wish(unsure=True, reason="a test has few rows"))
    guard = shop.workspace.chain.current("sums-safeguard")
    assert guard is not None
    assert guard.number == 1
    shop.workspace.rollback("sums", None, "back")


def test_who_has_no_safeguard_is_told_so(shop: Shop, tmp_path: Path) -> None:
    """S22: the effect of nothing is no figure."""
    told = command(shop, "effect", "sums")
    assert told.exit_code == 1
    assert "would do" in told.stdout
    plain = Shop(tmp_path / "other")
    assert "has no safeguard" in command(plain, "effect", "sums").stderr
    with pytest.raises(InvalidUsage, match="has no safeguard"):
        effect(plain.workspace, "sums", None, None)


def auto(shop: Shop) -> tuple[SafeguardKeeper, list[str], Any]:
    said: list[str] = []
    route = shop.workspace.chain.current("sums")
    assert route is not None
    return SafeguardKeeper(shop.workspace, said.append), said, route


def findings(shop: Shop) -> list[dict[str, Any]]:
    table = shop.workspace.journal.query(
        "SELECT body FROM events WHERE kind = 'finding' AND actor = 'keeper' ORDER BY id"
    )
    bodies = [json.loads(body) for body in table.column("body").to_pylist()]
    return [body for body in bodies if body.get("check") == "safeguard"]


def test_a_keeper_trains_when_there_is_enough_and_again_at_twice_as_many(tmp_path: Path) -> None:
    """S22: `safeguard: auto`; each try once, and what came of it is an event."""
    shop = Shop(tmp_path / "shop", written=CONTRACT + "judge: {safeguard: auto}\n")
    keeper, said, route = auto(shop)
    lived(shop, LABELS_MIN - 1)
    keeper.look(route)
    assert said == []
    rows, _ = world(2)
    made = shop.decide(rows)
    shop.hear(["high" if row @ [1.0, 2.0, 3.0] > 0 else "low" for row in rows], made)
    keeper.look(route)
    keeper.look(route)
    (words,) = said
    assert words.startswith("Safeguard of sums v1: sums-safeguard v1 goes live; ")
    assert SafeguardKeeper(shop.workspace, said.append).look(route) is None
    lived(shop, LABELS_MIN, 5)
    keeper.look(route)
    assert len(said) == 1, "not yet twice as many, whichever keeper asks"
    lived(shop, 2, 6)
    SafeguardKeeper(shop.workspace, said.append).look(route)
    assert len(said) == 2
    found = findings(shop)
    assert [each["check"] for each in found] == ["safeguard"] * 2
    assert found[0]["verdict"] == "pass"
    assert found[0]["figure"] > found[0]["compared"]
    assert found[0]["samples"] == LABELS_MIN + 1


def test_a_keeper_without_the_libraries_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S22: nothing is trained, the finding names what is missing, and serving goes on."""
    shop = Shop(tmp_path / "shop", written=CONTRACT + "judge: {safeguard: auto}\n")
    lived(shop, LABELS_MIN + 200)
    said: list[str] = []
    writer = OrderWriter(shop.workspace, shop.workspace.bring)
    writer.look()
    duties = duties_of(writer, lambda: shop.workspace, said.append)
    (duty,) = (each for each in duties if each.name == "train safeguards")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "lightgbm.py").write_text("raise ImportError('it is not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden), prepend=os.pathsep)
    duty.run()
    duty.run()
    (finding,) = findings(shop)
    assert finding["verdict"] == "fail"
    assert "needs the library 'lightgbm'" in finding["words"]
    assert "pip install 'mainstay[pack]'" in finding["words"]
    assert len(said) == 1
    assert shop.workspace.chain.current("sums-safeguard") is None


def test_only_contracts_that_say_so_are_trained_for(tmp_path: Path) -> None:
    """S22: others are left alone by the duty, which reads each contract once."""
    shop = Shop(tmp_path / "shop", written=GUARDED)
    writer = OrderWriter(shop.workspace, shop.workspace.bring)
    writer.look()
    (route,) = writer.routes
    assert not writer.trains_safeguard(route)
    pack_model(shop.workspace.places.root, written=CONTRACT + "judge: {safeguard: auto}\n")
    shop.workspace.deploy("sums", 2, "auto", wish=Wish(force=True, reason="a test"))
    writer.look()
    (route,) = writer.routes
    assert writer.trains_safeguard(route)
