"""What the keeper of one workspace does with what it is told of keys: find the decisions."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import structs

from mainstay.base.errors import NotFound
from mainstay.contract.model import Contract
from mainstay.journal.model import Event
from mainstay.renew.labels.join import Joining
from mainstay.serve.feedback import WRONG, Errors
from mainstay.tally.sqlite import SqliteTally
from mainstay.wiring.pinning import live_contract
from mainstay.wiring.workspace import Workspace


class JoinKeeper:
    """The keeper's duty: what was told of keys becomes what was said of decisions."""

    def __init__(self, workspace: Workspace, models: Callable[[], Iterable[str]]) -> None:
        """`models` are those whose decisions are known by a key."""
        self._workspace = workspace
        self._models = models
        journal = workspace.journal
        self._joining = Joining(journal.news, journal.query, self._record, workspace.clock)

    def look(self) -> None:
        """Look once."""
        self._joining.look(self._models())

    def _record(self, events: Sequence[Event]) -> None:
        note_errors(self._workspace, events)
        self._workspace.record(events)


def note_errors(workspace: Workspace, events: Sequence[Event]) -> None:
    """Count what outcomes say was wrong, for contracts that limit the errors somebody has to bear;
    before the outcomes are kept, because what was said twice counts once."""
    said = {event.subject: event for event in events if event.body.get("reaction") in WRONG}
    wrong = said.values()
    contracts = {model: live_contract(workspace, model) for model in {e.model for e in wrong}}
    if not contracts:
        return
    tally = SqliteTally(workspace.places.tally, workspace.clock)
    try:
        errors = Errors(tally)
        for event in wrong:
            contract = contracts[event.model]
            if contract is not None and errors.limited(contract):
                _note(workspace, errors, contract, event)
    finally:
        tally.close()


def _note(workspace: Workspace, errors: Errors, contract: Contract, event: Event) -> None:
    try:
        found = workspace.journal.find_with_all(event.subject)
    except NotFound:
        return  # nobody made it, so nobody bears it
    errors.note(structs.asdict(found), contract, workspace.clock.now_ns())
