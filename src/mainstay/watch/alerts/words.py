"""What people are told: what, since when, how sure, what it touches, what to do, where to look.

Promises that nothing that came from a caller reads as anything but text: control and invisible
characters are gone, marks that chat programs act on are plain, and everything has a limit.
"""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from mainstay.watch.alerts.model import Alert, Item, Kind, Notice

TITLE_MAX: Final = 120
WORDS_MAX: Final = 500
ITEMS_SHOWN: Final = 8
_ALERTS_SHOWN: Final = 20
_VALUE_MAX: Final = 40
_PLAIN: Final = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "'", "*": "∗", "|": "¦"})
"""What would name people, make links or change letters in a chat, and what stands for it."""
_SHARE: Final = ": share of "


class Names(Protocol):
    """What is known of a version, for the description."""

    def version(self, model: str, subject: str) -> str:
        """`v3`, or as much of the fingerprint as is known."""
        ...

    def downstream(self, model: str) -> Sequence[str]:
        """The models in force that take from this one."""
        ...


def plain(text: str, most: int = WORDS_MAX) -> str:
    """Text in which nothing is taken for anything else, at most so long."""
    kept = "".join(
        " " if character.isspace() else character
        for character in text[: most * 4]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    short = " ".join(kept.split()).translate(_PLAIN).replace("://", ":∕∕")
    return short if len(short) <= most else short[: most - 1] + "…"


def check_of(notice: Notice) -> str:
    """The name of a check; a value in it is quoted and shortened."""
    column, share, value = notice.check.partition(_SHARE)
    if share and value != "unknown":
        return f"{plain(column, 80)}{_SHARE}“{plain(value, _VALUE_MAX)}”"
    return plain(notice.check, 120)


def letter_of(
    alert: Alert, items: Sequence[Item], kind: Kind, number: str, names: Names
) -> tuple[str, str]:
    """Title and body of a message about one alert."""
    model = plain(alert.model, 80)
    title = f"{model}: {_title(items, kind)}"
    lines: list[str] = []
    for item in items[:ITEMS_SHOWN]:
        lines += _about(item, names, over=kind == "resolved")
    if len(items) > ITEMS_SHOWN:
        lines.append(f"and {len(items) - ITEMS_SHOWN} more")
    lines.append("")
    if kind == "escalated":
        lines.append(f"Nobody has seen to it since {moment(alert.first_told_ns)}.")
    if kind == "resolved":
        lines.append("All of it is over.")
    else:
        lines += _what_to_do(alert, items, names)
    lines.append(f"look: mainstay alerts show {alert.id}   (message {number})")
    return plain(title, TITLE_MAX), "\n".join(lines)


def digest_of(parts: Sequence[tuple[Alert, Kind]], number: str) -> tuple[str, str]:
    """Title and body of a message about many alerts at once."""
    models = {alert.model for alert, _ in parts}
    title = f"{len(parts)} alerts about {len(models)} models at once"
    lines = ["More is wrong at once than one message each could say.", ""]
    for alert, kind in parts[:_ALERTS_SHOWN]:
        first = next(iter(alert.items.values()))
        more = f" and {len(alert.items) - 1} more" if len(alert.items) > 1 else ""
        said = "over" if kind == "resolved" else f"since {moment(first.opened_ns)}"
        lines.append(
            f"{alert.id}  {plain(alert.model, 80)}: {check_of(first.notice)}{more}, {said}"
        )
    if len(parts) > _ALERTS_SHOWN:
        lines.append(f"and {len(parts) - _ALERTS_SHOWN} more")
    lines += ["", f"look: mainstay alerts list   (message {number})"]
    return title, "\n".join(lines)


def moment(time_ns: int) -> str:
    """A moment, to the minute."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _title(items: Sequence[Item], kind: Kind) -> str:
    first = check_of(items[0].notice)
    what = first if len(items) == 1 else f"{first} and {len(items) - 1} more"
    if kind == "resolved":
        return f"over: {what}"
    if kind == "escalated":
        return f"not seen to: {what}"
    if kind == "repeat":
        return f"still: {what}"
    return f"comes and goes: {what}" if items[0].flapping else what


def _about(item: Item, names: Names, *, over: bool) -> list[str]:
    notice = item.notice
    mark = "✓" if over else "✗" if notice.verdict == "fail" else "?"
    flaps = "comes and goes: " if item.flapping and not over else ""
    words = plain(notice.words) or "no words were given"
    version = names.version(notice.model, notice.subject) if notice.subject else ""
    begun_ns = notice.since_ns or item.opened_ns
    column = plain(notice.check.partition(": ")[0], 80)
    named = "" if words.startswith(column) else f"{check_of(notice)}: "
    lines = [f"{mark} {named}{flaps}{words}"]
    parts = [f"since {moment(begun_ns)}"]
    if over and item.resolved_ns:
        parts.append(f"until {moment(item.resolved_ns)}")
    if notice.samples:
        parts.append(f"seen in {notice.samples:,} decisions")
    if item.count > 1:
        parts.append(f"found {item.count:,} times")
    if version:
        parts.append(f"version {plain(version, 40)}")
    if notice.slice:
        parts.append(f"where {plain(notice.slice, 80)}")
    lines.append(f"  {', '.join(parts)}")
    return lines


def _what_to_do(alert: Alert, items: Sequence[Item], names: Names) -> list[str]:
    lines: list[str] = []
    below = names.downstream(alert.model)
    if below:
        lines.append(f"touches: {', '.join(plain(each, 80) for each in below[:5])}, fed by it")
    model = plain(alert.model, 80)
    origins = {item.notice.origin for item in items}
    if "stopped" in origins:
        lines.append(f"do: mainstay rollback {model}")
    if "held" in origins:
        lines.append("do: mainstay held list")
    if "rollout" in origins:
        lines.append("do: mainstay status")
    if "watch" in origins:
        lines.append(f"do: mainstay watch {model}; mainstay rollback {model} if it began with it")
        lines.append(f'no trouble? mainstay alerts false {alert.id} --reason "…"')
    lines.append(f"seen to: mainstay alerts ack {alert.id}")
    return lines
