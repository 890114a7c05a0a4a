"""The part `[alerts]` of `mainstay.toml`: every mistake is named with its line."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.alerting import DOES, Alerting, Channel, Rule, quiet_hours
from mainstay.contract.times import duration_ns

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_PER_HOUR_MAX: Final = 1000
_CHANNELS_MAX: Final = 20
_RULES_MAX: Final = 100
_LEAST_NS: Final = 60_000_000_000
_VERDICTS: Final = ("fail", "unsure")


class _Page:
    """The text that was read, for the lines of mistakes."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def wrong(self, place: Sequence[str | int], got: Any, expected: str) -> InvalidUsage:
        named = ".".join(str(each) for each in place)
        return InvalidUsage(
            f"{self._path}:{self._line(place)}: `{named}` cannot be {str(got)[:60]!r}",
            field=named,
            got=got if isinstance(got, (str, int, float, bool)) else str(got)[:60],
            expected=expected,
        )

    def _line(self, place: Sequence[str | int]) -> int:
        """The line of the innermost part that is found, in the table that it belongs to."""
        at = 0
        rule = next((each for each in place if isinstance(each, int)), None)
        if rule is not None:
            heads = [n for n, line in enumerate(self._lines) if "alerts.rules" in line]
            at = heads[min(rule, len(heads) - 1)] if heads else 0
        for name in place:
            if isinstance(name, str) and name != "rules":
                pattern = re.compile(rf"^\s*[\[\w\"'.\s]*\b{re.escape(name)}\b")
                found = (n for n in range(at, len(self._lines)) if pattern.match(self._lines[n]))
                at = next(found, at)
        return at + 1


def read_alerts(path: str, text: str, found: Any) -> Alerting:
    """Check what stands under `[alerts]`."""
    page = _Page(path, text)
    table = _table(page, ("alerts",), found, Alerting)
    channels = _table(page, ("alerts", "channels"), table.get("channels", {}), None)
    for name, each in channels.items():
        _channel(page, name, each)
    if len(channels) > _CHANNELS_MAX:
        raise page.wrong(("alerts", "channels"), len(channels), f"at most {_CHANNELS_MAX}")
    rules = _list(table.get("rules", []))
    if rules is None or len(rules) > _RULES_MAX:
        right = "parts that begin with [[alerts.rules]]"
        raise page.wrong(("alerts", "rules"), table["rules"], right)
    for number, rule in enumerate(rules):
        _rule(page, number, rule, channels)
    per_hour = table.get("per_hour", 20)
    if isinstance(per_hour, bool) or not isinstance(per_hour, int):
        raise page.wrong(("alerts", "per_hour"), per_hour, "a whole number")
    if not 1 <= per_hour <= _PER_HOUR_MAX:
        raise page.wrong(("alerts", "per_hour"), per_hour, f"from 1 to {_PER_HOUR_MAX}")
    _used(page, channels, rules)
    return msgspec.convert(table, Alerting)


def _used(page: _Page, channels: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> None:
    """A channel that nothing is sent to would be without effect."""
    if not rules and len(channels) > 1:
        raise page.wrong(
            ("alerts", "channels"), sorted(channels), "one, or [[alerts.rules]] that say which "
            "channel gets what",
        )  # fmt: skip
    used = {rule.get(name) for rule in rules for name in ("to", "escalate_to")}
    for name in channels if rules else ():
        if name not in used:
            raise page.wrong(
                ("alerts", "channels", name), name, f"a channel that a rule names: to = {name!r}"
            )


def _channel(page: _Page, name: str, found: Any) -> None:
    place = ("alerts", "channels", name)
    if not _NAME.fullmatch(name):
        raise page.wrong(place, name, "lower-case letters, digits, - and _")
    table = _table(page, place, found, Channel)
    variable = table.get("url_env")
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        raise page.wrong(
            (*place, "url_env"), "what is not the name of a variable", "the name of an environment "
            "variable, such as TEAM_ALERTS_URL; the URL itself is a secret and belongs in there",
        )  # fmt: skip


def _rule(page: _Page, number: int, found: Any, channels: Mapping[str, Any]) -> None:
    place = ("alerts", "rules", number)
    rule = _table(page, place, found, Rule)
    for name in ("models", "checks", "verdicts"):
        given = _list(rule.get(name, [name]))
        if not given or not all(isinstance(each, str) and each for each in given):
            raise page.wrong((*place, name), rule[name], 'a list of names, such as ["fraud*"]')
    for verdict in rule.get("verdicts", ()):
        if verdict not in _VERDICTS:
            raise page.wrong((*place, "verdicts"), verdict, "fail or unsure")
    for name in ("to", "escalate_to"):
        given = rule.get(name, "")
        if not isinstance(given, str) or (given and given not in channels):
            near = difflib.get_close_matches(str(given), channels, 1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join(sorted(channels)) or "none"
            raise page.wrong((*place, name), given, f"{guess}The channels are: {known}")
    wanted = _list(rule.get("do", list(DOES)))
    if not wanted or len(set(map(str, wanted))) < len(wanted) or not set(wanted) <= set(DOES):
        raise page.wrong((*place, "do"), rule["do"], f"a list of some of: {', '.join(DOES)}")
    if "do" in rule and "fail" not in rule.get("verdicts", ("fail",)):
        raise page.wrong(
            (*place, "do"),
            rule["do"],
            "a rule for what fails; nothing is done about what is unsure",
        )
    for name, reads, right in (
        ("repeat_after", _long_enough, "a duration of a minute or more, such as 4h"),
        ("escalate_after", _long_enough, "a duration of a minute or more, such as 30m"),
        ("quiet", quiet_hours, "from and to, and a time zone: 22:00-07:00 Europe/Berlin"),
    ):
        _read(page, (*place, name), rule.get(name), reads, right)
    if bool(rule.get("escalate_after")) != bool(rule.get("escalate_to")):
        name = "escalate_after" if rule.get("escalate_after") else "escalate_to"
        raise page.wrong((*place, name), rule[name], "escalate_after and escalate_to together")
    told = [n for n in ("repeat_after", "quiet", "escalate_after") if rule.get(n)]
    if told and not rule.get("to"):
        raise page.wrong((*place, told[0]), rule[told[0]], "a rule that tells somebody: to = …")


def _read(
    page: _Page,
    place: Sequence[str | int],
    given: Any,
    reads: Callable[[str], object],
    right: str,
) -> None:
    if given is None:
        return
    try:
        if not isinstance(given, str):
            raise InvalidUsage("not text")
        reads(given)
    except InvalidUsage:
        raise page.wrong(place, given, right) from None


def _long_enough(text: str) -> None:
    if duration_ns(text) < _LEAST_NS:
        raise InvalidUsage("too short")


def _list(found: Any) -> list[Any] | None:
    return cast("list[Any]", found) if isinstance(found, list) else None


def _table(
    page: _Page, place: Sequence[str | int], found: Any, kind: type[msgspec.Struct] | None
) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise page.wrong(place, found, "a part of its own, with settings below it")
    table = cast("dict[str, Any]", found)
    known = [field.name for field in msgspec.structs.fields(kind)] if kind else list(table)
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            guess = f"did you mean `{near[0]}`? " if near else ""
            right = f"{guess}The settings here are {', '.join(known)}"
            raise page.wrong((*place, name), "a setting", right)
    return table
