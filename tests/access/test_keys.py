"""Making keys: S1 (who calls is known), S2 (only what was granted)."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.access.keys import create_key, revoke_key
from mainstay.access.memory import MemoryKeyStore
from mainstay.access.model import KeyRing, digest_of
from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidUsage, NotAllowed


@pytest.fixture
def store(clock: ManualClock) -> MemoryKeyStore:
    return MemoryKeyStore(clock)


def test_a_secret_is_256_random_bits_in_one_word(store: MemoryKeyStore):
    """S1: cannot be guessed, and is easy to copy and to find in a leak."""
    secrets = {create_key(store, "checkout")[0] for _ in range(50)}
    assert len(secrets) == 50
    assert all(re.fullmatch(r"ms_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_a_key_carries_the_digest_and_not_the_secret(store: MemoryKeyStore):
    """S1: what is kept cannot be used to call."""
    secret, key = create_key(store, "checkout", ["fraud", "churn", "fraud"])
    assert key.digest == digest_of(secret)
    assert secret[3:] not in repr(key)
    assert key.caller.models == ("fraud", "churn")
    assert key.digest.startswith(key.id)


def test_a_secret_given_for_an_id_is_not_repeated(store: MemoryKeyStore):
    """S1: even who mixes them up is helped without showing the secret again."""
    secret, key = create_key(store, "checkout")
    with pytest.raises(InvalidUsage) as refused:
        revoke_key(store, secret)
    assert secret not in repr(refused.value.as_dict())
    assert key.id in str(refused.value.expected)


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("local", ["fraud"]),
        ("", ["fraud"]),
        (" checkout", ["fraud"]),
        ("check\nout", ["fraud"]),
        ("\ud800", ["fraud"]),
        ("x" * 129, ["fraud"]),
        ("checkout", []),
        ("checkout", [""]),
        ("checkout", ["fraud\0"]),
        ("checkout", ["fraud"] * 1001),
    ],
)
def test_a_caller_that_could_be_mistaken_is_refused(
    store: MemoryKeyStore, name: str, models: Sequence[str]
):
    """S1, S2: `local` is who calls without a key, and an empty grant is a mistake."""
    with pytest.raises(InvalidUsage):
        create_key(store, name, models)
    assert store.keys() == []


@given(st.text(max_size=60))
def test_nothing_but_a_secret_opens(guess: str):
    """S1: neither any text nor the digest itself."""
    store = MemoryKeyStore(ManualClock())
    _, key = create_key(store, "checkout")
    ring = KeyRing(tuple(store.keys()), local=False)
    for wrong in (guess, key.digest, key.id, "ms_" + key.digest, ""):
        with pytest.raises(Exception, match="not known or was revoked"):
            ring.authenticate(wrong)


def test_a_key_is_of_use_in_its_own_environment_only(store: MemoryKeyStore):
    """O18: a test's key never decides in production, and the words name both."""
    secret, key = create_key(store, "checkout", environment="test")
    with pytest.raises(NotAllowed, match="checkout is for 'test', and this server is 'production'"):
        KeyRing((key,), local=True).authenticate(secret)
    assert KeyRing((key,), local=False, environment="test").authenticate(secret) == key.caller
    with pytest.raises(InvalidUsage, match="no environment is called this"):
        create_key(store, "checkout", environment="Test ")
