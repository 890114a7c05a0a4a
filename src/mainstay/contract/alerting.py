"""Who is told of what is found: the part `[alerts]` of a workspace's settings, as a value.

Promises that every finding has exactly one rule: the first that fits. Light, because settings are
read by every process. Must never hold a secret: a channel names the variable that holds its URL.
"""

import re
from datetime import UTC, datetime, time, tzinfo
from fnmatch import fnmatchcase
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.times import duration_ns

QUIET_EXPECTED: Final = "from and to, and a time zone, such as 22:00-07:00 Europe/Berlin"
_QUIET: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: (\S{1,60}))?")

Do = Literal["roll back", "fall back", "stop", "quarantine", "recall", "retrain"]
DOES: Final[tuple[str, ...]] = get_args(Do)


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere people are told."""

    url_env: str
    """The environment variable that holds its URL, in the form of Apprise."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings go where, and how insistently."""

    models: tuple[str, ...] = ("*",)
    """Names, or patterns with `*`."""
    checks: tuple[str, ...] = ("*",)
    """Names of checks, or patterns with `*`."""
    verdicts: tuple[str, ...] = ("fail", "unsure")
    to: str = ""
    """A channel; without one, what fits is kept and shown, and nobody is told."""
    repeat_after: str = ""
    quiet: str = ""
    escalate_after: str = ""
    escalate_to: str = ""
    do: tuple[Do, ...] = ()
    """What is done about what fails, without asking anybody; nothing unless it is named here."""


class Alerting(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    channels: dict[str, Channel] = {}
    rules: tuple[Rule, ...] = ()
    """In order; without any, everything goes to the one channel there is."""
    per_hour: int = 20
    """How many messages a channel gets in an hour; what is more comes as one."""

    def rule_for(self, model: str, check: str, verdict: str) -> Rule:
        """The first rule that fits; where none does, one that tells nobody."""
        if not self.rules and self.channels:
            return Rule(to=next(iter(self.channels)))
        for rule in self.rules:
            if (
                verdict in rule.verdicts
                and any(fnmatchcase(model, pattern) for pattern in rule.models)
                and any(fnmatchcase(check, pattern) for pattern in rule.checks)
            ):
                return rule
        return Rule()


def after_ns(text: str) -> int:
    """A duration of a rule; 0 where it has none."""
    return duration_ns(text) if text else 0


def is_quiet(quiet: str, now_ns: int) -> bool:
    """Whether a moment lies in quiet hours; hours that run over midnight end the next day."""
    if not quiet:
        return False
    begin, end, zone = quiet_hours(quiet)
    here = datetime.fromtimestamp(now_ns / 1e9, UTC).astimezone(zone).time()
    return begin <= here < end if begin < end else here >= begin or here < end


def quiet_hours(text: str) -> tuple[time, time, tzinfo]:
    """`22:00-07:00 Europe/Berlin`, taken apart; anything else is `InvalidUsage`."""
    match = _QUIET.fullmatch(text)
    try:
        if match is not None:
            begin, end = (
                time(int(match[1]), int(match[2])),
                time(int(match[3]), int(match[4])),
            )
            if begin != end:
                return begin, end, ZoneInfo(match[5]) if match[5] else UTC
    except (KeyError, ValueError, OSError):
        pass
    raise InvalidUsage(f"{text[:60]!r} are no quiet hours", got=text[:60], expected=QUIET_EXPECTED)
