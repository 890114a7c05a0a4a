"""The part `[corrections]` of `mainstay.toml`: every mistake is named with its line."""

from typing import Any, Final

import msgspec

from mainstay.contract.correcting import Receiver
from mainstay.wiring.settings_page import (
    Page,
    check_name,
    check_patterns,
    check_variable,
    table_of,
)

_RECEIVERS_MAX: Final = 20


def read_corrections(path: str, text: str, found: Any) -> dict[str, Receiver]:
    """Check what stands under `[corrections]`."""
    page = Page(path, text)
    receivers = table_of(page, ("corrections",), found, None)
    if len(receivers) > _RECEIVERS_MAX:
        raise page.wrong(("corrections",), len(receivers), f"at most {_RECEIVERS_MAX}")
    for name, each in receivers.items():
        place = ("corrections", name)
        check_name(page, place, name)
        receiver = table_of(page, place, each, Receiver)
        check_variable(page, (*place, "url_env"), receiver.get("url_env"), "LEDGER_URL")
        if "secret_env" in receiver:
            check_variable(page, (*place, "secret_env"), receiver["secret_env"], "LEDGER_SECRET")
        if "models" in receiver:
            check_patterns(page, (*place, "models"), receiver["models"])
    return msgspec.convert(receivers, dict[str, Receiver])
