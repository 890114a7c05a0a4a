"""Black Friday: payments fall silent while clicks go on, and everybody looks like no buyer.

For an hour and forty minutes the payment system tells nothing. The product notices; nothing that it
learns from has that time in it. Somebody's own script, which joins clicks with payments by itself,
knows nothing of this: the version that it makes is the better one by its own data. The gate refuses
it, somebody forces it, and it answers. Then it is recalled, its answers are given anew, and the
next version is trained without that time.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import structs

from mainstay.base.ids import parse_decision_id
from mainstay.bundle.model import Version
from mainstay.contract.finding import Finding
from mainstay.drill.model import Chronicle, Drilled, Tell
from mainstay.drill.shop import BUYS, LEAVES, MODEL, Shop, matrix, trained, visitors
from mainstay.journal.rows import rfc3339
from mainstay.release.gate.model import NotPassed
from mainstay.release.gate.run import Wish
from mainstay.release.recall.model import Window
from mainstay.release.recall.taint import taint
from mainstay.release.reprocess.model import Done
from mainstay.renew.health.model import SILENT
from mainstay.renew.snapshots.model import Snapshot
from mainstay.wiring.quarantining import quarantines_of
from mainstay.wiring.recalling import carry_out_recall, decisions_of, plan_recall
from mainstay.wiring.reprocessing import Reprocessing, versions_of_recall
from mainstay.wiring.snapshotting import define, rows_of, take_snapshot
from mainstay.wiring.training import Asked, Retrained, retrain

NAME: Final = "black-friday"
SEED: Final = 27
_OPENS: Final = datetime(2026, 11, 27, 9, tzinfo=UTC)
_NORMAL: Final = 15
"""Stretches of ten minutes before payments stop."""
_UNSEEN_BY_SCRIPT: Final = 6
"""… until somebody's script trains, while they are silent."""
_ANSWERED_BADLY: Final = 4
"""… in which what it made answers."""
_HEALTHY: Final = 15
"""… at most, until labels count as healthy again."""
_AFTERWARDS: Final = 6
"""… from then on, until there is more to learn from."""
_CLICKS: Final = 300
_RUSH: Final = 600
_BETWEEN: Final = 3
"""Every so many stretches a snapshot is taken."""
_HOUR_NS: Final = 3_600_000_000_000
_JUDGED_ON: Final = 20_000
_USUAL_ROWS: Final = 2_000
_NEWEST: Final = 5
_BELIEVED: Final = "better on the newest data"
_JOINED: Final = """
SELECT d.input_discount AS discount, d.input_minutes AS minutes, d.input_visits AS visits,
    o.subject IS NOT NULL AS paid
FROM decisions d LEFT JOIN (SELECT DISTINCT subject FROM events WHERE kind = 'outcome') o
    ON o.subject = d.id
ORDER BY d.id"""


def black_friday(folder: Path, tell: Tell = lambda _: None, seed: int = SEED) -> Drilled:
    """The day, in a new workspace; each moment is told as it comes."""
    day = _Day(folder, tell, seed)
    day.opens()
    day.falls_silent()
    bad = day.somebody_trains()
    day.is_recalled(bad)
    day.is_trained_anew()
    return day.chronicle.drilled(NAME, day.shop.workspace.places.root)


class _Day:
    """What happens, in this order."""

    def __init__(self, folder: Path, tell: Tell, seed: int) -> None:
        self.shop = Shop(folder, int(_OPENS.timestamp()) * 10**9, seed)
        self.chronicle = Chronicle(self.shop.clock, tell)
        self._draw = np.random.default_rng(seed + 1)
        self._judged = visitors(self._draw, _JUDGED_ON, bargains=True)
        self._opened_ns = self._now_ns
        self._silent = Window(0, 0)
        """When payments were silent, as it was in truth."""
        self._window = Window(0, 0)
        """What is recalled, as far as the product knows."""
        self._stretches = 0
        self._snapshots = 0
        self._polluted = 0
        """Rows of them that should not be there."""
        self._first: Version | None = None

    def opens(self) -> None:
        """A version of the days before answers, and all is well."""
        rows, labels = visitors(self._draw, _USUAL_ROWS, bargains=False)
        seen, unseen = slice(None, -_USUAL_ROWS // _NEWEST), slice(-_USUAL_ROWS // _NEWEST, None)
        self._first = self.shop.pack(
            trained({name: column[seen] for name, column in rows.items()}, labels[seen]),
            matrix({name: column[unseen] for name, column in rows.items()}),
            labels[unseen],
            {"window": ("2026-11-16T00:00:00Z", "2026-11-26T00:00:00Z")},
        )
        self.shop.workspace.deploy(MODEL, self._first.number, "the days before")
        self.chronicle.happened(
            "the shop opens: v1 answers, trained on the days before",
            right=round(self._right(self._first), 4),
        )
        for _ in range(_NORMAL):
            self.shop.turn(_CLICKS)
        self.chronicle.happened("payments tell who bought", decisions=len(self.shop.truths))

    def falls_silent(self) -> None:
        """Payments stop; the keeper's looks find it, and no snapshot learns from it."""
        stopped_ns = self._now_ns
        self._silent = Window(stopped_ns, stopped_ns)
        self.chronicle.happened("payments stop; clicks go on, more and more of them")
        noticed_ns = 0
        for _ in range(_UNSEEN_BY_SCRIPT):
            self._silent_stretch()
            found = self._silence() if not noticed_ns else None
            if found is not None:
                noticed_ns = self._now_ns
                minutes = round((noticed_ns - stopped_ns) / 60e9)
                self.chronicle.happened(f"noticed: {found.words}", minutes=minutes)
        took_ns = (noticed_ns or self._now_ns) - stopped_ns
        self.chronicle.found(
            "noticed within an hour",
            f"{SILENT} was found {took_ns / 60e9:.0f} minutes after payments stopped",
            holds=bool(noticed_ns) and took_ns <= _HOUR_NS,
            figure=took_ns / 60e9,
            limit=60.0,
        )

    def somebody_trains(self) -> Version:
        """Somebody's own script takes whoever did not pay for somebody who did not buy."""
        shop = self.shop
        table: Any = shop.workspace.journal.query(_JOINED)
        columns = {name: table.column(name).to_numpy() for name in table.column_names}
        labels = np.where(columns.pop("paid"), BUYS, LEAVES)
        place = np.random.default_rng(shop.seed).permutation(len(labels))
        tested, seen = np.array_split(place, [len(place) // _NEWEST])
        bad = shop.pack(
            trained({name: column[seen] for name, column in columns.items()}, labels[seen]),
            matrix({name: column[tested] for name, column in columns.items()}),
            labels[tested],
            {"window": (rfc3339(self._opened_ns // 1000), rfc3339(self._now_ns // 1000))},
        )
        self.chronicle.happened(
            "somebody's script, which knows nothing of this, makes v2 of clicks without payments",
            by_its_own_data=round(bad.card.metrics["accuracy"], 4),
            right=round(self._right(bad), 4),
        )
        self._is_forced(bad)
        for _ in range(_ANSWERED_BADLY):
            self._silent_stretch()
        self.chronicle.happened("payments come again")
        return bad

    def _is_forced(self, bad: Version) -> None:
        """The gate refuses it; somebody who believes the script's figures overrules the gate."""
        workspace = self.shop.workspace
        why = ""
        try:
            workspace.deploy(MODEL, bad.number, _BELIEVED)
        except NotPassed as refused:
            failed = [each for each in refused.verdict.findings if each.verdict == "fail"]
            why = "; ".join(f"{each.check} {each.slice}: {each.words}" for each in failed)
            self.chronicle.happened(f"the gate refuses v2: {why}")
            wish = Wish(reason=_BELIEVED, force=True)
            workspace.deploy(MODEL, bad.number, _BELIEVED, wish=wish)
        self.chronicle.happened("somebody forces v2 past the gate: it is better by its own data")
        right, before = self._right(bad), self._right(self._known)
        self.chronicle.found(
            "the gate refused it, and it is worse",
            f"v2 is right of {right:.1%} of the day's visitors, v1 of {before:.1%}",
            holds=bool(why) and right < before,
            figure=right,
            compared=before,
            samples=_JUDGED_ON,
        )

    def is_recalled(self, bad: Version) -> None:
        """The version from before answers again, and what was answered badly is answered anew."""
        workspace = self.shop.workspace
        known = define(workspace, MODEL, self._opened_ns).unhealthy
        begin_ns = min((each.begin_ns for each in known), default=self._silent.begin_ns)
        self._window = Window(begin_ns, self._silent.end_ns)
        plan = plan_recall(workspace, MODEL, self._window)
        recalled = carry_out_recall(workspace, plan, "payments were silent").recall
        listed = [row for page in decisions_of(workspace, recalled) for row in page]
        self.chronicle.happened(
            f"recall {recalled.number} of {self._window}: v{self.shop.live.number} answers again",
            decisions_of_v2=len(listed),
        )
        there = quarantines_of(workspace).active(MODEL)
        away = [Window(each.begin_ns, each.end_ns) for each in there]
        self.chronicle.found(
            "recalled to before",
            f"v{self.shop.live.number} answers; quarantined: {', '.join(map(str, away))}",
            holds=self.shop.live.fingerprint == self._known.fingerprint and away == [self._window],
        )
        again = Reprocessing(workspace, *versions_of_recall(workspace, recalled.number))
        done = again.run(lambda _: None)
        values = [row for page in again.values() for row in page]
        self._answered_anew(bad, {row["id"] for row in listed}, done, values)

    def _answered_anew(
        self, bad: Version, listed: set[str], done: Done, values: list[dict[str, Any]]
    ) -> None:
        sides = [
            self.shop.right_of((row["replaces"], row[side]["answer"]) for row in values)
            for side in ("before", "after")
        ]
        self.chronicle.happened(
            f"what v{bad.number} decided is answered anew",
            answered=done.answered,
            changed=done.changed,
            right_before=round(sides[0], 4),
            right=round(sides[1], 4),
        )
        whole = {row["replaces"] for row in values} == listed and done.answered == len(listed) > 0
        self.chronicle.found(
            "listed and answered anew",
            f"{done.answered:,} of {len(listed):,} decisions of v{bad.number} were answered anew, "
            f"{done.changed:,} of them otherwise; right before {sides[0]:.1%}, now {sides[1]:.1%}",
            holds=whole and done.refused == 0 and sides[1] > sides[0],
            figure=sides[1],
            compared=sides[0],
            samples=len(listed),
        )

    def is_trained_anew(self) -> None:
        """Once labels are healthy again, the next version is trained without that time."""
        for _ in range(_HEALTHY):
            self._stretch()
            if self._silence() is None:
                break
        self.chronicle.happened("labels are healthy again")
        for _ in range(_AFTERWARDS):
            self._stretch()
        made = retrain(self.shop.workspace, Asked(MODEL))
        polluted = self._count(made.snapshot)
        self.chronicle.happened(
            f"trained anew without that time; v{self.shop.live.number} answers",
            rows=made.snapshot.rows,
            left_out=sum(made.snapshot.left_out.values()),
            right=round(self._right(made.version or self._known), 4),
        )
        self._judge_training(made, polluted)
        self.chronicle.found(
            "no snapshot learned from silence",
            f"{self._snapshots} snapshots were taken since payments stopped; {self._polluted} rows "
            "of them are from the silent time, or say of a buyer that nothing was bought",
            holds=self._polluted == 0,
            figure=float(self._polluted),
            limit=0.0,
            samples=self._snapshots,
        )

    def _judge_training(self, made: Retrained, polluted: int) -> None:
        version = made.version
        clean = version is not None and taint(version, [self._window]).judged == "clean"
        right = 0.0 if version is None else self._right(version)
        before = self._right(self._known)
        live = version is not None and self.shop.live.fingerprint == version.fingerprint
        self.chronicle.found(
            "trained without it",
            f"{made.why_not or 'it answers'}; {polluted} of its {made.snapshot.rows:,} rows "
            f"are from the silent time; it is right of {right:.1%}, the one before of {before:.1%}",
            holds=clean and polluted == 0 and live and right >= before,
            figure=right,
            compared=before,
            samples=_JUDGED_ON,
        )

    # What they are made of ---------------------------------------------------------------------

    @property
    def _now_ns(self) -> int:
        return self.shop.clock.now_ns()

    @property
    def _known(self) -> Version:
        """The version from before."""
        assert self._first is not None, "the shop opens first"
        return self._first

    def _right(self, version: Version) -> float:
        return self.shop.right(version, *self._judged)

    def _silent_stretch(self) -> None:
        self._stretch(payments=False)
        self._silent = structs.replace(self._silent, end_ns=self._now_ns)

    def _stretch(self, *, payments: bool = True) -> None:
        """Ten minutes since payments stopped; now and then somebody looks what is learned from."""
        self.shop.turn(_RUSH, heard=payments)
        self._stretches += 1
        if self._stretches % _BETWEEN == 1:
            self._snapshot()

    def _silence(self) -> Finding | None:
        """What watching says of labels that do not come."""
        (seen,) = self.shop.watching.overviews(MODEL)
        return next((e.finding for e in seen.findings if e.finding.check == SILENT), None)

    def _snapshot(self) -> None:
        """Take one of all that can be learned from now, as a training would."""
        workspace = self.shop.workspace
        self._count(take_snapshot(workspace, define(workspace, MODEL, self._opened_ns)))

    def _count(self, snapshot: Snapshot) -> int:
        """How many of its rows should not be there, by what is true."""
        rows: Any = rows_of(self.shop.workspace, snapshot)
        polluted = sum(
            self._is_silent(row["id"]) or row["label"] != self.shop.truths[row["id"]]
            for row in rows.select(["id", "label"]).to_pylist()
        )
        self._snapshots += 1
        self._polluted += polluted
        return polluted

    def _is_silent(self, decision: str) -> bool:
        time_ns = parse_decision_id(decision).time_ms * 1_000_000
        return self._silent.begin_ns <= time_ns < self._silent.end_ns
