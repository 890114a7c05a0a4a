"""Other systems hear which of the answers that they keep are others now: at least once, and none is
called told that was not (L6 N2 F4)."""

import hashlib
import hmac
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import CORRECTIONS_AT_ONCE_MAX, CORRECTIONS_AT_ONCE_MAX_BYTES
from mainstay.cli import cli, reprocessing
from mainstay.release.reprocess.deliver import Correction, deliveries
from mainstay.release.reprocess.model import Told
from mainstay.wiring import posting
from mainstay.wiring.correcting import CorrectionKeeper, Corrections
from mainstay.wiring.duties import duties_of
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.posting import poster
from mainstay.wiring.reprocessing import Reprocessing
from mainstay.wiring.settings import read_settings
from mainstay.wiring.workspace import open_workspace
from tests.servers.mainstay import MODEL, pack_model
from tests.servers.receiver import Receiver, receiving
from tests.wiring.test_reprocessing import decide, rows_of

DECISIONS = 1500
SETTINGS = """
[corrections.ledger]
url_env = "LEDGER_URL"
secret_env = "LEDGER_SECRET"
models = ["su*"]

[corrections.elsewhere]
url_env = "ELSEWHERE_URL"
models = ["fraud"]
"""


class Killed(BaseException):
    """The process ends here: nothing of ours catches this."""


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What version 2 decided, version 1 answered anew; nobody was told. No test changes it."""
    folder = tmp_path_factory.mktemp("correcting") / "shop"
    pack_model(folder)
    opened = open_workspace(folder)
    opened.deploy(MODEL, 1, "the first")
    pack_model(folder, bias=60.0)
    opened = open_workspace(folder)
    opened.rollback(MODEL, 2, "a newer one")
    decide(opened, rows_of(1, DECISIONS))
    opened.rollback(MODEL, 1, "it is wrong")
    Reprocessing(open_workspace(folder), MODEL, [2]).run(lambda _: None)
    with (folder / "mainstay.toml").open("a") as file:
        file.write(SETTINGS)
    return folder


@pytest.fixture
def shop(still: Path, tmp_path: Path) -> Path:
    return shutil.copytree(still, tmp_path / "shop")


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("LEDGER_URL", receiver.url)
        monkeypatch.setenv("LEDGER_SECRET", "s3cret")
        yield receiver


def listed(shop: Path) -> list[dict[str, Any]]:
    """As `--values` has them."""
    opened = open_workspace(shop)
    return [row for page in Reprocessing(opened, MODEL, [2]).values() for row in page]


def changed(rows: list[dict[str, Any]]) -> set[str]:
    return {row["by"] for row in rows if row["before"]["answer"] != row["after"]["answer"]}


def hold_told(shop: Path, ledger: Receiver) -> None:
    """Every value that says something else was heard, and is called told; and no other."""
    rows = listed(shop)
    wanted = changed(rows)
    assert CORRECTIONS_AT_ONCE_MAX < len(wanted) < DECISIONS
    assert {value["by"] for value in ledger.values()} == wanted
    assert {row["by"] for row in rows if row["told"].get("ledger")} == wanted
    assert all(row["told"] == {} for row in rows if row["by"] not in wanted)


def test_a_command_tells_what_says_something_else_once(shop: Path, ledger: Receiver):
    """L6: signed, in order, so many at once; run again it tells nothing; `--values` says who was
    told when."""
    arguments = ["reprocess", MODEL, "--version", "v2", "--workspace", str(shop)]
    before = listed(shop)
    assert {row["told"]["ledger"] for row in before if row["changed"]} == {None}
    first = CliRunner().invoke(cli, [*arguments, "--json"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["told"]["ledger"]["values"] == len(changed(before))
    hold_told(shop, ledger)
    for headers, body in ledger.heard:
        signed = hmac.new(
            b"s3cret", headers["x-mainstay-timestamp"].encode() + b"." + body, hashlib.sha256
        )
        assert headers["x-mainstay-signature"] == f"sha256={signed.hexdigest()}"
    row, value = next(each for each in listed(shop) if each["changed"]), ledger.values()[0]
    told = row.pop("told")["ledger"]
    assert told > row["time"]
    assert row.pop("changed")
    assert value == {**row, "model": MODEL}
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 0
    assert "ledger was told of 0 corrected values" in again.output
    assert max(Counter(value["by"] for value in ledger.values()).values()) == 1
    shown = CliRunner().invoke(cli, [*arguments, "--values"])
    assert shown.output.count("(told ledger)") == len(changed(before))


def test_what_is_not_answered_well_is_not_told(
    shop: Path, ledger: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """L6 F4: tried a few times, after longer and longer pauses; the exit status says that it was
    not; what was told before stays told, and the keeper tells the rest."""
    ledger.answers = [204, 500, 503, 500]
    waits: list[float] = []
    opened = open_workspace(shop)
    wanted = len(changed(listed(shop)))
    heard = Corrections(opened, wait=waits.append).tell(MODEL, 3)["ledger"]
    assert (heard.values, heard.why) == (CORRECTIONS_AT_ONCE_MAX, "it answered 500")
    assert heard.left == wanted - heard.values
    assert waits == [1.0, 2.0]
    assert len([row for row in listed(shop) if row["told"].get("ledger")]) == heard.values
    monkeypatch.setattr(reprocessing, "_ATTEMPTS", 1)
    ledger.answers = [500]
    failed = CliRunner().invoke(
        cli, ["reprocess", MODEL, "--version", "2", "--workspace", str(shop)]
    )
    assert failed.exit_code == 1
    assert f"ledger was not told of {heard.left}: it answered 500" in failed.output
    CorrectionKeeper(open_workspace(shop)).look()
    hold_told(shop, ledger)


def test_a_receiver_that_is_away_is_a_finding_until_it_hears(
    shop: Path, ledger: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """L6 M23: tried again when it is its turn; one that hears but does not answer in time was not
    told, and hears the same again under the same key; nothing secret is said of it."""
    opened = open_workspace(shop)
    opened.clock = clock = ManualClock(opened.clock.now_ns())
    really, tried = poster("receiver"), list[str]()

    def counted(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        tried.append(url)
        return really(url, body, headers)

    keeper = CorrectionKeeper(opened, post=counted)

    def findings() -> list[tuple[str, str]]:
        rows = opened.journal.query(
            "SELECT body FROM events WHERE kind = 'finding' AND actor = 'corrections' ORDER BY id"
        ).to_pylist()
        bodies = [json.loads(row["body"]) for row in rows]
        return [(body["state"], body["words"]) for body in bodies]

    right = os.environ["LEDGER_URL"]
    monkeypatch.setenv("LEDGER_URL", "http://127.0.0.1:1/s3cret")
    keeper.look()
    keeper.look()  # which is before its pause is over
    assert len(tried) == 1
    clock.advance(1.5)
    keeper.look()
    assert len(tried) == 2
    ((state, words),) = findings()
    assert state == "opened"
    assert f"ledger was not told of {len(changed(listed(shop)))} corrected values: nobody" in words
    assert "s3cret" not in words
    monkeypatch.setenv("LEDGER_URL", right)
    ledger.may.clear()
    with monkeypatch.context() as impatient:
        impatient.setattr(posting, "_PATIENCE_SECONDS", 0.05)
        slow = Corrections(opened).tell(MODEL)["ledger"]
    assert slow.values == 0
    assert "nobody answered" in slow.why
    ledger.may.set()
    later = CorrectionKeeper(open_workspace(shop))
    later.look()
    hold_told(shop, ledger)
    keys = {headers["idempotency-key"] for headers, _ in ledger.heard}
    assert len(keys) == 2, "the first of two was heard twice, as one"
    assert [state for state, _ in findings()] == ["opened", "resolved"]


def test_killed_between_hearing_and_writing_down_it_is_told_again(shop: Path, ledger: Receiver):
    """L6 F4: the same values under the same key; nothing is left out."""
    really = poster("receiver")

    def killed(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        really(url, body, headers)
        raise Killed

    with pytest.raises(Killed):
        Corrections(open_workspace(shop), post=killed).tell(MODEL)
    assert all(row["told"].get("ledger") is None for row in listed(shop))
    Corrections(open_workspace(shop)).tell(MODEL)
    hold_told(shop, ledger)
    (first, body), (second, again) = ledger.heard[:2]
    assert (first["idempotency-key"], body) == (second["idempotency-key"], again)
    assert len(ledger.heard) == 3


def test_the_keeper_has_the_duty_where_somebody_is_to_be_told(shop: Path, ledger: Receiver):
    """L6: what a command left, a server that runs tells."""

    def names(folder: Path) -> list[str]:
        opened = open_workspace(folder)
        duties = duties_of(OrderWriter(opened, opened.bring, ""), lambda: opened, print)
        for duty in duties:
            if duty.name == "tell corrections":
                duty.run()
        return [duty.name for duty in duties]

    assert "tell corrections" in names(shop)
    hold_told(shop, ledger)
    text = (shop / "mainstay.toml").read_text()
    (shop / "mainstay.toml").write_text(text.replace(SETTINGS, ""))
    assert "tell corrections" not in names(shop)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[corrections.Ledger]\nurl_env = 'A'", 1, "lower-case"),
        ("[corrections.ledger]\nurl = 'http://x'", 2, "did you mean `url_env`"),
        ("[corrections.ledger]\nmodels = ['a']", 1, "LEDGER_URL"),
        ("[corrections.ledger]\nurl_env = 'http://x/y'", 2, "LEDGER_URL"),
        ("[corrections.ledger]\nurl_env = 'A'\nsecret_env = ''", 3, "LEDGER_SECRET"),
        ("[corrections.ledger]\nurl_env = 'A'\nmodels = []", 3, "a list of names"),
        ("corrections = 3", 1, "a part of its own"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str):
    """N10: where it is wrong, and what would be right."""
    file = tmp_path / "mainstay.toml"
    file.write_text(text)
    with pytest.raises(InvalidUsage) as raised:
        read_settings(file)
    assert f"mainstay.toml:{line}: `corrections" in raised.value.message
    assert words in (raised.value.expected or "")


@given(st.lists(st.integers(0, 400_000), max_size=30), st.integers(0, 1100))
def test_what_is_sent_at_once_is_bounded(sizes: list[int], more: int):
    """L6: nothing left out, nothing twice, in order; the same again has the same keys."""
    told = Told(version=1, status="answered", answer="no")
    every = [
        Correction(
            replaces=f"{number:028x}", by=f"{number + 5000:028x}", model="sums", time="now",
            before=told, after=Told(version=2, status="answered", answer="x" * size),
        )
        for number, size in enumerate([*sizes, *([3] * more)])
    ]  # fmt: skip
    made = list(deliveries("ledger", every))
    lines = [json.loads(line) for each in made for line in each.body.splitlines()]
    assert [line["by"] for line in lines] == [each.by for each in every]
    assert [value for each in made for value in each.values] == [each.by for each in every]
    for each in made:
        count = len(each.values)
        assert 0 < count <= CORRECTIONS_AT_ONCE_MAX
        assert count == 1 or len(each.body) <= CORRECTIONS_AT_ONCE_MAX_BYTES
    keys = [each.key for each in made]
    assert keys == [each.key for each in deliveries("ledger", every)]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {each.key for each in deliveries("other", every)}
