"""N11: new training data that made a model worse is found and named, and nothing else is."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mainstay.cli import cli
from mainstay.cli.output import Output
from mainstay.cli.suspects import show
from mainstay.renew.suspects.find import BESIDE, Finder, Inquiry, Told
from mainstay.renew.suspects.groups import Rows, groups_of
from mainstay.renew.suspects.model import Group, Suspected
from mainstay.renew.suspects.words import finding_of, suspects_of
from mainstay.wiring.workspace import open_workspace
from tests.renew.shop import Shop
from tests.renew.test_training import MODEL
from tests.servers.mainstay import CONTRACT

RENEW = """\
assets: {metric: accuracy, acceptable: [0.0, 1.0]}
renew: {train: "weights:good", time: 10s, memory_gb: 6, disk_gb: 0.02}
gate: {worse_by: 0.15}
"""
ROWS = 160


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that was trained on good labels, and then six hours, of which the labels of the
    first two say something else than what is so."""
    shop = Shop(tmp_path_factory.mktemp("suspects") / "shop", bias=1.0)
    for name in ("training", "contracts"):
        (shop.folder / name).mkdir(exist_ok=True)
    (shop.folder / "training" / "weights.py").write_text(MODEL)
    (shop.folder / "contracts" / "sums.yaml").write_text(CONTRACT + RENEW)
    shop.clock.jump(-86_400 * 3)
    hear(shop, range(3))
    shop.close()
    assert run(shop.folder, "retrain", "sums").exit_code == 0
    shop.open()
    hear(shop, range(10, 16), bad=range(10, 12))
    shop.close()
    return shop.folder


def hear(shop: Shop, hours: range, bad: range = range(0)) -> None:
    """Labels, hour by hour."""
    for hour in hours:
        rows = shop.rows(ROWS, hour)
        says = [1.0, -2.0, 0.0] if hour in bad else [1.0, 2.0, 3.0]
        told = np.where(rows @ says > 0, "high", "low")
        shop.hear(told.tolist(), shop.decide(rows))
        shop.clock.advance(3600)


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "shop"))


def run(shop: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(cli, [*arguments, "--workspace", str(shop)], prog_name="mainstay")
    assert "Traceback" not in result.output, result.output
    return result


def test_a_bad_stretch_is_named_and_what_to_type_helps(shop: Path) -> None:
    """N11: what was trained on it is worse; the stretch is named with how much, how many rows, and
    a command line that does what it says."""
    before = trained(shop)
    done = run(shop, "experiment", "data", "sums", "--by", "period", "--periods", "3", "--json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.output)
    assert found["version"] == 2  # by the snapshot on its card the rest is new
    assert (found["new"], found["trainings"]) == (6 * ROWS - 288, BESIDE + 3)
    named, *others = found["suspects"]
    assert [named["verdict"], *(each["verdict"] for each in others)] == ["fail", "pass", "pass"]
    assert named["rows"] == 2 * ROWS
    assert found["finding"]["words"].endswith(f"{named['name']} (320 rows)")
    newest = next(each for each in named["without"] if each["yardstick"] == "newest")
    low, high = newest["interval"]
    assert 0 < low < newest["better_by"] < high
    assert newest["rows"] == 288
    quarantine, again = named["next"]
    assert again == "mainstay retrain sums"
    assert run(shop, *shlex.split(quarantine)[1:]).exit_code == 0
    assert trained(shop) > before + 0.03
    # Nothing of it was kept.
    assert len(open_workspace(shop).registry.versions("sums")) == 2


def test_a_refusal_says_that_it_can_be_asked_why(shop: Path) -> None:
    """N7 N11: where a new version is worse than the one that answers, its finding names the
    command; where nothing is new, that is said."""
    contract = shop / "contracts" / "sums.yaml"
    contract.write_text(contract.read_text().replace("weights:good", "weights:worse"))
    done = run(shop, "retrain", "sums", "--json")
    assert done.exit_code == 1
    assert "`mainstay experiment data sums` finds which" in json.loads(done.output)["why_not"]
    old = open_workspace(shop).registry.find("sums", 2).card.snapshot
    done = run(shop, "experiment", "data", "sums", "--snapshot", old)
    assert done.exit_code == 2
    assert "v2, which answers, learned all of it" in " ".join(done.output.split())


def trained(shop: Path) -> float:
    """How good a model of what there is now is."""
    done = run(shop, "retrain", "sums", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)["metrics"]["accuracy"]


# The arithmetic, without processes -------------------------------------------------------------

N, NEWEST_ROWS, BEFORE_ROWS = 2_000, 600, 400
CALLERS = np.array(["desk", "phone", "shop", "web"], dtype=object)


def asked_about(plant: str, seed: int, before: int = BEFORE_ROWS) -> dict[str, str]:
    """The verdict on each group of a history with something planted; `moves`: nothing but the
    world itself."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(N + NEWEST_ROWS + before, 3))
    truth = rows @ [2.0, -1.0, 0.5] + draw.normal(size=len(rows)) > 0
    at = np.arange(len(rows))
    is_before = at >= N + NEWEST_ROWS
    caller = CALLERS[draw.choice(4, len(rows), p=[0.4, 0.3, 0.2, 0.1])]
    new = at[:N] >= N // 4
    label = truth.copy()
    if plant == "moves":
        moved = rows @ [-1.0, 2.0, 0.5] > 0
        label = np.where((at >= N // 4) & ~is_before, moved, label)
    bad = {"source": caller == "phone", "period": (at >= 1_000) & (at < 1_500)}.get(plant)
    if bad is not None:
        label = np.where(bad & (at >= N // 4) & ~is_before, rows[:, 1] > 0, label)

    def told(keep: np.ndarray) -> Told:
        learned = rows[:N][keep]
        weights = np.linalg.lstsq(learned, np.where(label[:N][keep], 1.0, -1.0), rcond=None)[0]
        chance = 1 / (1 + np.exp(-3 * (rows[N:] @ weights)))
        return Told(lost=(chance - label[N:]) ** 2, wrong=((chance > 0.5) != label[N:]) * 1.0)

    groups, _ = groups_of(Rows(
        times_us=at[:N] * 60_000_000, new=new, sources=caller[:N], versions=np.ones(N, dtype=object),
        newest_labels=np.where(label, "yes", "no").astype(object)[N : N + NEWEST_ROWS],
        newest_sources=caller[N : N + NEWEST_ROWS], parted={},
    ), periods=3)  # fmt: skip
    inquiry = Inquiry(told, new, NEWEST_ROWS, before, seed)
    found = Finder(inquiry, lambda _done, _total: None).find(groups)
    assert found.trainings >= BESIDE + len(groups)
    return {each.group.name: each.verdict for each in found.judged}


@pytest.mark.parametrize(("plant", "name"), [("source", "labels of phone"), ("period", "decided")])
def test_what_was_planted_is_named_and_nothing_that_shares_rows(plant: str, name: str) -> None:
    """N11: of ten histories; the bench has hundreds."""
    for seed in range(10):
        verdicts = asked_about(plant, seed)
        assert {each for each, verdict in verdicts.items() if verdict == "fail"} == {
            each for each in verdicts if each.startswith(name) and verdicts[each] == "fail"
        }, verdicts
        assert "fail" in verdicts.values(), (seed, verdicts)


@pytest.mark.parametrize("plant", ["nothing", "moves"])
def test_nothing_is_named_where_nothing_was_planted(plant: str) -> None:
    """N11: also while the world moves on, when all that is new contradicts what was before."""
    named = [seed for seed in range(20) if "fail" in asked_about(plant, seed).values()]
    assert named == []


def test_one_caller_is_not_held_against_the_others_alone() -> None:
    """N11: without a set from before, nobody knows which of two callers is right."""
    for seed in range(5):
        verdicts = asked_about("source", seed, before=0)
        sources = {each: verdict for each, verdict in verdicts.items() if "labels of" in each}
        assert "fail" not in sources.values(), verdicts
        assert "unsure" in sources.values(), verdicts


def test_who_says_only_one_thing_leaves_no_yardstick() -> None:
    """N11: where one caller tells of all fraud, the others' rows have none, and are no measure."""
    count = 400
    labels = np.where(np.arange(count) % 4 == 0, "fraud", "ok").astype(object)
    sources = np.where(labels == "fraud", "police", "desk").astype(object)
    groups, _ = groups_of(Rows(
        times_us=np.arange(count), new=np.ones(count, dtype=bool), sources=sources,
        versions=np.ones(count, dtype=object), newest_labels=labels, newest_sources=sources,
        parted={},
    ), ("source",))  # fmt: skip
    assert [each.name for each in groups] == ["labels of desk", "labels of police"]
    assert not any(each.newest.any() for each in groups if each.newest is not None)


def test_groups_are_bounded_and_the_others_are_named() -> None:
    """N11: the larger ones of every kind first; nearly everything and a few rows are no group."""
    count = 1_000
    sources = np.array(["most"] * 600 + ["some"] * 390 + ["few"] * 10, dtype=object)
    versions = np.array([1] * 950 + [2] * 50, dtype=object)
    rows = Rows(
        times_us=np.arange(count), new=np.ones(count, dtype=bool), sources=sources,
        versions=versions, newest_labels=np.array([1.0, 2.0], dtype=object),
        newest_sources=np.array(["most", "some"], dtype=object), parted={},
    )  # fmt: skip
    groups, left = groups_of(rows, periods=2, most=3)
    assert [(each.kind, int(each.rows.sum())) for each in groups] == [
        ("period", 500), ("source", 600), ("version", 50),
    ]  # fmt: skip
    assert left == [groups_of(rows, ("period",), periods=2)[0][1].name, "labels of some"]


def test_only_new_rows_are_in_a_group() -> None:
    """N11: what the version that answers has learned is not suspected."""
    count = 400
    sources = np.array(["desk", "shop"] * (count // 2), dtype=object)
    rows = Rows(
        times_us=np.arange(count), new=np.arange(count) >= 100, sources=sources,
        versions=np.ones(count, dtype=object), newest_labels=np.array([1.0], dtype=object),
        newest_sources=np.array(["desk"], dtype=object), parted={},
    )  # fmt: skip
    groups, _ = groups_of(rows, ("source",))
    assert [int(each.rows.sum()) for each in groups] == [150, 150]
    assert not any(each.rows[:100].any() for each in groups)


def test_what_only_shares_rows_with_the_worst_is_told_as_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """N11: half of the second group is in the first, which is all that is bad; and in words."""
    rows, at = 900, np.arange(900)
    bad = at >= 800
    noise = np.random.default_rng(1).normal(0.0, 0.05, 400)

    def told(keep: np.ndarray) -> Told:
        lost = 0.1 + 0.3 * (keep & bad).sum() / bad.sum() + noise
        return Told(lost=lost, wrong=(lost > 0.3) * 1.0)

    worst = Group("period", "worst", bad, (0, 1_000_000))
    sharing = Group("version", "sharing", (at >= 750) & (at < 850), (0, 1_000_000))
    inquiry = Inquiry(told, at >= 0, 200, 200, seed=1, without_new=False)
    found = Finder(inquiry, lambda _done, _total: None).find([sharing, worst])
    first, second = found.judged
    assert (first.group.name, first.verdict, first.explained_by) == ("worst", "fail", "")
    assert (second.group.name, second.verdict, second.explained_by) == ("sharing", "pass", "worst")
    told_of = suspects_of("sums", found, numbers=False)
    show(Output(as_json=False), Suspected(
        model="sums", version=1, snapshot="4f2a91c03b7d00", learned=rows, new=600,
        yardsticks=[], everything=[], suspects=told_of, not_asked=["some"],
        would_be_found=0.1, trainings=found.trainings,
        finding=finding_of("sums", found, told_of),
    ))  # fmt: skip
    said = capsys.readouterr().out
    assert "✗ new data surely made sums worse: worst (100 rows)" in said
    assert "mainstay quarantine add sums --window 1970-01-01T00:00:00" in said
    assert "600 of 900 rows of snapshot 4f2a91c03b7d are new since v1" in said
    assert "not asked  some" in said
    assert "shares rows with worst" in told_of[1].words
