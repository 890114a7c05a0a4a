"""S23 S24 S33: raw output becomes an answer that a person can read."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mainstay.contract.model import (
    Contract,
    Label,
    Number,
    NumberOutput,
    Probability,
    Ranking,
    VectorOutput,
)
from mainstay.judge.present import Shown, present, woven


def shown(output, raw):
    contract = Contract(model="m", inputs={"a": Number()}, output=output)
    answers = present(contract)(np.asarray(raw))
    msgspec.json.encode(list(answers))  # JSON can carry all of it
    return answers


def test_two_classes_follow_the_threshold():
    """S23: the second class is answered when its probability reaches the threshold."""
    output = Probability(classes=("ok", "fraud"), threshold=0.8)
    first, second, third = shown(output, [[0.3, 0.7], [0.2, 0.8], [0.9, 0.1]])
    assert (first.answer, first.confidence) == ("ok", 0.3)
    assert [(o.answer, o.probability) for o in first.options] == [("fraud", 0.7), ("ok", 0.3)]
    assert (second.answer, second.confidence) == ("fraud", 0.8)
    assert (third.answer, third.confidence) == ("ok", 0.9)


def test_a_threshold_is_met_in_the_outputs_own_precision():
    """S23: 0.8 in 32 bits reaches a threshold of 0.8."""
    output = Probability(classes=("ok", "fraud"), threshold=0.8)
    raw = np.array([[0.2, 0.8], [0.3, 0.7]], dtype=np.float32)
    assert [each.answer for each in shown(output, raw)] == ["fraud", "ok"]


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 1)))
def test_many_classes_agree_with_a_plain_sort(raw):
    """S24: options are all classes, best first; the first is the answer."""
    classes = ("a", "b", "c", "d")
    for answer, row in zip(shown(Probability(classes=classes), raw), raw.tolist(), strict=True):
        expected = sorted(zip(classes, row, strict=True), key=lambda pair: -pair[1])
        assert [(o.answer, o.probability) for o in answer.options] == expected
        assert (answer.answer, answer.confidence) == expected[0]


def test_options_are_bounded():
    """S24: of ten thousand classes the best hundred are shown."""
    classes = tuple(map(str, range(10_000)))
    (answer,) = shown(Probability(classes=classes), np.linspace(0, 1, 10_000)[None, :])
    assert answer.answer == "9999"
    assert len(answer.options) == 100


def test_other_outputs():
    """S33: labels, numbers, rankings and vectors in plain values."""
    assert [s.answer for s in shown(Label(classes=("a", "b")), [1, 0])] == ["b", "a"]
    assert [s.answer for s in shown(Label(classes=("a", "b")), [7, -1])] == [None, None]
    assert [s.answer for s in shown(NumberOutput(), [1.5])] == [1.5]
    assert [s.answer for s in shown(VectorOutput(length=2), [[1.0, 2.0]])] == [[1.0, 2.0]]
    (ranking,) = shown(Ranking(items=("a", "b", "c"), top=2), [[0.1, 3.0, 2.0]])
    assert ranking.answer == ["b", "c"]
    assert [(o.answer, o.score) for o in ranking.options] == [("b", 3.0), ("c", 2.0)]
    assert ranking.confidence is None


KINDS = (
    (Probability(classes=("no", 'y"es'), threshold=0.3), (2,)),
    (Probability(classes=("a", "b", "c")), (3,)),
    (NumberOutput(), ()),
    (Ranking(items=("a", "b", "c"), top=2), (3,)),
    (VectorOutput(length=2), (2,)),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_columns_texts_and_rows_say_the_same(data):
    """S23 S24 S33: whatever way a door looks at a run, or at a part of it, or at rows of several
    runs: the answers are those of its rows, and so are their texts; what is shown instead of what
    the model gave is shown on all ways."""
    output, width = data.draw(st.sampled_from(KINDS))
    rows = data.draw(st.integers(1, 6))
    raw = data.draw(hnp.arrays(np.float32, (rows, *width), elements=st.floats(0, 1, width=32)))
    contract = Contract(model="m", inputs={"a": Number()}, output=output)
    places = data.draw(st.sets(st.integers(0, rows - 1)))
    instead = {place: Shown(f"own {place}") for place in places}
    whole = present(contract)(raw, instead)
    start = data.draw(st.integers(0, rows - 1))
    order = data.draw(st.permutations(range(rows)))
    cut = data.draw(st.integers(0, rows))
    parts = [(order[:cut], whole.part(0, cut)), (order[cut:], whole.part(cut, rows))]
    for looked_at in (whole, whole.part(start, rows), woven(parts)):
        every = list(looked_at)
        assert looked_at.answers() == [each.answer for each in every]
        texts = [msgspec.json.decode("{" + text + "}") for text in looked_at.texts()]
        assert texts == msgspec.json.decode(msgspec.json.encode(every))
    for place in places:
        assert whole[place] is instead[place]
    told = woven(parts)
    assert [told[row] for row in order] == list(whole)
