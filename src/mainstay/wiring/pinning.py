"""Pins of one workspace: of the contract that serves, or of the one a client was written for."""

from collections.abc import Collection

from mainstay.base.errors import InvalidUsage
from mainstay.contract.model import Contract
from mainstay.release.pins.model import Pin, refuse_broken, relied_on
from mainstay.wiring.workspace import Workspace, whoever_runs_this


def live_contract(workspace: Workspace, model: str) -> Contract | None:
    """The contract of the version that answers now."""
    route = workspace.chain.current(model)
    return None if route is None else workspace.unpacked(route.fingerprint).manifest.contract


def pin_client(
    workspace: Workspace,
    model: str,
    client: str,
    stated: Contract | None,
    sends: Collection[str],
) -> Pin:
    """Keep what a client relies on; refused where the version that serves does not keep it."""
    live = live_contract(workspace, model)
    if live is None:
        raise InvalidUsage(
            f"nothing answers for {model} yet that a client could rely on",
            field="model",
            got=model,
            expected=f"`mainstay deploy {model}` first",
        )
    if stated is not None and stated.model != model:
        raise InvalidUsage(
            "the contract is of another model", field="contract", got=stated.model, expected=model
        )
    pin = Pin(
        model=model,
        client=client,
        contract=relied_on(live if stated is None else stated, sends),
        actor=whoever_runs_this(),
        time_ns=workspace.clock.now_ns(),
    )
    refuse_broken(pin, live)
    workspace.pins.keep(pin)
    return pin
