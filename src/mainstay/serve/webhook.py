"""Telling another system something over HTTP: signed, named so that it knows what it heard before.

Promises that what is sent with a secret is signed, so nobody else can say it; that a thing was told
only when the answer was 2xx; and that neither a URL nor a secret is ever part of an error. Must
never be called from a request's path: the other side may be slow.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from mainstay.base.clock import Clock
from mainstay.base.errors import StorageFailed

_SECOND_NS: Final = 1_000_000_000
_PAUSE_MAX_NS: Final = 600 * _SECOND_NS

Post = Callable[[str, bytes, Mapping[str, str]], int]
"""Sends a body with headers to a URL; the status of the answer. `StorageFailed` where there is
none."""


class Address(NamedTuple):
    """Where something is told, by names of environment variables."""

    url_env: str
    secret_env: str = ""
    """Nothing is signed without one."""


class Webhook:
    """Whoever tells: what is sent with, and the environment, in which URLs and secrets are."""

    def __init__(self, post: Post, variables: Mapping[str, str], clock: Clock) -> None:
        self._post = post
        self._variables = variables
        self._clock = clock

    def tell(
        self, address: Address, key: str, body: bytes, form: str = "application/json"
    ) -> tuple[int, str]:
        """The status, or why it was not told. Whoever hears a `key` twice heard the same twice."""
        for name in filter(None, address):
            if not self._variables.get(name):
                return 0, f"the server was started without {name} in its environment"
        headers = {"content-type": form, "idempotency-key": key}
        if address.secret_env:
            stamp = str(self._clock.now_ns() // _SECOND_NS)
            signed = signature(self._variables[address.secret_env], stamp, body)
            headers["x-mainstay-timestamp"] = stamp
            headers["x-mainstay-signature"] = f"sha256={signed}"
        try:
            status = self._post(self._variables[address.url_env], body, headers)
        except StorageFailed as error:
            return 0, error.message
        return status, "" if 200 <= status < 300 else f"it answered {status}"


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the time stamp, a full stop and the body, in hexadecimal."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def pause_ns(attempts: int) -> int:
    """How long to wait after so many attempts that failed: longer and longer, up to ten minutes."""
    return min(_SECOND_NS << min(max(attempts, 1) - 1, 20), _PAUSE_MAX_NS)
