"""The part `[alerts]` of `mainstay.toml`: every mistake is named with its line."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from mainstay.base.errors import InvalidUsage
from mainstay.contract.alerting import DOES, Alerting, Channel, Rule, quiet_hours
from mainstay.contract.times import duration_ns
from mainstay.wiring.settings_page import (
    Page,
    check_name,
    check_patterns,
    check_variable,
    list_of,
    table_of,
)

_PER_HOUR_MAX: Final = 1000
_CHANNELS_MAX: Final = 20
_RULES_MAX: Final = 100
_LEAST_NS: Final = 60_000_000_000
_VERDICTS: Final = ("fail", "unsure")


def read_alerts(path: str, text: str, found: Any) -> Alerting:
    """Check what stands under `[alerts]`."""
    page = Page(path, text)
    table = table_of(page, ("alerts",), found, Alerting)
    channels = table_of(page, ("alerts", "channels"), table.get("channels", {}), None)
    for name, each in channels.items():
        _channel(page, name, each)
    if len(channels) > _CHANNELS_MAX:
        raise page.wrong(("alerts", "channels"), len(channels), f"at most {_CHANNELS_MAX}")
    rules = list_of(table.get("rules", []))
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


def _used(page: Page, channels: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> None:
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


def _channel(page: Page, name: str, found: Any) -> None:
    place = ("alerts", "channels", name)
    check_name(page, place, name)
    table = table_of(page, place, found, Channel)
    check_variable(page, (*place, "url_env"), table.get("url_env"), "TEAM_ALERTS_URL")


def _rule(page: Page, number: int, found: Any, channels: Mapping[str, Any]) -> None:
    place = ("alerts", "rules", number)
    rule = table_of(page, place, found, Rule)
    for name in ("models", "checks", "verdicts"):
        check_patterns(page, (*place, name), rule.get(name, [name]))
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
    wanted = list_of(rule.get("do", list(DOES)))
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
    page: Page,
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
