"""Sending what waits: claimed, sent, and crossed out, in three steps.

Promises at-least-once: a message is crossed out only after it was sent, so a keeper that dies
between the two sends it again, with the same number in it; of several keepers one claims a
message, for a minute. What cannot be sent is tried again after longer and longer pauses, for three
days, and what is told about one alert comes in order.
"""

from collections.abc import Callable, Mapping
from typing import Final

from mainstay.base.clock import Clock
from mainstay.base.errors import StorageFailed
from mainstay.contract.alerting import Alerting
from mainstay.watch.alerts.model import DAY_NS, Book, Health, Message
from mainstay.watch.alerts.port import Post

CLAIM_NS: Final = 60_000_000_000
GIVE_UP_NS: Final = 3 * DAY_NS
AT_ONCE: Final = 20
"""How many messages are sent at one look."""
_SECOND_NS: Final = 1_000_000_000
_PAUSE_MAX_NS: Final = 600 * _SECOND_NS

Change = Callable[[Callable[[Book], Message | None]], Message | None]
"""Changes the newest book and saves it, again where somebody else came in between; nothing was
changed where nothing is returned."""


class Delivery:
    """The post of one keeper."""

    def __init__(
        self, change: Change, post: Post, variables: Mapping[str, str], clock: Clock
    ) -> None:
        """`variables` is the environment, in which URLs are."""
        self._change = change
        self._post = post
        self._variables = variables
        self._clock = clock

    def look(self, policy: Alerting) -> int:
        """Send what is due; how many messages were sent."""
        sent, failed = 0, set[str]()
        for _ in range(AT_ONCE):
            message = self._change(lambda book: self._claim(book, failed))
            if message is None:
                break
            if message.state == "waiting":
                why = self.try_to_send(policy, message)
                self._change(lambda book, id_=message.id, why=why: self._settle(book, id_, why))
                sent += not why
                if why:
                    failed.add(message.channel)
        return sent

    def try_to_send(self, policy: Alerting, message: Message) -> str:
        """Send it; why it could not be, or nothing."""
        channel = policy.channels.get(message.channel)
        if channel is None:
            return f"there is no channel {message.channel} in the settings any more"
        url = self._variables.get(channel.url_env, "")
        if not url:
            return f"{channel.url_env} is not in the environment of this process"
        try:
            good = message.kind == "resolved"
            self._post.send(url, message.title, message.body, good=good)
        except StorageFailed as error:
            return error.message
        return ""

    def _claim(self, book: Book, failed: set[str]) -> Message | None:
        now_ns = self._clock.now_ns()
        before = set[tuple[str, str]]()
        for message in book.messages:
            if message.state != "waiting":
                continue
            about = {(message.channel, alert) for alert in message.alerts}
            free = message.claimed_ns <= now_ns and message.next_ns <= now_ns
            if free and not about & before and message.channel not in failed:
                if now_ns - message.made_ns > GIVE_UP_NS:
                    self._give_up(book, message, now_ns)
                else:
                    message.claimed_ns = now_ns + CLAIM_NS
                return message
            before |= about
        return None

    def _give_up(self, book: Book, message: Message, now_ns: int) -> None:
        message.state, message.settled_ns = "given up", now_ns
        _log(book, message, "given up", now_ns, why=message.why)

    def _settle(self, book: Book, number: str, why: str) -> Message | None:
        message = next((each for each in book.messages if each.id == number), None)
        if message is None or message.state != "waiting":
            return None
        now_ns = self._clock.now_ns()
        health = book.channels.setdefault(message.channel, Health())
        message.attempts += 1
        news = why != message.why
        message.claimed_ns, message.why, health.why = 0, why, why
        if why:
            pause_ns = min(_SECOND_NS << min(message.attempts - 1, 20), _PAUSE_MAX_NS)
            message.next_ns = now_ns + pause_ns
            health.failing_since_ns = health.failing_since_ns or now_ns
            if news:
                _log(book, message, "failed", now_ns, why=why, attempts=message.attempts)
        else:
            message.state, message.settled_ns = "sent", now_ns
            health.failing_since_ns = 0
            _log(book, message, "sent", now_ns, attempts=message.attempts)
        return message


def _log(book: Book, message: Message, did: str, now_ns: int, **body: object) -> None:
    for number in message.alerts:
        alert = book.alerts.get(number)
        book.log(did, alert, now_ns, message=message.id, channel=message.channel, **body)
