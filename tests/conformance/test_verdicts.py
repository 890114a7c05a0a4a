"""Every store of verdicts keeps the same promises: N7 (stored, immutable, found again)."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine

from mainstay.base.errors import Conflict, NotFound
from mainstay.contract.finding import Finding
from mainstay.release.gate.memory import MemoryVerdictStore
from mainstay.release.gate.model import Verdict
from mainstay.release.gate.port import VerdictStore
from mainstay.release.gate.sql import SqlVerdictStore

VERDICT = Verdict(
    id="00a1",
    model="fraud",
    number=3,
    candidate="c3",
    baseline_number=2,
    baseline="c2",
    epoch=7,
    findings=(
        Finding(
            check="accuracy",
            slice="note=a\0b ½ \u2028",
            verdict="fail",
            words="0.8 against 0.9",
            figure=0.8,
            compared=0.9,
            limit=0.02,
            interval=(0.05, 0.15),
            samples=400,
        ),
    ),
    verdict="fail",
    accepted=("contract inputs.x removed",),
    forced=True,
    reason="we know",
    actor="ann",
    time_ns=5,
)


@pytest.fixture
def store(kept_in: Engine | None) -> VerdictStore:
    return MemoryVerdictStore() if kept_in is None else SqlVerdictStore(kept_in)


def test_a_verdict_is_found_as_it_was_kept(store: VerdictStore):
    """Every part of it, by its id, by the beginning of its id, and as the newest of its model."""
    store.keep(VERDICT)
    assert store.find("00a1") == VERDICT
    assert store.find("00") == VERDICT
    assert store.latest("fraud") == VERDICT


def test_the_newest_verdict_on_a_version_is_found_by_its_fingerprint(store: VerdictStore):
    """N2: one that names it as the baseline only is about another version."""
    assert store.about("fraud", "c3") is None
    store.keep(VERDICT)
    newer = replace(VERDICT, id="00a2", verdict="pass", time_ns=6)
    after = replace(VERDICT, id="00a3", candidate="c4", baseline="c3", time_ns=7)
    for each in (newer, after):
        store.keep(each)
    assert store.about("fraud", "c3") == newer
    assert store.about("fraud", "c2") is None
    assert store.about("churn", "c3") is None
    assert store.about("a\0", "c3") is store.about("fraud", "%") is None


def test_a_verdict_is_never_changed(store: VerdictStore):
    store.keep(VERDICT)
    with pytest.raises(Conflict, match="00a1"):
        store.keep(replace(VERDICT, verdict="pass"))
    assert store.find("00a1") == VERDICT


def test_the_newest_of_a_model_is_the_last_that_was_made(store: VerdictStore):
    for verdict_id, model, time_ns in (("b", "fraud", 9), ("c", "fraud", 8), ("d", "churn", 99)):
        store.keep(replace(VERDICT, id=verdict_id, model=model, time_ns=time_ns))
    assert store.latest("fraud").id == "b"
    assert store.latest("nobody") is None
    assert store.latest("a\0") is None


def test_an_id_that_names_none_or_several_says_so(store: VerdictStore):
    for verdict_id in ("aa1", "aa2", "aa"):
        store.keep(replace(VERDICT, id=verdict_id))
    assert store.find("aa").id == "aa"
    with pytest.raises(NotFound, match="several"):
        store.find("a")
    for unknown in ("", "b", "%", "a\0", "\ud800"):
        with pytest.raises(NotFound):
            store.find(unknown)
