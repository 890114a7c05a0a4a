"""What the versions of one workspace are held against: as packed, or a period somebody chose.

Promises that a choice is an event, that it holds for every monitor, chart and figure from the next
look on, and that what is quarantined later, or lifted, is taken out of it, or in, at the next look.
"""

import msgspec

from mainstay.base.errors import Conflict, InvalidUsage, NotFound
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.model import Version
from mainstay.renew.quarantine.model import merged
from mainstay.serve.outcomes import event_about
from mainstay.watch.chosen import Made, held_anew, kept_under, made_of
from mainstay.watch.monitors.model import Chosen
from mainstay.watch.watcher import UNASKED
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.watching import Watching
from mainstay.wiring.workspace import Workspace, whoever_runs_this

_ATTEMPTS_MAX = 20
"""Each lost attempt means that the keeper looked in the same milliseconds."""
_KEEPER = "watch"


class Referred(msgspec.Struct, frozen=True, kw_only=True):
    """What a version is held against now."""

    model: str
    version: int
    fingerprint: str
    reference: str
    """In words."""
    rows: int
    since_ms: int | None = None
    """Of a chosen period; none where it is as packed."""
    until_ms: int | None = None
    left_out: int = 0
    coarse: tuple[str, ...] = ()
    by: str = ""


def referred(watching: Watching, version: Version) -> Referred:
    """What a version is held against now; `NotFound` where it has no reference yet."""
    reference = watching.held(version.model).reference(version.fingerprint)
    if reference is None:
        raise NotFound(
            f"{version} has no reference yet",
            field="version",
            got=version.number,
            expected="a version that was packed with one, or has answered",
        )
    saved, _ = watching.monitors.load(version.model)
    chosen = saved.chosen.get(version.fingerprint)
    return Referred(
        model=version.model,
        version=version.number,
        fingerprint=version.fingerprint,
        reference=reference.source,
        rows=reference.rows,
        since_ms=None if chosen is None else chosen.since_ms,
        until_ms=None if chosen is None else chosen.until_ms,
        by="" if chosen is None else chosen.by,
    )


def refer(
    workspace: Workspace,
    watching: Watching,
    version: Version,
    window: tuple[int, int],
    *,
    actor: str | None = None,
) -> Referred:
    """Hold a version against what it decided in a window (ns), without what is quarantined."""
    who = actor or whoever_runs_this()
    packed = watching.versions.reference(version.fingerprint)
    if packed is None:
        raise InvalidUsage(
            f"{version} has not answered yet, so no period of it can be chosen",
            field="version",
            got=version.number,
            expected="a version that has answered",
        )
    within = window[0] // 1_000_000, window[1] // 1_000_000
    without = _quarantined(workspace, version.model, within)
    whose = version.model, version.fingerprint
    made = made_of(packed, watching.summaries, whose, within, without, UNASKED)
    name = kept_under(version.fingerprint, workspace.clock.now_ns(), within, without)
    watching.summaries.keep_reference(name, made.reference)
    chosen = Chosen(name, *within, without, who)
    _save(watching, version, chosen)
    _tell(workspace, version, who, {"reference chosen": _shown(made, chosen)})
    found = referred(watching, version)
    return msgspec.structs.replace(found, left_out=made.left_out, coarse=made.coarse)


def refer_as_packed(
    workspace: Workspace, watching: Watching, version: Version, *, actor: str | None = None
) -> Referred:
    """Hold a version against what was packed with it again."""
    saved, _ = watching.monitors.load(version.model)
    if version.fingerprint in saved.chosen:
        _save(watching, version, None)
        _tell(workspace, version, actor or whoever_runs_this(), {"reference as packed": True})
    return referred(watching, version)


def keep_out_quarantined(workspace: Workspace, watching: Watching) -> None:
    """Make anew what was chosen before some of it was quarantined or lifted; where too little is
    left, what was packed holds again."""
    for model in watching.monitors.models():
        saved, _ = watching.monitors.load(model)
        for fingerprint, chosen in saved.chosen.items():
            window = chosen.since_ms, chosen.until_ms
            if _quarantined(workspace, model, window) == chosen.without:
                continue
            window_ns = window[0] * 1_000_000, window[1] * 1_000_000
            version = workspace.registry.find_fingerprint(fingerprint)
            try:
                refer(workspace, watching, version, window_ns, actor=_KEEPER)
            except InvalidUsage:
                refer_as_packed(workspace, watching, version, actor=_KEEPER)


def _quarantined(
    workspace: Workspace, model: str, window: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """What of a window (ms) is quarantined, in whole milliseconds."""
    stretches = merged(quarantines_of(workspace).active(model))
    inside = ((begin // 1_000_000, -(-end // 1_000_000)) for begin, end in stretches)
    return tuple(
        (max(begin, window[0]), min(end, window[1]))
        for begin, end in inside
        if begin < window[1] and window[0] < end
    )


def _save(watching: Watching, version: Version, chosen: Chosen | None) -> None:
    for _ in range(_ATTEMPTS_MAX):
        saved, revision = watching.monitors.load(version.model)
        after = held_anew(saved, version.fingerprint, chosen)
        if watching.monitors.save(version.model, after, revision):
            return
    raise Conflict(
        f"what is remembered of {version.model} changed all the while",
        field="model",
        got=version.model,
        expected="the same command again",
    )


def _shown(made: Made, chosen: Chosen) -> dict[str, object]:
    return {
        "source": made.reference.source,
        "rows": made.reference.rows,
        "since_ms": chosen.since_ms,
        "until_ms": chosen.until_ms,
        "quarantined": [list(each) for each in chosen.without],
    }


def _tell(workspace: Workspace, version: Version, actor: str, body: dict[str, object]) -> None:
    ids = DecisionIds(new_incarnation(), workspace.clock)
    whose = version.model, actor, version.fingerprint
    workspace.record([event_about(ids, workspace.clock, whose, body, "action")])
