"""Stopping a version of one workspace, for whoever runs it and for rules."""

import msgspec

from mainstay.release.stop import check_falls_back, stopping
from mainstay.serve.routes.model import Route
from mainstay.wiring.workspace import Workspace, whoever_runs_this


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What stopping came to."""

    route: Route
    words: str


def stop(
    workspace: Workspace,
    model: str,
    reason: str,
    *,
    actor: str | None = None,
    subject: str = "",
    must_fall_back: bool = False,
) -> Stopped | None:
    """Let a version answer no more; nothing where it does not anyhow. `subject` is the beginning of
    its fingerprint, for who means one version and not whichever answers now."""
    workspace.check_environment()
    current = workspace.chain.current(model)
    draft = stopping(current, model, subject, actor or whoever_runs_this(), reason)
    if draft is None or current is None:
        return None
    contract = workspace.unpacked(current.fingerprint).manifest.contract
    if draft.stopped and must_fall_back:
        check_falls_back(contract, current.number)
    route = workspace.append_route(draft, current.epoch)
    if not draft.stopped:
        gone = next(a.number for a in current.arms if a.fingerprint.startswith(subject))
        words = f"v{gone} answers no share any more, v{route.number} answers alone"
        return Stopped(route=route, words=words)
    instead = "its fallback answers in its place" if contract.judge.fallback else "nothing answers"
    back = f"`mainstay deploy {model}@{route.number}` lets it answer again"
    return Stopped(route=route, words=f"v{route.number} is stopped and {instead}; {back}")
