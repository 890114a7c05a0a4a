"""The command line: `mainstay COMMAND`. Each command's module is imported when it is called."""

import difflib
import importlib
import io
import sys

import click

_SECTIONS = {
    "Serve": {
        "init": "mainstay.cli.serving:init",
        "up": "mainstay.cli.serving:up",
        "demo": "mainstay.cli.demo.command:demo",
        "key": "mainstay.cli.keys:key",
    },
    "Versions": {
        "pack": "mainstay.cli.packing:pack",
        "check": "mainstay.cli.versions:check",
        "show": "mainstay.cli.show:show",
        "diff": "mainstay.cli.versions:diff",
        "refresh": "mainstay.cli.refreshing:refresh",
        "pin": "mainstay.cli.pinning:pin",
    },
    "Releases": {
        "deploy": "mainstay.cli.routing:deploy",
        "verdict": "mainstay.cli.verdicts:verdict",
        "rollback": "mainstay.cli.routing:rollback",
        "stop": "mainstay.cli.stopping:stop",
        "recall": "mainstay.cli.recalling:recall",
        "reprocess": "mainstay.cli.reprocessing:reprocess",
    },
    "How it goes": {
        "status": "mainstay.cli.status:status",
        "watch": "mainstay.cli.watching:watch",
        "reference": "mainstay.cli.referencing:reference",
        "alerts": "mainstay.cli.alerts:alerts",
        "heard": "mainstay.cli.hearing:heard",
        "engagement": "mainstay.cli.feedback:engagement",
        "reports": "mainstay.cli.feedback:reports",
    },
    "What is said": {
        "judge": "mainstay.cli.judging:judge",
        "safeguard": "mainstay.cli.safeguarding:safeguard",
        "held": "mainstay.cli.holding:held",
        "undo": "mainstay.cli.feedback:undo",
    },
    "Renewal": {
        "label": "mainstay.cli.labelling:label",
        "snapshot": "mainstay.cli.snapshotting:snapshot",
        "quarantine": "mainstay.cli.quarantining:quarantine",
        "retrain": "mainstay.cli.retraining:retrain",
        "experiment": "mainstay.cli.experiments:experiment",
    },
    "Every decision": {
        "query": "mainstay.cli.journal:query",
        "replay": "mainstay.cli.journal:replay",
    },
}
_COMMANDS = {name: place for section in _SECTIONS.values() for name, place in section.items()}


_WHOLE = 200
"""Longer than any first sentence: it is wrapped, not cut."""


class _Lazy(click.Group):
    """Commands by what they are for, each loaded when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = _COMMANDS.get(cmd_name)
        if place is None:
            near = difflib.get_close_matches(cmd_name, _COMMANDS, 1)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"there is no command '{cmd_name}'{guess}")
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))
        for title, places in _SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in places]
            rows = [
                (name.ljust(width), command.get_short_help_str(_WHOLE))
                for name, command in commands
                if command is not None
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Try `mainstay demo` first. Every command has its own --help, with an example.",
)
@click.version_option(package_name="mainstay", message="mainstay %(version)s")
def cli() -> None:
    """Serve machine-learning models, keep every decision, and get back to a good state.

    A workspace is a folder with a `mainstay.toml`; commands work on the one in the current
    folder, in $MAINSTAY_WORKSPACE, or named by --workspace.
    """


def main() -> None:
    """The command `mainstay`."""
    # A name that is not UTF-8 must not break the sentence that says so.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="mainstay")
