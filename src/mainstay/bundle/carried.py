"""The one place where source code that came in a bundle is run.

Its digest was checked and a trusted key signed it (or nobody would have admitted it); it becomes
an ordinary module, made by Python's own import machinery from the checked bytes, under a name that
carries the fingerprint. So two versions of one extractor live side by side in a process, a
traceback shows the right lines, and no byte-code cache that nobody signed is ever read or written.
Must never be given bytes that `folder.read_checked` did not return.
"""

import importlib.abc
import importlib.util
import sys
import weakref
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from mainstay.base.errors import InvalidBundle


class _CheckedSource(importlib.abc.InspectLoader):
    """Gives the import machinery source that is already in memory, and nothing else."""

    def __init__(self, source: str, origin: str) -> None:
        self._source = source
        self._origin = origin

    def get_source(self, fullname: str) -> str:  # because import machinery names it
        return self._source

    def get_code(self, fullname: str) -> CodeType:  # because import machinery names it
        return self.source_to_code(self._source, self._origin)


def run_carried(source: bytes, fingerprint: str, file: str) -> ModuleType:
    """Make a module of the source code of a version."""
    name = f"mainstay_version_{fingerprint[:24]}"
    try:
        origin = f"{fingerprint[:12]}/{file}"
        loader = _CheckedSource(source.decode("utf-8"), origin)
        spec = importlib.util.spec_from_loader(name, loader, origin=origin)
        if spec is None:  # pragma: no cover - a loader that is given always makes a spec
            raise ImportError(name)
        module = importlib.util.module_from_spec(spec)
        # Classes look their own module up by name (dataclasses do), so it has to be there.
        sys.modules[name] = module
        loader.exec_module(module)
    except Exception as error:  # because code from outside may raise anything
        sys.modules.pop(name, None)
        raise InvalidBundle(
            f"the code of the bundle cannot be loaded: {type(error).__name__}: {error}",
            field=file,
            rule="code",
            expected="code that runs with the packages that are installed here",
        ) from error
    return module


def forget_with(owner: object, module: ModuleType) -> None:
    """Let the module go when the version that owns it goes."""
    weakref.finalize(owner, _forget, module.__name__, weakref.ref(module))


def _forget(name: str, module: Callable[[], ModuleType | None]) -> None:
    mine = module()
    # Another load of the same version may have taken the name since.
    if mine is not None and sys.modules.get(name) is mine:
        sys.modules.pop(name, None)


def member(module: ModuleType, name: str, file: str) -> Any:
    """A function or class of the carried module."""
    found = getattr(module, name, None)
    if not callable(found):
        raise InvalidBundle(
            f"the code of the bundle has no function or class {name!r}",
            field=file,
            rule="code",
            got=name,
        )
    return found
