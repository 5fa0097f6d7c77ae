"""The service inside another program: its loop, its signals, its streams stay its own."""

import asyncio
import contextlib
import logging
import signal
import threading

import pytest

from aggregator import Aggregation
from aggregator.errors import NotYetReady, StoreDamaged
from aggregator.store.heads import HeadLog
from aggregator.store.lock import AlreadyRunning
from protocol.board import Head
from protocol.wire.frames import Accepted
from tests.stage.programs.place import Place, place, run, submit

__all__ = ["place", "run"]  # fixtures


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that has given its log no place to go to."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


ENDS = {
    "stopped": None,
    "stopped from a thread": None,
    "cancelled": asyncio.CancelledError,
    "failed": ZeroDivisionError,
}


@pytest.mark.parametrize("how", ENDS)
def test_it_serves_in_its_callers_loop_however_that_ends_and_again(
    place: Place, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Aggregation(place.file, str(place.data))

    async def serve() -> None:
        async with service.serving() as port:
            assert port == place.port
            assert isinstance(await submit(place, 1), Accepted)
            if how == "failed":
                raise ZeroDivisionError
            if how == "stopped":
                service.stop()
            if how == "stopped from a thread":
                threading.Thread(target=service.stop).start()
            if how == "cancelled":
                asyncio.get_running_loop().call_soon(working.cancel)
            await service.stopped()

    async def program() -> object:
        nonlocal working  # type: ignore[misc]
        working = asyncio.create_task(serve())
        (end,) = await asyncio.gather(working, return_exceptions=True)
        return end and type(end)

    working: asyncio.Task[None]
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    for _ in range(2):  # the second time, since it has let go of folder and port
        assert asyncio.run(program()) is ENDS[how]
        assert service.status()["entries"] == 1
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_damaged", [False, True])
def test_no_thread_for_sums_outlives_it(place: Place, is_damaged: bool) -> None:
    service = Aggregation(place.file, place.data, sums="tcp://127.0.0.1:1")

    async def serve() -> None:
        async with service.serving():
            assert _threads_of_sums()

    if is_damaged:
        place.store.mkdir()
        HeadLog(place.store / "heads").note(Head(1, bytes(32)))
        with pytest.raises(StoreDamaged):
            asyncio.run(serve())
    else:
        asyncio.run(serve())
    assert not _threads_of_sums()


def _threads_of_sums() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sums"]


def test_who_serves_is_asked_how_things_stand(place: Place) -> None:
    service = Aggregation(place.file, place.data)

    async def ask() -> dict[str, object]:
        async with service.serving(), asyncio.timeout(60):
            while True:
                with contextlib.suppress(NotYetReady):
                    return service.status()
                await asyncio.sleep(0.01)

    assert "running_since" in asyncio.run(ask())
    assert "running_since" not in service.status()


def test_one_program_serves_a_folder_once_at_a_time(place: Place) -> None:
    async def twice() -> None:
        async with Aggregation(place.file, place.data).serving(port=0):
            with pytest.raises(AlreadyRunning):
                async with Aggregation(place.file, place.data).serving(port=0):
                    raise AssertionError("two at once")

    asyncio.run(twice())


def test_without_a_handler_nothing_of_its_log_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("quorate.aggregator").warning("a stranger came")
    assert capfd.readouterr().err == ""


def test_what_is_exported_is_there_and_nothing_else_is_promised() -> None:
    import aggregator

    assert all(hasattr(aggregator, name) for name in aggregator.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Server'"):
        _ = aggregator.Server
