"""`python -m mainstay.judge.learning`: make a safeguard of logged decisions, in a child process.

Learns on the older decisions, chooses between two kinds of small model on later ones, and measures
on the newest, which become the version's confidence set. Promises that nothing is measured on what
was learned from; that the same decisions make the same safeguard; and that too few decisions, too
few wrong ones among them, or a safeguard that tells wrong from right no better than chance, are
called unsure in words, with what would be enough, and make no version. The libraries that it needs
are imported here, and never by a process that serves.
"""

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mainstay.base.errors import InvalidUsage, MainstayError
from mainstay.bundle.assets import decode_examples
from mainstay.bundle.child import answer_over, end_child
from mainstay.bundle.extras import library
from mainstay.bundle.metrics import roc_auc, roc_auc_interval
from mainstay.bundle.model import Card
from mainstay.bundle.pack import pack
from mainstay.contract.columns import Columns, take
from mainstay.contract.model import Category, Contract, Input, Text, Timestamp
from mainstay.contract.safeguards import RIGHT_OR_WRONG
from mainstay.judge import shown_features
from mainstay.judge.said import CONFIDENCE

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Interval = tuple[float, float]
Model = Any

LABELS_MIN: Final = 400
WRONG_MIN: Final = 40
"""With fewer outcomes, or fewer wrong answers among them, there is nothing to learn from."""
PART_MIN: Final = 5
"""So many wrong and right ones every part must have."""
OUTCOMES: Final = "outcomes"
"""The parameter on a card that says how many a safeguard was made of."""
_LEARN, _CHOOSE = 0.6, 0.75
_WORDS_MAX: Final = 200
_SMOOTHING: Final = 20.0
_TREES: Final = (20, 50, 100, 200)
_Z: Final = 1.959963984540054
RIGHT, WRONG = RIGHT_OR_WRONG


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do; the decisions lie beside it, oldest first."""

    contract: Contract
    """Of the safeguard."""
    examples: str
    card: Card
    sign_with: str
    into: str


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    verdict: Literal["learned", "unsure"]
    words: str
    labels: int
    wrong: int
    file: str = ""
    """The bundle file."""
    kind: str = ""
    auc: float | None = None
    """How well it tells wrong answers from right ones, among the newest decisions."""
    interval: Interval | None = None
    confidence_auc: float | None = None
    """How well plain confidence does there."""
    tested: int = 0


def too_few(wrong: Flags) -> str:
    """Why these decisions, oldest first, are too few to learn from, in words; nothing when they
    are enough."""
    labels, errors = len(wrong), int(wrong.sum())
    found = f"{labels:,} decisions with a known outcome, {errors:,} of them wrong, are too few"
    if labels < LABELS_MIN or errors < WRONG_MIN or labels - errors < WRONG_MIN:
        return (
            f"{found} to learn from; {LABELS_MIN} with at least {WRONG_MIN} wrong and "
            f"{WRONG_MIN} right ones are needed"
        )
    for name, part in zip(("oldest", "later", "newest"), parts_of(labels), strict=True):
        least = min(int(wrong[part].sum()), int((~wrong[part]).sum()))
        if least < PART_MIN:
            return (
                f"of the {name} {len(wrong[part]):,} decisions with a known outcome only {least} "
                f"are {'wrong' if wrong[part].sum() == least else 'right'}, and at least "
                f"{PART_MIN} are needed in each part: to learn from, to choose by and to test on"
            )
    return ""


def parts_of(rows: int) -> tuple[slice, slice, slice]:
    """What is learned from, chosen by and tested on, oldest first."""
    learn, choose = int(_LEARN * rows), int(_CHOOSE * rows)
    return slice(0, learn), slice(learn, choose), slice(choose, rows)


def learn(task: Task, inputs: Columns, wrong: Flags) -> Learned:
    """A safeguard, packed and tried out; or why there is none."""
    counts: dict[str, Any] = {"labels": len(wrong), "wrong": int(wrong.sum())}
    why = too_few(wrong)
    if why:
        return Learned(verdict="unsure", words=why, **counts)
    made = fit(task.contract.inputs, inputs, wrong, Path(task.into))
    newest = parts_of(len(wrong))[2]
    tested = int(wrong[newest].sum()), len(wrong[newest])
    auc, interval = area(made.risk(take(inputs, newest)), wrong[newest])
    plain = _plain_area(take(inputs, newest), wrong[newest])
    figures: dict[str, Any] = {
        **counts, "kind": made.kind, "auc": auc, "interval": interval, "confidence_auc": plain,
        "tested": tested[1],
    }  # fmt: skip
    if interval[0] <= 0.5:
        words = (
            f"what was learned does not tell wrong answers from right ones for sure: AUC {auc:.3f} "
            f"({interval[0]:.3f} to {interval[1]:.3f}) on the newest {tested[1]:,} decisions, "
            f"{tested[0]} of them wrong; 0.5 is chance. More outcomes may help"
        )
        return Learned(verdict="unsure", words=words, **figures)
    plainly = "" if plain is None else f"; confidence alone has {plain:.3f}"
    words = (
        f"{made.kind}: AUC {auc:.3f} ({interval[0]:.3f} to {interval[1]:.3f}) for telling wrong "
        f"answers, on the newest {tested[1]:,} decisions, {tested[0]} of them wrong{plainly}"
    )
    learned = {"kind": made.kind, OUTCOMES: len(wrong)}
    card = msgspec.structs.replace(task.card, notes=words, parameters=learned)
    packed = pack(
        task.contract.model,
        model=made.model,
        features=made.module.extract,
        contract=task.contract,
        confidence=(take(inputs, newest), _named(wrong[newest])),
        card=card,
        classes=RIGHT_OR_WRONG,
        sign_with=task.sign_with,
        into=task.into,
    )
    return Learned(verdict="learned", words=words, file=str(packed.file), **figures)


class Fitted:
    """A model and the features that it takes."""

    def __init__(self, kind: str, model: Model, module: ModuleType) -> None:
        self.kind = kind
        self.model = model
        self.module = module

    def risk(self, inputs: Columns) -> Floats:
        """The probability of each row that the answer is wrong."""
        return _risk(self.model, self.module.extract(inputs))


def fit(kinds: dict[str, Input], inputs: Columns, wrong: Flags, folder: Path) -> Fitted:
    """The better of two small models; the newest part has no say in anything."""
    first, second, _ = parts_of(len(wrong))
    module = _module(_plan(kinds, take(inputs, first), wrong[first]), folder)
    rows: Any = module.extract(inputs)
    found: list[tuple[float, str, Callable[[], Model]]] = []
    linear = _linear().fit(rows[first], _named(wrong[first]))
    found.append(
        (area(_risk(linear, rows[second]), wrong[second])[0], "logistic regression", _linear)
    )
    trees = _trees(_TREES[-1]).fit(rows[first], _named(wrong[first]))
    for count in _TREES:
        auc = area(_risk(trees, rows[second], num_iteration=count), wrong[second])[0]
        found.append((auc, "boosted trees", partial(_trees, count)))
    _, kind, again = max(found, key=lambda each: each[0])
    known = slice(0, second.stop)
    return Fitted(kind, again().fit(rows[known], _named(wrong[known])), module)


def _trees(count: int) -> Model:
    return library("lightgbm", "training a safeguard").LGBMClassifier(
        n_estimators=count,
        learning_rate=0.05,
        num_leaves=8,
        min_child_samples=20,
        reg_lambda=1.0,
        random_state=7,
        deterministic=True,
        n_jobs=1,
        verbose=-1,
    )


def _linear() -> Model:
    def part(name: str) -> Any:
        return library(f"sklearn.{name}", "training a safeguard")

    return part("pipeline").make_pipeline(
        part("impute").SimpleImputer(keep_empty_features=True),
        part("preprocessing").StandardScaler(),
        part("linear_model").LogisticRegression(C=0.5, max_iter=500),
    )


def _named(wrong: Flags) -> npt.NDArray[Any]:
    return np.where(wrong, WRONG, RIGHT)


def _risk(model: Model, rows: Any, **settings: int) -> Floats:
    place = [str(name) for name in model.classes_].index(WRONG)
    return np.asarray(model.predict_proba(rows, **settings)[:, place], dtype=np.float64)


def area(risk: Floats, wrong: Flags) -> tuple[float, Interval]:
    """The area under the ROC curve of telling wrong answers by their risk, and where it lies."""
    scores, labels = np.column_stack([1 - risk, risk]), wrong.astype(np.int64)
    auc, interval = roc_auc(scores, labels), roc_auc_interval(scores, labels, _Z)
    assert auc is not None
    assert interval is not None, "every part has both kinds of row"
    return round(auc, 6), (round(interval[0], 6), round(interval[1], 6))


def _plain_area(inputs: Columns, wrong: Flags) -> float | None:
    sure = inputs.get(CONFIDENCE)
    return None if sure is None else area(1 - sure, wrong)[0]


# ------------------------------------------------------------------------------------- features


def _plan(
    kinds: dict[str, Input], inputs: Columns, wrong: Flags
) -> list[tuple[str, str, dict[str, float], float]]:
    """How each column becomes numbers; words become how often answers were wrong with them."""
    plan: list[tuple[str, str, dict[str, float], float]] = []
    for name, kind in kinds.items():
        match kind:
            case Category():
                plan.append((name, "words", *_rates(inputs[name], wrong)))
            case Text():
                plan.append((name, "length", {}, 0.0))
            case Timestamp():
                plan.append((name, "moment", {}, 0.0))
            case _:
                plan.append((name, "number", {}, 0.0))
    if CONFIDENCE in kinds:
        plan.append((CONFIDENCE, "odds", {}, 0.0))
    return plan


def _rates(words: npt.NDArray[Any], wrong: Flags) -> tuple[dict[str, float], float]:
    """How often answers were wrong with each word, drawn towards all where there are few."""
    usual = float(wrong.mean())
    names, places, counts = np.unique(
        np.array(["" if word is None else word for word in words.tolist()]),
        return_inverse=True,
        return_counts=True,
    )
    errors = np.bincount(places, weights=wrong, minlength=len(names))
    rates = (errors + _SMOOTHING * usual) / (counts + _SMOOTHING)
    kept = np.argsort(-counts, kind="stable")[:_WORDS_MAX]
    listed = {str(names[place]): round(float(rates[place]), 6) for place in sorted(kept.tolist())}
    listed.pop("", None)
    return listed, round(usual, 6)


def _module(plan: list[tuple[str, str, dict[str, float], float]], folder: Path) -> ModuleType:
    """The feature code with this plan, as a module of its own whose source can be carried."""
    text = Path(shown_features.__file__).read_text(encoding="utf-8")
    stated = "PLAN: list[tuple[str, str, dict[str, float], float]] = []"
    assert stated in text
    file = folder / "features_of_safeguard.py"
    file.write_text(text.replace(stated, stated[:-2] + repr(plan)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def run(file: Path) -> Learned:
    """What the child does, in this process."""
    task = msgspec.json.decode(file.read_bytes(), type=Task)
    examples = decode_examples(Path(task.examples).read_bytes(), task.examples)
    assert examples.label is not None
    try:
        return learn(task, examples.inputs, examples.label.astype(np.bool_))
    except MainstayError:
        raise
    except Exception as error:  # because libraries raise whatever they meet
        raise InvalidUsage(
            f"the safeguard could not be trained: {type(error).__name__}: {error}"[:1000]
        ) from error


if __name__ == "__main__":
    end_child(answer_over(sys.argv[1:], lambda own: run(Path(own[0]))))
