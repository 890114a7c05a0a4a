"""S11 S12: features that do not come out again as they were served are found and named."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from mainstay.base.clock import ManualClock
from mainstay.bundle.extracting import Extracted
from mainstay.cli import cli
from mainstay.contract.columns import encode
from mainstay.release.gate.gather import Opened
from mainstay.renew.skew.compare import (
    ALONE,
    OTHERWISE,
    TWICE,
    Hints,
    compare,
    other_releases,
)
from mainstay.renew.skew.sample import drawn
from mainstay.wiring.gating import extractor_changed
from mainstay.wiring.packing import pack
from mainstay.wiring.skewing import SkewKeeper
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.renew.extractors import doubled, honest, renamed, shifty
from tests.renew.kitchen import Kitchen, inputs_of, pack_rule
from tests.renew.shop import Shop
from tests.servers.mainstay import CONTRACT, onnx_model

HONEST = {"sum", "root", "bin", "up", "word", "length"}
SHIFTY = {"clock", "chance", "state", "batch", "zone", "hour"}


def run(folder: Path, *arguments: str) -> Result:
    given = ["experiment", "skew", *arguments, "--workspace", str(folder)]
    result = CliRunner().invoke(cli, given, prog_name="mainstay")
    assert "Traceback" not in result.output, result.output
    return result


def told(result: Result) -> dict[str, Any]:
    return json.loads(result.output)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1 is honest and decided 60 rows, v2 is shifty and decided 60 more, v3 made nothing yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        kitchen = Kitchen(tmp_path_factory.mktemp("skew") / "shop", honest)
        pack_rule(kitchen.folder, shifty, 6.0)
        pack_rule(kitchen.folder, renamed, 7.0)
        for number in (1, 2):
            kitchen.serve(number)
            for seed in range(3):
                kitchen.decide(kitchen.rows(20, seed))
        kitchen.close()
        kitchen.workspace.deploy("sums", 2, "second")
    return kitchen.folder


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def test_an_extractor_that_makes_the_same_again_passes(template: Path):
    """Numbers, missing ones, whole ones, truth values, text and vectors, bit for bit."""
    result = run(template, "sums", "--version", "v1", "--json")
    assert result.exit_code == 0, result.output
    found = told(result)
    assert (found["version"], found["rows"], found["left_out"]) == (1, 60, 0)
    assert found["compared"] == {
        "skewed": [], "noisy": [], "same": len(HONEST), "gone": [], "new": [],
    }  # fmt: skip
    assert [each["verdict"] for each in found["findings"]] == ["pass"]


def test_features_that_depend_on_something_else_are_named_with_the_reason(
    template: Path, monkeypatch: pytest.MonkeyPatch
):
    """How often, how far, an example, and what it may be; honest features beside them pass."""
    monkeypatch.setenv("TZ", "Europe/Zurich")
    result = run(template, "sums", "--json")  # the version that answers
    assert result.exit_code == 1
    found = told(result)
    assert found["version"] == 2
    assert found["compared"]["same"] == len(HONEST)
    skewed = {each["feature"]: each for each in found["compared"]["skewed"]}
    assert skewed.keys() == SHIFTY
    assert {each["check"] for each in found["findings"]} == {f"skew: {name}" for name in SHIFTY}
    causes = {name: each["causes"][0] for name, each in skewed.items()}
    assert causes == {
        "clock": TWICE, "chance": TWICE, "state": TWICE, "hour": TWICE,
        "batch": ALONE, "zone": OTHERWISE,
    }  # fmt: skip
    zone = skewed["zone"]
    assert (zone["rows"], zone["of"], zone["furthest"]) == (60, 60, 10.0)
    assert (zone["example"]["logged"], zone["example"]["made"]) == (3.0, 13.0)
    assert "the code reads" in zone["causes"][1]
    for read in ("the clock (time.time", "chance (numpy.random", "between calls (SEEN)", "os.envi"):
        assert read in zone["causes"][1]
    assert skewed["hour"]["furthest"] is None
    journal = open_workspace(template).journal
    for name in ("clock", "batch"):
        example = skewed[name]["example"]
        assert journal.find(example["decision"]).features[name] == example["logged"]


def test_the_example_is_the_decision_that_is_the_furthest(shop: Path):
    """Noise is told apart from a difference, and counted as such (S12)."""
    kitchen = Kitchen.__new__(Kitchen)
    Shop.__init__(kitchen, shop, made=True)
    rows = kitchen.rows(20, 5)
    made = kitchen.loaded.extract(inputs_of(rows))
    made["sum"] = np.nextafter(made["sum"], np.inf)
    made["bin"] = made["bin"] + 0.25  # whole numbers in every other run
    made["length"] = made["length"].copy()
    made["length"][[3, 7]] += [0.5, 2.0]
    ids = kitchen.decide(rows, made=made)
    kitchen.close()
    result = run(shop, "sums", "--version", "1", "--json")
    assert result.exit_code == 1
    compared = told(result)["compared"]
    assert compared["noisy"] == ["sum"]
    bins, length = compared["skewed"]
    assert (bins["feature"], bins["rows"], bins["furthest"]) == ("bin", 20, 0.25)
    assert (length["feature"], length["rows"], length["of"]) == ("length", 2, 80)
    assert length["furthest"] == pytest.approx(2.0)
    assert length["example"]["decision"] == ids[7]


def test_the_gate_says_that_the_extractor_is_another(template: Path):
    """Before it serves; it fails nobody, and of the same extractor nothing is said."""
    opened = open_workspace(template)
    versions = [
        Opened(
            number=number, fingerprint=here.fingerprint, folder=here.folder, manifest=here.manifest
        )
        for number in (1, 2, 3)
        for here in [opened.here(opened.registry.find("sums", number).fingerprint)]
    ]
    (found,) = extractor_changed(versions[2], versions[0])
    assert (found.check, found.verdict) == ("extractor", "pass")
    assert "skew sums --version 1 --against 3`" in found.words
    assert extractor_changed(versions[0], versions[0]) == []
    assert extractor_changed(versions[0], None) == []
    plain = structs.replace(versions[1], manifest=structs.replace(versions[1].manifest, code=None))
    assert "no extractor, where v1 has one" in extractor_changed(plain, versions[0])[0].words
    assert "an extractor, where v2 has none" in extractor_changed(versions[0], plain)[0].words


def test_another_release_of_a_library_is_named():
    """Of those that the extractor imports."""
    before = {"numpy": "1.9", "scipy": "1.0"}
    assert other_releases(before, {"numpy": "1.9", "pandas": "3.0"}) == ()
    (said,) = other_releases(before, {"numpy": "2.0"})
    assert said == "numpy is 2.0 now and was 1.9 when it was packed"
    seen = Extracted(
        rows=np.array([0]), features={"x": np.array([2.0])}, again=frozenset(), alone=frozenset()
    )
    found = compare(["d"], {"x": np.array([1.0])}, seen, Hints(libraries=(said,)))
    assert found.skewed[0].causes == (OTHERWISE, said)


def test_what_another_extractor_would_make_is_seen_before_it_serves(template: Path):
    """--against: the features that come out otherwise, by name; the same extractor changes none."""
    result = run(template, "sums", "--version", "1", "--against", "v3", "--json")
    assert result.exit_code == 1
    compared = told(result)["compared"]
    assert [each["feature"] for each in compared["skewed"]] == ["bin"]
    assert compared["skewed"][0]["causes"] == []
    assert (compared["gone"], compared["new"]) == (["root"], ["more"])
    said = " ".join(run(template, "sums", "--version", "1", "--against", "v3").output.split())
    assert "bin" in said
    assert "of 60" in said
    assert "1 features come out otherwise; 4 bit for bit as they were, 0 but for noise" in said
    assert "not made root" in said
    assert "new more" in said


def test_a_model_fed_with_a_matrix_of_32_bits(tmp_path: Path):
    """What was logged is what the model got, rounded as it was."""
    contract = tmp_path / "sums.yaml"
    contract.write_text(CONTRACT)
    pack(
        "sums", model=onnx_model(), features=doubled, confidence=Shop.rows(20), contract=contract,
        workspace=tmp_path / "shop", classes=("low", "high"), quiet=True,
    )  # fmt: skip
    shop = Shop(tmp_path / "shop", made=True)
    rows = shop.rows(30, 1)
    features = shop.loaded.extract({name: rows[:, at] for at, name in enumerate("abc")})
    assert [each.dtype for each in features.values()] == [np.float32]
    shop.decide(rows, features=encode(features))
    shop.close()
    result = run(shop.folder, "sums", "--json")
    assert result.exit_code == 0, result.output
    assert told(result)["compared"]["same"] == 3


def test_a_version_without_extractor_and_one_without_decisions(template: Path, tmp_path: Path):
    """One has nothing to get wrong; of the other nothing is known, which does not pass."""
    none = run(template, "sums", "--version", "3")
    assert none.exit_code == 1
    assert "nothing to make again" in " ".join(none.output.split())
    for wrong in (["--version", "vx"], ["--rows", "0"], ["--rows", "20001"]):
        assert run(template, "sums", *wrong).exit_code == 2
    shop = Shop(tmp_path / "shop")
    shop.decide(shop.rows(3))
    shop.close()
    plain = run(shop.folder, "sums")
    assert plain.exit_code == 0
    assert "its features are its inputs" in " ".join(plain.output.split())


def test_decisions_are_drawn_by_their_ids(template: Path):
    """The same ones each time, others with another salt, never more than asked, none from before."""
    workspace = open_workspace(template)
    query, mark = workspace.journal.query, workspace.registry.find("sums", 1).fingerprint
    every = drawn(query, mark, 0, 100)
    assert len(every) == 60
    some = drawn(query, mark, 0, 10)
    assert len(some) == 10
    assert some == sorted(some)
    assert set(some) < set(every)
    assert some == drawn(query, mark, 0, 10) != drawn(query, mark, 0, 10, "another")
    later = int(every[20][:12], 16)
    assert drawn(query, mark, later, 100) == every[20:]


def told_of(workspace: Workspace) -> Counter[tuple[str, str]]:
    """What was told how often; on a clock that stands still nothing is before anything."""
    table = workspace.journal.query(
        "SELECT body FROM events WHERE kind = 'finding' AND actor = 'skew'"
    )
    bodies = [json.loads(text) for text in table.column("body").to_pylist()]
    return Counter((body["check"], body["state"]) for body in bodies)


class SlowClock(ManualClock):
    """Whatever is measured by it takes ten seconds; on the wall it stands still."""

    passed_ns = 0

    def elapsed_ns(self) -> int:
        self.passed_ns += 10_000_000_000
        return self.passed_ns


def looks(keeper: SkewKeeper, clock: SlowClock, *after: int) -> None:
    """Look after so many seconds each time."""
    for seconds in after:
        clock.passed_ns += seconds * 1_000_000_000
        keeper.look()


def test_the_keeper_tells_what_begins_and_what_ends(shop: Path, monkeypatch: pytest.MonkeyPatch):
    """Once each, over restarts, as any other finding; a bundle that is gone is one as well, because
    a check that cannot run is a failing check."""
    monkeypatch.setenv("TZ", "UTC")
    workspace = open_workspace(shop)
    clock = workspace.clock = SlowClock(workspace.clock.now_ns())
    looks(SkewKeeper(workspace), clock, 0, 700)
    begun = Counter((f"skew: {name}", "opened") for name in SHIFTY - {"zone"})
    assert told_of(workspace) == begun
    keeper = SkewKeeper(workspace)  # a keeper that starts anew says nothing again
    looks(keeper, clock, 0, 700)
    assert told_of(workspace) == begun
    workspace.deploy("sums", 1, "back")
    looks(keeper, clock, 0, 650)  # a test that took ten seconds is rested from for 990
    assert told_of(workspace) == begun
    looks(keeper, clock, 100_000, 700)
    before = begun + Counter((check, "resolved") for check, _ in begun)
    assert told_of(workspace) == before
    mark = workspace.registry.find("sums", 1).fingerprint
    kept = [Path(workspace.places.bundles), workspace.places.cache / mark]
    aside = [shop / "aside", shop / "aside-too"]
    for folder, away in zip(kept, aside, strict=True):
        folder.rename(away)
    looks(keeper, clock, 100_000, 700)
    assert told_of(workspace) - before == Counter([("skew", "opened")])
    refused = run(shop, "sums")
    assert refused.exit_code == 1
    assert "the store has no version" in " ".join(refused.output.split())
    for folder, away in zip(kept, aside, strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)
    looks(keeper, clock, 100_000, 700)
    assert told_of(workspace) - before == Counter([("skew", "opened"), ("skew", "resolved")])
