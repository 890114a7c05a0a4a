"""Keys and trust in a database that many processes and machines share.

Promises that no row ever holds a secret, and that a key that was revoked stays revoked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Row,
    String,
    Table,
    Text,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.access.keys import (
    check_name,
    taken_key,
    taken_trust,
    unknown_key,
    unknown_trust,
)
from mainstay.access.model import PRODUCTION, Caller, Key, Purpose
from mainstay.base.clock import Clock
from mainstay.bundle.database import create_tables, reading, storable, writing

_PART = "keys"
_SCHEMA = 3
_CALL = '["call"]'
_UPGRADES = {
    1: ("ALTER TABLE mainstay_keys ADD COLUMN environment TEXT NOT NULL DEFAULT 'production'",),
    2: (f"ALTER TABLE mainstay_keys ADD COLUMN purposes TEXT NOT NULL DEFAULT '{_CALL}'",),
}

_TABLES = MetaData()
_KEYS = Table(
    "mainstay_keys",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("caller", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("environment", Text, nullable=False, server_default=PRODUCTION),
    Column("purposes", Text, nullable=False, server_default=_CALL),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("revoked_at_ns", BigInteger),
)
_TRUSTED = Table(
    "mainstay_trusted",
    _TABLES,
    Column("name", String, primary_key=True),
    Column("public_key", Text, nullable=False),
)


class SqlKeyStore:
    """Keeps keys in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES, _UPGRADES)
        self._engine = engine
        self._clock = clock

    def add(self, key_id: str, digest: str, caller: Caller) -> Key:
        """Keep a new key; `Conflict` when its id or its digest is there already."""
        key = Key(id=key_id, digest=digest, caller=caller, created_at_ns=self._clock.now_ns())
        row = {
            "id": key.id,
            "digest": key.digest,
            "caller": caller.name,
            "models": msgspec.json.encode(caller.models).decode("utf-8"),
            "environment": caller.environment,
            "purposes": msgspec.json.encode(caller.purposes).decode("utf-8"),
            "created_at_ns": key.created_at_ns,
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(_KEYS.insert().values(row))
        except IntegrityError as error:
            raise taken_key(key_id) from error
        return key

    def revoke(self, key_id: str) -> Key:
        """Let a key be of no use from now on; revoking it again changes nothing; `NotFound`."""
        if not storable(key_id):
            raise unknown_key(ascii(key_id), ())
        mine = _KEYS.c.id == key_id
        still = mine & _KEYS.c.revoked_at_ns.is_(None)
        with writing(self._engine) as connection:
            connection.execute(
                _KEYS.update().where(still).values(revoked_at_ns=self._clock.now_ns())
            )
            row = connection.execute(select(_KEYS).where(mine)).one_or_none()
            if row is not None:
                return _key(row)
            known = connection.execute(select(_KEYS.c.id)).scalars().all()
        raise unknown_key(key_id, known)

    def keys(self) -> Sequence[Key]:
        """All keys, revoked or not, oldest first."""
        with reading(self._engine) as connection:
            keys = map(_key, connection.execute(select(_KEYS)).all())
            return sorted(keys, key=lambda key: (key.created_at_ns, key.id))


class SqlTrustStore:
    """Keeps trusted public keys in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES, _UPGRADES)
        self._engine = engine

    def trust(self, name: str, public_key: str) -> None:
        """Trust a public key under a name; `Conflict` when the name stands for another key."""
        check_name("name", name)
        try:
            with writing(self._engine) as connection:
                known = _trusted(connection, name)
                if known is None:
                    row = {"name": name, "public_key": public_key}
                    connection.execute(_TRUSTED.insert().values(row))
        except IntegrityError:
            # Somebody used the name between our look and our insert.
            with reading(self._engine) as connection:
                known = _trusted(connection, name)
        if known not in (None, public_key):
            raise taken_trust(name)

    def distrust(self, name: str) -> None:
        """Trust the key of this name no longer; `NotFound`."""
        with writing(self._engine) as connection:
            names = connection.execute(select(_TRUSTED.c.name)).scalars().all()
            if name not in names:
                raise unknown_trust(name, names)
            connection.execute(_TRUSTED.delete().where(_TRUSTED.c.name == name))

    def trusted(self) -> Mapping[str, str]:
        """Name to public key, in the order of the names."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_TRUSTED)).all()
        # Sorted here, because databases differ in how they order text.
        return {row.name: row.public_key for row in sorted(rows, key=lambda row: row.name)}


def _trusted(connection: Connection, name: str) -> str | None:
    wanted = select(_TRUSTED.c.public_key).where(_TRUSTED.c.name == name)
    return connection.execute(wanted).scalar()


def _key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        digest=row.digest,
        caller=Caller(
            name=row.caller,
            models=msgspec.json.decode(row.models, type=tuple[str, ...]),
            environment=row.environment,
            purposes=msgspec.json.decode(row.purposes, type=tuple[Purpose, ...]),
        ),
        created_at_ns=row.created_at_ns,
        revoked_at_ns=row.revoked_at_ns,
    )
