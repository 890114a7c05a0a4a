"""The demonstration's world: card payments, some of them fraud, the same ones every time.

Reads like what a user would write: data, a feature function, two models and a contract. The data
are drawn from a seed, so two runs pack models that answer the same.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mainstay.bundle.extras import library

SEED = 20
_NEEDED_FOR = "the demonstration"
TRAINING_ROWS = 12_000
CONFIDENCE_ROWS = 4_000
COUNTRIES = ("DE", "FR", "PL", "US")

CONTRACT = """\
# What the demonstration's model promises. `mainstay check` checks it, `mainstay diff` compares two.
model: fraud
about: Is this card payment fraud?

inputs:
  card:         {type: text, max_length: 20, about: a pseudonym of it}
  amount:       {type: number, min: 0, max: 50000, about: in euro}
  country:      {type: category, values: [DE, FR, PL, US], others: true, about: where it is used}
  hour:         {type: integer, min: 0, max: 23, about: local time}
  card_age:     {type: number, min: 0, max: 10000, about: days since the card was issued}
  last_hour:    {type: integer, min: 0, max: 1000, about: payments with this card in the last hour}
  new_device:   {type: boolean}

output: {type: probability, classes: [ok, fraud], threshold: 0.5}

facts:
  features: 7

# What a version must show before it answers, and how it then comes to answer.
assets: {metric: roc_auc, acceptable: [0.75, 1]}
gate: {slower_by: 10}
release: {strategy: canary, steps: [10 %, 50 %, 100 %], bake: 10m, unit: card, false_alarms: 0.1 %}

# When an answer is told as it is; otherwise people are asked, or something simpler answers.
judge:
  say: We could not check this payment; a person will.
  confidence: {at_least: 0.6, otherwise: options 2}
  cost: {of_error: amount, ask_above: 50}
  hold: {what: probability.fraud * amount, above: 10000, say: A person looks at this payment first.}
  cold: {country: fallback}
  fallback:
    - {answer: ok, when: amount < 50}
"""

Columns = dict[str, npt.NDArray[Any]]


def payments(rows: int, seed: int) -> tuple[Columns, npt.NDArray[np.int64]]:
    """Payments, and which of them were fraud."""
    draw = np.random.default_rng(seed)
    amount = np.round(np.minimum(draw.lognormal(3.6, 1.1, rows), 49_000), 2)
    country = draw.choice(np.array(COUNTRIES, dtype=object), rows, p=[0.55, 0.2, 0.15, 0.1])
    hour = draw.integers(0, 24, rows)
    card_age = np.round(draw.exponential(700, rows).clip(0, 9_999), 1)
    last_hour = draw.poisson(0.7, rows)
    new_device = draw.random(rows) < 0.12
    night = (hour < 6).astype(float)
    score = (
        -6.0
        + 0.45 * np.log1p(amount) * (1 + 0.7 * night)
        + 2.6 * new_device * (country != "DE")
        + 1.7 * last_hour * (card_age < 120)
        + 1.2 * (country == "US") * night
        - 0.0004 * card_age
    )
    fraud = draw.random(rows) < 1 / (1 + np.exp(-score))
    columns: Columns = {
        "card": np.array([card(seed, number) for number in range(rows)], dtype=object),
        "amount": amount,
        "country": country,
        "hour": hour.astype(np.int64),
        "card_age": card_age,
        "last_hour": last_hour.astype(np.int64),
        "new_device": new_device,
    }
    return columns, fraud.astype(np.int64)


def card(series: int, number: int) -> str:
    """The name of a card; all are of one form."""
    return f"{series:02d}-{number:06d}"


def features(columns: Columns) -> Columns:
    """The features of a batch of payments: the one place where they are made."""
    hour = columns["hour"]
    country = columns["country"]
    return {
        "amount_log": np.log1p(columns["amount"]),
        "night": (hour < 6).astype(np.float64),
        "card_age_years": columns["card_age"] / 365.0,
        "last_hour": columns["last_hour"].astype(np.float64),
        "abroad": (country != "DE").astype(np.float64),
        "overseas": (country == "US").astype(np.float64),
        "new_device": columns["new_device"].astype(np.float64),
    }


def matrix(columns: Columns) -> npt.NDArray[np.float64]:
    """The features as the models are trained on them."""
    return np.column_stack(list(features(columns).values()))


def simple_model(columns: Columns, fraud: npt.NDArray[np.int64]) -> Any:
    """The first model: a scaler and a logistic regression."""
    linear = library("sklearn.linear_model", _NEEDED_FOR)
    scaler = library("sklearn.preprocessing", _NEEDED_FOR).StandardScaler()
    join = library("sklearn.pipeline", _NEEDED_FOR).make_pipeline
    return join(scaler, linear.LogisticRegression()).fit(matrix(columns), fraud)


def better_model(columns: Columns, fraud: npt.NDArray[np.int64]) -> Any:
    """The second model: gradient boosting."""
    ensemble = library("sklearn.ensemble", _NEEDED_FOR)
    trees = ensemble.GradientBoostingClassifier(
        n_estimators=60, max_depth=3, subsample=0.5, random_state=1
    )
    return trees.fit(matrix(columns), fraud)


def careless_model(columns: Columns, fraud: npt.NDArray[np.int64]) -> Any:
    """The third model: the second one, of data in which most fraud abroad was never booked."""
    draw = np.random.default_rng(SEED)
    booked = (columns["country"] == "DE") | (draw.random(len(fraud)) < 0.2)
    return better_model(columns, fraud * booked)


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """The payments as callers send them."""
    names = list(columns)
    values = zip(*(columns[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]
