"""Which models change together: S13 (loops), N9 (cascades), O17 (embedding spaces)."""

from collections.abc import Mapping, Sequence

import pytest

from mainstay.bundle.model import Card, Version
from mainstay.contract.model import (
    Category,
    Contract,
    Input,
    Label,
    Number,
    NumberOutput,
    Output,
    Probability,
    Text,
    Vector,
    VectorOutput,
)
from mainstay.release.cascade import Breaks, Known, Node, Plan, downstream, misfit, plan

SPACE = VectorOutput(length=4, space="small")


def node(
    model: str,
    number: int = 1,
    *,
    takes: Mapping[str, Input] | None = None,
    pins: Mapping[str, int] | None = None,
    trained_on: tuple[str, ...] = (),
    output: Output = SPACE,
) -> Node:
    """A version whose fingerprint is its name."""
    upstream = {name: f"{name} {version}" for name, version in (pins or {}).items()}
    card = Card(packed_at="", upstream=upstream, trained_on=trained_on)
    return Node(
        version=Version(
            model=model,
            number=number,
            fingerprint=f"{model} {number}",
            size_bytes=1,
            registered_at_ns=number,
            card=card,
        ),
        contract=Contract(model=model, inputs=dict(takes or {"x": Number()}), output=output),
    )


def guard(number: int, of: int) -> Node:
    """A version that watches over one of the embedder's."""
    classes = Probability(classes=("right", "wrong"))
    shown: dict[str, Input] = {"said_number": Number()}
    return node("guard", number, takes=shown, pins={"embedder": of}, output=classes)


def small(space: str | None = "small") -> dict[str, Input]:
    return {"v": Vector(length=4, space=space, from_model="embedder")}


def planned(
    candidate: Node, in_force: Sequence[Node], others: Sequence[Node] = (), *, newer: bool = True
) -> Plan:
    every = [*in_force, *others, candidate]
    by_fingerprint = {each.version.fingerprint: each for each in every}

    def versions(model: str) -> list[Version]:
        known = {e.version.fingerprint: e.version for e in every if e.model == model}
        return sorted(known.values(), key=lambda version: version.number)

    known = Known(versions, lambda version: by_fingerprint[version.fingerprint])
    return plan(candidate, {each.model: each for each in in_force}, known, newer=newer)


def moves(found: Plan) -> list[str]:
    return [str(each) for each in found.moves]


def test_what_fits_stays_and_what_is_unrelated_is_not_looked_at():
    """N9: an unpinned version whose inputs fit the new answers is revalidated and kept."""
    ranker, other = node("ranker", takes=small()), node("churn")
    found = planned(node("embedder", 2), [node("embedder"), ranker, other]).check()
    assert moves(found) == ["embedder v2"]
    assert found.kept == (ranker,)
    assert not found.findings


def test_a_safeguard_of_the_old_version_keeps_no_new_one_back():
    """S22: nobody has learned the new one's errors yet; who goes back has the old one's again, and
    whatever else was made for the old version still breaks."""
    old, new = guard(1, of=1), guard(2, of=2)
    found = planned(node("embedder", 2), [node("embedder"), old]).check()
    assert moves(found) == ["embedder v2"]
    assert not found.kept
    found = planned(node("embedder", 2), [node("embedder"), old], [new]).check()
    assert moves(found) == ["embedder v2", "guard v2"]
    found = planned(node("embedder"), [node("embedder", 2), new], [old], newer=False).check()
    assert moves(found) == ["embedder v1", "guard v1"]
    ranker = node("ranker", pins={"embedder": 1})
    with pytest.raises(Breaks):
        planned(node("embedder", 2), [node("embedder"), old, ranker]).check()
    with pytest.raises(Breaks):
        planned(new, [node("embedder"), old]).check()


def test_a_version_made_for_the_old_one_breaks_and_says_what_to_do():
    """N9: refused in words that name the model, the pin and the way out."""
    found = planned(node("embedder", 2), [node("embedder"), node("ranker", pins={"embedder": 1})])
    with pytest.raises(Breaks, match="embedder v2 cannot go live") as refused:
        found.check()
    assert "ranker v1: it was made for another version of embedder" in refused.value.got
    assert 'upstream={"embedder": 2}' in refused.value.got


def test_a_newer_version_made_for_it_goes_along_and_its_own_downstream_too():
    """N9: the whole chain, each behind what feeds it."""
    live = [
        node("embedder"),
        node("ranker", pins={"embedder": 1}),
        node("shop", pins={"ranker": 1, "embedder": 1}),
    ]
    others = [
        node("ranker", 2, pins={"embedder": 2}),
        node("ranker", 3, pins={"embedder": 1}),
        node("shop", 2, pins={"ranker": 2, "embedder": 2}),
    ]
    found = planned(node("embedder", 2), live, others).check()
    assert moves(found) == ["embedder v2", "ranker v2", "shop v2"]
    with pytest.raises(Breaks, match="cannot go live") as refused:
        planned(node("embedder", 2), live, others[:2]).check()
    assert refused.value.got.startswith("shop v1: ")


def test_going_back_takes_the_version_along_that_was_made_for_the_old_one():
    """N9, S5: an older one counts only when going back."""
    live = [node("embedder", 2), node("ranker", 2, pins={"embedder": 2})]
    others = [node("ranker", 1, pins={"embedder": 1})]
    back = planned(node("embedder", 1), live, others, newer=False).check()
    assert moves(back) == ["embedder v1", "ranker v1"]
    assert planned(node("embedder", 1), live, others).broken


def test_a_version_is_not_deployed_before_what_it_was_made_for():
    """N9: and is told the one command that changes both."""
    live, other = [node("embedder")], [node("embedder", 2)]
    found = planned(node("ranker", pins={"embedder": 2}), live, other)
    assert "`mainstay deploy embedder@2` changes both together" in found.broken[0]
    found = planned(node("ranker", pins={"embedder": 2}), [], other)
    assert "nothing answers for embedder yet" in found.broken[0]
    assert not planned(node("ranker", takes=small()), []).broken


def test_another_embedding_space_breaks_whoever_takes_the_vectors():
    """O17, N9: vectors of two spaces never meet."""
    moved = node("embedder", 2, output=VectorOutput(length=4, space="large"))
    ranker = node("ranker", takes=small())
    (said,) = planned(moved, [node("embedder"), ranker]).broken
    assert "the embedding space 'small' is taken, the embedding space 'large' comes" in said
    ready = node("ranker", 2, takes=small("large"), pins={"embedder": 2})
    assert moves(planned(moved, [node("embedder"), ranker], [ready])) == [
        "embedder v2",
        "ranker v2",
    ]


def test_models_that_feed_each_other_are_refused_with_the_path():
    """S13: A feeds B feeds C feeds A, and a model that feeds itself."""
    takes_c = {"c": Number(from_model="c")}
    live = [node("a"), node("b", pins={"a": 1}), node("c", takes={"b": Number(from_model="b")})]
    with pytest.raises(Breaks, match="a → b → c → a"):
        planned(node("a", 2, takes=takes_c), live)
    with pytest.raises(Breaks, match="c → c"):
        planned(node("c", takes=takes_c), [])


def test_a_loop_through_training_data_is_named_and_not_refused():
    """S13: answers that shape what a model later learns from."""
    live = [node("a"), node("b", pins={"a": 1})]
    (loop,) = planned(node("a", 2, trained_on=("b",)), live, [node("b", 2, pins={"a": 2})]).findings
    assert (loop.check, loop.slice, loop.verdict) == ("training loop", "a → b → a", "unsure")
    (own,) = planned(node("a", 2, trained_on=("a",)), [node("a")]).findings
    assert own.slice == "a → a"
    assert not planned(node("a", 2, trained_on=("b",)), [node("a"), node("b")]).findings


def test_the_order_puts_everything_behind_what_feeds_it():
    """S13: a diamond."""
    nodes = [
        node("a"),
        node("b", pins={"a": 1}),
        node("c", pins={"a": 1, "d": 1}),
        node("d", pins={"a": 1}),
        node("e", pins={"b": 1, "c": 1}),
        node("z"),
    ]
    order = downstream({each.model: each for each in nodes}, "a")
    assert sorted(order) == ["a", "b", "c", "d", "e"]
    place = {model: index for index, model in enumerate(order)}
    for each in nodes[:-1]:
        assert all(place[feeding] < place[each.model] for feeding in each.takes)


CLASSES = Probability(classes=("ok", "fraud"))


@pytest.mark.parametrize(
    ("kind", "output", "words"),
    [
        (Category(values=("ok", "fraud", "?")), CLASSES, ""),
        (Category(values=("ok",)), CLASSES, "it may be fraud, which is refused there"),
        (Category(values=("ok",), others=True), Label(classes=("ok", "fraud")), ""),
        (Number(min=0, max=1), CLASSES, ""),
        (Number(min=0.5), CLASSES, "a number of at least 0.5 is taken, a number from 0 to 1 comes"),
        (Number(min=0), NumberOutput(min=1, max=2), ""),
        (Number(min=0), NumberOutput(max=2), "a number of at least 0 is taken"),
        (Number(), SPACE, "a number is taken, a vector comes"),
        (Vector(length=4, space="small"), SPACE, ""),
        (Vector(length=3, space="small"), SPACE, "3 numbers are taken, 4 come"),
        (Vector(length=4), SPACE, "no embedding space is taken"),
        (Vector(length=4, space="small", min=0), SPACE, "no range"),
        (Vector(length=2, min=0), CLASSES, ""),
        (Vector(length=3), CLASSES, "2 probabilities come"),
        (Text(), CLASSES, "a text is taken, a probability comes"),
    ],
)
def test_an_answer_fits_where_it_enters_or_the_words_say_why_not(
    kind: Input, output: Output, words: str
):
    """N9, O17: kind, classes, length, space and range."""
    found = misfit(kind, output)
    assert (found == "") == (words == "")
    assert words in found
