"""A registry in a database that many processes and machines share.

Promises that of each model the numbers are 1, 2, 3 … without a gap, however many register at once,
and that a fingerprint has one number for ever. Rows are only ever added.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from mainstay.base.clock import Clock
from mainstay.base.errors import Conflict, InvalidBundle
from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.bundle.model import Manifest, Version
from mainstay.bundle.numbering import (
    NUMBER_MAX,
    decode_card,
    encode_card,
    next_version,
    no_version,
    oldest_first,
    only_one,
)

_PART = "versions"
_SCHEMA = 1
_ATTEMPTS_MAX = 100
"""Each lost attempt means that somebody else registered, so this many is a broken database."""

_TABLES = MetaData()
_VERSIONS = Table(
    "mainstay_versions",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("registered_at_ns", BigInteger, nullable=False),
    Column("card", Text, nullable=False),
    UniqueConstraint("fingerprint", name="mainstay_versions_fingerprint"),
)


class SqlRegistry:
    """Numbers versions in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine
        self._clock = clock

    def register(self, manifest: Manifest, fingerprint: str, size_bytes: int) -> Version:
        """Give a version its number; registering the same fingerprint again returns it."""
        if not storable(manifest.model) or not storable(fingerprint):
            raise InvalidBundle(
                "the model's name holds characters that cannot be kept",
                field="model",
                got=ascii(manifest.model),
                expected="letters, digits, '-', '_' and '.'",
            )
        for _ in range(_ATTEMPTS_MAX):
            try:
                with writing(self._engine) as connection:
                    return self._register(connection, manifest, fingerprint, size_bytes)
            except IntegrityError:
                # Somebody took the number, or registered the same version, between our look and
                # our insert; the next look sees what they wrote.
                continue
        raise Conflict(
            f"others kept registering versions of {manifest.model} before this one",
            field="model",
            got=manifest.model,
            expected="to try again",
        )

    def _register(
        self, connection: Connection, manifest: Manifest, fingerprint: str, size_bytes: int
    ) -> Version:
        same = select(_VERSIONS).where(_VERSIONS.c.fingerprint == fingerprint)
        known = connection.execute(same).one_or_none()
        if known is not None:
            return _version(known)
        row = connection.execute(_newest_of(manifest.model)).first()
        newest = _version(row) if row is not None else None
        version = next_version(newest, manifest, fingerprint, size_bytes, self._clock.now_ns())
        values = structs.asdict(version) | {"card": encode_card(version.card)}
        connection.execute(_VERSIONS.insert().values(values))
        return version

    def find(self, model: str, number: int | None = None) -> Version:
        """One version, by default the newest; `NotFound` names what there is."""
        if not storable(model):
            raise no_version(model, number, (), ())
        wanted = _newest_of(model)
        if number is not None:
            possible = number if 0 < number <= NUMBER_MAX else 0
            wanted = wanted.where(_VERSIONS.c.number == possible)
        with reading(self._engine) as connection:
            row = connection.execute(wanted).first()
            if row is not None:
                return _version(row)
            known = connection.execute(select(_VERSIONS.c.model).distinct()).scalars().all()
            numbers = select(_VERSIONS.c.number).where(_VERSIONS.c.model == model)
            ordered = connection.execute(numbers.order_by(_VERSIONS.c.number)).scalars().all()
        raise no_version(model, number, known, ordered)

    def find_fingerprint(self, fingerprint: str) -> Version:
        """The version with this fingerprint (or unambiguous beginning of it); `NotFound`."""
        if not fingerprint or not storable(fingerprint):
            return only_one(fingerprint, ())
        exact = select(_VERSIONS).where(_VERSIONS.c.fingerprint == fingerprint)
        beginning = func.substr(_VERSIONS.c.fingerprint, 1, len(fingerprint))
        with reading(self._engine) as connection:
            rows = connection.execute(exact).all()
            if not rows:
                rows = connection.execute(select(_VERSIONS).where(beginning == fingerprint)).all()
        return only_one(fingerprint, [_version(row) for row in rows])

    def versions(self, model: str | None = None) -> Sequence[Version]:
        """All versions, oldest first."""
        wanted = select(_VERSIONS)
        if model is not None:
            if not storable(model):
                return []
            wanted = wanted.where(_VERSIONS.c.model == model)
        with reading(self._engine) as connection:
            return oldest_first(map(_version, connection.execute(wanted).all()))


def _newest_of(model: str) -> Select[Any]:
    of_model = select(_VERSIONS).where(_VERSIONS.c.model == model)
    return of_model.order_by(_VERSIONS.c.number.desc()).limit(1)


def _version(row: Row[Any]) -> Version:
    return Version(
        model=row.model,
        number=row.number,
        fingerprint=row.fingerprint,
        size_bytes=row.size_bytes,
        registered_at_ns=row.registered_at_ns,
        card=decode_card(row.card),
    )
