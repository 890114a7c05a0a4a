"""The rules of keeping tasks and turns, whatever they are kept in."""

from datetime import UTC, datetime

from msgspec.structs import replace

from mainstay.base.errors import Conflict, NotFound
from mainstay.contract.problems import brief
from mainstay.renew.labelling.model import Answer, Said, Task, Turn


def no_task(id_: str) -> NotFound:
    """There is none under this id."""
    return NotFound(
        "there is no such labelling task",
        field="task",
        got=brief(ascii(id_)),
        expected="the id of a task that was given to you",
    )


def is_free(task: Task, turns: list[Turn], labeler: str, *, gold: bool, now_ns: int) -> bool:
    """Whether a labeler may get a task."""
    mine = next((turn for turn in turns if turn.labeler == labeler), None)
    if mine is not None and mine.state != "given":
        return False
    if task.state != "open" or gold != (task.gold is not None):
        return False
    others = [turn for turn in turns if turn.labeler != labeler]
    taken = sum(turn.state == "answered" or turn.holds(now_ns) for turn in others)
    return gold or taken < task.wanted  # a probe is for everybody


def as_probe(task: Task, known: Answer) -> Task:
    """A task whose answer became known: from now on it is asked of everybody."""
    return replace(task, gold=known, state="open")


def given(task: str, labeler: str, lease_ns: int, now_ns: int) -> Turn:
    """A turn that begins."""
    return Turn(task=task, labeler=labeler, given_ns=now_ns, until_ns=now_ns + lease_ns)


def answered(task: Task, mine: Turn | None, said: Said, now_ns: int) -> tuple[Turn, bool]:
    """The turn after its labeler said something, and whether they had said the same before."""
    if mine is None:
        raise Conflict(
            "this task was not given to you",
            field="task",
            got=task.id,
            expected="the id of the task that you were given last",
        )
    if mine.state != "given":
        wanted = "skipped" if said.label is None else "answered"
        if mine.state == wanted and mine.label == said.label:
            return mine, True
        before = "left it to others" if mine.state == "skipped" else f"said {mine.label!r}"
        raise Conflict(
            f"you {before}, and what labelers say is never changed",
            field="label",
            got=said.label,
            expected="the same again, or the next task",
        )
    if not mine.holds(now_ns):
        raise Conflict(
            f"this task was yours until {_moment(mine.until_ns)}, and may be somebody else's now",
            field="task",
            got=task.id,
            expected="the next task; it may be this one again",
        )
    took_ms = (now_ns - mine.given_ns) // 1_000_000 if said.took_ms is None else said.took_ms
    state = "skipped" if said.label is None else "answered"
    after = Turn(
        task=mine.task, labeler=mine.labeler, given_ns=mine.given_ns, until_ns=mine.until_ns,
        state=state, label=said.label, said_ns=now_ns, took_ms=took_ms, saw=mine.saw,
    )  # fmt: skip
    return after, False


def putting(mine: Turn | None, turn: Turn) -> bool:
    """Whether a turn that was had elsewhere is new."""
    if mine is None or mine.state == "given":
        return True
    if (mine.state, mine.label) == (turn.state, turn.label):
        return False
    raise Conflict(
        f"{turn.labeler} {'skipped this' if mine.label is None else f'said {mine.label!r}'} before",
        field="label",
        got=turn.label,
        expected="what they said before: what labelers say is never changed",
    )


def in_order(task: Task) -> tuple[int, float, str]:
    """The oldest are asked about first, and those of one stretch as they were drawn."""
    return task.made_ns, task.place, task.id


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
