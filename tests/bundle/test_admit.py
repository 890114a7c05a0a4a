"""S9 N1: only a whole, signed, true and working bundle becomes a version; else nothing happens."""

import msgspec
import pytest

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle
from mainstay.bundle.admit import admit
from mainstay.bundle.memory_registry import MemoryRegistry
from mainstay.bundle.memory_store import MemoryStore
from mainstay.bundle.signing import public_key
from mainstay.contract.model import Facts
from tests.bundle.test_trial import altered, with_extractor


class Place:
    """A workspace's store, registry and cache."""

    def __init__(self, cache, trusted=()):
        self.cache, self.trusted = cache, list(trusted)
        self.store, self.registry = MemoryStore(), MemoryRegistry(ManualClock())

    def admit(self, file):
        return admit(
            file,
            trusted_keys=self.trusted,
            cache_folder=self.cache,
            store=self.store,
            registry=self.registry,
        )

    def is_empty(self):
        return not self.store.fingerprints() and not self.registry.versions()


def test_a_good_bundle_is_kept_and_numbered_once(packed, tmp_path):
    place = Place(tmp_path / "cache")
    version, trial = place.admit(packed.file)
    assert (version.model, version.number, version.fingerprint) == ("fraud", 1, packed.fingerprint)
    assert version.card == packed.manifest.card
    assert trial.end_to_end_rows == 5
    assert place.admit(packed.file)[0] == version
    assert list(place.store.fingerprints()) == [packed.fingerprint]


def test_a_damaged_bundle_leaves_nothing(copied, tmp_path):
    place = Place(tmp_path / "cache")
    data = bytearray(copied.read_bytes())
    data[len(data) // 2] ^= 4
    copied.write_bytes(data)
    with pytest.raises(InvalidBundle):
        place.admit(copied)
    assert place.is_empty()


def test_unsigned_code_is_refused_before_it_runs(folder, packed, tmp_path, key):
    """S9: the mark that the code would leave is not there."""
    mark = tmp_path / "mark"
    with_extractor(folder, packed, tmp_path, f"open({str(mark)!r}, 'w').close()")
    place = Place(tmp_path / "cache", [public_key(key)])
    with pytest.raises(InvalidBundle, match="nobody signed it"):
        place.admit(tmp_path / "x.mainstay")
    assert place.is_empty()
    assert not mark.exists()


def test_a_bundle_that_fails_its_trial_leaves_nothing(folder, packed, tmp_path):
    model = packed.manifest.runs.file
    altered(folder, packed, tmp_path / "x.mainstay", {model: b"not a model"})
    place = Place(tmp_path / "cache")
    with pytest.raises(InvalidBundle, match="onnxruntime cannot load"):
        place.admit(tmp_path / "x.mainstay")
    assert place.is_empty()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(features=7), "another number of features"),
        (Facts(depends_on={"numpy": "<1"}), "another version of 'numpy'"),
        (Facts(depends_on={"no-such-package-at-all": ">=1"}), "not installed"),
    ],
)
def test_facts_are_asserted(facts, words, folder, packed, tmp_path):
    """N10: what the contract states about the bundle and the machine has to be true."""
    contract = msgspec.structs.replace(packed.manifest.contract, facts=facts)
    altered(folder, packed, tmp_path / "x.mainstay", contract=contract)
    place = Place(tmp_path / "cache")
    with pytest.raises(InvalidBundle, match=words):
        place.admit(tmp_path / "x.mainstay")
    assert place.is_empty()
