"""Every registry keeps the same promises: N1 (versions, saved with their metadata)."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from mainstay.base.clock import ManualClock, SystemClock
from mainstay.base.errors import InvalidBundle, NotFound
from mainstay.bundle.memory_registry import MemoryRegistry
from mainstay.bundle.model import Card
from mainstay.bundle.numbering import decode_card, encode_card
from mainstay.bundle.port import Registry
from mainstay.bundle.sql import SqlRegistry
from tests.conformance.manifests import fingerprint, manifest


@pytest.fixture
def registry(kept_in: Engine | None, clock: ManualClock) -> Registry:
    return MemoryRegistry(clock) if kept_in is None else SqlRegistry(kept_in, clock)


def test_numbers_count_each_model_by_itself(registry: Registry):
    """N1: 1, 2, 3 in the order in which the versions came."""
    came = [("fraud", 1), ("churn", 2), ("fraud", 3), ("fraud", 4)]
    versions = [registry.register(manifest(model), fingerprint(seed), 10) for model, seed in came]
    assert [(each.model, each.number) for each in versions] == [
        ("fraud", 1),
        ("churn", 1),
        ("fraud", 2),
        ("fraud", 3),
    ]


def test_the_same_version_is_registered_once(registry: Registry, clock: ManualClock):
    """N1: registering again returns what was kept the first time, with its time."""
    first = registry.register(manifest(), fingerprint(1), 10)
    clock.advance(5)
    assert registry.register(manifest(), fingerprint(1), 99) == first
    assert registry.versions() == [first]


def test_what_is_kept_comes_back_whole(registry: Registry, clock: ManualClock):
    """N1: the card, sizes beyond 32 bits and the time to the nanosecond."""
    card = Card(
        packed_at="2026-11-20T10:00:00Z",
        author="Zoë 🛟",
        window=("2026-01-01", "2026-06-30"),
        parameters={"depth": 7, "rates": [0.1, 0.25], "none": None, "nul": "a\0b"},
        metrics={"roc_auc": 0.1 + 0.2},
    )
    clock.jump(0.000000001)
    version = registry.register(manifest(card=card), fingerprint(1), 2**40 + 1)
    assert registry.find("fraud") == version
    assert version.card == card
    assert version.size_bytes == 2**40 + 1
    assert version.registered_at_ns == clock.now_ns()


def test_find_gives_the_newest_or_the_named_one(registry: Registry):
    versions = [registry.register(manifest(), fingerprint(seed), 1) for seed in range(12)]
    assert registry.find("fraud") == versions[-1]
    assert registry.find("fraud", 3) == versions[2]


def test_what_is_not_there_is_answered_with_what_is(registry: Registry):
    """The user's side: the error names the versions or the model that was probably meant."""
    with pytest.raises(NotFound, match="no version of a model 'fraud'") as nothing:
        registry.find("fraud")
    assert "there is none yet" in str(nothing.value.expected)
    registry.register(manifest(), fingerprint(1), 1)
    with pytest.raises(NotFound) as misspelt:
        registry.find("frued")
    assert misspelt.value.expected == "did you mean 'fraud'?"
    with pytest.raises(NotFound, match="fraud has no version 7") as number:
        registry.find("fraud", 7)
    assert number.value.expected == "one of 1"
    for impossible in (0, -1, 2**31, 2**63, 10**30):
        with pytest.raises(NotFound, match=f"fraud has no version {impossible}"):
            registry.find("fraud", impossible)
    for number_or_name in ("a\0b", "\ud800", ""):
        with pytest.raises(NotFound):
            registry.find(number_or_name)


def test_a_fingerprint_is_found_by_its_beginning(registry: Registry):
    one = registry.register(manifest(), "abcd" + "0" * 60, 1)
    two = registry.register(manifest("churn"), "abce" + "0" * 60, 1)
    assert registry.find_fingerprint(one.fingerprint) == one
    assert registry.find_fingerprint("abce") == two
    with pytest.raises(NotFound, match="2 versions") as both:
        registry.find_fingerprint("abc")
    assert str(one) in str(both.value.expected)
    assert str(two) in str(both.value.expected)
    for unknown in ("", "f", "%", "_bcd", "ABCD", "abcd\0", "\udc80", "abcd" + "0" * 61):
        with pytest.raises(NotFound):
            registry.find_fingerprint(unknown)


def test_a_clock_that_is_put_back_does_not_change_the_order(registry: Registry, clock: ManualClock):
    """N1: oldest first goes by number within a model."""
    for seed in range(3):
        registry.register(manifest(), fingerprint(seed), 1)
        clock.jump(-3600)
    assert [each.number for each in registry.versions("fraud")] == [1, 2, 3]
    assert [each.number for each in registry.versions()] == [1, 2, 3]
    assert registry.versions("churn") == []


@pytest.mark.usefixtures("hasty_threads")
def test_many_at_once_leave_no_gap_and_no_double(kept_in: Engine | None):
    """N1: numbers are given safely however many register at the same time."""
    clock = SystemClock()
    registry = MemoryRegistry(clock) if kept_in is None else SqlRegistry(kept_in, clock)
    seeds = [seed for seed in range(30) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        given = pool.map(lambda seed: registry.register(manifest(), fingerprint(seed), seed), seeds)
        numbers: dict[str, set[int]] = {}
        for version in given:
            numbers.setdefault(version.fingerprint, set()).add(version.number)
    assert sorted(numbers.values(), key=min) == [{number} for number in range(1, 31)]
    assert [each.number for each in registry.versions("fraud")] == list(range(1, 31))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _JSON, max_size=4))
def test_any_card_that_is_kept_can_be_read(parameters: dict[str, object]):
    """N1: what the codec takes it gives back."""
    card = Card(packed_at="2026-11-20T10:00:00Z", parameters=parameters)
    assert decode_card(encode_card(card)) == card


@pytest.mark.parametrize("wrong", [float("nan"), "half \ud800", object()])
def test_a_card_that_could_not_be_read_back_is_refused(registry: Registry, wrong: object):
    """N1: refused before it is kept, not found broken afterwards."""
    card = msgspec.structs.replace(manifest().card, metrics={"roc_auc": wrong})
    with pytest.raises(InvalidBundle, match="the card cannot be kept"):
        registry.register(manifest(card=card), fingerprint(1), 1)
    assert registry.versions() == []
