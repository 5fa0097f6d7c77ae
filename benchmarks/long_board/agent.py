"""Hospitals' agents and a long board: commands that read it first, and the same with a copy of it.

One command asks how the studies stand: it reads the board up to its head, and says nothing. The
other trains: it goes on from the last model, and is ended once it has made its contribution to the
round that the aggregator opens after that.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.long_board.cost import cost_of
from benchmarks.long_board.generator import PASSPHRASE, LongBoard, linked
from benchmarks.long_board.rounds import STUDY, Counter
from examples.demo.processes import aggregator, wait_for
from participant import Hospital

_MODULE = "benchmarks.long_board.agent"
_SECONDS = 600  # for a command, at most


def measure(made: LongBoard) -> dict[str, Any]:
    """The costs of each. Raises CommandFailed."""
    with TemporaryDirectory(dir=made.folder) as folder:
        place = Path(folder)
        homes = [place / "one", place / "other"]
        for hospital, home in zip(made.hospitals, homes, strict=False):
            shutil.copytree(hospital.home, home)
        shutil.copytree(made.data, place / "aggregator", copy_function=linked)
        one, other = homes
        with _serving(made, place):
            return {
                "list, first start": _worked(made, one, "list"),
                "list, start again": _worked(made, one, "list"),
                "train, first start": _worked(made, other, "train"),
                "train, start again": _worked(made, one, "train"),
            }


@contextmanager
def _serving(made: LongBoard, place: Path) -> Iterator[None]:
    log = place / "log"
    with aggregator(made.terms, place / "aggregator", log) as process:
        wait_for("the aggregator", lambda: "serving on" in log.read_text(), [process], 300)
        yield


def _worked(made: LongBoard, home: Path, name: str) -> dict[str, Any]:
    out = home.parent / "facts.json"
    command = [sys.executable, "-m", _MODULE, name, str(made.terms), str(home), str(out)]
    return {**cost_of(command).facts(), **json.loads(out.read_text())}


async def _look(hospital: Hospital) -> None:
    await hospital.studies(timeout=_SECONDS)


async def _train(hospital: Hospital) -> None:
    """Up to where its contribution is made; the post is on its way then, or about to be."""
    contributed, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear(event: Mapping[str, Any]) -> None:
        if event["event"] == "contributed":
            loop.call_soon_threadsafe(contributed.set)

    async def train() -> None:
        study = hospital.study(STUDY)
        async for _ in study.train(Counter(), timeout=_SECONDS, on_event=hear):
            pass

    work = asyncio.create_task(train())
    await asyncio.wait(
        [work, asyncio.create_task(contributed.wait())], return_when=asyncio.FIRST_COMPLETED
    )
    if work.done():
        work.result()
    work.cancel()
    await asyncio.wait([work])


_KINDS: Mapping[str, Callable[[Hospital], Coroutine[Any, Any, None]]] = {
    "list": _look,
    "train": _train,
}


def _work(kind: str, terms: str, home: str, out: str) -> None:
    hospital = Hospital.open(terms, passphrase=PASSPHRASE, home=home)
    asyncio.run(_KINDS[kind](hospital))
    Path(out).write_text(json.dumps({"bytes_down": hospital.traffic.down}))


if __name__ == "__main__":
    _work(*sys.argv[1:])
