"""`mainstay.toml`: the few settings of a workspace, each explained in the file itself.

An unknown setting, a wrong type or a value that cannot be is an error that names file and line:
a setting without an effect does not exist.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mainstay.access.keys import ENVIRONMENT_EXPECTED, is_environment
from mainstay.base.errors import InvalidUsage
from mainstay.contract.alerting import Alerting
from mainstay.contract.correcting import Receiver
from mainstay.wiring.alert_settings import read_alerts
from mainstay.wiring.correction_settings import read_corrections

SETTINGS_FILE = "mainstay.toml"
WORKERS_MAX = 256
_SETTINGS_MAX_BYTES = 64 * 1024
_PARTS = ("alerts", "corrections")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace can choose; the defaults serve one machine."""

    metadata: str = "sqlite:///mainstay.db"
    bundles: str = "bundles"
    journal: str = "journal"
    trusted_keys: str = "keys"
    training: str = "training"
    workers: int = 1
    inbox: bool = True
    environment: str = "production"
    telemetry: str = ""
    alerts: Alerting = Alerting()
    corrections: dict[str, Receiver] = {}


TEMPLATE = """\
# Settings of this Mainstay workspace. Everything here has a default; delete what you do not change.
# A setting that is not known is an error, so a slip of the pen cannot go unnoticed.

# Where versions, routes and keys of callers are kept: SQLite for one machine,
# or postgresql://user@host/database for several (a password belongs in PGPASSWORD or ~/.pgpass).
metadata = "sqlite:///mainstay.db"

# Where bundle files are kept: a folder, or the URL of an object store (s3://bucket/path,
# gs://bucket/path, az://container/path; credentials come from the environment).
bundles = "bundles"

# The folder of the journal: every decision, as Parquet files.
journal = "journal"

# The folder of public keys (*.pub). A bundle with Python code in it runs only when one of these
# signed it; `mainstay key trust FILE` puts a key here.
trusted_keys = "keys"

# The folder of the code that `mainstay retrain` runs; a contract names the function in it.
training = "training"

# How many worker processes answer requests.
workers = 1

# Whether a bundle file dropped into the folder `inbox` is deployed.
inbox = true

# What this workspace is for: production, test, … A caller's key is made for one environment and is
# refused by every other; a process with another MAINSTAY_ENVIRONMENT deploys nothing here.
environment = "production"

# A collector of OpenTelemetry for traces and metrics, such as "http://localhost:4318" (extra
# `otel`). When it is empty, the variables OTEL_EXPORTER_OTLP_… say where, or nothing is sent.
telemetry = ""

# Who is told of what is found. Without a channel, alerts are kept: `mainstay alerts list`.
# This part, if there is one, stands at the end of the file.
# [alerts]

# How many messages a channel gets in an hour; what is more comes as one.
# per_hour = 20

# Somewhere people are told: the name of the environment variable that holds its Apprise URL, such
# as mailto://… or slack://… (the URL is a secret, and never in here).
# [alerts.channels.team]
# url_env = "TEAM_ALERTS_URL"

# Rules, in order; the first that fits a finding says where it goes. Without rules, everything goes
# to the one channel there is; a rule without `to` tells nobody.
# [[alerts.rules]]
# models = ["fraud*"]
# checks = ["*"]
# verdicts = ["fail"]
# to = "team"
# repeat_after = "4h"
# quiet = "22:00-07:00 Europe/Berlin"
# escalate_after = "30m"
# escalate_to = "oncall"
# do = ["quarantine"]                     # what fails; also "stop", "roll back", "retrain" …

# Who keeps answers of models, and is told when `mainstay reprocess` gives others: the name of the
# environment variable that holds its URL, and of the one with the secret that what is sent is
# signed with. This part stands at the end, too.
# [corrections.ledger]
# url_env = "LEDGER_URL"
# secret_env = "LEDGER_SECRET"
# models = ["fraud*"]
"""


def read_settings(path: Path) -> Settings:
    """Read a settings file; every mistake is named with its line."""
    try:
        data = path.read_bytes()
        if len(data) > _SETTINGS_MAX_BYTES:
            raise InvalidUsage(f"{path} is larger than a settings file can be", got=len(data))
        text = data.decode("utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise InvalidUsage(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidUsage(
            f"{path} is not TOML: {error}", expected="lines such as `workers = 2`"
        ) from error
    known = {field.name for field in msgspec.structs.fields(Settings)}
    for name in found:
        if name not in known:
            raise _unknown(path, text, name, known)
    for name, value in found.items():
        if name not in _PARTS:
            _check(path, text, name, value)
    alerts = read_alerts(str(path), text, found.pop("alerts", {}))
    corrections = read_corrections(str(path), text, found.pop("corrections", {}))
    read = msgspec.convert(found, Settings)
    return msgspec.structs.replace(read, alerts=alerts, corrections=corrections)


def _unknown(path: Path, text: str, name: str, known: set[str]) -> InvalidUsage:
    near = difflib.get_close_matches(name, known, 1)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return InvalidUsage(
        f"{path}:{_line(text, name)}: there is no setting `{name}`",
        field=name,
        rule="known setting",
        expected=f"{guess}The settings are {', '.join(sorted(known))}",
    )


def _check(path: Path, text: str, name: str, value: Any) -> None:
    """One setting's type and range."""
    wanted = ""
    if name == "workers":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= WORKERS_MAX:
            wanted = f"a whole number from 1 to {WORKERS_MAX}"
    elif name == "inbox":
        if not isinstance(value, bool):
            wanted = "true or false"
    elif name == "environment":
        if not isinstance(value, str) or not is_environment(value):
            wanted = ENVIRONMENT_EXPECTED
    elif name == "telemetry":
        if not isinstance(value, str) or not re.match(r"(https?://[^/\s]|$)", value):
            wanted = "the address of a collector, such as http://localhost:4318"
    elif not isinstance(value, str) or not value.strip():
        wanted = "text in quotes, not empty"
    if wanted:
        raise InvalidUsage(
            f"{path}:{_line(text, name)}: `{name}` cannot be {value!r}",
            field=name,
            got=value,
            expected=wanted,
        )


def _line(text: str, name: str) -> int:
    """The line that sets a name."""
    pattern = re.compile(rf"""^\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return number
    return 1
