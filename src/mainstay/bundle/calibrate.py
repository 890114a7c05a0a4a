"""Fitting confidence to the truth: isotonic regression and temperature, and how well either does.

Promises that every figure told of a correction was measured on rows that it was not fitted on
(cross-fitting), that the simplest way wins unless another does better than chance explains, and
that few rows lead to no correction rather than to a wild one. The same rows give the same result.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mainstay.base.draws import draw
from mainstay.bundle.answers import chosen_classes
from mainstay.bundle.calibration import SMALLEST, Floats, correction
from mainstay.bundle.judgement import Bin, Calibration, Method, Reliability
from mainstay.contract.columns import Column
from mainstay.contract.model import Probability

Truth = npt.NDArray[np.int64]

FOLDS: Final = 5
ROWS_MIN: Final[Mapping[Method, int]] = {"none": 0, "temperature": 100, "isotonic": 1000}
"""With fewer labelled rows a way is not tried."""
SURE_ROWS_MIN: Final = 500
_POINTS_MAX: Final = 256
_BINS_MAX: Final = 15
_BIN_ROWS_MIN: Final = 30
_RESAMPLES: Final = 400
_STEPS_MAX: Final = 50


def calibrate(
    output: Probability, raw: Column, truth: Truth, asked: str
) -> tuple[Calibration, Floats]:
    """The correction that was asked for (`auto` chooses), fitted on all rows; and the confidence
    in each row's answer under corrections that were fitted without that row."""
    rows = len(truth)
    if not rows:
        return Calibration(why=_why(asked, 0, ["none"])), np.zeros(0)
    ways = _ways(asked, rows)
    folds = _folds(rows)
    held_out = {way: _held_out(way, raw, truth, folds, len(output.classes)) for way in ways}
    losses = {way: _losses(found, truth) for way, found in held_out.items()}
    best = ways[0]
    for way in ways[1:]:
        better = losses[best] - losses[way]
        noise = float(better.std(ddof=1)) / rows**0.5 if rows > 1 else np.inf
        if float(better.mean()) > noise:
            best = way
    fitted = _FITS[best](raw, truth)
    told = Calibration(
        method=fitted.method,
        temperature=fitted.temperature,
        points=fitted.points,
        losses={way: round(float(loss.mean()), 6) for way, loss in losses.items()},
        rows=rows,
        why=_why(asked, rows, ways),
    )
    return told, held_out[best][np.arange(rows), chosen_classes(output, raw)]


def _ways(asked: str, rows: int) -> list[Method]:
    match asked:
        case "temperature":
            return ["temperature"]
        case "isotonic":
            return ["isotonic"]
        case "no":
            return ["none"]
        case _:
            return [way for way, least in ROWS_MIN.items() if rows >= least]


def _why(asked: str, rows: int, ways: list[Method]) -> str:
    if asked == "no":
        return "the contract wants no correction"
    if asked != "auto":
        return "the contract names it"
    if len(ways) == 1:
        least = ROWS_MIN["temperature"]
        return f"{rows} rows with a label are too few to correct anything; {least} would do"
    left = [way for way in ROWS_MIN if way not in ways]
    few = f"; for {left[0]} {rows} rows are too few" if left else ""
    return f"it does best on rows it was not fitted on{few}"


def _folds(rows: int) -> npt.NDArray[np.int64]:
    """The fold of each row: mixed, as files are often sorted, and the same every time."""
    places = np.array([draw("calibrate", str(row)) for row in range(rows)])
    return np.argsort(np.argsort(places)) % FOLDS


def _held_out(
    way: Method, raw: Column, truth: Truth, folds: npt.NDArray[np.int64], classes: int
) -> Floats:
    """Corrected probabilities of each row, by a fit to the other folds."""
    corrected = raw.astype(np.float64)
    if way == "none":
        return corrected
    for fold in range(FOLDS):
        apart: npt.NDArray[np.bool_] = folds == fold
        if not apart.any() or apart.all():
            continue
        correct = correction(_FITS[way](raw[~apart], truth[~apart]), classes)
        assert correct is not None
        corrected[apart] = correct(raw[apart])
    return corrected


def _losses(probabilities: Floats, truth: Truth) -> Floats:
    given = probabilities[np.arange(len(truth)), truth]
    least = max(SMALLEST, 0.5 / max(1, len(truth)))
    return -np.log(np.clip(given, least, 1.0))


# ------------------------------------------------------------------------------------- the fits


def fit_none(_raw: Column, _truth: Truth) -> Calibration:
    """No correction."""
    return Calibration()


def fit_temperature(raw: Column, truth: Truth) -> Calibration:
    """The temperature with the least log loss, by Newton's method on its inverse: the loss is
    convex there."""
    logs = np.log(np.clip(raw.astype(np.float64), SMALLEST, 1.0))
    own = logs[np.arange(len(truth)), truth]
    sharp = 1.0
    for _ in range(_STEPS_MAX):
        powers = np.exp(sharp * (logs - logs.max(axis=1, keepdims=True)))
        powers /= powers.sum(axis=1, keepdims=True)
        expected: Floats = (powers * logs).sum(axis=1)
        squares: Floats = (powers * logs**2).sum(axis=1)
        slope, curve = float((expected - own).mean()), float((squares - expected**2).mean())
        if curve <= 0:
            break
        # Halved or doubled at most, so that a flat curve throws it nowhere.
        step = min(max(sharp - slope / curve, sharp / 2), sharp * 2)
        step = min(max(step, 0.02), 50.0)
        if abs(step - sharp) < 1e-9:
            break
        sharp = step
    return Calibration(method="temperature", temperature=1.0 / sharp)


def fit_isotonic(raw: Column, truth: Truth) -> Calibration:
    """The best curve that never falls, from what the model says to how often it is so."""
    said: Column = raw[:, 1]
    so: Column = truth == 1
    if raw.shape[1] > 2:
        said, so = raw.max(axis=1), truth == np.argmax(raw, axis=1)
    points = isotonic(said.astype(np.float64), so.astype(np.float64))
    least = 0.5 / max(1, len(truth))
    # No finite number of rows shows that something is certain.
    kept = [(x, min(max(y, least), 1 - least)) for x, y in points]
    return Calibration(method="isotonic", points=tuple(kept))


_FITS: Final[Mapping[Method, Callable[[Column, Truth], Calibration]]] = {
    "none": fit_none,
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
}


def isotonic(said: Floats, so: Floats) -> list[tuple[float, float]]:
    """Where the curve bends: pool adjacent violators (the mean of a block stands for it)."""
    places, inverse, counts = np.unique(said, return_inverse=True, return_counts=True)
    means: Floats = np.bincount(inverse, weights=so) / counts
    levels: list[float] = means.tolist()
    weights: list[int] = counts.tolist()
    blocks: list[tuple[float, float, int, int]] = []
    for place, (mean, weight) in enumerate(zip(levels, weights, strict=True)):
        level, heavy, first = mean, float(weight), place
        while blocks and blocks[-1][0] >= level:
            before, weight_before, first, _ = blocks.pop()
            level = (level * heavy + before * weight_before) / (heavy + weight_before)
            heavy += weight_before
        blocks.append((level, heavy, first, place))
    points: list[tuple[float, float]] = []
    for level, _, first, last in blocks:
        points.append((float(places[first]), level))
        if last > first:
            points.append((float(places[last]), level))
    if len(points) > _POINTS_MAX:
        chosen = np.linspace(0, len(points) - 1, _POINTS_MAX).round().astype(int)
        points = [points[place] for place in chosen.tolist()]
    return points


# ------------------------------------------------------------------------------- how well it does


def reliability(sure: Floats, right: npt.NDArray[np.bool_]) -> Reliability:
    """Confidence against truth, in bins of about as many rows each."""
    bins = max(1, min(_BINS_MAX, len(sure) // _BIN_ROWS_MIN))
    edges = np.quantile(sure, np.linspace(0, 1, bins + 1))
    places = np.searchsorted(edges[1:-1], sure)
    rows = np.bincount(places, minlength=bins)
    some = rows > 0
    rows = rows[some]
    said = np.bincount(places, weights=sure, minlength=bins)[some] / rows
    so = np.bincount(places, weights=right, minlength=bins)[some] / rows
    error = float((rows * np.abs(said - so)).sum() / rows.sum())
    return Reliability(
        error=round(error, 6),
        interval=_interval(error, said, so, rows),
        bins=tuple(
            Bin(confidence=round(x, 6), right=round(y, 6), rows=n)
            for x, y, n in zip(said.tolist(), so.tolist(), rows.tolist(), strict=True)
        ),
    )


def _interval(
    error: float, said: Floats, so: Floats, rows: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """The basic bootstrap's interval: chance alone makes the error look larger, and the resamples
    show by how much."""
    random = np.random.default_rng(0)
    drawn = random.binomial(rows, np.clip(so, 0, 1), size=(_RESAMPLES, len(rows))) / rows
    errors = (rows * np.abs(said - drawn)).sum(axis=1) / rows.sum()
    low, high = (float(each) for each in np.quantile(errors, (0.025, 0.975)))
    return round(max(0.0, 2 * error - high), 6), round(max(error, 2 * error - low), 6)
