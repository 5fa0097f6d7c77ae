"""What the first program of a study began with: its run, and the model before the first round.

It is kept, durably, before anything is stated of it. So a hospital whose agent is started anew goes
on without a program, and no program of another run takes the study over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from participant.conversation import AppBegins, parameters_in, read_message, read_tensors
from participant.disk import Storage
from participant.errors import DamagedFile
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.messages import RunName

_MAX_HEADER = 16 << 20  # bytes: as of a frame's, and the patterns


class _Header(Message, frozen=True):
    """What is kept before the values. ``begin``: form and entries, as the program said them."""

    run: RunName
    local_entries: Annotated[tuple[str, ...], Meta(max_length=100_000)]
    begin: bytes


@dataclass(frozen=True)
class Beginning:
    """run: that the program named; size: of the model's values, in bytes."""

    run: str
    local_entries: tuple[str, ...]
    size: int


def keep_beginning(
    storage: Storage, study: str, run: str, local_entries: Sequence[str], begin: AppBegins,
    body: memoryview,
) -> Beginning:  # fmt: skip
    """Keep it, durable on return. Raises Malformed where a text in it is none."""
    found = Beginning(run, tuple(local_entries), len(body))
    try:
        said = msgspec.json.encode(msgspec.structs.replace(begin, evaluation=None, run="", turn=""))
        header = encode(_Header(run, found.local_entries, said))
    except UnicodeEncodeError:
        raise Malformed("message", "a text in it is no Unicode") from None
    with storage.writing(_name(study)) as output:
        output.write(len(header).to_bytes(8, "big") + header)
        output.write(body)  # type: ignore[arg-type]  # any bytes will do
    return found


def kept_beginning(storage: Storage, study: str) -> tuple[Beginning, Any] | None:
    """What is kept, and the model as it is given to training; None if nothing is.

    Raises DamagedFile.
    """
    name = _name(study)
    if (data := storage.read(name)) is None:
        return None
    size = int.from_bytes(data[:8], "big")
    body = memoryview(bytearray(data))[8 + size :]  # the arrays in it can be written to
    try:
        header = decode(data[8 : 8 + size], _Header, "beginning", _MAX_HEADER)
        begin = read_message(header.begin)
        if not isinstance(begin, AppBegins):
            raise Malformed("beginning", "it is no begin")
        parameters = parameters_in(begin.form, begin.entries or (), read_tensors(body))
    except Malformed as error:
        raise DamagedFile(name, error.reason, "beginning") from None
    return Beginning(header.run, header.local_entries, len(body)), parameters


def forget_beginning(storage: Storage, study: str) -> None:
    """Forget it, durably: this hospital's part in the study may begin anew."""
    storage.delete(_name(study))


def _name(study: str) -> str:
    return f"studies/{study}/beginning"
