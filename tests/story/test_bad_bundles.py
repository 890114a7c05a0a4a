"""Bundles that must not go live, at both doors: refused in words while the old version serves."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mainstay.bundle.archive import unpack, write_archive
from mainstay.bundle.pack import pack as pack_bundle
from mainstay.bundle.signing import new_key
from mainstay.wiring.workspace import Workspace, open_workspace
from tests.servers.mainstay import (
    MODEL,
    RunningServer,
    mainstay,
    onnx_model,
    pack_model,
    serving,
)
from tests.servers.until import until
from tests.story.accounts import everywhere, hold_answers
from tests.story.callers import Callers, Heard

pytestmark = pytest.mark.slow

BIASES = {1: 0.0, 2: 1.0}


def as_they_are(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Features that a bundle carries as code."""
    return np.column_stack([columns["a"], columns["b"], columns["c"]]).astype(np.float32)


@dataclass(frozen=True)
class Shop:
    """A server with version 1 live and version 2 packed, and the file of version 2."""

    server: RunningServer
    workspace: Workspace
    second: Path
    fingerprint: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    server = serving(tmp_path_factory.mktemp("bad") / "shop", "--workers", "2")
    try:
        fingerprint = pack_model(server.workspace, BIASES[2]).version.fingerprint
        kept = server.workspace / "bundles" / f"{fingerprint}.mainstay"
        yield Shop(server, open_workspace(server.workspace), kept, fingerprint)
    finally:
        server.stop()


def first(shop: Shop) -> str:
    return shop.workspace.registry.find(MODEL, 1).fingerprint


def corrupt(shop: Shop, into: Path) -> None:
    data = bytearray(shop.second.read_bytes())
    data[len(data) // 2] ^= 1
    into.write_bytes(data)


def truncated(shop: Shop, into: Path) -> None:
    data = shop.second.read_bytes()
    into.write_bytes(data[: len(data) * 2 // 3])


def empty(_shop: Shop, into: Path) -> None:
    into.write_bytes(b"")


def no_bundle(_shop: Shop, into: Path) -> None:
    into.write_bytes(b"%PDF-1.7 the wrong file altogether" * 100)


def with_another_model(shop: Shop, into: Path) -> None:
    """The model of version 1 in the bundle of version 2: each file is whole, the pair is not."""
    cache = into.parent
    ours = unpack(shop.second, cache / "second")
    other = unpack(shop.second.with_name(f"{first(shop)}.mainstay"), cache / "first")
    swapped = [name for name in ours.manifest.files if name.endswith(".onnx")]
    assert swapped
    for name in swapped:
        (ours.folder / name).unlink()
        shutil.copyfile(other.folder / name, ours.folder / name)
    write_archive(ours.folder, into)


def with_code(shop: Shop, into: Path, key: Path | None) -> None:
    rows = np.linspace(-1, 1, 60).reshape(20, 3)
    contract = shop.workspace.places.root.parent / f"{MODEL}.yaml"
    packed = pack_bundle(
        MODEL, model=onnx_model(3.0), features=as_they_are, confidence=rows, contract=contract,
        classes=("low", "high"), sign_with=key, into=into.parent / "packed",
    )  # fmt: skip
    packed.file.rename(into)


def unsigned(shop: Shop, into: Path) -> None:
    with_code(shop, into, None)


def signed_by_a_stranger(shop: Shop, into: Path) -> None:
    new_key(into.parent / "stranger")
    with_code(shop, into, into.parent / "stranger")


BAD = {
    "corrupt": (corrupt, "changed"),
    "truncated": (truncated, ""),
    "empty": (empty, ""),
    "no bundle": (no_bundle, ""),
    "another model": (with_another_model, "changed"),
    "unsigned": (unsigned, "nobody signed it"),
    "signed by a stranger": (signed_by_a_stranger, "not trusted here"),
}


def only_first_answered(heard: Heard) -> None:
    assert heard.failures == []
    assert {one.version for one in heard.answers} == {1}
    hold_answers(heard.answers, BIASES)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_bundle_is_refused_at_both_doors(shop: Shop, tmp_path: Path, name: str) -> None:
    """S9: `mainstay deploy` and the inbox say why; the chain, the versions and the answers stay."""
    make, words = BAD[name]
    file = tmp_path / f"{name.replace(' ', '-')}.mainstay"
    make(shop, file)
    chain = list(shop.workspace.chain.history(MODEL))
    versions = len(shop.workspace.registry.versions(MODEL))
    with Callers(shop.server, count=4, seed=6) as callers:
        done = mainstay("deploy", str(file), workspace=shop.server.workspace)
        assert done.returncode in {1, 2}, done.stderr
        assert words in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        inbox = shop.server.workspace / "inbox"
        waiting = inbox / f".{file.name}"
        shutil.copyfile(file, waiting)
        waiting.rename(inbox / file.name)
        note = inbox / "refused" / f"{file.name}.txt"
        until(
            lambda: note.exists() and not (inbox / ".taking" / file.name).exists(),
            what=f"a refusal: {shop.server.said()[-2000:]}",
        )
        assert words in " ".join(note.read_text().split())
        assert len(note.read_text()) > 30
        callers.more(20)
    only_first_answered(callers.heard)
    assert list(shop.workspace.chain.history(MODEL)) == chain
    assert len(shop.workspace.registry.versions(MODEL)) == versions


def test_a_file_that_was_swapped_in_the_store_is_refused(shop: Shop) -> None:
    """S9: another bundle under the name of this one, in the store itself."""
    good = shop.second.read_bytes()
    shop.second.unlink()
    shutil.copyfile(shop.second.with_name(f"{first(shop)}.mainstay"), shop.second)
    with Callers(shop.server, count=4, seed=7) as callers:
        done = mainstay("deploy", f"{MODEL}@2", workspace=shop.server.workspace)
        assert done.returncode in {1, 2}
        assert shop.fingerprint[:12] in done.stderr
        callers.more(20)
    only_first_answered(callers.heard)
    assert len(shop.workspace.chain.history(MODEL)) == 1
    shop.second.unlink()
    shop.second.write_bytes(good)


def test_an_unpacked_bundle_that_was_changed_is_not_served(shop: Shop) -> None:
    """S9: the cache of this machine is changed; what goes live is what was packed, all the same."""
    folder = shop.workspace.unpacked(shop.fingerprint).folder
    for file in folder.rglob("*.onnx"):
        file.chmod(0o644)
        file.write_bytes(onnx_model(9.0))
    with Callers(shop.server, count=4, seed=8) as callers:
        route = shop.workspace.deploy(MODEL, 2, "after a change on the disk")
        until(
            lambda: everywhere(shop.workspace, route.epoch),
            what=f"version 2 everywhere: {shop.server.said()[-2000:]}",
        )
        callers.more(50)
    assert callers.heard.failures == []
    assert {one.version for one in callers.heard.answers} == {1, 2}
    hold_answers(callers.heard.answers, BIASES)
