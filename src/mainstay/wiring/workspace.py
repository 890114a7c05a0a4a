"""A workspace with its stores: what commands, notebooks and the keeper work on.

Each part is opened when it is first asked for, so a command pays only for what it uses, and a
database that is away stops only what needs it. One `Workspace` belongs to one process; the
methods that change something may be called from several threads.
"""

import getpass
import os
import shutil
import socket
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from mainstay.access.port import TrustStore
from mainstay.access.sql import SqlTrustStore
from mainstay.base.errors import InvalidBundle, MainstayError, NotAllowed
from mainstay.base.ids import DecisionIds, new_incarnation
from mainstay.bundle.admit import admit, open_bundle, open_folder
from mainstay.bundle.archive import Unpacked
from mainstay.bundle.load import load
from mainstay.bundle.model import Manifest, Version
from mainstay.bundle.object_store import open_object_store
from mainstay.bundle.port import Loaded, Store
from mainstay.bundle.store import DirectoryStore
from mainstay.bundle.trial import TrialResult, try_out
from mainstay.contract.finding import Finding
from mainstay.journal.model import Event
from mainstay.journal.spool import DiskSpool
from mainstay.release.deploy import Checks, deploy
from mainstay.release.events import Events, Record, RecordedChain
from mainstay.release.gate.gather import Opened
from mainstay.release.gate.model import Verdict
from mainstay.release.gate.port import VerdictStore
from mainstay.release.gate.run import Passage, Wish, go_through
from mainstay.release.gate.sql import SqlVerdictStore
from mainstay.release.model import Deployed
from mainstay.release.pins.model import pinned
from mainstay.release.pins.port import PinStore
from mainstay.release.pins.sql import SqlPinStore
from mainstay.release.rollback import rollback
from mainstay.release.rollout.append import goes_on
from mainstay.release.rollout.drive import going_on
from mainstay.release.rollout.model import Rollout
from mainstay.release.rollout.port import RolloutStore
from mainstay.release.rollout.sql import SqlRolloutStore
from mainstay.release.together import Together
from mainstay.serve.held.folder import FolderDesk
from mainstay.serve.held.settle import Settler
from mainstay.serve.outcomes import event_about
from mainstay.serve.replay import Replayed, replay
from mainstay.serve.routes.model import Draft, Route
from mainstay.tally.sqlite import SqliteTally
from mainstay.wiring.cascading import Cascades
from mainstay.wiring.folders import Places, open_places
from mainstay.wiring.gating import check_room, extractor_changed, machine_of, new_passage
from mainstay.wiring.stores import Stores
from mainstay.wiring.trials import Trials

if TYPE_CHECKING:
    from mainstay.journal.reader import DiskJournal

_TRIAL_HOLDS_NS = 60_000_000_000
"""A version that was tried out so recently in this process need not be tried again."""


ENVIRONMENT = "MAINSTAY_ENVIRONMENT"
"""The variable by which a process says which environment it works for."""


class Workspace(Stores):
    """Everything of one workspace."""

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self._tried: dict[str, int] = {}

    # Stores -----------------------------------------------------------------------------------

    @cached_property
    def verdicts(self) -> VerdictStore:
        """What the gate said."""
        return SqlVerdictStore(self._engine)

    @cached_property
    def pins(self) -> PinStore:
        """What clients rely on."""
        return SqlPinStore(self._engine)

    @cached_property
    def rollouts(self) -> RolloutStore:
        """Rollouts, those that go on and those that ended."""
        return SqlRolloutStore(self._engine, self.clock)

    @cached_property
    def trust(self) -> TrustStore:
        """Public keys that every machine of this workspace trusts."""
        return SqlTrustStore(self._engine)

    @cached_property
    def store(self) -> Store:
        """Bundle files."""
        location = self.places.bundles
        if "://" in location:
            return open_object_store(location)
        return DirectoryStore(Path(location))

    @cached_property
    def journal(self) -> "DiskJournal":
        """What was decided. Most commands never ask, and its libraries take long to import."""
        from mainstay.journal.reader import DiskJournal

        return DiskJournal(self.places.spool, self.places.lake, clock=self.clock)

    @cached_property
    def cascades(self) -> Cascades:
        """Which models feed which."""
        return Cascades(self.places, self.registry, self.chain, self.unpacked)

    @cached_property
    def _ids(self) -> DecisionIds:
        return DecisionIds(new_incarnation(), self.clock)

    def trusted_keys(self) -> dict[str, str]:
        """Name to public key: those in the keys folder and those that the database keeps."""
        return {**self.places.trusted_keys(), **self.trust.trusted()}

    # Versions ---------------------------------------------------------------------------------

    def admit(self, file: Path, actor: str | None = None) -> Version:
        """Check a bundle file in every way, keep it and give it its number."""
        who = actor or whoever_runs_this()
        with (
            self._telling() as (events, record),
            events.refusals(record, model="", actor=who, subject=file.name, wanted="admit"),
        ):
            version, _ = admit(
                file,
                trusted_keys=self._trusted(),
                cache_folder=self.places.cache,
                store=self.store,
                registry=self.registry,
            )
            record(events.version(version, who))
        self._passed(version)
        return version

    def try_file(self, file: Path) -> tuple[Manifest, str, TrialResult]:
        """Check a bundle file as admitting it would, and keep nothing."""
        opened = open_bundle(file, trusted_keys=self._trusted(), cache_folder=self.places.cache)
        return opened.manifest, opened.fingerprint, try_out(opened.folder, opened.fingerprint)

    def try_version(self, version: Version) -> tuple[Manifest, str, TrialResult]:
        """Check a version as deploying it would."""
        opened = self.unpacked(version.fingerprint)
        return opened.manifest, opened.fingerprint, try_out(opened.folder, opened.fingerprint)

    def unpacked(self, fingerprint: str) -> Unpacked:
        """A version's folder on this machine, every byte, its signature and its facts checked."""
        folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.places.cache))
        try:
            return open_bundle(
                self.store.fetch(fingerprint, folder),
                trusted_keys=self._trusted(),
                cache_folder=self.places.cache,
                expected=fingerprint,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def bring(self, fingerprint: str) -> Path:
        """A version's folder on this machine, checked as if it were fetched; fetched where it is
        not there, or damaged. Who deploys here has unpacked it, so a server follows at once."""
        return self.here(fingerprint).folder

    def here(self, fingerprint: str) -> Unpacked:
        """A version on this machine, as `bring` has it."""
        folder = self.places.cache / fingerprint
        with suppress(InvalidBundle):
            return open_folder(folder, fingerprint, trusted_keys=self._trusted())
        return self.unpacked(fingerprint)

    def _trusted(self) -> list[str]:
        return list(self.trusted_keys().values())

    def load(self, version: Version) -> Loaded:
        """A version in the memory of this process."""
        opened = self.unpacked(version.fingerprint)
        return load(opened.folder, version.fingerprint)

    def check(self, version: Version) -> None:
        """What a version must pass just before it goes live."""
        check_room(version, machine_of(self.places))
        opened = self.unpacked(version.fingerprint)
        tried_at = self._tried.get(version.fingerprint)
        if tried_at is None or self.clock.elapsed_ns() - tried_at > _TRIAL_HOLDS_NS:
            try_out(opened.folder, version.fingerprint)
            self._passed(version)

    def _check_again(self, version: Version) -> None:
        """What a version must pass to go back to it: the same, but for a trial that it passed on
        this machine already."""
        if self.trials.holds(version.fingerprint):
            check_room(version, machine_of(self.places))
            self.unpacked(version.fingerprint)
        else:
            self.check(version)

    def _passed(self, version: Version) -> None:
        self._tried[version.fingerprint] = self.clock.elapsed_ns()
        self.trials.keep(version.fingerprint)

    @cached_property
    def trials(self) -> Trials:
        """Trials passed on this machine."""
        return Trials(self.places.cache, self.clock)

    # Routes -----------------------------------------------------------------------------------

    def deploy(
        self,
        model: str,
        number: int | None,
        reason: str,
        *,
        actor: str | None = None,
        expected_epoch: int | None = None,
        wish: Wish | None = None,
    ) -> Deployed:
        """Let a version go live, if the gate lets it through; `NotPassed` holds its verdict."""
        wish = (wish or Wish(reason=reason)).check()
        who = actor or whoever_runs_this()
        with (
            self._telling() as (events, record),
            events.refusals(record, model=model, actor=who, subject="", wanted="deploy"),
        ):
            self.check_environment()
            self._wait_for_rollout(model, number)

            def gate(version: Version, current: Route | None) -> Verdict:
                if version.model != model:
                    self._wait_for_rollout(version.model, version.number)
                passage = new_passage(self._ids, self.clock.now_ns(), version, current, who)
                mine = wish.about(version.model, together.others)
                verdict = self._judge(passage, (version, current), mine)
                record(events.verdict(verdict))
                return verdict

            told = RecordedChain(self.chain, events, record)
            together = Together(told, self.cascades.planned, Checks(self.check, gate))
            deployed = deploy(
                together,
                self.registry,
                model=model,
                number=number,
                actor=who,
                reason=reason,
                checks=Checks(together.trial, together.gate),
                expected_epoch=expected_epoch,
            )
            return structs.replace(deployed, along=together.along)

    def check_environment(self) -> None:
        """Refuse a process that works for another environment (O18)."""
        mine, theirs = self.places.settings.environment, os.environ.get(ENVIRONMENT)
        if theirs is not None and theirs != mine:
            raise NotAllowed(
                f"this process works for {theirs[:80]!r} ({ENVIRONMENT}), and the workspace "
                f"{self.places.root} is {mine!r}",
                field="environment",
                got=theirs[:80],
                expected=f"{ENVIRONMENT}={mine}, or the workspace that is {theirs[:80]!r}",
            )

    def gate(
        self,
        model: str,
        number: int | None = None,
        *,
        accept: Sequence[str] = (),
        wish: Wish | None = None,
        actor: str | None = None,
    ) -> Verdict:
        """Judge a version, by default the newest, against the one that its route serves now, and
        keep the verdict; nothing goes live. `InvalidBundle` when it cannot be run at all."""
        wish = (wish or Wish(accept=tuple(accept))).check()
        version = self.registry.find(model, number)
        self.cascades.planned(version).plan.check()
        return self.judge_alone(version, wish, actor=actor)

    def judge_alone(self, version: Version, wish: Wish, *, actor: str | None = None) -> Verdict:
        """Judge a version whatever it feeds or takes from, and keep the verdict."""
        current = self.chain.current(version.model)
        passage = new_passage(
            self._ids, self.clock.now_ns(), version, current, actor or whoever_runs_this()
        )
        self.check(version)
        verdict = self._judge(passage, (version, current), wish)
        with self._telling() as (events, record):
            record(events.verdict(verdict))
        return verdict

    def _judge(self, passage: Passage, pair: tuple[Version, Route | None], wish: Wish) -> Verdict:
        version, current = pair
        candidate = self._opened(version.number, version.fingerprint)
        baseline = None if current is None else self._opened(current.number, current.fingerprint)
        relied_on = pinned(
            self.pins.of(version.model),
            candidate.manifest.contract,
            None if baseline is None else baseline.manifest.contract,
        )
        verdict = go_through(
            passage,
            candidate,
            baseline,
            wish,
            query=self.journal.query,
            machine=machine_of(self.places),
            found=(
                *self.cascades.planned(version).plan.findings,
                *relied_on,
                *extractor_changed(candidate, baseline),
            ),
        )
        self.verdicts.keep(verdict)
        return verdict

    def _opened(self, number: int, fingerprint: str) -> Opened:
        opened = self.unpacked(fingerprint)
        return Opened(
            number=number,
            fingerprint=fingerprint,
            folder=opened.folder,
            manifest=opened.manifest,
        )

    def rollback(
        self,
        model: str,
        to: int | None,
        reason: str,
        *,
        actor: str | None = None,
        expected_epoch: int | None = None,
    ) -> Deployed:
        """Let an earlier version answer again."""
        who = actor or whoever_runs_this()
        with (
            self._telling() as (events, record),
            events.refusals(record, model=model, actor=who, subject="", wanted="rollback"),
        ):
            self.check_environment()

            def no_gate(_version: Version, _current: Route | None) -> Verdict:
                raise AssertionError("going back asks no gate")

            together = Together(
                RecordedChain(self.chain, events, record),
                partial(self.cascades.planned, newer=False),
                Checks(self._check_again, no_gate),
            )
            deployed = rollback(
                together,
                self.registry,
                model=model,
                to=to,
                actor=who,
                reason=reason,
                check=together.trial,
                expected_epoch=expected_epoch,
            )
            going_on(self.rollouts, self.chain, model, self.clock.now_ns())
            return structs.replace(deployed, along=together.along)

    def _wait_for_rollout(self, model: str, number: int | None) -> None:
        """Refuse to deploy past a rollout that goes on, unless its candidate is what is meant."""
        going = going_on(self.rollouts, self.chain, model, self.clock.now_ns())
        if going is not None:
            wanted = self.registry.find(model, number).fingerprint
            if number is None or wanted != going.rollout.plan.candidate.fingerprint:
                raise goes_on(going)

    def append_route(self, draft: Draft, replaces: int) -> Route:
        """Add an entry to a chain as a rollout does, and tell the journal."""
        with self._telling() as (events, record):
            return RecordedChain(self.chain, events, record).append(draft, replaces)

    def append_routes(
        self, wanted: Sequence[tuple[Draft, int]], seen: Mapping[str, int] | None = None
    ) -> Sequence[Route]:
        """Add entries of several models at the same moment, and tell the journal."""
        with self._telling() as (events, record):
            return RecordedChain(self.chain, events, record).append_all(wanted, seen)

    def remind(self, rollout: Rollout, finding: Finding) -> None:
        """Tell the journal what a look at a rollout found. It is kept with the rollout as well, so
        a journal that cannot be told holds up nothing."""
        with suppress(MainstayError), self._telling() as (events, record):
            record(events.finding(rollout.plan, finding))

    def notice(self, version: Version, actor: str, finding: Finding) -> None:
        """Tell the journal what was found about a version."""
        with self._telling() as (events, record):
            record(events.noticed(version, actor, finding))

    @contextmanager
    def _telling(self) -> Generator[tuple[Events, Record]]:
        """A spool of this process for a few events, closed and so on disk at the end."""
        spool = DiskSpool(self.places.spool, self._ids.incarnation, clock=self.clock)
        try:
            yield Events(self._ids, self.clock), lambda event: spool.append([event])
        finally:
            spool.close()

    def record(self, events: Sequence[Event]) -> None:
        """Keep a few events; they are on disk when this returns."""
        with self._telling() as (_, record):
            for event in events:
                record(event)

    @contextmanager
    def settling(self) -> Generator[Settler]:
        """Somebody who releases and rejects what waits for a person; all of it is on disk at the
        end."""
        tally = SqliteTally(self.places.tally, self.clock)
        try:
            with self._telling() as (_, record):
                yield Settler(FolderDesk(self.places.held), record, tally, self._ids, self.clock)
        finally:
            tally.close()

    # Decisions --------------------------------------------------------------------------------

    def say_of(
        self,
        model: str,
        decision: str,
        body: Mapping[str, Any],
        *,
        kind: Literal["outcome", "action"],
        actor: str,
    ) -> Event:
        """Keep what is said or was done about a decision."""
        with self._telling() as (_, record):
            event = event_about(self._ids, self.clock, (model, actor, decision), body, kind)
            record(event)
            return event

    def replay(self, decision_id: str) -> tuple[Version, Replayed]:
        """Make the run of a decision again, with the version that made it."""
        batch, layout = self.journal.run_of(decision_id)
        version = self.registry.find_fingerprint(batch.fingerprint)
        return version, replay(self.load(version), batch, layout)


def whoever_runs_this() -> str:
    """Who is written down as the actor: the person at this machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def open_workspace(folder: str | Path | None = None) -> Workspace:
    """The workspace in a folder: the one named, $MAINSTAY_WORKSPACE, or the current folder."""
    return Workspace(open_places(folder))
