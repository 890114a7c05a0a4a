"""What deploying answers, as values."""

from collections.abc import Sequence

from mainstay.serve.routes.model import Route


class Deployed(Route, frozen=True, kw_only=True):
    """The route in force after a deployment: a `Route` that also says whether it is a new one."""

    changed: bool
    """False when the version was live already: nothing was appended, and actor, reason and time
    are those of whoever deployed it."""
    replaced: int | None = None
    """The number of the version that answered before, where there was one."""
    verdict: str = ""
    """The id of the gate's verdict that let it through; empty after going back, which asks
    no gate."""

    along: tuple[Route, ...] = ()
    """The routes of other models that changed at the same moment, because they take its answers."""

    def __str__(self) -> str:
        version = f"{self.model} v{self.number} ({self.fingerprint[:12]})"
        if not self.changed:
            return f"{version} is live already, since epoch {self.epoch} by {self.actor}"
        instead = "" if self.replaced is None else f" in place of v{self.replaced}"
        others = ", ".join(f"{route.model} v{route.number}" for route in self.along)
        with_it = f", and with it {others}" if others else ""
        return f"{version} is live as epoch {self.epoch}{instead}{with_it}"


def path_back(history: Sequence[Route]) -> list[Route]:
    """The routes that rolling back walks along, oldest first; the last one is in force.

    Going live with a version that is not on the path adds it at the end. Going live with one that
    is on the path already, be it by a rollback or by deploying it again, goes back to it: what
    came after it leaves the path. So a version that was left by going back is never returned to
    unless somebody names it, and each rollback goes one further back:

        deployed 1, 2, 3                          path 1 2 3
        rolled back                               path 1 2        (2 answers)
        deployed 4                                path 1 2 4
        rolled back, rolled back                  path 1          (never 3, which was left)
    """
    path: list[Route] = []
    for route in history:
        known = [each.fingerprint for each in path]
        if route.fingerprint in known:
            del path[known.index(route.fingerprint) :]
        path.append(route)
    return path
