"""A workspace as a folder: where it is, what is in it, and how a new one is made.

Promises that a folder counts as a workspace exactly when it holds `mainstay.toml`, that making one
never changes a file that is there, and that it is never made where it would surprise: in the home
folder or the root of a disk it must be asked for by name (`mainstay init`). Light: what a worker
imports before it serves.
"""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mainstay.base.errors import InvalidUsage, StorageFailed
from mainstay.bundle.signing import new_key, public_key
from mainstay.wiring.settings import SETTINGS_FILE, TEMPLATE, Settings, read_settings

VARIABLE = "MAINSTAY_WORKSPACE"
WORKSPACE_KEY = "workspace"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_IGNORED = "# What a workspace makes anew, and its secrets.\nrun/\ncache/\nstate/\nkeys/workspace\n"


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything of one workspace is."""

    root: Path
    settings: Settings

    @property
    def contracts(self) -> Path:
        """Contract files, by model."""
        return self.root / "contracts"

    @property
    def inbox(self) -> Path:
        """Bundle files dropped here are deployed."""
        return self.root / "inbox"

    @property
    def run(self) -> Path:
        """What running processes tell each other; may be deleted when none runs."""
        return self.root / "run"

    @property
    def cache(self) -> Path:
        """Bundles unpacked on this machine; may be deleted when nothing runs."""
        return self.root / "cache"

    @property
    def tally(self) -> Path:
        """The file through which this machine's processes count together; deleting it while
        nothing runs begins all counts anew."""
        return self.root / "state" / "tally.db"

    @property
    def held(self) -> Path:
        """Answers that wait for a person, and what was decided about them."""
        return self.root / "state" / "held"

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.root / self.settings.journal

    @property
    def spool(self) -> Path:
        """Where processes write what is not sealed yet."""
        return self.journal / "spool"

    @property
    def lake(self) -> Path:
        """The sealed part of the journal: Parquet."""
        return self.journal / "lake"

    @property
    def keys(self) -> Path:
        """Public keys that are trusted, and the workspace's own pair."""
        return self.root / self.settings.trusted_keys

    @property
    def kept(self) -> Path:
        """What trainings left for the ones that start from them, by fingerprint."""
        return self.root / "kept"

    @property
    def snapshots(self) -> Path:
        """The rows of snapshots, as Parquet files."""
        return self.root / "snapshots"

    @property
    def training(self) -> Path:
        """The folder of the training code."""
        return (self.root / self.settings.training).resolve()

    @property
    def signing_key(self) -> Path:
        """The private key that this workspace signs with."""
        return self.keys / WORKSPACE_KEY

    @property
    def bundles(self) -> str:
        """The folder of bundle files, or the URL of an object store."""
        location = self.settings.bundles
        return location if _SCHEME.match(location) else str(self.root / location)

    @property
    def metadata(self) -> str:
        """The database's URL; a relative SQLite file is one in the workspace."""
        url = self.settings.metadata
        head, slashes, file = url.partition(":///")
        if head.startswith("sqlite") and slashes and file and not file.startswith("/"):
            return f"{head}:///{self.root / file}"
        return url

    def trusted_keys(self) -> dict[str, str]:
        """Name to public key: those of this folder, whose bundles may run code here."""
        return {file.stem: public_key(file) for file in sorted(self.keys.glob("*.pub"))}


def locate(asked: str | Path | None) -> Path:
    """The folder that is meant: the one asked for, else the environment's, else the current one."""
    chosen = asked or os.environ.get(VARIABLE) or "."
    return Path(chosen).expanduser().resolve()


def is_workspace(folder: Path) -> bool:
    """Whether a folder is a workspace."""
    return (folder / SETTINGS_FILE).is_file()


def open_places(asked: str | Path | None = None) -> Places:
    """The workspace that is meant; an error that says how to make one when there is none."""
    folder = locate(asked)
    if not is_workspace(folder):
        raise _no_workspace(folder)
    places = Places(folder, read_settings(folder / SETTINGS_FILE))
    _make_folders(places)
    return places


def _no_workspace(folder: Path) -> InvalidUsage:
    if folder.is_dir():
        said = f"{folder} is not a workspace: it has no {SETTINGS_FILE}"
        below = sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS_FILE}"))
        if below:
            said += f" (but {below[0]}/ below it is one)"
    else:
        parent = folder.parent
        names = [path.name for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
        near = difflib.get_close_matches(folder.name, names, 1)
        said = f"there is no folder {folder}" + (f"; did you mean {near[0]!r}?" if near else "")
    return InvalidUsage(
        said,
        field="workspace",
        expected=f"`mainstay init` to make one, or --workspace FOLDER, or {VARIABLE}",
    )


def open_or_make(asked: str | Path | None = None) -> tuple[Places, list[str]]:
    """The workspace that is meant, made first where there is none; also what was made."""
    folder = locate(asked)
    if is_workspace(folder):
        return open_places(folder), []
    if asked is None and folder in {Path.home().resolve(), Path(folder.anchor)}:
        raise InvalidUsage(
            f"{folder} would become a workspace, which is probably not meant",
            field="workspace",
            expected="an own folder for it, or `mainstay init` to do it all the same",
        )
    return make_workspace(folder)


def make_workspace(folder: Path) -> tuple[Places, list[str]]:
    """Make a folder a workspace; what is there already stays as it is."""
    made: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / SETTINGS_FILE
        if not settings.exists():
            settings.write_text(TEMPLATE, encoding="utf-8")
            made.append(SETTINGS_FILE)
        places = Places(folder, read_settings(settings))
        made += _make_folders(places)
        if not places.signing_key.exists():
            new_key(places.signing_key)
            made.append(f"{places.settings.trusted_keys}/{WORKSPACE_KEY}(.pub)")
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text(_IGNORED, encoding="utf-8")
            made.append(".gitignore")
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made a workspace: {error}") from error
    return places, made


def _make_folders(places: Places) -> list[str]:
    made: list[str] = []
    wanted = [places.contracts, places.spool, places.lake, places.inbox]
    wanted += [places.run, places.cache, places.keys]
    if not _SCHEME.match(places.settings.bundles):
        wanted.append(Path(places.bundles))
    for folder in wanted:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            made.append(
                f"{folder.relative_to(places.root)}/"
                if folder.is_relative_to(places.root)
                else str(folder)
            )
    return made
