"""A page of trends of one model: from what watching kept, the journal and the chain of routes."""

from collections.abc import Mapping
from typing import Any, Final

from mainstay.base.errors import NotFound
from mainstay.journal.model import Wanted
from mainstay.watch.trends.collect import buckets_of, charts_of, inputs_of, width_of
from mainstay.watch.trends.model import Found, Release, Trends
from mainstay.watch.watcher import UNASKED
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace

RELEASES_MAX: Final = 100


def trends_of(workspace: Workspace, watching: Watching, model: str, span_ms: int) -> Trends:
    """How a model fared for so long until now; `NotFound` where nothing answers for it."""
    watched = watching.watched(model)
    if watched is None:
        raise NotFound(
            f"no version of {model!r} answers here",
            field="model",
            got=model,
            expected="a model that `mainstay status` shows",
        )
    until_ms = workspace.clock.now_ns() // 1_000_000
    width_ms = width_of(span_ms)
    since_ms = (until_ms - span_ms) // width_ms * width_ms
    parts = [
        part
        for part in watching.summaries.read(model, since_ms, until_ms)
        if part.key.arm not in UNASKED and part.key.number
    ]
    buckets, versions = buckets_of(parts, width_ms), watching.held(model)
    return Trends(
        model=model,
        since_ms=since_ms,
        until_ms=until_ms,
        width_ms=width_ms,
        charts=charts_of(watched.contract, buckets, versions),
        inputs=inputs_of(buckets, versions),
        found=_found(workspace, watching, model, since_ms),
        releases=_releases(workspace, model, (since_ms, until_ms)),
    )


def _found(
    workspace: Workspace, watching: Watching, model: str, since_ms: int
) -> tuple[Found, ...]:
    """What monitors found that went on at any time since then."""
    wanted = Wanted(model=model, since_ms=since_ms, columns=(), kinds=("finding",), decisions=False)
    events = {event.id: event for event in workspace.journal.news(wanted).read().events}
    begun: dict[str, tuple[int, str]] = {}
    found: list[Found] = []
    for event in sorted(events.values(), key=lambda each: (each.time_ns, each.id)):
        body: Mapping[str, Any] = event.body
        key, at_ms = str(body.get("key", "")), event.time_ns // 1_000_000
        if body.get("state") == "opened":
            begun[key] = at_ms, str(body["words"])
        elif body.get("state") == "resolved" and at_ms > since_ms:
            # Of what was found before this stretch of time the journal is not read again.
            found_ms, words = begun.pop(key, (int(body["since_ms"]), str(body["words"])))
            found.append(
                Found(key=key, check=str(body["check"]), words=words,
                      since_ms=int(body["since_ms"]), found_ms=found_ms, until_ms=at_ms)
            )  # fmt: skip
    found += [
        Found(key=key, check=each.finding.check, words=each.finding.words,
              since_ms=each.since_ms, found_ms=each.opened_ms)
        for key, each in watching.monitors.load(model)[0].open.items()
    ]  # fmt: skip
    return tuple(found)


def _releases(workspace: Workspace, model: str, window: tuple[int, int]) -> tuple[Release, ...]:
    found: list[Release] = []
    before = ""
    for route in workspace.chain.history(model):
        at_ms = route.time_ns // 1_000_000
        if route.fingerprint != before and window[0] <= at_ms <= window[1]:
            found.append(Release(at_ms=at_ms, number=route.number, reason=route.reason))
        before = route.fingerprint
    return tuple(found[-RELEASES_MAX:])
