"""M8: a model that tells two data sets apart, and what it must not be fooled by."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from mainstay.watch import compare
from mainstay.watch.apart import ROWS_MIN, judged, told_apart
from mainstay.watch.model import DOMAIN_CLASSIFIER, LEAST_EFFECT
from mainstay.watch.sample import SAMPLE_ROWS_MAX, Sample, cells_of, rows_of
from mainstay.watch.trees import CELLS, learned


def classifier_of(report):
    return next(found for found in report.findings if found.check == DOMAIN_CLASSIFIER)


def pair(seed, rows, correlation):
    """Four columns, two of which go with each other; by itself each is as ever."""
    generator = np.random.default_rng(seed)
    x, y, z = generator.normal(size=(3, rows))
    with_x = correlation * x + np.sqrt(1 - correlation**2) * y
    country = np.where(generator.random(rows) < 0.3, "DE", "FR")
    return {"income": np.exp(x), "rent": np.exp(with_x), "age": z, "country": country}


def test_a_broken_connection_is_found_that_no_column_shows():
    """Every column is distributed as before: only all of them together tell."""
    report = compare(pair(1, 6000, 0.8), pair(2, 6000, 0.0))
    assert [found.check for found in report.failures] == [DOMAIN_CLASSIFIER], str(report)
    found = classifier_of(report)
    assert report.classifier.area > 0.65
    assert found.figure == report.classifier.area
    assert found.limit == 0.5 + LEAST_EFFECT / 2
    assert found.interval[0] < report.classifier.area < found.interval[1]
    assert report.classifier.telling[0].columns == ("income", "rent")
    assert report.classifier.telling[0].share > 0.5
    assert "`income` with `rent`" in found.words
    assert "income" in report.to_html()
    assert "`income` with `rent`" in str(report)


def test_what_stays_together_passes_and_is_shown():
    report = compare(pair(1, 6000, 0.8), pair(2, 6000, 0.8))
    found = classifier_of(report)
    assert found.verdict == "pass"
    assert abs(report.classifier.area - 0.5) < 0.025
    assert found.interval[0] < 0.5 < found.interval[1]
    assert report.verdict == "pass"
    assert found.words in report.to_html()
    assert "A model that looks at all columns together" in str(report)


def test_it_may_be_left_out():
    report = compare(pair(1, 6000, 0.8), pair(2, 6000, 0.0), domain_classifier=False)
    assert report.verdict == "pass"
    assert report.classifier is None


def test_one_column_is_nothing_to_go_together():
    rows = np.arange(500) % 7
    assert compare({"a": rows}, {"a": rows}).classifier is None
    assert compare({"a": rows, "id": np.arange(500)}, {"a": rows, "id": np.arange(500)}
                   ).classifier is None  # fmt: skip


@pytest.mark.parametrize("rows", [ROWS_MIN - 1, ROWS_MIN + 2])
def test_too_few_rows_are_unsure(rows):
    found = classifier_of(compare(pair(1, 3000, 0.8), pair(2, rows, 0.8)))
    assert found.verdict == "unsure"
    assert f"{rows} rows are too few" in found.words


def test_a_category_that_moves_between_groups():
    """A connection between categories, which have no order; neither column changes."""
    generator = np.random.default_rng(5)

    def made(same):
        country = generator.integers(0, 6, 5000)
        other = generator.integers(0, 6, 5000)
        currency = np.where(generator.random(5000) < same, country, other)
        names = pa.array(["DE", "FR", "US", "JP", "PL", "IT"])
        return {
            "country": names.take(pa.array(country)),
            "currency": names.take(pa.array(currency)),
        }

    report = compare(made(0.9), made(0.2))
    assert [found.check for found in report.failures] == [DOMAIN_CLASSIFIER]


def test_the_promised_rate_holds_for_it():
    """Rows of one world, learned from and judged 60 times: at one in five, no more than chance."""
    generator = np.random.default_rng(3)
    hits = 0
    for _ in range(60):
        rows = generator.integers(0, 8, (900, 5)).astype(np.uint8)
        rows[:, 1] = (rows[:, 0] + rows[:, 1] // 4) % 8
        found = told_apart(rows[:600], rows[600:],
                           lambda a, b: learned(a, b, np.array([0, 0, 1, 1, 0], bool)).score)  # fmt: skip
        hits += found.p < 0.2
    # 60 tries at one in five: more than 23 would come about once in two thousand times.
    assert hits <= 23


def test_it_tells_as_much_as_scikit_learn():
    """The second oracle: boosted trees of somebody else, on the same rows and halves."""
    generator = np.random.default_rng(0)
    before = generator.normal(size=(3000, 6))
    after = generator.normal(size=(3000, 6))
    after[:, 2] += 0.4
    after[:, 4] = np.where(after[:, 0] > 0, np.abs(after[:, 4]), after[:, 4])
    edges = np.quantile(before, np.linspace(0, 1, CELLS - 1)[1:-1], axis=0)
    cells = [
        np.stack([1 + np.searchsorted(edges[:, at], rows[:, at]) for at in range(6)], 1)
        for rows in (before, after)
    ]
    first, second = (each.astype(np.uint8) for each in cells)
    own = told_apart(first, second, lambda a, b: learned(a, b, np.zeros(6, bool)).score)
    truth = np.repeat([0, 1], 3000)
    theirs = cross_val_predict(
        HistGradientBoostingClassifier(max_iter=40, max_depth=3, random_state=0),
        np.concatenate([first, second]), truth, cv=2, method="predict_proba",
    )[:, 1]  # fmt: skip
    area = roc_auc_score(truth, theirs)
    assert area > 0.6
    assert own.area > area - 0.015
    assert own.interval[0] < area < own.interval[1] + 0.02


def test_the_area_is_that_of_scikit_learn():
    generator = np.random.default_rng(9)
    first = np.round(generator.normal(size=300), 1)
    second = np.round(generator.normal(0.5, size=200), 1)
    found = judged(first, second)
    truth = np.repeat([0, 1], [300, 200])
    assert found.area == pytest.approx(roc_auc_score(truth, np.concatenate([first, second])))
    assert found.p < 1e-3
    turned = judged(second, first)
    assert turned.area == pytest.approx(1.0 - found.area)
    assert turned.p > 0.99, "to be wrong more often than a coin is no finding"
    assert turned.effect == 0.0


def test_what_a_model_memorises_is_no_finding():
    """A model that knows every row it has seen by heart, and nothing else."""
    first, second = np.arange(400.0), np.arange(400.0, 800.0)

    def learn(before, after):
        known = dict.fromkeys(before.tolist(), -1.0) | dict.fromkeys(after.tolist(), 1.0)
        return lambda rows: np.array([known.get(row, 0.0) for row in rows.tolist()])

    assert told_apart(first, second, learn).p > 0.5


def test_rows_are_spread_over_all_and_drawn_by_lot():
    rows = rows_of(1_000_000)
    assert len(rows) == SAMPLE_ROWS_MAX
    assert (np.diff(rows) > 0).all()
    assert rows[0] < 500
    assert rows[-1] > 999_500
    # Rows that come in turns: no kind of them is left out, or is all there is.
    assert np.bincount(rows % 8).min() > SAMPLE_ROWS_MAX // 8 * 0.7
    assert (rows_of(10) == np.arange(10)).all()
    assert len(rows_of(0)) == 0


def test_many_columns_cost_no_more_trees():
    """The one that changed is found among two hundred."""
    generator = np.random.default_rng(4)
    before, after = generator.normal(size=(2, 200, 3000))
    after[17] = np.where(generator.random(3000) < 0.4, after[17] + 3, after[17])
    report = compare({f"c{at}": each for at, each in enumerate(before)},
                     {f"c{at}": each for at, each in enumerate(after)})  # fmt: skip
    assert classifier_of(report).verdict == "fail"
    assert report.classifier.telling[0].columns == ("c17",)


def test_cells_do_not_give_the_samples_away():
    """Categories that are by chance common in the reference alone must not tell rows apart."""
    generator = np.random.default_rng(6)

    def made():
        return {f"c{at}": [f"v{n}" for n in generator.integers(0, 200, 2000)] for at in range(6)}

    p = [compare(made(), made()).classifier.p for _ in range(8)]
    # Eight tries: one below one in two hundred would come in one of 25 such tests.
    assert min(p) > 0.005, p


def test_cells_of_both_are_the_same_whoever_is_first():
    generator = np.random.default_rng(2)
    for first, second in (
        (Sample(generator.normal(size=300)), Sample(np.array([np.nan, np.inf, -np.inf, 0.0]))),
        (Sample(strings=pa.array(["b", "a", None, "c"] * 30, pa.large_string())),
         Sample(strings=pa.array(["c", None, "d"] * 9, pa.large_string()))),
    ):  # fmt: skip
        a, b = cells_of(first, second)
        c, d = cells_of(second, first)
        assert (a == d).all()
        assert (b == c).all()
        assert max(a.max(), b.max()) < CELLS
    # The commonest first: c 39 times, a and b 30, d 9; nothing is 0.
    assert a[:4].tolist() == [3, 2, 0, 1]
    assert b[:3].tolist() == [1, 0, 4]
    assert cells_of(Sample(), Sample(np.zeros(3))) is None
