"""`mainstay demo`: everything once, on real parts, told as a short story."""

import shutil
import time
from pathlib import Path
from typing import Any

import click
import msgspec

import mainstay
from mainstay.base.errors import InvalidUsage, NotReady
from mainstay.cli.demo import world
from mainstay.cli.demo.server import DemoServer
from mainstay.cli.demo.simulated import BLACK_FRIDAY, STORIES, simulated
from mainstay.cli.demo.statuses import Shown, in_words, one_of_each, show
from mainstay.cli.demo.traffic import Callers, Total, total_of
from mainstay.cli.demo.typed import Typed, carry_out
from mainstay.cli.output import NOT_SO, Ending, Output, escape, speaking
from mainstay.drill.model import Drilled
from mainstay.release.rollout.model import Rollout
from mainstay.serve.replay import Replayed
from mainstay.wiring.folders import Places, is_workspace, make_workspace
from mainstay.wiring.server import running
from mainstay.wiring.workspace import Workspace

FOLDER = "demo-workspace"
_MARK = ".made-by-mainstay-demo"
_MODEL = "fraud"
_PATH = f"/models/{_MODEL}/decide"
_CALLERS = 4
_WORKERS = 2
_REQUESTS_BETWEEN = 500
_CANARY = ("--strategy", "canary", "--steps", "10 %, 50 %, 100 %", "--bake", "1s")
_PATIENCE = "15m"
"""Only ends what hangs; how long a canary takes depends on the outcomes it hears."""


class Story(msgspec.Struct, kw_only=True):
    """What happened, for programs."""

    workspace: str
    url: str = ""
    first_answer_seconds: float = 0.0
    versions: dict[int, dict[str, float]] = {}
    commands: list[Typed] = []
    """The commands that were carried out, in their order, each with what it told."""
    released: Rollout | None = None
    """The canary of the better version, once it was over."""
    requests: int = 0
    failed: int = 0
    outcomes: int = 0
    """Payments of which callers told what they turned out to be."""
    answered_by: dict[int, int] = {}
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    refused: dict[str, Any] = {}
    journal: dict[int, int] = {}
    """Version to the decisions of it that somebody was shown."""
    unseen: int = 0
    """Decisions that the better version made beside the first one."""
    statuses: list[Shown] = []
    """One answer of each status."""
    replayed: Replayed | None = None
    decision: str = ""
    black_friday: Drilled | None = None
    """A day in simulated time: labels stop, and what was learned of that is recalled."""


@click.command(
    epilog="""
\b
Examples:
  mainstay demo                leaves the server up until Ctrl-C
  mainstay demo --once         ends by itself
  mainstay demo --story spam-folder
"""
)
@click.option("--once", is_flag=True, help="Stop the server and end after the story.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True,
              help="The port to serve on; 0 takes any free one.")  # fmt: skip
@click.option("--workspace", metavar="FOLDER", default=FOLDER, show_default=True,
              help="Where to make the demonstration's workspace.")  # fmt: skip
@click.option("--story", type=click.Choice(list(STORIES)),
              help="Only this one, in simulated time, without a server.")  # fmt: skip
@speaking
def demo(output: Output, once: bool, port: int, workspace: str, story: str | None) -> None:
    """Release, refuse and roll back versions of a small fraud model, under traffic.

    Everything is real: packed bundles, worker processes, HTTP, outcomes, the journal; and what
    follows a $ is a command that you can type, with what it says. At the end a Black Friday in
    simulated time: labels stop, a version learns from that, and is recalled.
    """
    places = _fresh_workspace(Path(workspace).resolve())
    if story is None:
        _whole(output, places, port, once=once)
        return
    drilled = simulated(output, story, places.root / story)
    output.result(drilled)
    output.say()
    output.say(f"To look around: [cyan]mainstay watch --workspace {drilled.workspace}[/]")
    if drilled.verdict != "pass":
        raise Ending(NOT_SO)


def _whole(output: Output, places: Places, port: int, *, once: bool) -> None:
    """The live part, and Black Friday after it."""
    opened = Workspace(places)
    story = Story(workspace=str(places.root))
    output.note(f"Everything is in {places.root}")
    _pack_all(output, opened, story)
    _do(output, story, 0, "deploy", f"{_MODEL}@1")
    with DemoServer(places, port, _WORKERS) as server:
        _serve_and_release(output, opened, server, story)
        _look_back(output, opened, server, story)
        story.black_friday = simulated(output, BLACK_FRIDAY, places.root / BLACK_FRIDAY)
        output.result(story)
        _where_to_look(output, server, story)
        if story.failed or story.replayed is None or story.replayed.verdict == "different":
            raise Ending(NOT_SO)
        if story.black_friday.verdict != "pass":
            raise Ending(NOT_SO)
        if not once:
            output.say()
            output.say("The server stays up; Ctrl-C stops it.")
            server.wait()


def _fresh_workspace(folder: Path) -> Places:
    """An own workspace, made anew; what somebody else made is never removed."""
    if folder.exists():
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise InvalidUsage(
                f"{folder} is not the demonstration's own, so it is not overwritten",
                field="workspace",
                expected="--workspace with a folder that is empty or not there",
            )
        if is_workspace(folder) and running(folder / "run") is not None:
            raise InvalidUsage(
                f"a demonstration is running in {folder}",
                field="workspace",
                expected="to stop it first (Ctrl-C), or another folder with --workspace",
            )
        shutil.rmtree(folder)
    places, _ = make_workspace(folder)
    (folder / _MARK).write_text("`mainstay demo` removes this folder whenever it starts.\n")
    (places.contracts / f"{_MODEL}.yaml").write_text(world.CONTRACT, encoding="utf-8")
    return places


def _pack_all(output: Output, opened: Workspace, story: Story) -> None:
    """Train and pack three models of the same world."""
    known, fraud = world.payments(world.TRAINING_ROWS, world.SEED)
    unseen = world.payments(world.CONFIDENCE_ROWS, world.SEED + 1)
    makers = (
        ("a logistic regression", world.simple_model),
        ("gradient boosting", world.better_model),
        ("the same, but its data lack most fraud abroad", world.careless_model),
    )
    for what, make in makers:
        began = time.monotonic()
        with output.working(f"Training and packing {what}"):
            model = make(known, fraud)
            version = mainstay.pack(
                _MODEL,
                model=model,
                features=world.features,
                confidence=unseen,
                card={"snapshot": f"payments, seed {world.SEED}", "notes": what},
                workspace=opened.places.root,
                quiet=True,
            )
        metrics = version.manifest.card.metrics
        parity = version.manifest.card.parity
        story.versions[version.version.number] = dict(metrics)
        largest = f"{parity.largest_difference:.0e}" if parity else "-"
        output.say(
            f"[bold green]✓[/] packed [bold]v{version.version.number}[/], {what}: "
            f"roc_auc {metrics.get('roc_auc', 0):.3f}, as {version.manifest.runs.format} "
            f"(differs by {largest} at most), {time.monotonic() - began:.1f} s"
        )


def _serve_and_release(output: Output, opened: Workspace, server: DemoServer, story: Story) -> None:
    """Traffic; under it a better version by canary, a worse one refused, and the way back."""
    payments = _payments()
    body = msgspec.json.encode({"inputs": payments[0][0]})
    output.say()
    output.say(f"[bold]$ mainstay up --workers {_WORKERS}[/]")
    answer, seconds = server.first_answer(_PATH, body)
    story.url, story.first_answer_seconds = server.url, round(seconds, 3)
    output.say(
        f"[bold green]✓[/] served by {_WORKERS} workers at {server.url}; first answer "
        f"{seconds:.2f} s after the command: {escape(in_words(answer))}"
    )
    callers = Callers(server.url, _MODEL, payments, _CALLERS)
    callers.start()
    try:
        output.say(f"[bold green]✓[/] {_CALLERS} callers ask, and tell what came of each payment")
        with output.working("Traffic on v1"):
            callers.wait_for(_REQUESTS_BETWEEN)
        _do(output, story, 0, "deploy", f"{_MODEL}@2", *_CANARY)
        _do(output, story, 0, "status", "--watch", "--settled-within", _PATIENCE)
        story.released = _rollout(opened)
        _do(output, story, 0, "verdict", _newest_verdict(opened))
        _do(output, story, NOT_SO, "deploy", f"{_MODEL}@3", *_CANARY)
        callers.wait_for(_REQUESTS_BETWEEN)
        _do(output, story, 0, "rollback", _MODEL, "--reason", "to show how", "--wait", "300")
        callers.wait_for(_REQUESTS_BETWEEN)
    finally:
        callers.stop()
    output.say()
    _count(output, total_of(callers.heard), story)


def _do(output: Output, story: Story, expected: int, *words: str) -> None:
    """Carry out a command, under the eyes of whoever watches."""
    done = carry_out(output, Path(story.workspace), *words)
    story.commands.append(done)
    if done.status != expected:
        raise NotReady(
            f"`{done.command}` ended with {done.status}, and not with {expected}",
            field="demo",
            got=done.status,
            expected=f"a look into {story.workspace}/run/up.log",
        )


def _rollout(opened: Workspace) -> Rollout | None:
    """The rollout that began last."""
    record = opened.rollouts.newest(_MODEL)
    return record.rollout if record is not None else None


def _newest_verdict(opened: Workspace) -> str:
    """The id of what the gate said last."""
    latest = opened.verdicts.latest(_MODEL)
    assert latest is not None
    return latest.id


def _payments() -> list[tuple[dict[str, Any], str]]:
    """The payments that callers send, and what they turn out to be."""
    columns, fraud = world.payments(2000, world.SEED + 2)
    truths = ("ok", "fraud")
    return [
        (row, truths[is_fraud]) for row, is_fraud in zip(world.rows_of(columns), fraud, strict=True)
    ]


def _count(output: Output, total: Total, story: Story) -> None:
    story.requests, story.failed = total.requests, total.failed
    story.outcomes = total.outcomes
    story.answered_by = total.versions
    story.p50_ms, story.p99_ms = round(total.p50_ms, 2), round(total.p99_ms, 2)
    story.decision = total.newest.get(2, "")
    mark = "[bold red]✗[/]" if total.failed else "[bold green]✓[/]"
    by = " and ".join(f"{count:,} by v{number}" for number, count in total.versions.items())
    output.say(
        f"{mark} [bold]{total.requests:,}[/] payments, [bold]{total.failed}[/] failed; {by}; "
        f"p50 {total.p50_ms:.1f} ms, p99 {total.p99_ms:.1f} ms ({_CALLERS} callers on this "
        "same machine)"
    )
    for words in total.failures:
        output.say(f"  {escape(words)}")


def _look_back(output: Output, opened: Workspace, server: DemoServer, story: Story) -> None:
    """One answer of each status, a bad request, the journal, and one decision made again."""
    story.statuses = one_of_each(server, _PATH, [row for row, _ in _payments()])
    show(output, story.statuses)
    bad = {**_payments()[0][0], "amount": -5}
    status, refused = server.ask("POST", _PATH, msgspec.json.encode({"inputs": bad}))
    story.refused = {"status": status, **refused}
    output.say(
        f"[bold green]✓[/] a payment of -5 euro is refused with {status}: "
        f"{escape(str(refused['error']))}"
    )
    with output.working("Asking the journal"):
        table = opened.journal.query(
            "select version, count(*) filter (arm <> 'shadow') as shown, count(*) filter "
            "(arm = 'shadow') as unseen from decisions group by version order by version"
        ).to_pylist()
    story.journal = {row["version"]: row["shown"] for row in table}
    story.unseen = sum(row["unseen"] for row in table)
    kept = sum(story.journal.values())
    output.say(
        f"[bold green]✓[/] the journal holds {kept:,} decisions: every answer, with inputs, "
        f"features, output and times; and {story.unseen:,} that v2 made unseen, to be compared"
    )
    if story.decision:
        with output.working("Replaying a decision of v2"):
            _, story.replayed = opened.replay(story.decision)
        output.say(f"[bold green]✓[/] replayed a decision of v2: {escape(str(story.replayed))}")


def _where_to_look(output: Output, server: DemoServer, story: Story) -> None:
    folder = story.workspace
    sample = msgspec.json.encode({"inputs": _payments()[0][0]}).decode()
    output.say()
    output.say("[bold]Where to look[/]")
    output.say(
        f"  {server.url}/openapi.json   {server.url}/metrics   {server.url}/v2/models/{_MODEL}"
    )
    if story.decision:
        output.say(f"  {server.url}/decisions/{story.decision}")
    for each in story.statuses[-1:]:
        output.say(f"  [cyan]mainstay judge --explain {each.id} --workspace {folder}[/]")
    output.say(f"  [cyan]curl {server.url}{_PATH} -d '{escape(sample)}'[/]")
    output.say(f"  [cyan]mainstay status --workspace {folder}[/]")
    output.say(f"  [cyan]mainstay deploy {_MODEL}@2 --strategy direct --workspace {folder}[/]")
    output.say(f"  [cyan]mainstay recall list --workspace {folder}/{BLACK_FRIDAY}[/]")
    question = "select * from decisions limit 5"
    output.say(f'  [cyan]mainstay query --workspace {folder} "{question}"[/]')
