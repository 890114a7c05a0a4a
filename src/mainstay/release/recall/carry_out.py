"""Carrying a recall out, and taking it back, one step after the other.

Promises that each step does nothing where it was done before, and is kept, so that a command that
was killed anywhere and is run again comes to the same end: quarantine first, so that no snapshot
that is made meanwhile learns from the stretch; then the route, by the checks of going back and by
compare-and-swap; then the journal. Taking back goes the other way round, and never over a route
that somebody else appended since.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from mainstay.base.errors import Conflict
from mainstay.release.recall.model import Plan, Recall, before
from mainstay.release.recall.port import Hands, RecallStore
from mainstay.serve.routes.model import Route

BEGUN = "recalled"
TAKEN_BACK = "taken back"


def standing(recalls: Sequence[Recall], plan: Plan) -> Recall | None:
    """The recall in force that did already all that a plan is going to do."""
    for recall in reversed(recalls):
        if recall.status == "in force" and recall.window == plan.window and not plan.moves:
            done = set(recall.quarantined) >= set(plan.quarantined)
            return recall if done else None
    return None


def begin(
    store: RecallStore, hands: Hands, plan: Plan, actor: str, reason: str, at_ns: int
) -> Recall:
    """Keep a recall, or take up the one of the same stretch that was begun and not finished;
    `Conflict` where another one is open, or the route changed since the plan was made."""
    current = hands.current(plan.model)
    if (0 if current is None else current.epoch) != plan.epoch:
        raise _changed(plan, current)
    for recall in store.of(plan.model):
        if recall.open and (recall.window != plan.window or recall.status == "taking back"):
            raise unfinished(recall)
        if recall.open:
            return store.save(replace(recall, plan=plan))
    return store.begin(
        Recall(
            model=plan.model,
            window=plan.window,
            actor=actor,
            reason=reason,
            at_ns=at_ns,
            plan=plan,
            before=before(current),
        )
    )


def _changed(plan: Plan, current: Route | None) -> Conflict:
    """Somebody changed the route while the plan was looked at."""
    now = "there is none" if current is None else f"{current.actor} made v{current.number} live"
    return Conflict(
        f"the route of {plan.model} changed since this plan was made: {now}; nothing was changed",
        field="epoch",
        got=0 if current is None else current.epoch,
        expected="the same command again, for a plan of what answers now",
    )


def unfinished(recall: Recall) -> Conflict:
    """Another recall of the model was begun, and has not come to its end."""
    back = f"`mainstay recall undo {recall.number}`"
    again = f"`mainstay recall {recall.model} --polluted {recall.window}`, or {back}"
    taking_back = recall.status == "taking back"
    return Conflict(
        f"recall {recall.number} of {recall.model} ({recall.window}), begun by {recall.actor}, "
        + ("is being taken back" if taking_back else "was not finished"),
        field="model",
        rule="one recall at a time",
        got=recall.model,
        expected=f"its end: {back if taking_back else again}",
    )


def carry_out(store: RecallStore, hands: Hands, recall: Recall) -> Recall:
    """Do what the plan says; `Conflict` where somebody changed the route since it was made."""
    plan, again = recall.plan, recall.revision > 1
    for model in plan.quarantined:
        if model not in recall.quarantined:
            hands.quarantine(recall, model)
            recall = store.save(replace(recall, quarantined=(*recall.quarantined, model)))
    if plan.moves and plan.to is not None:
        reason = recall.mark + recall.reason
        hands.route(plan.model, plan.to.number, reason, plan.epoch)
    current = hands.current(plan.model)
    if current is not None and current.reason.startswith(recall.mark):
        recall = store.save(replace(recall, epoch=current.epoch))
    hands.tell(recall, BEGUN, again=again)
    return store.save(replace(recall, status="in force"))


def take_back(store: RecallStore, hands: Hands, recall: Recall, actor: str, at_ns: int) -> Recall:
    """Let what answered before answer again, and lift the quarantine."""
    if recall.status == "taken back":
        return recall
    again = recall.status == "taking back"
    if not again:
        recall = store.save(
            replace(recall, status="taking back", taken_back_by=actor, taken_back_ns=at_ns)
        )
    recall = store.save(replace(recall, words=_forward(hands, recall)))
    for model in dict.fromkeys((*recall.quarantined, *recall.plan.quarantined)):
        hands.lift(recall, model)
    hands.tell(recall, TAKEN_BACK, again=again)
    return store.save(replace(recall, status="taken back"))


def _answers_by(recall: Recall, current: Route) -> bool:
    """Whether all that answers does so by this recall: what it went back to, or what it trained."""
    routed = recall.epoch or current.reason.startswith(recall.mark)
    to = recall.plan.to.fingerprint if recall.plan.to is not None else ""
    trained = recall.trained.fingerprint if recall.trained is not None else ""
    answering = {current.fingerprint, *(arm.fingerprint for arm in current.arms)}
    return answering <= {to, trained} and bool(routed or trained in answering)


def _forward(hands: Hands, recall: Recall) -> str:
    """Route to what answered before, where what the recall put in its place still answers."""
    old, current = recall.before, hands.current(recall.model)
    if old is None or current is None:
        return "nothing answered then"
    if current.reason.startswith(recall.mark_back):
        return f"v{current.number} answers again"
    if current.fingerprint == old.fingerprint and not current.arms:
        return f"v{current.number} answers, as it did then"
    if old.stopped:
        return f"v{current.number} stays: v{old.number} was stopped then"
    if not _answers_by(recall, current):
        return f"v{current.number} stays: {current.actor} made it live since"
    tainted = hands.tainted(recall, old.fingerprint)
    if tainted:
        return f"v{current.number} stays: v{old.number} {tainted}"
    reason = f"{recall.mark_back}{recall.reason}"
    hands.route(recall.model, old.number, reason, current.epoch)
    more = "; the rollout that went on then is not taken up again" if old.arms else ""
    return f"v{old.number} answers again{more}"
