"""Gather context: what a contract says to look up before a model can answer.

Each look-up has a time-out and a declared stand-in, field by field, so a slow or broken source
costs at most its time-out and never a request. A source that fails or is late again and again is
left alone for a while, and costs nothing then: see `judge/breaker.py`. Why a stand-in was used is
kept with the decision. Look-ups of one call run side by side, each with all of the call's keys at
once, in threads that no model run shares.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, Protocol

from mainstay.base.clock import Clock
from mainstay.base.errors import MainstayError
from mainstay.contract.columns import MATRIX, Columns
from mainstay.contract.model import Contract, FromLookup
from mainstay.contract.times import duration_ns
from mainstay.contract.values import Checker
from mainstay.judge.breaker import Breaker

Answered = Mapping[Any, Mapping[str, Any]]
"""The fields of each key that is known."""


class LookupSource(Protocol):
    """Where a look-up goes."""

    def fetch(self, keys: Sequence[Any]) -> Answered:
        """The fields of each key that is known; keys that are not known are left out. May take
        long or raise anything: it is called in a thread and waited for with a time-out."""
        ...


Sources = Mapping[str, LookupSource]
Found = tuple[Columns, dict[int, str]]
Tell = Callable[[Mapping[tuple[str, ...], int], Mapping[tuple[str, ...], float]], None]
"""Told of what is to be counted in metrics, and shown there as it is now."""


class Gatherer:
    """The look-ups of one version. Lives on one event loop."""

    def __init__(
        self, contract: Contract, sources: Sources, executor: Executor, clock: Clock, tell: Tell
    ) -> None:
        self._checker = Checker(contract)
        self._executor = executor
        self._tell = tell
        self._breakers = {name: Breaker(clock) for name in sources}
        self._open: set[str] = set()
        self._lookups = {
            name: context
            for name, context in contract.context.items()
            if isinstance(context, FromLookup)
        }
        self._sources = sources

    @property
    def needed(self) -> bool:
        """Whether the contract declares any look-up."""
        return bool(self._lookups)

    async def gather(self, inputs: Columns, rows: int) -> Found:
        """The looked-up context of some rows, and per row why a stand-in was used."""
        named = self._checker.spread(inputs) if MATRIX in inputs else inputs
        found = await asyncio.gather(
            *(
                self._one(name, lookup, named[lookup.key], rows)
                for name, lookup in self._lookups.items()
            )
        )
        columns: Columns = {}
        reasons: dict[int, str] = {}
        for part, why in found:
            columns.update(part)
            for row, reason in why.items():
                reasons[row] = f"{reasons[row]}; {reason}" if row in reasons else reason
        return columns, reasons

    async def _one(self, name: str, lookup: FromLookup, keys: Any, rows: int) -> Found:
        values: list[Any] = keys.tolist()
        known, failed = await self._ask(lookup, list(dict.fromkeys(values)))
        reasons: dict[int, str] = {}
        chosen: list[dict[str, Any]] = []
        for row in range(rows):
            fields = known.get(values[row])
            if fields is None:
                reasons[row] = failed or f"look-up {lookup.lookup} does not know this key"
            chosen.append({field: (fields or {}).get(field) for field in lookup.fields})
        columns, problems = self._checker.lookups[name].from_rows(chosen)
        for problem in problems:
            place = problem.row or 0
            reasons[place] = f"look-up {lookup.lookup} answered: {problem.message}"
            chosen[place] = {}
        if problems:  # a row of stand-ins has nothing wrong: the contract was loaded with it
            columns, _ = self._checker.lookups[name].from_rows(chosen)
        return columns, reasons

    async def _ask(self, lookup: FromLookup, keys: list[Any]) -> tuple[Answered, str]:
        """What a source knows of some keys, and in words why it could not say."""
        source, breaker = lookup.lookup, self._breakers[lookup.lookup]
        if not breaker.allows():
            self._tell({("lookup_troubles", source, "paused"): 1}, {})
            return {}, f"look-up {source} failed or was slow again and again, and is left alone"
        known: Answered = {}
        failed = trouble = ""
        loop = asyncio.get_running_loop()
        try:
            fetch = self._sources[source].fetch
            # A thread knows nothing of this request unless it is told.
            context = copy_context()
            fetching = loop.run_in_executor(
                self._executor, lambda: context.run(_fetch, fetch, keys)
            )
            known = await asyncio.wait_for(fetching, duration_ns(lookup.timeout) / 1e9)
        except TimeoutError:
            trouble, failed = "slow", f"look-up {source} took longer than {lookup.timeout}"
        except MainstayError as error:
            trouble, failed = "failed", f"look-up {source} failed: {error.message}"
        if failed:
            breaker.failed()
            self._tell({("lookup_troubles", source, trouble): 1}, {})
        else:
            breaker.succeeded()
        is_open = breaker.state != "closed"
        if is_open != (source in self._open):
            self._open ^= {source}
            self._tell({}, {("lookup_breaker_open", source): float(is_open)})
        return known, failed


def _fetch(fetch: Callable[[Sequence[Any]], Any], keys: Sequence[Any]) -> Answered:
    """Call a source; whatever it raises, or answers that is no answer, becomes one of our errors,
    with its words."""
    try:
        found = fetch(keys)
    except Exception as error:  # because user code and networks raise anything
        raise MainstayError(f"{type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping):
        raise MainstayError(f"it answered a {type(found).__name__} instead of fields by key")
    answered: Answered = found  # pyright: ignore[reportUnknownVariableType]  # because user code answers anything
    for fields in answered.values():
        if fields is not None and not isinstance(fields, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]  # because user code answers anything
            raise MainstayError(f"it answered a {type(fields).__name__} instead of a key's fields")
    return answered
