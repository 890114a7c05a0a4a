"""Draw what `mainstay demo --once` prints, as the picture of the README.

    python tools/picture.py

Runs the demo for real on a terminal of its own and writes docs/pictures/demo.svg: text and plain
shapes, no font or script from anywhere.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{width}" height="{height}" rx="8" fill="#1b1e24"/>
<g transform="translate(16, 14)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
COLUMNS = 146
_HEADING = "Black Friday"
"""How the part in simulated time begins."""


def printed(folder: str) -> str:
    """What the demo prints on a terminal."""
    reading, writing = pty.openpty()
    settings = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-m", "mainstay", "demo", "--once"],
        stdout=writing, stderr=subprocess.DEVNULL, cwd=folder, env=settings,
    ) as demo:  # fmt: skip
        os.close(writing)
        said = b""
        while True:
            try:
                part = os.read(reading, 65_536)
            except OSError:  # the other end of a terminal closes with an error
                break
            if not part:
                break
            said += part
        code = demo.wait()
    if code:
        raise SystemExit(f"the demo ended with {code}")
    return said.decode()


def _tells(line: str) -> bool:
    """What was done, and under some of it what that looked like; not how the machine fares."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    begins = plain.startswith(("$", "    ", "fraud   canary", _HEADING))
    return begins or any(mark in plain for mark in "✓✗")


def main() -> None:
    """Run, draw, write."""
    with tempfile.TemporaryDirectory() as folder:
        text = printed(folder).replace(folder + "/", "")
    # What had a screen of its own is gone when it ends.
    text = re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", text, flags=re.DOTALL)
    text = re.sub(r"\x1b\[(\?25[lh]|H)", "", text)
    finished = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
    told = finished[: next(n for n, line in enumerate(finished) if "Where to look" in line)]
    story = [line.rstrip() for line in told if _tells(line)]
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    for line in story:
        command = Text.from_ansi(line)
        if command.plain.startswith(("$", _HEADING)):
            console.print()
        console.print(command)
    target = Path("docs/pictures/demo.svg")
    target.parent.mkdir(exist_ok=True)
    console.save_svg(str(target), title="", code_format=FORMAT, unique_id="demo")


if __name__ == "__main__":
    main()
