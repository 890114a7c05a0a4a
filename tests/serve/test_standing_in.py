"""S8 S30: what answers in a worker while a version does not: the chain its contract declares."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mainstay.base.errors import Stopped
from mainstay.bundle.port import Loaded
from mainstay.bundle.prove import Evidence
from mainstay.contract.columns import MATRIX, Column, Columns, decode
from mainstay.contract.fallbacks import FallbackAnswer, FallbackModel, FallbackWords
from mainstay.contract.finding import Finding
from mainstay.contract.judging import Judge
from mainstay.contract.model import Contract, Number, Probability
from mainstay.journal.model import DecisionBatch
from mainstay.serve.follow import Follower
from mainstay.serve.gather import Sources
from mainstay.serve.model import Answer
from mainstay.serve.routes.model import Order, StandIn, WorkerState
from tests.serve.test_follow import write
from tests.serve.world import SumModel, World, contract_of, evidence_of, route_of

LITE = Contract(model="lite", inputs={"a": Number()}, output=Probability(classes=("low", "high")))
RULE = FallbackAnswer(answer="high", when="a > 10")
CHAIN = (FallbackModel(model="lite"), RULE, FallbackWords(say="A person will look."))
MAIN = contract_of(judge=Judge(fallback=CHAIN))
SICK = Finding(check="end-to-end", verdict="fail", words="1 of 6 examples is wrong")


class LiteModel(SumModel):
    """Answers by its first input alone."""

    def predict(self, features: Columns) -> Column:
        matrix = features[MATRIX]
        return super().predict({MATRIX: np.column_stack([matrix, np.full(len(matrix), 0.5)])})


class Shelf:
    """Versions by fingerprint."""

    def __init__(self, **changes: Any) -> None:
        self.models: dict[str, SumModel] = {
            f"{1:064x}": SumModel(fingerprint=f"{1:064x}", contract=MAIN, **changes),
            f"{2:064x}": SumModel(fingerprint=f"{2:064x}", contract=MAIN, bias=0.0),
            f"{7:064x}": LiteModel(fingerprint=f"{7:064x}", contract=LITE),
            f"{8:064x}": LiteModel(fingerprint=f"{8:064x}", contract=LITE),
            f"{9:064x}": SumModel(
                fingerprint=f"{9:064x}", contract=contract_of(model="lite", inputs={"c": Number()})
            ),
        }
        self.loads: list[str] = []
        self.rotten: set[str] = set()

    def load(self, folder: Path, fingerprint: str) -> Loaded:
        self.loads.append(fingerprint)
        return self.models[fingerprint]

    def sources(self, loaded: Loaded) -> Sources:
        return {}

    def evidence(self, folder: Path, loaded: Loaded) -> Evidence:
        evidence = evidence_of(loaded)
        inputs = {name: evidence.end_to_end.inputs[name] for name in ("a", "b")}
        if loaded.manifest.contract.model == "lite":
            inputs = {next(iter(loaded.manifest.contract.inputs)): inputs["a"]}
        expected = loaded.predict(loaded.extract(inputs))
        if loaded.fingerprint in self.rotten:
            expected = expected[:, ::-1]
        examples = msgspec.structs.replace(evidence.end_to_end, inputs=inputs, expected=expected)
        return msgspec.structs.replace(
            evidence,
            end_to_end=examples,
            confidence=msgspec.structs.replace(examples, expected=None),
        )

    def warm(self, loaded: Loaded) -> None:
        pass


def order(
    number: int = 1, epoch: int = 1, lite: int | None = 7, fingerprint: int | None = None
) -> Order:
    mark = f"{fingerprint or number:064x}"
    folders = {mark: "/cache/main"}
    fallbacks: dict[str, StandIn] = {}
    if lite is not None:
        folders[f"{lite:064x}"] = "/cache/lite"
        fallbacks["lite"] = StandIn(number=lite, fingerprint=f"{lite:064x}")
    return Order(route=route_of(number, epoch, mark), folders=folders, fallbacks=fallbacks)


def state(folder: Path) -> WorkerState:
    return msgspec.json.decode((folder / "worker-3.json").read_bytes(), type=WorkerState)


class Story:
    """A worker's follower and engine, asked row by row."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.world, self.shelf, self.folder = World(), Shelf(**changes), folder
        self.engine = self.world.engine()
        self.follower = Follower(self.engine, self.shelf, folder, 3, self.world.clock)

    async def orders(self, *orders: Order) -> None:
        write(self.folder, *orders)
        assert await self.follower.look(local=True)
        self.follower.report()

    async def ask(self, *rows: tuple[float, float]) -> Answer:
        return await self.engine.find("sum").joiner.ask(self.world.call(*rows))

    @property
    def batch(self) -> DecisionBatch:
        return list(self.world.log.runs.values())[-1][0]


def told(answer: Answer) -> list[tuple[str, Any]]:
    return [(s, shown.answer) for s, shown in zip(answer.statuses, answer.shown, strict=True)]


def test_a_model_that_raises_is_answered_for_by_its_chain(tmp_path: Path) -> None:
    """S30: the rows of a run whose model broke down are answered by the chain instead of an error,
    and recorded so; other runs are not touched."""

    async def story() -> None:
        it = Story(tmp_path, breaks=lambda matrix: bool((matrix[:, 1] == 13).any()))
        await it.orders(order())
        answer = await it.ask((-3.0, 13.0), (3.0, 1.0))
        assert told(answer) == [("fallback", "low"), ("fallback", "high")]
        assert "the model failed: the model broke down" in answer.reasons[0]
        assert answer.output[1, 1] > 0.9
        batch = it.batch
        assert "predict" not in batch.steps_ns
        assert np.isnan(decode(batch.outputs)["output"]).all()
        assert decode(batch.judged)["fallback_version"].tolist() == [7, 7]
        assert told(await it.ask((-3.0, 1.0))) == [("answered", "low")]
        assert "predict" in it.batch.steps_ns
        assert it.batch.judged == b"", "where nothing was taken back there is nothing to say"

    asyncio.run(story())


def test_a_stopped_version_goes_on_with_its_chain(tmp_path: Path) -> None:
    """S8: stopped at once, its fallback in its place; the reason names the finding, the state says
    that it does not serve, and the next route takes over."""

    async def story() -> None:
        it = Story(tmp_path)
        await it.orders(order())
        main = it.shelf.models[f"{1:064x}"]
        await it.follower.stop("sum", f"{1:064x}", SICK)
        runs = len(main.runs)
        answer = await it.ask((-3.0, 0.0))
        assert told(answer) == [("fallback", "low")]
        assert "v1 was stopped here: 1 of 6 examples is wrong" in answer.reasons[0]
        assert len(main.runs) == runs, "what was stopped is not asked again"
        said = state(tmp_path)
        assert "sum" not in said.serving
        assert said.stopped["sum"].stands_in
        await it.orders(order(2, 2))
        assert told(await it.ask((-3.0, 0.0))) == [("answered", "low")]
        assert not state(tmp_path).stopped

    asyncio.run(story())


def stopped(order: Order, why: str = "wrong in Austria") -> Order:
    route = msgspec.structs.replace(order.route, epoch=order.route.epoch + 1, stopped=why)
    return msgspec.structs.replace(order, route=route)


def test_a_route_that_is_stopped_is_followed_by_every_worker(tmp_path: Path) -> None:
    """S8 S30 M23: its fallback answers, where it has one; workers that begin anew do the same, even
    where the version is wrong; the same version answers again by the next route."""

    async def story() -> None:
        it = Story(tmp_path)
        await it.orders(order())
        runs = it.shelf.models[f"{1:064x}"].runs
        await it.orders(stopped(order()))
        before = len(runs)
        answer = await it.ask((-3.0, 0.0))
        assert told(answer) == [("fallback", "low")]
        assert "v1 was stopped: wrong in Austria" in answer.reasons[0]
        assert len(runs) == before
        said = state(tmp_path)
        assert not said.follows("sum", 3)
        assert said.follows("sum", 2)
        assert "sum" not in said.serving
        await it.orders(stopped(order(), "wrong in Austria"), order(8, 1, fingerprint=8))
        anew = Story(tmp_path / "anew")
        anew.folder.mkdir()
        anew.shelf.rotten.add(f"{1:064x}")
        await anew.orders(stopped(order()))
        assert told(await anew.ask((-3.0, 0.0))) == [("fallback", "low")]
        assert state(anew.folder).follows("sum", 2)
        await it.orders(order(1, 3))
        assert told(await it.ask((-3.0, 0.0))) == [("answered", "low")]
        assert state(tmp_path).follows("sum", 3)

    asyncio.run(story())


def test_a_stopped_route_without_a_fallback_answers_nobody(tmp_path: Path) -> None:
    """S8 S20: with the reason, and not with "no such model"; one worker's own word is another's."""

    async def story() -> None:
        it = Story(tmp_path)
        it.shelf.models[f"{2:064x}"].contract = contract_of()
        await it.orders(order(2, 1, None))
        await it.follower.stop("sum", f"{2:064x}", SICK)
        assert not state(tmp_path).follows("sum", 1)
        await it.orders(stopped(order(2, 1, None)))
        with pytest.raises(Stopped, match="v2 was stopped: wrong in Austria") as refused:
            it.engine.find("sum")
        assert "another process" not in str(refused.value.expected)
        assert state(tmp_path).follows("sum", 2)
        await it.orders(order(2, 3, None))
        assert told(await it.ask((-3.0, 0.0))) == [("answered", "low")]

    asyncio.run(story())


def test_a_new_version_of_the_fallback_is_followed(tmp_path: Path) -> None:
    """S30: whether or not the model itself is stopped; each is loaded once."""

    async def story() -> None:
        it = Story(tmp_path, poison=5.0)
        await it.orders(order(lite=7))
        await it.ask((5.0, 0.0))
        assert decode(it.batch.judged)["fallback_version"].tolist() == [7]
        await it.orders(order(lite=8))
        await it.ask((5.0, 0.0))
        assert decode(it.batch.judged)["fallback_version"].tolist() == [8]
        await it.follower.stop("sum", f"{1:064x}", SICK)
        await it.ask((1.0, 0.0))
        assert decode(it.batch.judged)["fallback_version"].tolist() == [8]
        await it.orders(order(lite=7))
        await it.ask((1.0, 0.0))
        assert decode(it.batch.judged)["fallback_version"].tolist() == [7]
        loads = [mark[-1] for mark in it.shelf.loads]
        assert loads == ["1", "7", "8", "7"]

    asyncio.run(story())


def test_a_fallback_that_cannot_be_had_is_passed_over_and_said(tmp_path: Path) -> None:
    """S30: not brought here, not fitting, or not proved: the version serves, its chain is shorter,
    and the state says why."""

    async def story(lite: int | None, words: str, rotten: bool = False) -> None:
        it = Story(tmp_path, poison=50.0)
        if rotten:
            it.shelf.rotten.add(f"{7:064x}")
        await it.orders(order(lite=lite))
        assert told(await it.ask((50.0, 0.0), (1.0, 1.0))) == [
            ("fallback", "high"),
            ("answered", "high"),
        ]
        assert decode(it.batch.judged)["fallback_step"].tolist() == [2, 0]
        (refusal,) = state(tmp_path).refused_arms["sum"]
        assert words in refusal.error

    asyncio.run(story(None, "fallback lite: there is no such version on this machine"))
    asyncio.run(story(9, "it takes the input 'c', which sum has not"))
    asyncio.run(story(7, "fallback lite: end-to-end example 1 is answered wrong", rotten=True))


def test_a_worker_that_starts_with_a_sick_version_begins_with_its_chain(tmp_path: Path) -> None:
    """S8 S30: valid or not served, at every start; where nothing answered before, the chain does,
    and where a version answered, that one stays."""

    async def story() -> None:
        it = Story(tmp_path)
        it.shelf.rotten.add(f"{1:064x}")
        await it.orders(order())
        assert told(await it.ask((-3.0, 0.0), (11.0, 0.0))) == [
            ("fallback", "low"),
            ("fallback", "high"),
        ]
        said = state(tmp_path)
        assert said.stopped["sum"].stands_in
        assert "sum" not in said.serving
        assert "sum" not in said.refused
        await it.orders(order(2, 2))
        assert told(await it.ask((-3.0, 0.0))) == [("answered", "low")]
        await it.orders(order(1, 3))
        assert told(await it.ask((-3.0, 0.0))) == [("answered", "low")]
        said = state(tmp_path)
        assert said.serving["sum"].number == 2
        assert said.refused["sum"].epoch == 3

    asyncio.run(story())


def test_a_row_that_nobody_answers_has_honest_words(tmp_path: Path) -> None:
    """S30 S21: the end of the chain is words, not a guess."""

    async def story() -> None:
        it = Story(tmp_path, poison=5.0)
        await it.orders(order(lite=None))
        answer = await it.ask((5.0, 0.0))
        assert (answer.statuses, answer.words) == (["declined"], {0: "A person will look."})

    asyncio.run(story())
