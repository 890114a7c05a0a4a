"""`safeguard: auto`: a keeper trains a safeguard as soon as there is enough to learn from.

Promises to try once when enough outcomes of a version are known and again only when there are twice
as many as at the last try; that every try ends in a finding that the journal keeps, also when
nothing came of it or the libraries for it are not installed here; and that what was learned goes
live through the gate, or not at all. Several machines of one workspace may try at the same time:
then there are two versions, and the gate holds the later against the earlier one.
"""

from collections.abc import Callable

from mainstay.base.errors import MainstayError
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.contract.safeguards import guard_of
from mainstay.judge.learning import LABELS_MIN
from mainstay.serve.keeper import words_of
from mainstay.serve.routes.model import Route
from mainstay.wiring.safeguarding import (
    NO_SAFEGUARD,
    Trained,
    outcomes_known,
    outcomes_learned,
    trained,
)
from mainstay.wiring.workspace import Workspace

CHECK = "safeguard"
_KEEPER = "keeper"


class SafeguardKeeper:
    """Looks at the routes whose contracts want it."""

    def __init__(self, workspace: Workspace, say: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._say = say
        self._tried: dict[str, int] = {}

    def look(self, route: Route) -> None:
        """Train for a version in force, if there is more to learn from than there was."""
        version = self._workspace.registry.find_fingerprint(route.fingerprint)
        known = outcomes_known(self._workspace, version)
        tried = self._tried.get(version.fingerprint, 0)
        if known < max(LABELS_MIN, 2 * tried):
            return
        learned = outcomes_learned(self._workspace, version, self._guard(version))
        self._tried[version.fingerprint] = max(tried, learned)
        if known < 2 * learned:
            return
        self._tried[version.fingerprint] = known
        finding = self._trained(version, known)
        self._say(f"Safeguard of {version.model} v{version.number}: {finding.words}")
        self._workspace.notice(version, _KEEPER, finding)

    def _guard(self, version: Version) -> str:
        contract = self._workspace.unpacked(version.fingerprint).manifest.contract
        return guard_of(version.model, contract.judge.safeguard or NO_SAFEGUARD).model

    def _trained(self, version: Version, known: int) -> Finding:
        """What came of it. Whatever went wrong is said once, and tried again with more."""
        try:
            found = trained(self._workspace, version.model, version.number, None, _KEEPER)
        except MainstayError as error:
            words = f"none was trained: {words_of(error)}"
            return Finding(check=CHECK, verdict="fail", words=words, samples=known)
        return _finding(found)


def _finding(found: Trained) -> Finding:
    learned = found.learned
    words = learned.words
    if found.version is not None:
        words = f"{found.version.model} v{found.version.number} goes live; {words}"
    return Finding(
        check=CHECK,
        verdict="unsure" if found.version is None else "pass",
        words=words,
        figure=learned.auc,
        compared=learned.confidence_auc,
        interval=learned.interval,
        samples=learned.labels,
    )
