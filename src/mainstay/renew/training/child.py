"""`python -m mainstay.renew.training.child`: run the user's training function, and pack its model.

Promises that the function sees the rows to learn from and not those it is measured on; that the
same rows, code and seed are handed over in the same way; that whatever it raises is told with the
line it came from; and that a model which cannot be packed makes no version. One thread, no secrets
in the environment, and limits on time, memory and the size of a file: see `bundle.child`.
"""

import importlib
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.bundle.assets import Examples, decode_examples
from mainstay.bundle.child import answer_over, end_child
from mainstay.bundle.convert import recognise
from mainstay.bundle.pack import pack
from mainstay.contract.columns import decode
from mainstay.contract.model import Contract, NumberOutput
from mainstay.contract.times import duration_ns
from mainstay.renew.training import served
from mainstay.renew.training.data import Folders, Packing, TrainingData, in_form
from mainstay.renew.training.model import KEPT, PLACE, TRAINING, WEIGHT, Made, Task

_WORDS_MAX: Final = 600
_SEED_MAX: Final = 2**32
_GIGABYTE: Final = 1_000_000_000


def run(task: Task) -> Made:
    """What the child does, in this process."""
    learned, tested = (_examples(path) for path in (task.learned, task.tested))
    into = Path(task.into)
    folders = Folders(into / "scratch", into / KEPT, Path(task.before) if task.before else None)
    folders.scratch.mkdir()
    folders.keep.mkdir()
    seed = task.run.seed
    random.seed(seed)
    np.random.seed(seed % _SEED_MAX)  # noqa: NPY002  # because training code may draw from it
    beside = decode(Path(task.weights).read_bytes()) if task.weights else {}
    data = TrainingData(
        learned.inputs,
        _labels(task.contract, learned),
        seed=seed,
        folders=folders,
        snapshot=task.run.snapshot,
        weights=beside.get(WEIGHT),
        places=beside.get(PLACE),
    )
    extractor = served.hand_over(data, task.served) if task.served is not None else None
    returned = _called(task, function_of(task), data)
    if returned is None:
        raise InvalidUsage(
            f"{task.run.function} returned nothing",
            field="renew.train",
            got="None",
            expected="the trained model, or data.packed(model, features=…)",
        )
    _check_kept(folders.keep, task.contract.renew.disk_gb)
    packing = returned if isinstance(returned, Packing) else Packing(returned, {})
    if extractor is not None:
        packing = Packing(packing.model, extractor.options(task.contract, packing))
    form = "columns" if packing.options.get("features") is not None else data.form
    classes = packing.options.get("classes")
    known = recognise(packing.model, packing.options.get("output"), classes)
    told = {TRAINING: msgspec.to_builtins(task.run)}
    packed = pack(
        task.contract.model,
        model=packing.model,
        contract=task.contract,
        confidence=(in_form(tested.inputs, form), _labels(task.contract, tested)),
        card=replace(task.card, parameters={**known.parameters, **told}),
        learned_from=learned.inputs if task.contract.judge.cold else None,
        sign_with=task.sign_with,
        into=into,
        **packing.options,
    )
    if task.served is not None:
        served.check(packed.file, task.served, tested.inputs)
    manifest = packed.manifest
    return Made(file=str(packed.file), metrics=manifest.card.metrics, format=manifest.runs.format)


def _check_kept(folder: Path, disk_gb: float) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > disk_gb * _GIGABYTE:
        raise InvalidUsage(
            f"the training keeps {size:,} bytes for the next one, more than it may write",
            field="renew.disk_gb",
            got=disk_gb,
            expected="more gigabytes in the contract, or less in `data.keep`",
        )


def read(file: Path) -> Task:
    """What the child is to do."""
    return msgspec.json.decode(file.read_bytes(), type=Task)


def _examples(file: str) -> Examples:
    return decode_examples(Path(file).read_bytes(), file)


def _labels(contract: Contract, examples: Examples) -> Any:
    """As the journal has them: names of classes, or numbers."""
    assert examples.expected is not None
    numbers = isinstance(contract.output, NumberOutput)
    return examples.expected.astype(np.float64) if numbers else examples.expected.astype(str)


def function_of(task: Task) -> Callable[[TrainingData], Any]:
    """The function that the contract names."""
    module, _, name = task.run.function.partition(":")
    sys.path.insert(0, task.code)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(error, task.run.function, Path(task.code)) from error
        raise InvalidUsage(
            f"there is no module {module!r} in {task.code}",
            field="renew.train",
            got=task.run.function,
            expected="the name of a file in that folder, without .py; the setting `training` of "
            "mainstay.toml names the folder",
        ) from error
    except Exception as error:  # because a user's module may raise anything
        raise _failed(error, task.run.function, Path(task.code)) from error
    if not callable(found):
        raise InvalidUsage(
            f"{module} has no function {name!r}",
            field="renew.train",
            got=task.run.function,
            expected="module:function",
        )
    return found


def _called(task: Task, function: Callable[[TrainingData], Any], data: TrainingData) -> Any:
    # Ends this process where it is, also in the middle of a library's own code.
    signal.setitimer(signal.ITIMER_REAL, duration_ns(task.contract.renew.time) / 1e9)
    try:
        return function(data)
    except MemoryError as error:
        raise InvalidUsage(
            f"{task.run.function} needs more memory than it may have",
            field="renew.memory_gb",
            got=task.contract.renew.memory_gb,
            expected="more gigabytes in the contract, fewer rows, or code that needs less",
        ) from error
    except Exception as error:  # because a user's function may raise anything
        raise _failed(error, task.run.function, Path(task.code)) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _failed(error: Exception, what: str, code: Path) -> MainstayError:
    """The error of training code, with the last line of it that was run."""
    if isinstance(error, MainstayError):
        return error
    at = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(code):
            at = f" ({Path(frame.filename).relative_to(code)}, line {frame.lineno})"
    words = f"{type(error).__name__}: {error}"[:_WORDS_MAX]
    return InvalidUsage(f"{what} raised {words}{at}", field="renew.train", rule=TRAINING)


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], lambda own: run(read(Path(own[0])))))
