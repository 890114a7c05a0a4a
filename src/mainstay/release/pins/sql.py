"""Pins in a database that many processes and machines share."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Column, ColumnElement, Engine, MetaData, String, Table, Text, select

from mainstay.bundle.database import create_tables, reading, storable, writing
from mainstay.release.pins.keeping import check, no_pin
from mainstay.release.pins.model import Pin

_PART = "pins"
_SCHEMA = 1

_TABLES = MetaData()
_PINS = Table(
    "mainstay_pins",
    _TABLES,
    Column("model", String, primary_key=True),
    Column("client", String, primary_key=True),
    Column("pin", Text, nullable=False),
)


class SqlPinStore:
    """Keeps pins in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, _PART, _SCHEMA, _TABLES)
        self._engine = engine

    def keep(self, pin: Pin) -> None:
        """Keep a pin, in place of the one that this client had of this model."""
        check(pin)
        with writing(self._engine) as connection:
            connection.execute(_PINS.delete().where(_is(pin.model, pin.client)))
            row = {"model": pin.model, "client": pin.client, "pin": _encode(pin)}
            connection.execute(_PINS.insert().values(row))

    def remove(self, model: str, client: str) -> None:
        """Forget a pin; `NotFound` when there is none."""
        if storable(model) and storable(client):
            with writing(self._engine) as connection:
                if connection.execute(_PINS.delete().where(_is(model, client))).rowcount:
                    return
        raise no_pin(model, client, self.of(model))

    def of(self, model: str | None = None) -> Sequence[Pin]:
        """The pins of a model, or all of them, by model and client."""
        wanted = select(_PINS.c.pin)
        if model is not None:
            if not storable(model):
                return []
            wanted = wanted.where(_PINS.c.model == model)
        with reading(self._engine) as connection:
            pins = [_decode(text) for text in connection.execute(wanted).scalars().all()]
        # Sorted here, because databases differ in how they order text.
        return sorted(pins, key=lambda pin: (pin.model, pin.client))


def _is(model: str, client: str) -> ColumnElement[bool]:
    return (_PINS.c.model == model) & (_PINS.c.client == client)


def _encode(pin: Pin) -> str:
    return msgspec.json.encode(pin).decode()


def _decode(text: str) -> Pin:
    return msgspec.json.decode(text, type=Pin)
