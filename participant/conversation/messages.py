"""What a training process says, as JSON in the header of a frame: checked, and typed from here on.

What is answered is made where it is known (participant.app.apart); docs/data-conversation.md has
both sides, with an example of each.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from participant.conversation.strict_json import read_json
from protocol.encoding import decoder_of
from protocol.errors import Malformed
from protocol.messages import RunName

VERSION = 1
MAX_ENTRIES = 100_000
_Text = Annotated[str, Meta(max_length=1_000)]
_Long = Annotated[str, Meta(max_length=100_000)]
_Round = Annotated[int, Meta(ge=0, le=1 << 31)]
_HexHash = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
_Turn = Annotated[str, Meta(pattern=r"^[0-9a-f]{0,64}\Z")]


class EntrySaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a model. ``at``: where its value is.

    body: in the safetensors file, an array or a tensor. value: in ``value``, as MessagePack in
    base64. app: in the app's process, which says what becomes of it.
    """

    name: Annotated[str, Meta(max_length=10_000)]
    at: Literal["body", "value", "app"] = "body"
    tensor: bool = False
    value: str = ""
    what: _Text = ""
    why: _Text = ""  # it stays at home; else ``remedy`` says what its author can do
    remedy: _Text = ""


_Entries = Annotated[tuple[EntrySaid, ...], Meta(max_length=MAX_ENTRIES)]


class Scored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``evaluate`` came to."""

    loss: float
    examples: int
    metrics: dict[str, Any] = {}


class AppHello(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hello", tag_field="op"
):
    """The first message. ``run``: that it trains for; ``app``: SHA-256 of what is run there."""

    version: int
    token: _Text = msgspec.field(default="")
    local_entries: Annotated[tuple[_Text, ...], Meta(max_length=MAX_ENTRIES)] = ()
    run: RunName = ""
    app: _HexHash = ""

    def __repr__(self) -> str:
        return f"AppHello(version={self.version}, token=<secret>)"


class AppBegins(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="begin", tag_field="op"
):
    """It can train; the first time with its initial model, later with the score of the last.

    ``turn``: of the framework's server, which each hospital has once.
    """

    form: Literal["list", "dict"] = "dict"
    entries: _Entries | None = None
    evaluation: Scored | None = None
    run: RunName = ""
    turn: _Turn = ""


class AppUpdate(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="update", tag_field="op"
):
    """What training made of the model of a round."""

    round: _Round
    examples: int
    form: Literal["list", "dict"]
    entries: _Entries
    metrics: dict[str, Any] = {}


class AppAsksModel(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="model", tag_field="op"
):
    """It asks for the model that this hospital stands at."""


class AppFailed(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed", tag_field="op"
):
    """A function of the app has raised something, or returned what cannot be used."""

    function: _Text
    reason: Annotated[str, Meta(max_length=8_000)]
    traceback: _Long = ""


FromApp = AppHello | AppBegins | AppUpdate | AppAsksModel | AppFailed
decoder_of(FromApp)  # each app is read in a thread of its own


def read_message(header: bytes) -> FromApp:
    """The message in a header; raises Malformed."""
    found = read_json(header, "message")
    try:
        message: FromApp = msgspec.convert(found, FromApp)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed("message", str(error)) from None
    return message
