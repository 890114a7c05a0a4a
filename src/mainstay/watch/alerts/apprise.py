"""Telling people through Apprise: mail, chats, webhooks, telephones.

Promises that a URL, which holds secrets, is never part of a message. Imported only where something
is to be sent.
"""

import logging
from typing import Any

from mainstay.base.errors import StorageFailed

INSTALL = "pip install 'mainstay[alerts]'"
_PATIENCE_SECONDS = 30


class ApprisePost:
    """Sends to whatever an Apprise URL names."""

    def __init__(self) -> None:
        # What it writes about a failure may hold the address, and the address a secret.
        log = logging.getLogger("apprise")
        log.propagate = False
        log.addHandler(logging.NullHandler())

    def send(self, url: str, title: str, body: str, *, good: bool) -> None:
        """Done when it returns."""
        try:
            import apprise
        except ModuleNotFoundError as error:
            raise StorageFailed(
                f"alerts are sent by Apprise, and it is not installed: {INSTALL}"
            ) from error
        there: Any = apprise.Apprise()
        if not there.add(url):
            raise StorageFailed(
                "its URL is none that Apprise knows; see its list of services for the right form"
            )
        kind = apprise.NotifyType.SUCCESS if good else apprise.NotifyType.WARNING
        answer = there.notify(
            body=body,
            title=title,
            notify_type=kind,
            body_format=apprise.NotifyFormat.TEXT,
            timeout=_PATIENCE_SECONDS,
        )
        if not answer:
            raise StorageFailed(f"{url.partition(':')[0][:20]} did not take it")
