"""A small release room: a registry with versions, a chain, and a check that can be told to fail."""

from collections.abc import Callable

from mainstay.base.clock import ManualClock
from mainstay.base.errors import InvalidBundle
from mainstay.bundle.memory_registry import MemoryRegistry
from mainstay.bundle.model import Version
from mainstay.bundle.port import Registry
from mainstay.contract.finding import Finding
from mainstay.release.deploy import Checks, deploy
from mainstay.release.gate.model import Verdict
from mainstay.release.model import Deployed
from mainstay.release.rollback import rollback
from mainstay.serve.routes.memory import MemoryRouteChain
from mainstay.serve.routes.model import Route
from mainstay.serve.routes.port import RouteChain
from tests.conformance.manifests import fingerprint, manifest


class World:
    """Everything a deployer touches."""

    def __init__(
        self,
        clock: ManualClock,
        chain: RouteChain | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.chain = chain or MemoryRouteChain(clock)
        self.registry = registry or MemoryRegistry(clock)
        self.broken: set[str] = set()
        self.checked: list[int] = []
        self.worse: set[str] = set()
        self.verdicts: list[Verdict] = []
        self.meanwhile: Callable[[], object] | None = None
        """What somebody else does once, while a version is being checked."""

    def pack(self, count: int = 1, model: str = "fraud") -> list[Version]:
        """Register new versions."""
        first = len(self.registry.versions())
        return [
            self.registry.register(manifest(model), fingerprint(first + each), 1)
            for each in range(count)
        ]

    def check(self, version: Version) -> None:
        """What wiring would do with the bundle."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self.checked.append(version.number)
        if version.fingerprint in self.broken:
            raise InvalidBundle(f"{version} fails its trial", field="model/model.onnx")

    def gate(self, version: Version, current: Route | None) -> Verdict:
        """What wiring would do with both versions."""
        judged = "fail" if version.fingerprint in self.worse else "pass"
        self.verdicts.append(
            Verdict(
                id=f"verdict {len(self.verdicts) + 1}",
                model=version.model,
                number=version.number,
                candidate=version.fingerprint,
                baseline="" if current is None else current.fingerprint,
                baseline_number=0 if current is None else current.number,
                epoch=0 if current is None else current.epoch,
                findings=(Finding(check="accuracy", verdict=judged, words="0.8 against 0.9"),),
                verdict=judged,
                actor="ann",
                time_ns=1,
            )
        )
        return self.verdicts[-1]

    def deploy(self, number: int | None = None, *, expected_epoch: int | None = None) -> Deployed:
        return deploy(
            self.chain,
            self.registry,
            model="fraud",
            number=number,
            actor="ann",
            reason="better",
            checks=Checks(self.check, self.gate),
            expected_epoch=expected_epoch,
        )

    def rollback(self, to: int | None = None, *, expected_epoch: int | None = None) -> Deployed:
        return rollback(
            self.chain,
            self.registry,
            model="fraud",
            to=to,
            actor="bob",
            reason="worse",
            check=self.check,
            expected_epoch=expected_epoch,
        )

    def live(self) -> list[int]:
        """The numbers of the versions that went live, oldest first."""
        return [route.number for route in self.chain.history("fraud")]
