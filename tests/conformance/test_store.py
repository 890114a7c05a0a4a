"""N1: every version store keeps whole files, once, and gives back nothing it cannot vouch for."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from obstore.store import LocalStore
from obstore.store import MemoryStore as ObjectsInMemory
from sklearn.linear_model import LinearRegression

from mainstay.base.errors import InvalidBundle, NotFound
from mainstay.bundle.archive import check_archive
from mainstay.bundle.memory_store import MemoryStore
from mainstay.bundle.object_store import ObjectStore, open_object_store
from mainstay.bundle.pack import Packed, pack
from mainstay.bundle.store import DirectoryStore


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Packed]:
    rows = np.arange(40.0).reshape(20, 2) % 7
    into = tmp_path_factory.mktemp("bundles")
    return [
        pack(
            "line",
            model=LinearRegression().fit(rows, rows @ [1, slope]),
            confidence=rows,
            into=into,
        )
        for slope in (2, 3)
    ]


@pytest.fixture(params=["directory", "memory", "objects on disk", "objects in memory", "url", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    if request.param == "s3":
        server = request.getfixturevalue("objects")
        for name, value in server.surroundings.items():
            monkeypatch.setenv(name, value)
        return open_object_store(server.new_folder())
    return {
        "directory": lambda: DirectoryStore(kept),
        "memory": MemoryStore,
        "objects on disk": lambda: ObjectStore(LocalStore(str(kept))),
        "objects in memory": lambda: ObjectStore(ObjectsInMemory()),
        "url": lambda: open_object_store(kept.as_uri()),
    }[request.param]()


def test_what_is_put_comes_back_checked(store, bundles, tmp_path):
    assert list(store.fingerprints()) == []
    for bundle in bundles:
        store.put(bundle.fingerprint, bundle.file)
    assert list(store.fingerprints()) == sorted(bundle.fingerprint for bundle in bundles)
    for bundle in bundles:
        file = store.fetch(bundle.fingerprint, tmp_path / "local")
        assert file.read_bytes() == bundle.file.read_bytes()
        assert check_archive(file)[0] == bundle.fingerprint


def test_putting_again_changes_nothing(store, bundles, tmp_path):
    one = bundles[0]
    for _ in range(2):
        store.put(one.fingerprint, one.file)
    assert list(store.fingerprints()) == [one.fingerprint]


def test_two_at_once_leave_one_whole_file(store, bundles, tmp_path):
    """S5 N1: whoever fetches it gets every byte, and there is one."""
    one = bundles[0]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: store.put(one.fingerprint, one.file), range(4)))
    fetched = store.fetch(one.fingerprint, tmp_path / "local")
    assert fetched.read_bytes() == one.file.read_bytes()
    assert list(store.fingerprints()) == [one.fingerprint]


def test_a_wrong_or_damaged_file_is_not_taken(store, bundles, tmp_path):
    one, other = bundles
    with pytest.raises(InvalidBundle):
        store.put(one.fingerprint, other.file)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(one.file.read_bytes()[:-3])
    with pytest.raises(InvalidBundle):
        store.put(one.fingerprint, damaged)
    assert list(store.fingerprints()) == []


def test_what_is_not_there_is_not_found(store, tmp_path):
    with pytest.raises(NotFound):
        store.fetch("ab" * 32, tmp_path / "local")
    with pytest.raises(InvalidBundle):
        store.fetch("../../etc/passwd", tmp_path / "local")
    assert list((tmp_path / "local").glob("*") if (tmp_path / "local").exists() else []) == []


@pytest.mark.parametrize("kind", ["directory", "objects"])
def test_what_was_damaged_in_the_store_never_comes_out(kind, bundles, tmp_path):
    """S9: the file on the disk is not believed for its name."""
    one, other = bundles
    kept = tmp_path / "kept"
    kept.mkdir()
    store = DirectoryStore(kept) if kind == "directory" else ObjectStore(LocalStore(str(kept)))
    store.put(one.fingerprint, one.file)
    shutil.copy(other.file, kept / f"{one.fingerprint}.mainstay")
    with pytest.raises(InvalidBundle, match="another version"):
        store.fetch(one.fingerprint, tmp_path / "local")
    assert list((tmp_path / "local").iterdir()) == []
