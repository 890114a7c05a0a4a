"""The fraud arms race: whoever is let through does it again, so a model that stays loses.

Fraudsters try every way of paying and come back by those that were let through, within hours of
each new version. A first version that is never trained again soon lets nearly all of them through.
In the same world with a rule that trains when errors have come to cost as much as a training, the
product trains by itself, through its own gate, and every version knows the ways that the one before
let through. What that brought is told by the product, and held against what is true.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from mainstay.bundle.extras import library
from mainstay.contract.columns import Columns
from mainstay.drill.model import Chronicle, Drilled, Tell
from mainstay.drill.world import Labels, Said, Scene, World
from mainstay.renew.schedule.effect import mean_of
from mainstay.renew.schedule.model import Floats
from mainstay.watch.gather.model import HOUR_MS
from mainstay.wiring.acting import ACTOR, acting_of
from mainstay.wiring.alerting import Alerts
from mainstay.wiring.effect import Asked, Effect, effect
from mainstay.wiring.folders import SETTINGS_FILE
from mainstay.wiring.renewing import Renewing
from mainstay.wiring.settings import TEMPLATE

NAME: Final = "arms-race"
SEED: Final = 5
MODEL: Final = "payments"
OK: Final = "ok"
FRAUD: Final = "fraud"
_OF_TRAINING: Final = 60.0
CONTRACT: Final = f"""\
model: payments
about: Is this payment a fraud? Those that look like one are not let through.

inputs:
  amount: {{type: number, min: -100, max: 100, about: in usual amounts, against the usual one}}
  speed:  {{type: number, min: -100, max: 100, about: of typing, against the usual one}}

output: {{type: probability, classes: [ok, fraud], threshold: 0.5}}
assets: {{metric: accuracy, acceptable: [0.5, 1]}}
gate: {{slower_by: 100, larger_by: 10}}
renew:
  train: "payments:train"
  over: 30d
  newest: 20 %
  time: 5m
  when: {{costs: {{of_error: 1, of_training: {_OF_TRAINING:g}}}}}
"""
TRAINING: Final = '''\
"""How the payments' model is trained."""

from sklearn.tree import DecisionTreeClassifier


def train(data):
    model = DecisionTreeClassifier(max_depth=6, min_samples_leaf=10, random_state=data.seed % 2**32)
    return model.fit(data.matrix(), data.labels)
'''
RULE: Final = """
[[alerts.rules]]
models = ["payments"]
checks = ["retraining: *"]
do = ["retrain"]
"""
SCENE: Final = Scene(
    model=MODEL, contract=CONTRACT, training=TRAINING, caller="bank", turn_ms=12 * HOUR_MS
)
_BEGINS: Final = datetime(2026, 11, 2, 0, tzinfo=UTC)
_PAYMENTS: Final = 400
"""In half a day."""
_FRAUDS: Final = 0.25
_CALM_TURNS: Final = 2
_TURNS: Final = 8
_AWAY: Final = 4.0
"""How far from what is usual a payment must be to be worth a fraudster's while."""
_KNOWN: Final = 200
"""Fraudsters who tell each other what works."""
_TRIES: Final = 0.5
"""How often one who was stopped tries something new; else what worked for another."""
_HEAR: Final = 0.1
"""… and how often one who did not try hears of what worked."""
_NOBODY: Final = -1
_BEFORE: Final = 1_500
_TRAINED_MIN: Final = 2
_MEASURED: Final = "its effect is told as it is"
_SOONEST_SECONDS: Final = 1_800.0
_LATEST_SECONDS: Final = 7_200.0


class Bank(World):
    """Payments, and fraudsters who come back by the ways that were let through."""

    def __init__(self, folder: Path, begin_ns: int, seed: int, rule: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SETTINGS_FILE).write_text(TEMPLATE + rule, encoding="utf-8")
        super().__init__(folder, SCENE, begin_ns, seed)
        self.adapts = False
        self.wrong: dict[str, bool] = {}
        """Of every decision whether it was wrong, by what is true."""
        self.made_by: dict[str, int] = {}
        """… and the version that made it."""
        self._ways = self.draw.normal(0.0, 0.3, _KNOWN)
        """Each fraudster's, as an angle."""
        self._who: Labels = np.empty(0, dtype=np.int64)
        """Whose every payment of now is; nobody's where it is none of a fraudster."""
        self._answering = 0
        self._passed = np.zeros(_KNOWN, dtype=np.bool_)
        self._stopped = np.zeros(_KNOWN, dtype=np.bool_)

    def come(self, count: int) -> tuple[Columns, Labels]:
        """The payments of now."""
        if self.adapts:
            self._adapt()
        self._passed[:] = self._stopped[:] = False
        self._answering = self.live.number
        frauds = self.draw.random(count) < _FRAUDS
        self._who = np.where(frauds, self.draw.integers(0, _KNOWN, count), _NOBODY)
        return payments(self.draw, np.where(frauds, self._ways[self._who], np.nan))

    def react(self, said: Said, truth: Any) -> tuple[float, dict[str, Any]] | None:
        """Whoever tried something knows at once whether it worked; within two hours the bank knows
        what it was."""
        self.wrong[said.decision] = said.answer != truth
        self.made_by[said.decision] = self._answering
        who = int(self._who[said.row])
        if who != _NOBODY:
            (self._passed if said.answer == OK else self._stopped)[who] = True
        return float(self.draw.uniform(_SOONEST_SECONDS, _LATEST_SECONDS)), {"label": truth}

    def _adapt(self) -> None:
        """Who was let through does it again, with small changes; of those who were stopped some try
        something new, and some what worked for others."""
        new = self.draw.uniform(-np.pi, np.pi, _KNOWN)
        worked = self._ways[self._passed] if self._passed.any() else new
        copied = self.draw.choice(worked, _KNOWN) + self.draw.normal(0.0, 0.1, _KNOWN)
        other = np.where(self.draw.random(_KNOWN) < _TRIES, new, copied)
        changes = self._stopped & ~self._passed
        # Those who did not try hear of what worked, too.
        changes |= ~self._stopped & ~self._passed & (self.draw.random(_KNOWN) < _HEAR)
        self._ways = np.where(changes, other, self._ways)


def payments(draw: np.random.Generator, ways: Floats) -> tuple[Columns, Labels]:
    """Payments: usual ones, and where there is a way, as an angle, frauds that go it."""
    count, frauds = len(ways), ~np.isnan(ways)
    away = np.where(frauds, _AWAY + draw.normal(0.0, 0.3, count), 0.0)
    spread = np.where(frauds, 0.3, 1.0)
    angle = np.where(frauds, ways, 0.0)
    rows: Columns = {
        "amount": away * np.cos(angle) + spread * draw.normal(0.0, 1.0, count),
        "speed": away * np.sin(angle) + spread * draw.normal(0.0, 1.0, count),
    }
    return rows, np.where(frauds, FRAUD, OK)


def arms_race(folder: Path, tell: Tell = lambda _: None, seed: int = SEED) -> Drilled:
    """The race, in a new workspace, beside the same world without it."""
    race = _Race(folder, tell, seed)
    race.begins()
    race.goes_on()
    race.is_weighed()
    return race.chronicle.drilled(NAME, race.bank.workspace.places.root)


class _Race:
    """What happens, in this order."""

    def __init__(self, folder: Path, tell: Tell, seed: int) -> None:
        begin_ns = int(_BEGINS.timestamp()) * 10**9
        self.bank = Bank(folder, begin_ns, seed, RULE)
        self.still = Bank(folder.with_name(f"{folder.name}-still"), begin_ns, seed)
        """The same world, in which nothing is ever trained."""
        self.chronicle = Chronicle(self.bank.clock, tell)
        self._adapted_ns = 0
        self._noticed: list[str] = []

    def begins(self) -> None:
        """A version of the days before answers in both worlds, and knows what fraudsters do."""
        draw = np.random.default_rng(self.bank.seed + 1)
        ways = np.where(draw.random(_BEFORE) < _FRAUDS, draw.normal(0.0, 0.3, _BEFORE), np.nan)
        rows, labels = payments(draw, ways)
        matrix = np.column_stack([rows["amount"], rows["speed"]])
        seen, unseen = slice(None, -_BEFORE // 5), slice(-_BEFORE // 5, None)
        tree = library("sklearn.tree", "the drill").DecisionTreeClassifier(
            max_depth=6, min_samples_leaf=10, random_state=1
        )
        model = tree.fit(matrix[seen], labels[seen])
        card = {"window": ("2026-10-05T00:00:00Z", "2026-11-01T00:00:00Z")}
        for world in (self.bank, self.still):
            first = world.pack(model, matrix[unseen], labels[unseen], card)
            world.workspace.deploy(MODEL, first.number, "the days before")
            for _ in range(_CALM_TURNS):
                world.turn(_PAYMENTS)
        self.chronicle.happened("v1 stops frauds as it knows them", wrong=_share(self.bank, 1))

    def goes_on(self) -> None:
        """Fraudsters adapt; in one of the worlds the keeper looks whether it is time to train."""
        self._adapted_ns = self.bank.clock.now_ns()
        self.chronicle.happened("fraudsters come back by the ways that were let through")
        for world in (self.bank, self.still):
            world.adapts = True
        keeper = (
            Renewing(self.bank.workspace), Alerts(self.bank.workspace),
            acting_of(self.bank.workspace),
        )  # fmt: skip
        for _ in range(_TURNS):
            self.bank.turn(_PAYMENTS)
            self.still.turn(_PAYMENTS, heard=False)  # nobody there learns from what is heard
            before = self.bank.live.number
            for duty in keeper:
                duty.look()
            self._looked(before)

    def _looked(self, before: int) -> None:
        live = self.bank.live
        if live.number == before:
            return
        lost = _share(self.bank, before)
        hours = (self.bank.clock.now_ns() - self._adapted_ns) / 3.6e12
        self._noticed.append(f"v{before} after {hours:.0f} h")
        self.chronicle.happened(
            f"errors of v{before} have cost as much as a training: v{live.number} is trained"
            " and answers",
            wrong=lost,
        )

    def is_weighed(self) -> None:
        """What it brought, as the product tells it, beside what is true."""
        self._trained()
        self._less_than_without()
        self._as_it_is()

    def _trained(self) -> None:
        routes = self.bank.workspace.chain.history(MODEL)[1:]
        by_rule = [route.number for route in routes if route.actor == ACTOR]
        self.chronicle.found(
            "the decay was noticed, and trained away by itself",
            f"the keeper's rule trained {len(by_rule)} versions, which passed the gate and answer"
            f" ({'; '.join(self._noticed)})",
            holds=len(by_rule) >= _TRAINED_MIN and len(by_rule) == len(routes),
            figure=float(len(by_rule)),
            limit=float(_TRAINED_MIN),
        )

    def _less_than_without(self) -> None:
        ours, theirs = (mean_of(_wrong(world)) for world in (self.bank, self.still))
        self.chronicle.found(
            "fewer errors than without",
            f"{ours.figure:.1%} of {ours.rows:,} answers were wrong, {theirs.figure:.1%} in the"
            " same world in which v1 stayed",
            holds=ours.interval[1] < theirs.interval[0],
            figure=ours.figure,
            compared=theirs.figure,
            interval=ours.interval,
            samples=ours.rows,
        )

    def _as_it_is(self) -> None:
        """Against v1 in the very same decisions: the product's figure and the true one."""
        found = effect(self.bank.workspace, Asked(MODEL, since_ns=0))
        together = found.together
        if together is None:
            self.chronicle.found(_MEASURED, "nothing was measured", holds=False)
            return
        true = _true_effect(self.bank, found)
        low, high = together.fewer.interval
        self.chronicle.found(
            _MEASURED,
            f"told: {together.fewer.figure:.1%} fewer errors than v1 would have made in the place"
            f" of those after it, {low:.1%} to {high:.1%}, by {together.fewer.rows:,} labelled"
            f" decisions; true of all of them: {true:.1%}",
            holds=low <= true <= high and low > 0,
            figure=together.fewer.figure,
            compared=true,
            interval=together.fewer.interval,
            samples=together.fewer.rows,
        )


def _share(bank: Bank, version: int) -> float:
    """Of the last half day in which a version answered, what it got wrong."""
    wrong = [bank.wrong[each] for each, number in bank.made_by.items() if number == version]
    return round(float(np.mean(wrong[-_PAYMENTS:])), 4)


def _wrong(bank: Bank) -> Floats:
    """Of all answers since fraudsters adapt."""
    return np.array(list(bank.wrong.values())[_CALM_TURNS * _PAYMENTS :], dtype=np.float64)


def _true_effect(bank: Bank, found: Effect) -> float:
    """How much less often versions after the first were wrong than it would have been, over all
    their decisions, labelled or not, by what is true."""
    first = bank.workspace.load(bank.workspace.registry.find(MODEL, found.versions[0].version))
    table: Any = bank.workspace.journal.query(
        "SELECT id, input_amount AS amount, input_speed AS speed FROM decisions ORDER BY id"
    )
    ids: list[str] = table.column("id").to_pylist()
    later = np.array([bank.made_by[each] != found.versions[0].version for each in ids])
    rows: Columns = {name: table.column(name).to_numpy() for name in ("amount", "speed")}
    chances = first.predict(first.extract(rows))
    truth = np.array([bank.truths[each] == FRAUD for each in ids])
    instead = (chances[:, 1] >= 0.5) != truth
    own = np.array([bank.wrong[each] for each in ids])
    fewer: Floats = instead[later].astype(np.float64) - own[later].astype(np.float64)
    return float(fewer.mean())
