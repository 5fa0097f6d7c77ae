"""A federation for the tests of an adapter, which run in an environment without quorate.

    python -m tests.stage.adapters --study cardio --plan '{"rounds": 3, "seconds": 5}'

One line of JSON says that it is there: ``{"study": "cardio", "sockets": [...]}``, a socket for each
hospital. Each line of standard input is a command, and is answered with a line:

    {"do": "study", "name": "second", "plan": {"rounds": 1}}    another study, with its sockets
    {"do": "study", "name": "third", "plan": {"on": "cardio"}}  at the sockets of a study before
    {"do": "stop", "hospital": 2}                               its agent
    {"do": "start", "hospital": 2}
    {"do": "stop"}                                              the aggregator
    {"do": "start"}
    {"do": "withdraw", "name": "cardio", "hospital": 2}
    {"do": "events", "hospital": 2}                             its journal

It ends with standard input. FOR TESTS ALONE: the key has 256 bits.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from participant.training import plain_value
from tests.stage.adapters.staged import Staged, staged


async def _done(stage: Staged, said: dict[str, Any]) -> dict[str, Any]:
    """What a command comes to."""
    what, hospital = said["do"], said.get("hospital")
    if what == "study":
        name = said["name"]
        return {"study": name, "sockets": await stage.study(name, **said.get("plan", {}))}
    if what == "withdraw":
        await stage.hospital(hospital or 1).study(said["name"]).withdraw(timeout=60)
    elif what == "events":
        return {"events": stage.told[hospital or 1].events}
    elif hospital:
        await (stage.start if what == "start" else stage.stop)(hospital)
    elif what == "start":
        stage.start_aggregator()
    else:
        await asyncio.to_thread(stage.stop_aggregator)  # it waits for the agents to hang up
    return {"done": what}


async def _run(folder: Path, hospitals: int, study: str, plan: dict[str, Any]) -> None:
    async with staged(folder, hospitals) as stage:
        _say({"study": study, "sockets": await stage.study(study, **plan)})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await _done(stage, json.loads(line)))


def _say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, default=plain_value), flush=True)


def main() -> None:
    """Run until standard input ends."""
    options = argparse.ArgumentParser("python -m tests.stage.adapters")
    options.add_argument("--hospitals", type=int, default=3)
    options.add_argument("--study", default="cardio")
    options.add_argument("--plan", type=json.loads, default={}, help="changes to the plan, JSON")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="quorate-stage-") as folder:
        asyncio.run(_run(Path(folder), given.hospitals, given.study, given.plan))


if __name__ == "__main__":
    main()
