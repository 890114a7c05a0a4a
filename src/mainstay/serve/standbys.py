"""The versions that fallback steps and safeguards name, in the memory of one worker.

Promises that each is in memory once, however many models fall back on it, with a model of its own
beside one that may be served; that nothing stands in that did not prove itself in this process or
does not fit whom it stands in for; and that what is missing is said in words and keeps nobody from
serving: its step is passed over.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from mainstay.base.errors import InvalidBundle, MainstayError, NotFound
from mainstay.bundle.port import Loaded
from mainstay.contract.fallbacks import models_among
from mainstay.contract.finding import Finding
from mainstay.contract.model import Contract
from mainstay.contract.safeguards import models_beside
from mainstay.judge.model import Other
from mainstay.judge.standby import unfit
from mainstay.serve.routes.model import Order, Refusal

Load = Callable[[Path, str], Awaitable[tuple[Loaded, list[Finding]]]]
Others = Mapping[str, Other]
"""By the key of the step that names it."""


class Standbys:
    """Finds them and keeps those that are in use."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._held: dict[str, Other] = {}

    async def of(
        self, order: Order, contracts: Iterable[Contract]
    ) -> tuple[dict[str, Other], list[Refusal]]:
        """What the steps of an order's versions can ask, and what could not be had."""
        found: dict[str, Other] = {}
        refused: dict[str, Refusal] = {}
        for contract in contracts:
            judge = contract.judge
            steps = models_among(judge.fallback)
            for key in models_beside(contract.model, judge.fallback, judge.safeguard):
                if key in refused:
                    continue
                try:
                    other = found.get(key) or await self._one(order, key)
                    if key in steps:
                        _check(contract, other)  # a safeguard is checked by who asks it
                    found[key] = other
                except MainstayError as error:
                    mark = order.fallbacks[key].fingerprint if key in order.fallbacks else ""
                    words = f"{'fallback' if key in steps else 'safeguard'} {key}: {error.message}"
                    refused[key] = Refusal(epoch=order.route.epoch, fingerprint=mark, error=words)
        kept = {key: other for key, other in found.items() if key not in refused}
        return kept, list(refused.values())

    def keep_only(self, orders: Iterable[Order]) -> None:
        """Let go what no order names any more."""
        named = {each.fingerprint for order in orders for each in order.fallbacks.values()}
        self._held = {mark: other for mark, other in self._held.items() if mark in named}

    async def _one(self, order: Order, key: str) -> Other:
        standby = order.fallbacks.get(key)
        folder = None if standby is None else order.folders.get(standby.fingerprint)
        if standby is None or folder is None:
            raise NotFound(
                "there is no such version on this machine",
                field="judge",
                got=key,
                expected="a model that is deployed, or a version that the workspace keeps",
            )
        held = self._held.get(standby.fingerprint)
        if held is None:
            loaded, findings = await self._load(Path(folder), standby.fingerprint)
            for finding in findings:
                if finding.verdict == "fail":
                    raise InvalidBundle(finding.words, field=finding.check)
            held = self._held[standby.fingerprint] = Other(number=standby.number, loaded=loaded)
        return held


def _check(contract: Contract, other: Other) -> None:
    why = unfit(contract, other.loaded.manifest.contract)
    if why:
        raise InvalidBundle(
            f"v{other.number} cannot stand in for {contract.model}: {why}",
            field="judge.fallback",
            got=other.loaded.fingerprint,
            expected="a version that takes no input which this model has not, and answers alike",
        )
