"""Callers and their keys, as values and pure decisions."""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from mainstay.base.errors import NotAllowed, NotAuthenticated

LOCAL = "local"
"""The caller without a key on a server that only this machine can reach."""


PRODUCTION = "production"
"""The environment where none is named."""

Purpose = Literal["call", "label"]
PURPOSES: Final[Mapping[Purpose, str]] = {
    "call": "ask for answers and say what became of them",
    "label": "say what is right of what is set aside",
}
"""What a key can be for, in words."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, and which models they may reach; `*` is every model."""

    name: str
    models: tuple[str, ...] = ("*",)
    environment: str = PRODUCTION
    """Where their key is of use: in workspaces of this environment, and no others."""
    purposes: tuple[Purpose, ...] = ("call",)
    """What their key is for."""

    def may_reach(self, model: str) -> bool:
        """Whether this caller was granted the model."""
        return "*" in self.models or model in self.models


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is stored: the digest of the secret, never the secret."""

    id: str
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    caller: Caller
    created_at_ns: int
    revoked_at_ns: int | None = None


def digest_of(secret: str) -> str:
    """What is stored of a secret. The secret is 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class KeyRing:
    """The keys in force, looked up by digest: a lookup reveals nothing that guessing a digest
    of 256 bits would not."""

    def __init__(
        self, keys: tuple[Key, ...], *, local: bool, environment: str = PRODUCTION
    ) -> None:
        self._environment = environment
        self._callers = {key.digest: key.caller for key in keys if key.revoked_at_ns is None}
        self._local = Caller(name=LOCAL, purposes=tuple(PURPOSES)) if local else None

    def authenticate(self, secret: str | None) -> Caller:
        """The caller that a secret belongs to."""
        if secret is None:
            if self._local is not None:
                return self._local
            raise NotAuthenticated(
                "this server needs a key",
                field="authorization",
                expected="a header `Authorization: Bearer <key>`; make one with `mainstay key`",
            )
        caller = self._callers.get(digest_of(secret))
        if caller is None:
            raise NotAuthenticated("this key is not known or was revoked", field="authorization")
        if caller.environment != self._environment:
            raise NotAllowed(
                f"the key of {caller.name} is for {caller.environment!r}, and this server is "
                f"{self._environment!r}",
                field="environment",
                got=caller.environment,
                expected=f"a key for {self._environment!r}",
            )
        return caller


def authorise(caller: Caller, model: str, purpose: Purpose = "call") -> None:
    """Refuse a model, or a purpose, that the caller was not granted."""
    if purpose not in caller.purposes:
        raise NotAllowed(
            f"the key of {caller.name} may not be used to {PURPOSES[purpose]}",
            field="purpose",
            got=", ".join(caller.purposes),
            expected=f"a key made with `mainstay key create {caller.name} --for {purpose}`",
        )
    if not caller.may_reach(model):
        raise NotAllowed(
            f"{caller.name} was not granted the model {model!r}",
            field="model",
            got=model,
            expected="one of " + ", ".join(caller.models) if caller.models else "no model at all",
        )
