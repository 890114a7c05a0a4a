"""Pack: one call at the end of a training script makes an immutable, proven version.

    pack("fraud", model=model, confidence=(X_test, y_test))

Promises that the bundle answers as the model that was handed over does, on every row of the
confidence set and within the tolerance; that everything needed to answer travels in it or is named
in it; that where it comes from is on its card; and that it was loaded once, in a child process,
before it is handed back. The same inputs at the same time give the same fingerprint. Nothing is
ever pickled. A confidence set beyond `CONFIDENCE_ROWS_MAX` is thinned evenly, and the card says so.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

import msgspec
import numpy as np

from mainstay.base.clock import Clock, SystemClock
from mainstay.base.errors import InvalidUsage
from mainstay.base.limits import ROWS_PER_CALL_MAX
from mainstay.bundle.answers import shaper
from mainstay.bundle.anything import is_tuple
from mainstay.bundle.assets import (
    CONFIDENCE_FILE,
    END_TO_END_FILE,
    FIRST_IMPRESSIONS_FILE,
    Examples,
    encode_examples,
)
from mainstay.bundle.card import fill_card
from mainstay.bundle.carried import run_carried
from mainstay.bundle.convert import Kept, Trial, convert, recognise
from mainstay.bundle.digest import sha256_of
from mainstay.bundle.impressions import words_column
from mainstay.bundle.judgement import Judgement
from mainstay.bundle.known import packed_known
from mainstay.bundle.metrics import METRICS, measure
from mainstay.bundle.model import Card, CodePart, Manifest, ModelPart
from mainstay.bundle.outputs import Meaning, expected_of, labels_of, meaning_of, output_of
from mainstay.bundle.plain_model import PlainModel
from mainstay.bundle.reference import REFERENCE_FILE, packed_reference
from mainstay.bundle.rows import Asked, Extractor, ask, conform, read_rows
from mainstay.bundle.seal import seal
from mainstay.bundle.source import Carried, carry, check_lookups
from mainstay.bundle.trained import TrainedModel
from mainstay.bundle.trial import TrialResult
from mainstay.bundle.weigh import weigh
from mainstay.contract.columns import Column, Columns, rows_of, take
from mainstay.contract.infer import infer_contract, observed
from mainstay.contract.load import check_contract, load_contract
from mainstay.contract.model import Assets, Contract, FunctionSource
from mainstay.contract.rules import model_name_faults
from mainstay.contract.values import Checker
from mainstay.contract.words import did_you_mean
from mainstay.contract.write import write_contract
from mainstay.summaries.reference import Reference, encode_reference

CONFIDENCE_ROWS_MAX: Final = 20_000
_EXAMPLES: Final = 5
_CODE_FILE: Final = "code/carried.py"
_TOLERANCE: Final = 1e-4


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A version, in a file."""

    file: Path
    fingerprint: str
    manifest: Manifest
    trial: TrialResult
    contract_file: Path | None = None
    """Where the inferred contract was written, to be edited."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What `pack` was asked for."""

    name: str
    trained: TrainedModel
    features: Extractor | None
    contract: Contract | None
    lookups: Mapping[str, Callable[..., Any]]
    learned_from: Any
    reference: Any
    classes: tuple[str, ...] | None
    tolerance: float
    metric: str | None
    acceptable: tuple[float, ...]


def pack(  # noqa: PLR0913  # because this is the one call of a training script: each is named
    name: str,
    *,
    model: Any,
    features: Extractor | None = None,
    contract: Contract | str | Path | None = None,
    end_to_end: Any = None,
    confidence: Any = None,
    first_impressions: Any = None,
    metric: str | None = None,
    acceptable: Sequence[float] = (),
    card: Card | dict[str, Any] | None = None,
    lookups: Mapping[str, Callable[..., Any]] | None = None,
    learned_from: Any = None,
    reference: Any = None,
    classes: Sequence[str] | None = None,
    output: str | None = None,
    tolerance: float = _TOLERANCE,
    sign_with: str | Path | None = None,
    into: str | Path = ".",
    clock: Clock | None = None,
) -> Packed:
    """Make a version of a trained model.

    `confidence` is `(X, y)`, rows the model was not trained on, or X alone; `end_to_end` is
    `(X, expected answers)`, by default the first rows of the confidence set with the model's own
    answers; `first_impressions` is `(X, answers in words)`, what a user would try first. `metric`
    on the confidence set must lie in the `acceptable` range, (lowest, highest); where there is a
    contract, its `assets` say so. `features` makes the model's features of the inputs, a dictionary
    of columns. `learned_from` are the rows it was trained on, where `judge.cold` asks what is new
    to it. `reference` are rows that later ones are held against, without labels; by default the
    confidence set. A `contract` that is not given is inferred from X and written beside the bundle.
    """
    _check_name(name)
    named = None if classes is None else tuple(str(one) for one in classes)
    recipe = Recipe(
        name=name,
        trained=recognise(model, output, named),
        features=features,
        contract=_contract_of(contract, name),
        lookups=dict(lookups or {}),
        learned_from=learned_from,
        reference=reference,
        classes=named,
        tolerance=tolerance,
        metric=metric,
        acceptable=tuple(float(one) for one in acceptable),
    )
    folder = Path(into)
    folder.mkdir(parents=True, exist_ok=True)
    rows, labels = _split(confidence, "confidence")
    if rows is None:
        raise InvalidUsage(
            "there is no confidence set, so nothing shows that the version answers right",
            field="confidence",
            expected="confidence=(X_test, y_test)",
        )
    version = _Version(recipe)
    version.read(rows, labels)
    version.keep()
    version.examples(end_to_end)
    version.impressions(first_impressions)
    key = None if sign_with is None else Path(sign_with)
    return version.write(folder, card, clock or SystemClock(), key)


class _Version:
    """A version in the making: each step leaves what the next one needs."""

    contract: Contract
    meaning: Meaning
    asked: Asked
    expected: Column
    confidence: Examples
    end_to_end: Examples
    first_impressions: Examples | None = None
    code: Carried | None = None
    kept: Kept
    manifest: Manifest

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.notes: list[str] = []

    def read(self, data: Any, y: Any) -> None:
        """The confidence set, the model's own answers to it, and the contract."""
        recipe = self.recipe
        table = read_rows(data, "confidence X", recipe.trained, recipe.features, recipe.contract)
        columns, labels = self._thinned(table.columns, y)
        if recipe.contract is not None:
            columns = conform(columns, recipe.contract, "confidence X")
        self._form = table.form
        self.asked = self._ask(columns)
        if recipe.contract is None:
            output = output_of(recipe.trained, self.asked.raw, recipe.classes)
            self.contract = _with_assets(infer_contract(recipe.name, columns, output), recipe)
            columns = conform(columns, self.contract, "confidence X")
            self.asked = self._ask(columns)
        else:
            self.contract = recipe.contract
            _check_assets(recipe, recipe.contract.assets)
            _check_passes(columns, self.contract)
        self.meaning = meaning_of(recipe.trained, self.contract.output, recipe.classes)
        rows = rows_of(columns)
        self.expected = self._shaped(self.asked.raw, rows)
        known = None if labels is None else labels_of(labels, self.meaning, rows, "confidence's y")
        self.confidence = Examples(inputs=columns, label=known)

    def _ask(self, columns: Columns) -> Asked:
        return ask(columns, self._form, self.recipe.trained, self.recipe.features)

    def _thinned(self, columns: Columns, y: Any) -> tuple[Columns, Any]:
        rows = rows_of(columns)
        labels = None if y is None else np.asarray(y)
        if labels is not None and labels.shape[:1] != (rows,):
            raise InvalidUsage(
                "confidence's y has another number of rows than X",
                field="confidence",
                got=int(labels.shape[0]) if labels.ndim else 0,
                expected=f"{rows} labels, one per row of X",
            )
        if rows <= CONFIDENCE_ROWS_MAX:
            return columns, labels
        chosen = np.linspace(0, rows - 1, CONFIDENCE_ROWS_MAX).astype(np.int64)
        self.notes.append(
            f"the confidence set keeps {CONFIDENCE_ROWS_MAX} of {rows} rows, evenly spaced"
        )
        return take(columns, chosen), None if labels is None else labels[chosen]

    def _shaped(self, raw: Column, rows: int) -> Column:
        part = ModelPart(
            format="onnx",
            file="",
            layout="matrix",
            labels=self.meaning.labels,
            order=self.meaning.order,
        )
        shaped = shaper(self.contract.output, part)(raw, rows)
        return shaped.astype(np.float64) if shaped.dtype.kind == "f" else shaped

    def keep(self) -> None:
        """The code as source, the model in a form that loads safely, compared with itself."""
        code = self._carry()
        features = tuple(self.asked.given.columns)
        facts = self.contract.facts
        if facts.features is not None and facts.features != len(features):
            raise InvalidUsage(
                "the contract states another number of features than the model takes",
                field="facts.features",
                got=facts.features,
                expected=str(len(features)),
            )
        self._draft = Manifest(
            model=self.recipe.name,
            contract=self.contract,
            features=features,
            code=code,
            runs=ModelPart(format="onnx", file="", layout="matrix"),
            files={},
            card=Card(packed_at=""),
        )
        module: ModuleType | None = None
        if self.code is not None:
            source = self.code.source.encode("utf-8")
            module = run_carried(source, sha256_of(source), _CODE_FILE)
        trial = Trial(
            manifest=self._draft,
            module=module,
            inputs=self.asked.inputs,
            tolerance=self.recipe.tolerance,
            meaning=self.meaning,
        )
        self.kept = convert(self.recipe.trained, self.asked.given, self.expected, trial)
        if self.kept.notes:
            self.notes.append(f"kept as {self.kept.part.format}: " + "; ".join(self.kept.notes))

    def _carry(self) -> CodePart | None:
        recipe = self.recipe
        needed = {
            source.function
            for source in self.contract.lookups.values()
            if isinstance(source, FunctionSource)
        }
        check_lookups(needed, recipe.lookups)
        plain = recipe.trained.model if isinstance(recipe.trained, PlainModel) else None
        members: list[Any] = [] if recipe.features is None else [recipe.features]
        members += [recipe.lookups[one] for one in sorted(needed)]
        members += [] if plain is None else [type(plain)]
        if not members:
            return None
        self.code = carry(members)
        extract = None
        if recipe.features is not None:
            extract = (
                recipe.features.__name__
                if isinstance(recipe.features, FunctionType)
                else str(recipe.features)
            )
        return CodePart(
            file=_CODE_FILE,
            extract=extract,
            model=None if plain is None else type(plain).__name__,
            lookups=tuple(recipe.lookups[one].__name__ for one in sorted(needed)),
        )

    def examples(self, end_to_end: Any) -> None:
        """The end-to-end set: the user's own, or the model's answers to the first rows."""
        if end_to_end is None:
            first = slice(0, _EXAMPLES)
            self.end_to_end = Examples(
                inputs=take(self.confidence.inputs, first), expected=self.expected[first]
            )
            self.notes.append(
                f"the end-to-end set is the model's own answers to the first "
                f"{self.end_to_end.rows} rows of the confidence set"
            )
            return
        data, answers = _split(end_to_end, "end_to_end")
        columns = self._more(data, "end_to_end X")
        if answers is None:
            expected = self._shaped(self._ask(columns).raw, rows_of(columns))
        else:
            expected = expected_of(answers, self.meaning, rows_of(columns))
        self.end_to_end = Examples(inputs=columns, expected=expected)

    def impressions(self, first_impressions: Any) -> None:
        """What a user would try first, and the answers in a user's words."""
        if first_impressions is None:
            return
        data, answers = _split(first_impressions, "first_impressions")
        columns = self._more(data, "first_impressions X")
        expected = words_column(answers, self.contract.output, rows_of(columns))
        self.first_impressions = Examples(inputs=columns, expected=expected)

    def _more(self, data: Any, what: str) -> Columns:
        """Rows beside the confidence set, in the form of the contract."""
        table = read_rows(data, what, self.recipe.trained, self.recipe.features, self.contract)
        columns = conform(table.columns, self.contract, what)
        _check_passes(columns, self.contract, what)
        return columns

    def _reference(self, judgement: Judgement | None) -> Reference:
        """Of the confidence set; where other rows are given, all of those but how right it was."""

        def of(asked: Asked, raw: Column, labels: Column | None) -> Reference:
            given = {} if self.recipe.features is None else asked.given.columns
            return packed_reference(self.contract, asked.inputs, given, raw, judgement, labels)

        own = of(self.asked, self.kept.raw, self.confidence.label)
        if self.recipe.reference is None:
            return own
        columns = self._more(self.recipe.reference, "reference")
        asked = self._ask(columns)
        found = of(asked, self._shaped(asked.raw, rows_of(columns)), None)
        return msgspec.structs.replace(found, columns=own.columns | found.columns)

    def write(
        self, into: Path, card: Card | dict[str, Any] | None, clock: Clock, key: Path | None
    ) -> Packed:
        """The bundle file, tried out in a child process before it appears under its name."""
        files = {
            self.kept.part.file: self.kept.data,
            END_TO_END_FILE: encode_examples(self.end_to_end),
            CONFIDENCE_FILE: encode_examples(self.confidence),
        }
        if self.first_impressions is not None:
            files[FIRST_IMPRESSIONS_FILE] = encode_examples(self.first_impressions)
        known, marks = packed_known(self.contract, self.recipe.learned_from)
        files |= marks
        if self.code is not None:
            files[_CODE_FILE] = self.code.source.encode("utf-8")
        self.contract, judgement = weigh(self.contract, self.kept.raw, self.confidence)
        label = self.confidence.label
        files[REFERENCE_FILE] = encode_reference(self._reference(judgement))
        metrics = {} if label is None else measure(self.contract.output, self.kept.raw, label)
        roots = (*self.recipe.trained.libraries, "onnxruntime")
        filled = fill_card(
            card,
            clock=clock,
            folder=Path.cwd(),
            roots=roots,
            parameters=self.recipe.trained.parameters,
            metrics=metrics,
            parity=self.kept.parity,
            notes=self.notes,
        )
        if self.code is not None:
            libraries = {**filled.libraries, **self.code.packages}
            filled = msgspec.structs.replace(filled, libraries=libraries)
        manifest = msgspec.structs.replace(
            self._draft,
            contract=self.contract,
            judgement=judgement,
            known=known,
            runs=self.kept.part,
            card=filled,
            files={name: sha256_of(data) for name, data in sorted(files.items())},
        )
        return self._seal(manifest, files, into, key)

    def _seal(
        self, manifest: Manifest, files: dict[str, bytes], into: Path, key: Path | None
    ) -> Packed:
        file, fingerprint, trial = seal(manifest, files, into, key)
        contract_file = None
        if self.recipe.contract is None:
            contract_file = _write_beside(self.contract, self.confidence.inputs, into)
        return Packed(
            file=file,
            fingerprint=fingerprint,
            manifest=manifest,
            trial=trial,
            contract_file=contract_file,
        )


def _write_beside(contract: Contract, inputs: Columns, into: Path) -> Path:
    """Write the inferred contract, but never over a file that somebody may have edited."""
    text = write_contract(contract, observed(inputs))
    path = into / f"{contract.model}.yaml"
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") != text:
            path = into / f"{contract.model}.inferred.yaml"
            path.write_text(text, encoding="utf-8")
    return path


def _check_name(name: str) -> None:
    for fault in model_name_faults(name):
        raise InvalidUsage(fault.words, field="name", got=name[:128])


def _contract_of(contract: Contract | str | Path | None, name: str) -> Contract | None:
    if contract is None:
        return None
    if isinstance(contract, Contract):
        check_contract(contract)
        found = contract
    else:
        found = load_contract(Path(contract))
    if found.model != name:
        raise InvalidUsage(
            "the contract is of another model", field="model", got=found.model, expected=name
        )
    return found


def _with_assets(contract: Contract, recipe: Recipe) -> Contract:
    """An inferred contract, with what the call says of the metric."""
    assets: Any = {"metric": recipe.metric, "acceptable": recipe.acceptable}
    try:
        stated = msgspec.convert(assets, Assets)
    except msgspec.ValidationError:
        raise InvalidUsage(
            "there is no such metric" + did_you_mean(str(recipe.metric), METRICS),
            field="metric",
            got=recipe.metric,
            expected=f"one of {', '.join(METRICS)}",
        ) from None
    changed = msgspec.structs.replace(contract, assets=stated)
    check_contract(changed)
    return changed


def _check_assets(recipe: Recipe, stated: Assets) -> None:
    """Refuse a call that says something else than the contract: one of them would do nothing."""
    for name, said in (("metric", recipe.metric), ("acceptable", recipe.acceptable)):
        written = getattr(stated, name)
        if said and said != written:
            raise InvalidUsage(
                f"the contract states another {name} than this call",
                field=f"assets.{name}",
                got=str(said),
                expected=f"{written or 'none'}, as in the contract; write it there",
            )


def _split(pair: Any, what: str) -> tuple[Any, Any]:
    if is_tuple(pair):
        if len(pair) != 2:
            raise InvalidUsage(
                f"{what} must be a pair",
                field=what,
                got=f"{len(pair)} things",
                expected="(X, y): the rows and what belongs to them",
            )
        return pair[0], pair[1]
    return pair, None


def _check_passes(columns: Columns, contract: Contract, what: str = "confidence X") -> None:
    """Rows that the contract refuses would never reach the model, so they prove nothing."""
    inputs = {name: column for name, column in columns.items() if name in contract.inputs}
    checker = Checker(contract)
    for begin in range(0, rows_of(columns), ROWS_PER_CALL_MAX):
        piece = take(inputs, slice(begin, begin + ROWS_PER_CALL_MAX))
        for first in checker.check_columns(piece):
            row = "" if first.row is None else f", in row {begin + first.row + 1}"
            raise InvalidUsage(
                f"{what} has values that the contract refuses: {first.message}{row}",
                field=first.field,
                rule=first.rule,
                got=first.got,
                expected=first.expected,
            )
