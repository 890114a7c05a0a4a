"""Every store of keys and of trust keeps the same promises: S1, S2."""

import pytest
from sqlalchemy import Engine, text

from mainstay.access.keys import create_key, list_keys, revoke_key
from mainstay.access.memory import MemoryKeyStore, MemoryTrustStore
from mainstay.access.model import Caller, KeyRing, Purpose, authorise
from mainstay.access.port import KeyStore, TrustStore
from mainstay.access.sql import SqlKeyStore, SqlTrustStore
from mainstay.base.clock import ManualClock
from mainstay.base.errors import Conflict, InvalidUsage, NotAllowed, NotAuthenticated, NotFound


@pytest.fixture
def store(kept_in: Engine | None, clock: ManualClock) -> KeyStore:
    return MemoryKeyStore(clock) if kept_in is None else SqlKeyStore(kept_in, clock)


@pytest.fixture
def trust(kept_in: Engine | None) -> TrustStore:
    return MemoryTrustStore() if kept_in is None else SqlTrustStore(kept_in)


def test_a_key_lets_its_caller_in_until_it_is_revoked(store: KeyStore, clock: ManualClock):
    """S1, S2: the secret says who calls, the grant says which models they reach."""
    secret, key = create_key(store, "checkout", ["fraud"])
    other, _ = create_key(store, "search")
    caller = KeyRing(tuple(store.keys()), local=False).authenticate(secret)
    assert caller == Caller(name="checkout", models=("fraud",))
    authorise(caller, "fraud")
    with pytest.raises(NotAllowed):
        authorise(caller, "churn")
    clock.advance(60)
    assert revoke_key(store, key.id).revoked_at_ns == clock.now_ns()
    ring = KeyRing(tuple(store.keys()), local=False)
    with pytest.raises(NotAuthenticated):
        ring.authenticate(secret)
    assert ring.authenticate(other).models == ("*",)


def test_revoking_again_changes_nothing(store: KeyStore, clock: ManualClock):
    """S1: the first time stands."""
    _, key = create_key(store, "checkout", ["fraud"])
    first = revoke_key(store, key.id)
    clock.advance(60)
    assert revoke_key(store, key.id) == first
    assert list_keys(store) == [first]


def test_the_environment_of_a_key_is_kept(store: KeyStore):
    """O18: also for keys of one name."""
    for environment in ("production", "test"):
        create_key(store, "checkout", environment=environment)
    assert {key.caller.environment for key in list_keys(store)} == {"production", "test"}


def test_what_a_key_is_for_is_kept_and_nothing_else_is_let_in(store: KeyStore):
    """S2 N8: who labels may not call, who calls may not label, unless the key is for both."""
    purposes: dict[str, tuple[Purpose, ...]] = {
        "shop": ("call",), "ann": ("label",), "bob": ("label", "call")
    }  # fmt: skip
    for name, these in purposes.items():
        create_key(store, name, ["fraud"], purposes=these)
    for key in list_keys(store):
        caller = key.caller
        assert set(caller.purposes) == set(purposes[caller.name])
        for purpose in ("call", "label"):
            if purpose in caller.purposes:
                authorise(caller, "fraud", purpose)
                continue
            with pytest.raises(NotAllowed, match=f"the key of {caller.name}") as told:
                authorise(caller, "fraud", purpose)
            assert f"--for {purpose}" in told.value.expected
    with pytest.raises(NotAllowed, match="not granted the model"):
        authorise(Caller(name="ann", models=("fraud",), purposes=("label",)), "churn", "label")


def test_keys_are_listed_oldest_first_revoked_or_not(store: KeyStore, clock: ManualClock):
    made: list[str] = []
    for name in ("b", "a", "c"):
        made.append(create_key(store, name, ["fraud", "churn"])[1].id)
        clock.advance(1)
    revoke_key(store, made[1])
    assert [key.id for key in list_keys(store)] == made
    assert [key.caller.name for key in list_keys(store)] == ["b", "a", "c"]
    assert [key.revoked_at_ns is None for key in list_keys(store)] == [True, False, True]


def test_a_key_that_is_there_is_not_replaced(store: KeyStore):
    """S1: neither by its id nor by its digest."""
    caller = Caller(name="checkout")
    first = store.add("one", "d1", caller)
    for key_id, digest in (("one", "d2"), ("two", "d1")):
        with pytest.raises(Conflict):
            store.add(key_id, digest, Caller(name="thief"))
    assert store.keys() == [first]


def test_an_unknown_id_is_answered_with_the_closest(store: KeyStore):
    _, key = create_key(store, "checkout", ["fraud"])
    with pytest.raises(NotFound) as close:
        revoke_key(store, key.id[:-1])
    assert close.value.expected == f"did you mean {key.id}?"
    for unknown in ("", "a\0", "\ud800"):
        with pytest.raises(NotFound):
            revoke_key(store, unknown)
    assert store.keys() == [key]


def test_no_store_ever_holds_a_secret(kept_in: Engine | None, clock: ManualClock):
    """S1: only the digest is kept."""
    if kept_in is None:
        pytest.skip("what is in memory is what the test above saw")
    secret, key = create_key(SqlKeyStore(kept_in, clock), "checkout", ["fraud"])
    with kept_in.connect() as connection:
        rows = connection.execute(text("SELECT * FROM mainstay_keys")).all()
    assert secret not in repr(rows)
    assert secret[3:] not in repr(rows)
    assert key.digest in repr(rows)


def test_trust_is_given_and_taken_by_name(trust: TrustStore):
    """S17: whose signature lets code run."""
    trust.trust("release", "mainstay-ed25519:aa")
    trust.trust("release", "mainstay-ed25519:aa")
    trust.trust("Ann", "mainstay-ed25519:bb")
    assert list(trust.trusted().items()) == [
        ("Ann", "mainstay-ed25519:bb"),
        ("release", "mainstay-ed25519:aa"),
    ]
    with pytest.raises(Conflict, match="another key already"):
        trust.trust("release", "mainstay-ed25519:cc")
    trust.distrust("release")
    assert trust.trusted() == {"Ann": "mainstay-ed25519:bb"}
    with pytest.raises(NotFound) as unknown:
        trust.distrust("release")
    assert unknown.value.expected == "one of Ann"
    trust.trust("release", "mainstay-ed25519:cc")
    with pytest.raises(InvalidUsage):
        trust.trust(" ", "mainstay-ed25519:cc")


def test_keys_of_an_older_schema_are_of_production(engine: Engine, clock: ManualClock):
    """O18: a workspace from before there were environments keeps its keys."""
    secret, _ = create_key(SqlKeyStore(engine, clock), "checkout")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE mainstay_keys DROP COLUMN purposes"))
        connection.execute(text("ALTER TABLE mainstay_keys DROP COLUMN environment"))
        connection.execute(text("UPDATE mainstay_schema SET number = 1 WHERE part = 'keys'"))
    ring = KeyRing(tuple(SqlKeyStore(engine, clock).keys()), local=False)
    assert ring.authenticate(secret).environment == "production"
    assert ring.authenticate(secret).purposes == ("call",)
