"""What is trained when a recall was carried out: the next version, without the stretch.

Promises that the plan says beforehand of what it is trained, or why not; that a command or keeper
that was killed anywhere and is run again goes on, and makes no second version: the snapshot is kept
with the recall before anything is trained on it, and its version is looked for first; and that a
training that fails leaves the recall as it is.
"""

from msgspec.structs import replace

from mainstay.base.errors import MainstayError
from mainstay.bundle.model import Version
from mainstay.contract.shares import share
from mainstay.contract.times import duration_ns
from mainstay.journal.rows import rfc3339
from mainstay.release.recall.model import SUBJECT, Next, Plan, Recall, Trained
from mainstay.renew.labels.model import joined
from mainstay.renew.snapshots.model import Snapshot
from mainstay.renew.training.model import parts_of
from mainstay.wiring.alone import only_one
from mainstay.wiring.recalling import recalls_of
from mainstay.wiring.snapshotting import count_of, define
from mainstay.wiring.training import Asked, Retrained, release, retrain, retrained_of, trainable
from mainstay.wiring.workspace import Workspace, whoever_runs_this


def with_training(workspace: Workspace, plan: Plan) -> Plan:
    """A plan that says what is trained afterwards, or why nothing is."""
    try:
        return replace(plan, next=_next(workspace, plan))
    except MainstayError as error:
        return replace(plan, next=Next(why_not=error.message))


def _next(workspace: Workspace, plan: Plan) -> Next:
    contract = trainable(workspace, plan.model)
    for recall in recalls_of(workspace).of(plan.model):
        trained = recall.trained
        same = recall.window == plan.window and recall.status != "taken back"
        if same and trained is not None and trained.settled:
            return Next(why_not=f"recall {recall.number} trained v{trained.number} already")
    since_ns = workspace.clock.now_ns() - duration_ns(contract.renew.over)
    window = (plan.window.begin_ns, plan.window.end_ns)
    definition = define(workspace, plan.model, since_ns)
    definition = replace(definition, without=joined((*definition.without, window)))
    found = Next(since=rfc3339(since_ns // 1000), rows=count_of(workspace, definition))
    try:
        parts_of(found.rows, share(contract.renew.newest))
    except MainstayError as error:
        return replace(found, why_not=error.message)
    return found


def wants_training(recall: Recall) -> bool:
    """Whether something is left to be trained by a recall."""
    wanted = recall.plan.next is not None and not recall.plan.next.why_not
    done = recall.trained is not None and recall.trained.settled
    return recall.status == "in force" and wanted and not done


def number_of(subject: str) -> int:
    """The recall that a subject names; 0 where it names something else."""
    digits = subject.removeprefix(SUBJECT)
    return int(digits) if digits != subject and digits.isdecimal() else 0


def train_after(workspace: Workspace, number: int, *, actor: str | None = None) -> Retrained:
    """Train the next version after a recall, or go on with that; why none was made is kept with the
    recall before it is raised."""
    store, who = recalls_of(workspace), actor or whoever_runs_this()
    model = store.find(number).model

    def keep(trained: Trained) -> None:
        store.save(replace(store.find(number), trained=trained))

    def noted(snapshot: Snapshot, version: Version | None) -> None:
        keep(_so_far(snapshot, version))

    with only_one(workspace, "retrain", model):
        last = store.find(number).trained or Trained()
        made = _made(workspace, model, last.snapshot)
        if made is not None and last.settled:
            return retrained_of(workspace, made, last.released, last.why_not)
        try:
            if made is not None:
                found = retrained_of(workspace, made, *_released(workspace, made, who))
            else:
                # What failed is tried anew, on what there is to learn from by now.
                asked = Asked(model, snapshot="" if last.why_not else last.snapshot)
                found = retrain(workspace, asked, actor=who, noted=noted)
        except MainstayError as error:
            so_far = store.find(number).trained or Trained()
            keep(Trained(snapshot=so_far.snapshot, why_not=error.message))
            raise
        so_far = _so_far(found.snapshot, found.version)
        keep(replace(so_far, released=found.released, why_not=found.why_not))
        return found


def _so_far(snapshot: Snapshot, version: Version | None) -> Trained:
    if version is None:
        return Trained(snapshot=snapshot.id)
    return Trained(snapshot=snapshot.id, number=version.number, fingerprint=version.fingerprint)


def _made(workspace: Workspace, model: str, snapshot: str) -> Version | None:
    """The version that was trained on a snapshot."""
    there = workspace.registry.versions(model) if snapshot else ()
    return next((each for each in there if each.card.snapshot == snapshot), None)


def _released(workspace: Workspace, version: Version, who: str) -> tuple[str, str]:
    """How a version that was made comes to answer, where nobody saw to that yet."""
    rollout = workspace.rollouts.newest(version.model)
    if rollout is not None and rollout.rollout.plan.candidate.fingerprint == version.fingerprint:
        return rollout.rollout.plan.strategy, ""
    routes = workspace.chain.history(version.model)
    if any(route.fingerprint == version.fingerprint for route in routes):
        return "direct", ""
    return release(workspace, version, who)
