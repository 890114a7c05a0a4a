"""The models of one workspace that feed each other, as they are in force now."""

from collections.abc import Callable

import msgspec

from mainstay.base.errors import MainstayError
from mainstay.bundle.archive import Unpacked
from mainstay.bundle.manifest import fingerprint_of
from mainstay.bundle.model import MANIFEST_FILE, Manifest, Version
from mainstay.bundle.port import Registry
from mainstay.contract.model import Contract
from mainstay.release.cascade import Known, Node, plan
from mainstay.release.standing_in import chain_faults
from mainstay.release.together import Planned
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain
from mainstay.wiring.folders import Places


class Cascades:
    """Makes plans from the registry, the chain and the contracts in the bundles."""

    def __init__(
        self,
        places: Places,
        registry: Registry,
        chain: RouteChain,
        unpacked: Callable[[str], Unpacked],
    ) -> None:
        self._cache = places.cache
        self._registry = registry
        self._chain = chain
        self._unpacked = unpacked
        self._contracts: dict[str, Contract] = {}

    def planned(self, version: Version, *, newer: bool = True) -> Planned:
        """What going live with a version comes to now; `Breaks` on a loop."""
        in_force, routes = self.in_force()
        known = Known(versions=self._registry.versions, node=self._whole)
        candidate = self._whole(version)
        made = plan(candidate, in_force, known, newer=newer)
        if newer:
            faults = chain_faults(candidate, in_force, known)
            made = msgspec.structs.replace(made, broken=(*made.broken, *faults))
        return Planned(made, routes)

    def in_force(self) -> tuple[dict[str, Node], dict[str, Route]]:
        """By model: the versions in force now, and their routes."""
        routes = {route.model: route for route in self._chain.all_current()}
        nodes = {
            model: self._node(self._registry.find_fingerprint(route.fingerprint))
            for model, route in routes.items()
        }
        return nodes, routes

    def _whole(self, version: Version) -> Node:
        return Node(version=version, contract=self._contract(version.fingerprint))

    def _node(self, version: Version) -> Node:
        """A version in force; a bundle that cannot be had is no reason to deploy nothing."""
        try:
            return self._whole(version)
        except MainstayError:
            return Node(version=version)

    def _contract(self, fingerprint: str) -> Contract:
        known = self._contracts.get(fingerprint)
        if known is None:
            known = self._unpacked_here(fingerprint) or self._unpacked(fingerprint).manifest
            self._contracts[fingerprint] = known = known.contract
        return known

    def _unpacked_here(self, fingerprint: str) -> Manifest | None:
        """The manifest of a version that serves here, without looking at the rest of it again."""
        try:
            raw = (self._cache / fingerprint / MANIFEST_FILE).read_bytes()
        except OSError:
            return None
        if fingerprint_of(raw) != fingerprint:
            return None
        return msgspec.json.decode(raw, type=Manifest)
