"""Administration and data never share a socket: what is said in one is nothing in the other."""

import json
from pathlib import Path

import pytest

from participant.conversation.messages import read_message
from participant.door.framing import framed
from participant.door.messages import (
    ADMINISTRATION,
    VERSION,
    Denied,
    Greeting,
    JobWanted,
    MakeKey,
    StandingWanted,
    StopWanted,
)
from protocol.encoding import encode
from protocol.errors import Malformed
from tests.participant.door.test_door import heard, opened


@pytest.mark.parametrize("op", ["hello", "begin", "update", "model"])
async def test_the_door_takes_nothing_of_the_data_conversation(op: str, folder: Path) -> None:
    header = json.dumps({"op": op, "version": 1, "token": ""}).encode()
    said = len(header).to_bytes(4, "big") + header + bytes(8)
    async with opened(folder) as desk:
        (denied,) = await heard(folder, said)
    assert isinstance(denied, Denied)
    assert not desk.wanted
    assert not desk.stopped


@pytest.mark.parametrize(
    "wish",
    [
        Greeting(ADMINISTRATION, VERSION),
        StandingWanted(),
        StopWanted(),
        JobWanted(MakeKey(None), "federation.toml", ""),
    ],
    ids=lambda wish: type(wish).__name__,
)
def test_the_data_conversation_takes_nothing_of_administration(wish: Greeting) -> None:
    for header in (encode(wish), framed(wish)):
        with pytest.raises(Malformed):
            read_message(header)
