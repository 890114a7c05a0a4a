"""What is shown anew ends when its drawer says so, and what was drawn last stays (M25)."""

import io

from rich.console import Console

from mainstay.cli.output import Output


class _Terminal(Output):
    """Speaks to a terminal that can be read."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.said = io.StringIO()
        self.__dict__["_people"] = Console(file=self.said, force_terminal=True, width=40)


def _drawn(output: Output) -> list[Output]:
    sheets: list[Output] = []

    def draw(sheet: Output) -> bool:
        sheets.append(sheet)
        sheet.say(f"page {len(sheets)}")
        return len(sheets) == 3

    output.watch(draw, every_seconds=0)
    return sheets


def test_on_a_terminal_pages_take_each_others_place_and_the_last_one_stays():
    """M25: on a screen of its own while it goes on, which leaves nothing behind."""
    terminal = _Terminal()
    assert terminal.in_place
    _drawn(terminal)
    said = terminal.said.getvalue()
    leave = "\x1b[?1049l"
    assert said.count(leave) == 1
    during, _, after = said.partition(leave)
    assert all(f"page {number}" in during for number in (1, 2, 3))
    assert "page 3" in after
    assert "page 1" not in after
    assert "page 2" not in after


def test_into_a_pipe_pages_follow_each_other(capsys):
    """M25: the very output that the command speaks with draws each of them."""
    output = Output(as_json=False)
    assert not output.in_place
    assert _drawn(output) == [output] * 3
    assert capsys.readouterr().out.split("\n") == ["page 1", "page 2", "page 3", ""]
