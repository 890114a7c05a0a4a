"""Workers ask the keeper over a unix socket; nothing the other side does hangs them (S6, L1)."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from mainstay.base.errors import Failed, NotFound, NotReady, StorageFailed
from mainstay.journal.model import Decision
from mainstay.serve.asking import Asker, QuestionServer, socket_path
from tests.servers.until import until

ID = "0" * 28


def decision(decision_id: str) -> Decision:
    return Decision(
        id=decision_id, model="fraud", version=1, fingerprint="f", route=1, door="decide",
        time="2026-01-01T00:00:00Z", caller="local", request="", status="answered", reason="",
        inputs={"amount": 1.5, "note": "ä" * 100_000}, context={}, features={},
        output={"fraud": 0.25}, waited_ns=1, steps_ns={}, run_rows=1, run_row=0,
    )  # fmt: skip


async def listening(folder: Path) -> None:
    """Wait until the keeper's side can be asked."""
    await asyncio.to_thread(until, socket_path(folder).is_socket, what="the socket")


def with_keeper(
    folder: Path, find: Callable[[str], Decision], use: Callable[[Asker], Awaitable[None]]
) -> None:
    """Run a keeper's side and use it from the workers' side."""

    async def both() -> None:
        stop, server = asyncio.Event(), QuestionServer(folder, find)
        task = asyncio.create_task(server.run(stop))
        await listening(folder)
        try:
            await use(Asker(folder, timeout_seconds=60))
        finally:
            stop.set()
            await task

    asyncio.run(both())


def test_a_decision_is_found(tmp_path):
    """L1: what the keeper found arrives whole, as JSON."""

    async def use(asker: Asker) -> None:
        assert await asker.health()
        found = await asyncio.gather(*(asker.find(f"{n:028x}") for n in range(20)))
        for number, data in enumerate(found):
            assert msgspec.json.decode(data, type=Decision) == decision(f"{number:028x}")

    with_keeper(tmp_path, decision, use)
    assert not socket_path(tmp_path).exists()


def test_errors_keep_their_kind_and_their_words(tmp_path):
    """S3: a caller is told as much as the journal told the keeper."""

    def find(decision_id: str) -> Decision:
        if decision_id == "f" * 28:
            raise ZeroDivisionError
        if decision_id == "e" * 28:
            raise StorageFailed("the lake cannot be read", rule="storage")
        raise NotFound("no decision has this id", field="id", got=decision_id)

    async def use(asker: Asker) -> None:
        with pytest.raises(NotFound, match="no decision has this id") as told:
            await asker.find(ID)
        assert (told.value.field, told.value.got) == ("id", ID)
        with pytest.raises(Failed, match="ZeroDivisionError"):
            await asker.find("f" * 28)
        with pytest.raises(StorageFailed, match="the lake cannot be read"):
            await asker.find("e" * 28)
        assert await asker.health()

    with_keeper(tmp_path, find, use)


@pytest.mark.parametrize("text", ["", "nothing", "0" * 5000, "\ud800", "g" * 28])
def test_what_cannot_be_an_id_never_reaches_the_keeper(tmp_path, text):
    """S3: not found, however long, also with the keeper away."""
    with pytest.raises(NotFound, match="not a decision id"):
        asyncio.run(Asker(tmp_path).find(text))


def test_a_keeper_that_is_away_is_told_in_words(tmp_path):
    """S6: never a hang, never a stack trace."""
    with pytest.raises(NotReady, match="keeper") as told:
        asyncio.run(Asker(tmp_path).find(ID))
    assert "mainstay status" in (told.value.expected or "")
    assert asyncio.run(Asker(tmp_path).health()) is False


@pytest.mark.parametrize(
    "said", [b"", b"\x00\x00\x00\x04nope", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{}", b"\x00"]
)
def test_a_keeper_that_talks_nonsense_is_told_in_words(tmp_path, said):
    async def talk() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(said)
            writer.close()

        async with await asyncio.start_unix_server(answer, socket_path(tmp_path)):
            with pytest.raises(NotReady):
                await Asker(tmp_path).find(ID)

    asyncio.run(talk())


def test_a_keeper_that_says_nothing_is_given_up(tmp_path):
    async def talk() -> None:
        done = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await done.wait()
            writer.close()

        async with await asyncio.start_unix_server(answer, socket_path(tmp_path)):
            with pytest.raises(NotReady, match="TimeoutError"):
                await Asker(tmp_path, timeout_seconds=0.05).find(ID)
            done.set()

    asyncio.run(talk())


@pytest.mark.parametrize(
    "sent", [b"\x7f\xff\xff\xff", b"\x00\x00\x00\x03abc", b'\x00\x00\x00\x0f{"ask":"steal"}']
)
def test_a_worker_that_talks_nonsense_does_no_harm(tmp_path, sent):
    async def use(asker: Asker) -> None:
        reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path))
        writer.write(sent)
        writer.write_eof()
        said = await reader.read()
        assert said == b"" or b"not a question" in said
        writer.close()
        assert await asker.health()

    with_keeper(tmp_path, decision, use)


def test_a_long_folder_still_has_a_socket(tmp_path):
    """A path longer than the kernel allows a socket is served under a short one."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    assert len(str(socket_path(deep))) < 100
    assert socket_path(deep) != socket_path(tmp_path / ("y" * 120))
    seen: list[bytes] = []

    async def use(asker: Asker) -> None:
        seen.append(await asker.find(ID))

    with_keeper(deep, decision, use)
    assert seen


def test_a_socket_left_by_the_dead_is_taken_over(tmp_path):
    socket_path(tmp_path).write_bytes(b"")

    async def use(asker: Asker) -> None:
        assert await asker.health()

    with_keeper_over_leftover(tmp_path, use)


def with_keeper_over_leftover(folder: Path, use: Callable[[Asker], Awaitable[None]]) -> None:
    async def both() -> None:
        stop, server = asyncio.Event(), QuestionServer(folder, decision)
        task = asyncio.create_task(server.run(stop))
        await listening(folder)
        await use(Asker(folder, timeout_seconds=60))
        stop.set()
        await task

    asyncio.run(both())
