"""What a version learned from travels with it, as marks that are small and never forget (N14)."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle, InvalidUsage
from mainstay.bundle import known as known_values
from mainstay.bundle.archive import Unpacked, unpack
from mainstay.bundle.assets import Examples
from mainstay.bundle.digest import sha256_of
from mainstay.bundle.known import Marks, check_known, packed_known, read_known
from mainstay.bundle.load import load
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import MANIFEST_FILE, Refreshed
from mainstay.bundle.pack import pack
from mainstay.bundle.refresh import with_confidence
from mainstay.contract.load import loads_contract

CONTRACT = """
model: fraud
inputs:
  user: {type: text, optional: true}
  item: {type: integer}
  place: {type: category, values: [x, y], others: true}
  amount: {type: number}
output: {type: probability, classes: [ok, fraud]}
judge: {cold: {user: decline, item: decline, place: decline}}
"""
STATED = loads_contract(CONTRACT, "c.yaml")


def marks(values: Any, name: str = "user") -> Marks:
    text = CONTRACT.replace("user: decline, item: decline, place: decline", f"{name}: decline")
    _, files = packed_known(loads_contract(text, "c.yaml"), {name: values})
    return Marks(np.frombuffer(next(iter(files.values())), dtype="<u4"))


@given(learned=st.lists(st.text(max_size=8) | st.none(), min_size=1, max_size=40))
@settings(max_examples=150, deadline=None)
def test_nobody_who_was_learned_from_is_ever_new(learned: list[Any]) -> None:
    """N14: whatever their name; and a missing one is not new."""
    assert marks(learned).know([*learned, None, float("nan")]).all()


def test_new_ones_are_taken_for_known_ones_as_seldom_as_is_said() -> None:
    """N14: with two hundred thousand known people one of twenty thousand."""
    stated, files = packed_known(
        loads_contract(CONTRACT.replace(", item: decline, place: decline", ""), "c.yaml"),
        {"user": [f"user {n}" for n in range(200_000)]},
    )
    said = stated["user"]
    assert said.mistaken == pytest.approx(200_000 / 2**32, rel=1e-3)
    assert len(files[said.file]) == 4 * said.count
    found = Marks(np.frombuffer(files[said.file], dtype="<u4"))
    strangers = found.know([f"stranger {n}" for n in range(200_000)]).sum()
    assert strangers <= 40, "about nine are expected"


@pytest.mark.parametrize(
    ("given_rows", "words"),
    [
        (None, "nothing says which values of 'user' the model learned from"),
        ({"user": ["ann"]}, "nothing says which values of 'item' the model learned from"),
        ({"user": [1, 2], "item": [1, 2]}, "has values of 'user' that no request can have"),
        ({"user": ["a"], "item": [1.5]}, "has values of 'item' that no request can have"),
        ({"user": ["a"], "item": ["1"]}, "has values of 'item' that no request can have"),
        (17, "holds no rows we can read"),
    ],
)
def test_what_cannot_be_known_is_refused_in_words(given_rows: Any, words: str) -> None:
    with pytest.raises(InvalidUsage, match=words):
        packed_known(STATED, given_rows)


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_values, "KNOWN_VALUES_MAX", 3)
    with pytest.raises(InvalidUsage, match="more values of 'user' than are kept"):
        marks(["a", "b", "c", "d"])
    marks(["a", "b", "c", "c"])


def test_a_category_with_others_needs_nothing_and_takes_what_it_gets() -> None:
    """N14: what it lists is known, unless somebody says what was learned from."""
    text = CONTRACT.replace("user: decline, item: decline, ", "")
    assert packed_known(loads_contract(text, "c.yaml"), None) == ({}, {})
    found = marks(["x", "z"], "place")
    assert found.know(["x", "y", "z"]).tolist() == [True, False, True]


def test_rows_and_lists_of_values_say_the_same() -> None:
    """N14: lists need not be as long as each other."""
    rows = {
        "user": ["a", "b", "b"],
        "item": [1, 1, 1],
        "place": ["x", "x", "y"],
        "amount": [1, 2, 3],
    }
    lists = {"user": ["a", "b"], "item": [1], "place": ["x", "y"]}
    assert packed_known(STATED, pd.DataFrame(rows)) == packed_known(STATED, lists)


def test_a_contract_that_asks_for_nothing_is_handed_nothing() -> None:
    text = CONTRACT[: CONTRACT.index("judge:")]
    with pytest.raises(InvalidUsage, match=r"names no input in `judge\.cold`"):
        packed_known(loads_contract(text, "c.yaml"), {"user": ["a"]})


def only_numbers(columns: Any) -> Any:
    return np.column_stack([columns["amount"], columns["item"]])


ROWS = 40
TABLE = pd.DataFrame({
    "user": [f"u{n % 7}" for n in range(ROWS)], "item": np.arange(ROWS) % 5,
    "place": ["x", "y"] * (ROWS // 2), "amount": np.linspace(-1, 1, ROWS),
})  # fmt: skip
TRUTH = np.where(np.arange(ROWS) >= ROWS // 2, "fraud", "ok")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    into = tmp_path_factory.mktemp("known")
    model = LogisticRegression().fit(only_numbers(TABLE), TRUTH)
    packed = pack(
        "fraud", model=model, features=only_numbers, contract=STATED, confidence=(TABLE, TRUTH),
        learned_from=TABLE.assign(more=1.0)[:5], classes=("ok", "fraud"), into=into,
        clock=ManualClock(),
    )  # fmt: skip
    return unpack(packed.file, into / "cache")


def test_it_travels_in_the_bundle(unpacked: Unpacked) -> None:
    """N14 S9: under the fingerprint, with how many values there are."""
    manifest = unpacked.manifest
    assert {name: known.count for name, known in manifest.known.items()} == {
        "user": 5, "item": 5, "place": 2,
    }  # fmt: skip
    assert all(known.file in manifest.files for known in manifest.known.values())
    loaded = load(unpacked.folder, unpacked.fingerprint)
    assert loaded.known["user"].know(["u0", "u4", "u5", None]).tolist() == [True, True, False, True]
    assert loaded.known["item"].know([3, 3.0, 5, float("nan")]).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_another_confidence_set_changes_nothing_that_is_known(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    """N14 S8: a refreshed version has learned from the same rows."""
    inputs = {name: TABLE[name].to_numpy() for name in TABLE.columns}
    inputs["user"] = np.array([f"w{n}" for n in range(ROWS)], dtype=object)
    said = Refreshed(of=unpacked.fingerprint, window=("a", "b"), rows=ROWS, classes={}, left_out={})
    raw = np.tile([0.5, 0.5], (ROWS, 1))
    file = with_confidence(
        unpacked, Examples(inputs=inputs), raw, said, clock=ManualClock(), sign_with=None, into=tmp_path
    )  # fmt: skip
    again = unpack(file, tmp_path / "cache")
    assert again.manifest.known == unpacked.manifest.known
    assert load(again.folder, again.fingerprint).known["user"].know(["u0", "w0"]).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda known: msgspec.structs.replace(known, count=known.count + 1),
        lambda known: msgspec.structs.replace(known, file="assets/confidence.columns"),
    ],
)
def test_marks_that_are_not_as_they_were_written_are_refused(
    change: Any, unpacked: Unpacked
) -> None:
    manifest = unpacked.manifest
    if change(manifest.known["user"]).file not in manifest.files:
        pytest.fail("the case names a file of the bundle")
    known = {**manifest.known, "user": change(manifest.known["user"])}
    with pytest.raises(InvalidBundle, match="not as they were written"):
        read_known(unpacked.folder, msgspec.structs.replace(manifest, known=known))


def test_marks_out_of_order_are_refused(unpacked: Unpacked, tmp_path: Path) -> None:
    """N14: looking for one of them would miss it, and take a known user for a new one."""
    known = unpacked.manifest.known["user"]
    marks = np.frombuffer((unpacked.folder / known.file).read_bytes(), dtype="<u4")
    (tmp_path / "assets").mkdir()
    (tmp_path / known.file).write_bytes(marks[::-1].tobytes())
    files = {known.file: sha256_of(marks[::-1].tobytes())}
    manifest = msgspec.structs.replace(unpacked.manifest, known={"user": known}, files=files)
    with pytest.raises(InvalidBundle, match="not as they were written"):
        read_known(tmp_path, manifest)


def test_nothing_is_loaded_that_does_not_say_what_is_known(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    """N14 S9: such a version never comes into memory, so it never answers."""
    folder = Path(shutil.copytree(unpacked.folder, tmp_path / "bare"))
    folder.chmod(0o700)
    file = folder / MANIFEST_FILE
    raw = msgspec.json.encode(msgspec.structs.replace(unpacked.manifest, known={}))
    file.unlink()
    file.write_bytes(raw)
    with pytest.raises(InvalidBundle, match="which values of 'user'"):
        load(folder, fingerprint_of(raw))


def test_a_bundle_that_does_not_say_what_is_known_is_refused(unpacked: Unpacked) -> None:
    """N14: whoever made it."""
    for name, refused in (("user", True), ("item", True), ("place", False)):
        known = {other: each for other, each in unpacked.manifest.known.items() if other != name}
        manifest = msgspec.structs.replace(unpacked.manifest, known=known)
        if refused:
            with pytest.raises(InvalidBundle, match=f"which values of '{name}'"):
                check_known(manifest)
        else:
            check_known(manifest)
