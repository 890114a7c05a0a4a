"""What an event of the journal says to alerts, if anything."""

from typing import Any, Final

from mainstay.journal.model import Event
from mainstay.watch.alerts.model import Notice

KINDS: Final = ("finding", "route")
"""The kinds of events that are read."""


def notice_of(event: Event) -> Notice | None:
    """A monitor's finding that began or ended, a version that was stopped, a rollout that went
    wrong, an answer that is held, any other finding that fails or is unsure, a route that changed;
    nothing for any other event."""
    body = event.body
    if event.kind == "route":
        arms = [str(arm.get("fingerprint", "")) for arm in body.get("arms", ())]
        return Notice(
            event=event.id, model=event.model, kind="routed", at_ns=event.time_ns,
            versions=(event.subject, *arms),
        )  # fmt: skip
    if event.kind != "finding" or body.get("verdict") not in {"fail", "unsure"}:
        return None
    if body.get("state") in {"opened", "resolved"}:
        since_ns = int(body.get("since_ms") or 0) * 1_000_000
        return _notice(event, "watch", str(body["key"]), kind=body["state"], since_ns=since_ns)
    if body.get("check") == "recall":
        return _notice(event, "noticed", f"recall|{event.subject}", subject="")
    if body.get("check") == "hold":
        return _notice(event, "held", f"hold|{body.get('slice', '')}", subject="")
    if "rollout" in body:
        return _notice(event, "rollout", f"rollout|{body['rollout']}|{body.get('check')}")
    if event.actor.startswith("worker ") and "epoch" in body:
        return _notice(event, "stopped", f"stopped|{event.subject}|{body.get('check')}")
    return _notice(event, "noticed", f"noticed|{event.subject}|{body.get('check')}")


def _notice(event: Event, origin: Any, key: str, **more: Any) -> Notice:
    body = event.body
    figures: dict[str, Any] = {name: body.get(name) for name in ("figure", "compared")}
    given: dict[str, Any] = {
        "kind": "opened",
        "since_ns": event.time_ns,
        "subject": event.subject,
        **more,
    }
    return Notice(
        event=event.id,
        model=event.model,
        at_ns=event.time_ns,
        key=key,
        origin=origin,
        check=str(body.get("check", "")),
        verdict=str(body["verdict"]),
        words=str(body.get("words", "")),
        samples=int(body.get("samples") or 0),
        slice=str(body.get("slice") or ""),
        **figures,
        **given,
    )
