"""Where traces and metrics go: as `telemetry` of `mainstay.toml` says, or the variables that
OpenTelemetry reads everywhere.

Promises that without either nothing is imported; and that a setting that cannot have an effect,
because the extra is not installed, is an error, while a variable that others set is only told of.
"""

import importlib.util
import os
from collections.abc import Mapping
from typing import Final

import msgspec

from mainstay.base.errors import InvalidUsage

EVERY_SECONDS: Final = 60.0
_BASE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "http/protobuf"
_LIBRARY: Final = "opentelemetry.exporter.otlp.proto.http"
_EXTRA: Final = "pip install 'mainstay[otel]'"


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of collectors; empty where nothing is sent."""

    traces: str = ""
    metrics: str = ""
    every_seconds: float = EVERY_SECONDS


def telemetry_of(setting: str, environment: Mapping[str, str] = os.environ) -> Telemetry:
    """Where things go; `InvalidUsage` when the setting cannot be followed."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Telemetry()
    found = Telemetry(
        traces=_address("traces", setting, environment),
        metrics=_address("metrics", setting, environment),
        every_seconds=_every_seconds(environment),
    )
    if not (found.traces or found.metrics) or installed():
        return found
    if setting:
        raise InvalidUsage(
            "`telemetry` names a collector, and what speaks to it is not installed",
            field="telemetry",
            got=setting,
            expected=_EXTRA,
        )
    return Telemetry()


def installed() -> bool:
    """Whether the extra is there; nothing of it is imported."""
    try:
        return importlib.util.find_spec(_LIBRARY) is not None
    except ModuleNotFoundError:
        return False


def trouble(setting: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a person should know, if anything."""
    asked = environment.get(_BASE, "") and not setting
    if asked and not installed():
        return f"{_BASE} is set, and nothing is sent: {_EXTRA} for that."
    protocol = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", _PROTOCOL)
    if protocol != _PROTOCOL and (asked or setting):
        return f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; {_PROTOCOL} is spoken here."
    return ""


def _address(signal: str, setting: str, environment: Mapping[str, str]) -> str:
    if environment.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").strip().lower() != "otlp":
        return ""
    if not setting:
        own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
        if own:
            return own
    base = setting or environment.get(_BASE, "").strip()
    return f"{base.rstrip('/')}/v1/{signal}" if base else ""


def _every_seconds(environment: Mapping[str, str]) -> float:
    given = environment.get("OTEL_METRIC_EXPORT_INTERVAL", "")
    return max(1.0, int(given) / 1000.0) if given.isdigit() else EVERY_SECONDS
