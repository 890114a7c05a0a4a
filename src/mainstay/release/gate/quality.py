"""Checks of how good the answers are: the metric, its parts, the cost of errors, their evenness.

They exist where there is something to compare: a contract without a metric, or a confidence set
without labels, has none of them, which is not the same as being unsure.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from mainstay.bundle.metrics import METRICS, metric_interval
from mainstay.contract.columns import Column
from mainstay.contract.finding import Finding, Verdict
from mainstay.contract.model import Label, Probability
from mainstay.release.gate.groups import Mask, classes_of, groups_of
from mainstay.release.gate.measures import Measured, Metric, measured
from mainstay.release.gate.model import Evidence, Side
from mainstay.watch.paired import (
    FAIL_CHANCE,
    PASS_CHANCE,
    SAMPLES_MIN,
    Difference,
    exact,
    judged,
    of_mistakes,
    of_pairs,
    quantile,
)


def _known(evidence: Evidence) -> Mask | None:
    """The rows whose truth is known; nothing where none is."""
    labels = evidence.labels
    if labels is None:
        return None
    known: Mask = ~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0
    return known if known.any() else None


def acceptable(evidence: Evidence) -> list[Finding]:
    """The metric lies in the range that the contract calls acceptable: of the very rows there are,
    as at every start."""
    assets, known = evidence.candidate.contract.assets, _known(evidence)
    if assets.metric is None or not assets.acceptable or known is None:
        return []
    side = evidence.candidate
    one = _measured(assets.metric, side, evidence, known)
    low, high = assets.acceptable
    check = f"{assets.metric} acceptable"
    rows = int(known.sum())
    if one is None:
        return [_undefined(check, assets.metric, "", rows)]
    inside = low <= one.figure <= high
    assert evidence.labels is not None
    return [
        Finding(
            check=check,
            verdict="pass" if inside else "fail",
            words=f"{assets.metric} is {one.figure:.4g}; acceptable is {low:g} to {high:g}",
            figure=one.figure,
            limit=low if one.figure < low or inside else high,
            interval=metric_interval(
                assets.metric, evidence.output, side.raw[known], evidence.labels[known]
            ),
            samples=rows,
        )
    ]


def not_worse(evidence: Evidence) -> list[Finding]:
    """The metric is not worse than that of the version that serves: overall, and in every class
    and every declared slice."""
    contract, known = evidence.candidate.contract, _known(evidence)
    metric = contract.assets.metric
    if metric is None or evidence.baseline is None:
        return []
    if known is None:
        words = "no row of the confidence set has a label, so nothing can be compared"
        return [Finding(check=metric, verdict="unsure", words=words)]
    if evidence.incomparable:
        return [Finding(check=metric, verdict="unsure", words=evidence.incomparable)]
    parts = [("", known), *_parts(evidence, metric, known)]
    same = _alike(evidence.candidate, evidence.baseline)
    found = [_compared(metric, evidence, rows, same=same) for _, rows in parts]
    tolerance = contract.gate.worse_by
    # The whole is one question, its parts are many.
    verdicts = judged([each[2] for each in found[:1] if each], tolerance)
    verdicts += judged([each[2] for each in found[1:] if each], tolerance)
    findings: list[Finding] = []
    rest = iter(verdicts)
    for (name, rows), each in zip(parts, found, strict=True):
        if each is None:
            findings.append(_undefined(metric, metric, name, int(rows.sum())))
        else:
            findings.append(_finding(metric, evidence, name, each, next(rest)))
    return findings


_Compared = tuple[float, float, Difference]


def _parts(evidence: Evidence, metric: Metric, known: Mask) -> list[tuple[str, Mask]]:
    output, labels = evidence.output, evidence.labels
    parts: list[tuple[str, Mask]] = []
    # The area under the curve of one class alone does not exist.
    if isinstance(output, (Probability, Label)) and metric != "roc_auc" and labels is not None:
        parts += classes_of(output.classes, labels)
    for name in evidence.candidate.contract.gate.slices:
        parts += groups_of(name, evidence.inputs[name])
    return [(name, rows & known) for name, rows in parts if (rows & known).any()]


def _alike(candidate: Side, baseline: Side) -> bool:
    """Whether the two answer every row alike, so that no number of rows could tell them apart."""
    same = np.array_equal(candidate.raw, baseline.raw, equal_nan=candidate.raw.dtype.kind == "f")
    if candidate.chosen is None or baseline.chosen is None:
        return same
    return same and np.array_equal(candidate.chosen, baseline.chosen)


def _measured(metric: Metric, side: Side, evidence: Evidence, rows: Mask) -> Measured | None:
    assert evidence.labels is not None
    chosen = side.chosen[rows] if side.chosen is not None else None
    return measured(metric, side.raw[rows], chosen, evidence.labels[rows])


def _compared(metric: Metric, evidence: Evidence, rows: Mask, *, same: bool) -> _Compared | None:
    assert evidence.baseline is not None
    assert evidence.labels is not None
    one = _measured(metric, evidence.candidate, evidence, rows)
    other = _measured(metric, evidence.baseline, evidence, rows)
    if one is None or other is None:
        return None
    samples = int(rows.sum())
    if same:
        return one.figure, other.figure, exact(0.0, samples)
    if samples < SAMPLES_MIN:
        return None
    if metric == "accuracy":
        mistakes = [
            _mistakes(side, evidence)[rows] for side in (evidence.candidate, evidence.baseline)
        ]
        return one.figure, other.figure, of_mistakes(mistakes[0], mistakes[1])
    sign = -1.0 if METRICS[metric].bigger_is_better else 1.0
    worse_by = sign * (one.figure - other.figure)
    return one.figure, other.figure, of_pairs(sign * (one.added - other.added), worse_by)


def _mistakes(side: Side, evidence: Evidence) -> npt.NDArray[np.bool_]:
    assert side.chosen is not None
    assert evidence.labels is not None
    return np.asarray(side.chosen != evidence.labels, dtype=np.bool_)


def _finding(
    metric: Metric, evidence: Evidence, name: str, compared: _Compared, verdict: Verdict
) -> Finding:
    assert evidence.baseline is not None
    figure, before, difference = compared
    tolerance = evidence.candidate.contract.gate.worse_by
    low, high = difference.interval()
    words = f"{metric} {figure:.4g} against {before:.4g} of v{evidence.baseline.number}"
    if difference.error:
        words += f": {_span(low, high)}; at most {tolerance:g} worse is allowed"
    elif not difference.worse_by:
        words += ": every row is answered alike"
    if verdict == "unsure":
        words += f"; {difference.samples} rows cannot tell"
    return Finding(
        check=metric,
        slice=name,
        verdict=verdict,
        words=words,
        figure=figure,
        compared=before,
        limit=tolerance,
        interval=(low, high),
        samples=difference.samples,
    )


def _span(low: float, high: float) -> str:
    def side(value: float) -> str:
        return f"{abs(value):.2g} {'worse' if value > 0 else 'better'}"

    return f"between {side(low)} and {side(high)}"


def _undefined(check: str, metric: str, name: str, rows: int) -> Finding:
    few = rows < SAMPLES_MIN
    why = f"too few to tell ({SAMPLES_MIN} are needed)" if few else "of one class only"
    return Finding(
        check=check,
        slice=name,
        verdict="unsure",
        words=f"{metric} cannot be compared: {rows} rows, {why}",
        samples=rows,
    )


def not_costlier(evidence: Evidence) -> list[Finding]:
    """The mean cost of wrong answers does not rise (N7). There is no tolerance, so a mean that did
    not rise on these rows passes; one that rose fails when chance does not explain it."""
    costs, known = evidence.candidate.contract.gate.cost, _known(evidence)
    output, baseline = evidence.output, evidence.baseline
    if not costs or known is None or baseline is None:
        return []
    if evidence.incomparable or not isinstance(output, (Probability, Label)):
        words = evidence.incomparable or "only classes have a cost"
        return [Finding(check="cost", verdict="unsure", words=words)]
    table = np.array(
        [
            [costs.get(truth, {}).get(said, 0.0) for said in output.classes]
            for truth in output.classes
        ]
    )
    ours, before = (_costs(side, evidence, table, known) for side in (evidence.candidate, baseline))
    difference = of_pairs(ours - before)
    if difference.worse_by <= 0:
        verdict: Verdict = "pass"
    else:
        tellable = difference.samples >= SAMPLES_MIN
        verdict = "fail" if tellable and difference.chance(0.0) <= FAIL_CHANCE else "unsure"
    words = (
        f"an answer costs {ours.mean():.4g} on average, those of v{baseline.number} "
        f"{before.mean():.4g}; it may not rise"
    )
    return [
        Finding(
            check="cost",
            verdict=verdict,
            words=words + ("" if verdict != "unsure" else ", and may have risen by chance"),
            figure=float(ours.mean()),
            compared=float(before.mean()),
            limit=0.0,
            interval=difference.interval() if math.isfinite(difference.error) else None,
            samples=difference.samples,
        )
    ]


def _costs(
    side: Side, evidence: Evidence, table: npt.NDArray[np.float64], known: Mask
) -> npt.NDArray[np.float64]:
    assert side.chosen is not None
    assert evidence.labels is not None
    truth: Column = evidence.labels[known].astype(np.int64)
    return table[truth, side.chosen[known].astype(np.int64)]


def even(evidence: Evidence) -> list[Finding]:
    """Errors are even over the values of the inputs that the contract names (N7)."""
    gate, known = evidence.candidate.contract.gate, _known(evidence)
    if not gate.parity or known is None:
        return []
    if evidence.candidate.chosen is None:
        words = "only answers that are classes are right or wrong"
        return [
            Finding(check=f"even errors {name}", verdict="unsure", words=words)
            for name in gate.parity
        ]
    wrong = _mistakes(evidence.candidate, evidence)
    findings: list[Finding] = []
    for name in gate.parity:
        groups = [
            (group, wrong[rows & known])
            for group, rows in groups_of(name, evidence.inputs[name])
            if (rows & known).any()
        ]
        findings.append(_even(f"even errors {name}", groups, gate.parity_within))
    return findings


def _even(
    check: str, groups: Sequence[tuple[str, npt.NDArray[np.bool_]]], within: float
) -> Finding:
    large = [(name, wrong) for name, wrong in groups if wrong.size >= SAMPLES_MIN]
    small = [name for name, wrong in groups if wrong.size < SAMPLES_MIN]
    left_out = f"; too few rows to tell for {', '.join(small[:5])}" if small else ""
    samples = sum(wrong.size for _, wrong in large)
    if len(large) < 2:
        verdict: Verdict = "unsure" if small else "pass"
        words = "there is only one group to look at" + left_out
        return Finding(check=check, verdict=verdict, words=words, samples=samples)
    shares = sorted((float(wrong.mean()), name) for name, wrong in large)
    gap = shares[-1][0] - shares[0][0]
    least, most = _gap(large)
    verdict = "fail" if least > within else "pass" if most <= within and not small else "unsure"
    words = (
        f"{shares[-1][0]:.1%} wrong where {shares[-1][1]}, "
        f"{shares[0][0]:.1%} where {shares[0][1]}; "
        f"{within:.1%} apart is allowed{left_out}"
    )
    return Finding(
        check=check,
        verdict=verdict,
        words=words,
        figure=gap,
        limit=within,
        interval=(least, most),
        samples=samples,
    )


def _gap(groups: Sequence[tuple[str, npt.NDArray[np.bool_]]]) -> tuple[float, float]:
    """Between which two numbers the largest difference of two shares lies; each pair is held to a
    share of the chance to be wrong, and no share is taken for certain (Agresti and Caffo)."""
    pairs = list(combinations([wrong for _, wrong in groups], 2))
    many = 1_000_000
    sure_low = quantile(1 - FAIL_CHANCE / (2 * len(pairs)), many)
    sure_high = quantile(1 - PASS_CHANCE / (2 * len(pairs)), many)
    least, most = 0.0, 0.0
    for one, other in pairs:
        shares = [(float(each.sum()) + 1) / (each.size + 2) for each in (one, other)]
        sizes = [each.size + 2 for each in (one, other)]
        spread = sum(p * (1 - p) / n for p, n in zip(shares, sizes, strict=True))
        apart, error = abs(shares[0] - shares[1]), math.sqrt(spread)
        least = max(least, apart - sure_low * error)
        most = max(most, apart + sure_high * error)
    return least, most
