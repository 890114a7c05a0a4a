"""Sending over HTTP: the one adapter of what webhooks are told with."""

from collections.abc import Mapping
from typing import Final

import urllib3

from mainstay.base.errors import StorageFailed
from mainstay.serve.webhook import Post

_PATIENCE_SECONDS: Final = 10.0


def poster(what: str) -> Post:
    """Sends to whatever `what` says it is; never follows anybody elsewhere."""
    timeout = urllib3.Timeout(connect=_PATIENCE_SECONDS, read=_PATIENCE_SECONDS)
    pool = urllib3.PoolManager(retries=False, timeout=timeout)

    def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            answer = pool.request(
                "POST", url, body=body, headers=dict(headers), redirect=False, preload_content=False
            )
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            # The URL may hold a secret, and the error the URL.
            words = f"nobody answered at the {what} ({type(error).__name__})"
            raise StorageFailed(words) from error
        answer.close()
        return int(answer.status)

    return post
