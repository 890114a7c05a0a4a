"""`mainstay demo`: everything once, on real parts, told as a short story."""

import shutil
import time
from pathlib import Path
from typing import Any

import click
import msgspec

import mainstay
from mainstay.base.errors import InvalidUsage
from mainstay.cli.demo import world
from mainstay.cli.demo.server import DemoServer
from mainstay.cli.demo.statuses import Shown, in_words, one_of_each, show
from mainstay.cli.demo.traffic import Callers, Total, total_of
from mainstay.cli.output import NOT_SO, Ending, Output, escape, speaking
from mainstay.cli.routing import wait_for
from mainstay.release.model import Deployed
from mainstay.serve.replay import Replayed
from mainstay.wiring.folders import Places, is_workspace, make_workspace
from mainstay.wiring.orders import OrderWriter
from mainstay.wiring.packing import PackedVersion
from mainstay.wiring.running import Server
from mainstay.wiring.server import running
from mainstay.wiring.workspace import Workspace

FOLDER = "demo-workspace"
_MARK = ".made-by-mainstay-demo"
_MODEL = "fraud"
_PATH = f"/models/{_MODEL}/decide"
_CALLERS = 4
_WORKERS = 2
_REQUESTS_BETWEEN = 1000
_SWAP_SECONDS = 30.0


class Story(msgspec.Struct, kw_only=True):
    """What happened, for programs."""

    workspace: str
    url: str = ""
    first_answer_seconds: float = 0.0
    versions: dict[int, dict[str, float]] = {}
    swap_seconds: list[float] = []
    requests: int = 0
    failed: int = 0
    answered_by: dict[int, int] = {}
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    refused: dict[str, Any] = {}
    journal: dict[int, int] = {}
    statuses: list[Shown] = []
    """One answer of each status."""
    replayed: Replayed | None = None
    decision: str = ""


@click.command(
    epilog="""
\b
Examples:
  mainstay demo                leaves the server up until Ctrl-C
  mainstay demo --once         ends by itself
"""
)
@click.option("--once", is_flag=True, help="Stop the server and end after the story.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True,
              help="The port to serve on; 0 takes any free one.")  # fmt: skip
@click.option("--workspace", metavar="FOLDER", default=FOLDER, show_default=True,
              help="Where to make the demonstration's workspace.")  # fmt: skip
@speaking
def demo(output: Output, once: bool, port: int, workspace: str) -> None:
    """Build, serve, replace and roll back a small fraud model, under traffic.

    Everything is real: packed bundles, worker processes, HTTP, the journal.
    """
    places = _fresh_workspace(Path(workspace).resolve())
    opened = Workspace(places)
    story = Story(workspace=str(places.root))
    output.note(f"Everything is in {places.root}")
    first, second = _pack_both(output, opened, story)
    opened.deploy(_MODEL, first.version.number, "the first version")
    OrderWriter(opened, opened.bring).look()
    with DemoServer(places, port, _WORKERS) as server:
        _serve_and_replace(output, opened, server, second, story)
        _look_back(output, opened, server, story)
        output.result(story)
        _where_to_look(output, server, story)
        if story.failed or story.replayed is None or story.replayed.verdict == "different":
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


def _pack_both(
    output: Output, opened: Workspace, story: Story
) -> tuple[PackedVersion, PackedVersion]:
    """Train and pack two models of the same world."""
    known, fraud = world.payments(world.TRAINING_ROWS, world.SEED)
    unseen = world.payments(world.CONFIDENCE_ROWS, world.SEED + 1)
    packed: list[PackedVersion] = []
    makers = (("a logistic regression", world.simple_model), ("gradient boosting",
                                                              world.better_model))  # fmt: skip
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
        packed.append(version)
    return packed[0], packed[1]


def _serve_and_replace(
    output: Output, opened: Workspace, server: DemoServer, second: PackedVersion, story: Story
) -> None:
    """Traffic, a better version under it, and back."""
    rows = _rows()
    answer, seconds = server.first_answer(_PATH, msgspec.json.encode({"inputs": rows[0]}))
    story.url, story.first_answer_seconds = server.url, round(seconds, 3)
    output.say(
        f"[bold green]✓[/] served by {_WORKERS} workers at {server.url}; first answer "
        f"{seconds:.2f} s after the command: {escape(in_words(answer))}"
    )
    callers = Callers(server.url, _MODEL, rows, _CALLERS)
    callers.start()
    workers = Server(opened.places.run, opened.clock)
    try:
        with output.working("Traffic on v1"):
            callers.wait_for(_REQUESTS_BETWEEN)
        with output.working("Deploying v2 under traffic"):
            deployed = opened.deploy(_MODEL, second.version.number, "a better version")
            swapped = _swap(workers, deployed, opened)
            callers.wait_for(_REQUESTS_BETWEEN)
        story.swap_seconds.append(swapped)
        output.say(
            f"[bold green]✓[/] deployed [bold]v2[/] under traffic; every worker answered "
            f"with it {swapped:.2f} s after the route changed"
        )
        with output.working("Rolling back under traffic"):
            back = opened.rollback(_MODEL, None, "to show how")
            swapped = _swap(workers, back, opened)
            callers.wait_for(_REQUESTS_BETWEEN)
        story.swap_seconds.append(swapped)
        output.say(
            f"[bold green]✓[/] rolled back to [bold]v1[/] under traffic; done {swapped:.2f} "
            "s after the route changed"
        )
    finally:
        callers.stop()
    _count(output, total_of(callers.heard), story)


def _rows() -> list[dict[str, Any]]:
    """The payments that callers send."""
    columns, _ = world.payments(2000, world.SEED + 2)
    return world.rows_of(columns)


def _swap(workers: Server, deployed: Deployed, opened: Workspace) -> float:
    """How long after the route changed every worker followed."""
    wait_for(workers, deployed, _SWAP_SECONDS)
    return round((opened.clock.now_ns() - deployed.time_ns) / 1e9, 3)


def _count(output: Output, total: Total, story: Story) -> None:
    story.requests, story.failed = total.requests, total.failed
    story.answered_by = total.versions
    story.p50_ms, story.p99_ms = round(total.p50_ms, 2), round(total.p99_ms, 2)
    story.decision = total.newest.get(2, "")
    mark = "[bold red]✗[/]" if total.failed else "[bold green]✓[/]"
    by = " and ".join(f"{count:,} by v{number}" for number, count in total.versions.items())
    output.say(
        f"{mark} [bold]{total.requests:,}[/] requests, [bold]{total.failed}[/] failed; {by}; "
        f"p50 {total.p50_ms:.1f} ms, p99 {total.p99_ms:.1f} ms ({_CALLERS} callers on this "
        "same machine)"
    )
    for words in total.failures:
        output.say(f"  {escape(words)}")


def _look_back(output: Output, opened: Workspace, server: DemoServer, story: Story) -> None:
    """One answer of each status, a bad request, the journal, and one decision made again."""
    story.statuses = one_of_each(server, _PATH, _rows())
    show(output, story.statuses)
    bad = {"amount": -5, "country": "DE", "hour": 3, "card_age": 10, "last_hour": 0,
           "new_device": False}  # fmt: skip
    status, refused = server.ask("POST", _PATH, msgspec.json.encode({"inputs": bad}))
    story.refused = {"status": status, **refused}
    output.say(
        f"[bold green]✓[/] a payment of -5 euro is refused with {status}: "
        f"{escape(str(refused['error']))}"
    )
    with output.working("Asking the journal"):
        table = opened.journal.query(
            "select version, count(*) as decisions from decisions group by version order by version"
        )
    story.journal = {row["version"]: row["decisions"] for row in table.to_pylist()}
    kept = sum(story.journal.values())
    output.say(
        f"[bold green]✓[/] the journal holds {kept:,} decisions: every answer, with inputs, "
        "features, output and times"
    )
    if story.decision:
        with output.working("Replaying a decision of v2"):
            _, story.replayed = opened.replay(story.decision)
        output.say(f"[bold green]✓[/] replayed a decision of v2: {escape(str(story.replayed))}")


def _where_to_look(output: Output, server: DemoServer, story: Story) -> None:
    folder = story.workspace
    sample = (
        '{"inputs": {"amount": 950, "country": "US", "hour": 3, "card_age": 12, '
        '"last_hour": 4, "new_device": true}}'
    )
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
    output.say(f"  [cyan]mainstay deploy {_MODEL}@2 --workspace {folder}[/]")
    question = "select * from decisions limit 5"
    output.say(f'  [cyan]mainstay query --workspace {folder} "{question}"[/]')
