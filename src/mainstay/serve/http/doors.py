"""The three doors of a version over HTTP, compiled when its first request comes."""

from dataclasses import dataclass

from mainstay.serve.engine import Serving
from mainstay.serve.http.wire.decide import DecideDoor
from mainstay.serve.http.wire.mlflow import MlflowDoor
from mainstay.serve.http.wire.oip import OipDoor


@dataclass(slots=True, frozen=True)
class Doors:
    """How one version's calls are read and its answers written."""

    infer: OipDoor
    decide: DecideDoor
    invocations: MlflowDoor


class DoorTable:
    """The doors of the versions in force, each compiled once."""

    def __init__(self) -> None:
        self._doors: dict[str, Doors] = {}

    def of(self, serving: Serving) -> Doors:
        """The doors of a version."""
        fingerprint = serving.route.fingerprint
        doors = self._doors.get(fingerprint)
        if doors is None:
            pipeline = serving.pipeline
            doors = Doors(
                infer=OipDoor(pipeline.contract, pipeline.checker),
                decide=DecideDoor(pipeline.contract, pipeline.checker),
                invocations=MlflowDoor(pipeline.contract, pipeline.checker),
            )
            if len(self._doors) > 256:  # versions come and go; what is in use is made again
                self._doors.clear()
            self._doors[fingerprint] = doors
        return doors
