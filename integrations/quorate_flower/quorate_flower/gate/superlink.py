# SPDX-License-Identifier: Apache-2.0
"""The gate as a client of the SuperLink: Flower's Fleet API, protobuf over HTTP.

Every byte that is sent is made here or by the caller. Answers are limited while they are read, are
never unpacked, and a redirect is not followed.
"""

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.proto.fab_pb2 import GetFabRequest, GetFabResponse
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    DeactivateNodeRequest,
    DeactivateNodeResponse,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
    RegisterNodeFleetRequest,
    RegisterNodeFleetResponse,
    UnregisterNodeFleetRequest,
    UnregisterNodeFleetResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.run_pb2 import GetRunRequest, GetRunResponse
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.error import FlowerError
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata
from google.protobuf.message import DecodeError, Message

from quorate_flower.gate.bundle import MOST_FAB_BYTES
from quorate_flower.gate.errors import BadCertificate, RunOver, SuperLinkAway, SuperLinkRefuses

T = TypeVar("T", bound=Message)
PROTOBUF = "application/protobuf"
PATIENCE = 120.0  # seconds for one request and its answer
HEARTBEAT = 30.0  # seconds, Flower's
SMALL = 64 << 10  # bytes of an answer that has no object
MOST_MESSAGE_BYTES = 16 << 20  # of a message with its tree of object ids
MOST_OBJECT_BYTES = 32 << 20
_AWAY = (502, 503, 504)
_UNKNOWN = 401
_FORBIDDEN = 403  # Flower's answer when a run is not running


class SuperLink:
    """One SuperLink, for one node. ``private_key`` is the node's."""

    def __init__(
        self, address: str, tls: ssl.SSLContext | None, private_key: ec.EllipticCurvePrivateKey
    ) -> None:
        """address: HOST:PORT. tls: None for plaintext, which no proxy is asked to carry."""
        self.address, self._key = address, private_key
        self.public_key = public_key_to_bytes(private_key.public_key())
        self._client = httpx.AsyncClient(
            base_url=f"http{'s' if tls else ''}://{address}",
            verify=tls or False,
            trust_env=tls is not None,
            follow_redirects=False,
            timeout=30.0,
        )
        self._about = dict(RuntimeVersionMetadata.from_local_component("SuperNode").as_metadata())

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def meet(self) -> None:
        """Raise SuperLinkAway, BadCertificate among them, if nobody answers."""
        async with self._spoken("GET", "/", b"", {}):
            pass

    async def register(self) -> int:
        """The id of the node with the gate's key, at a SuperLink that lets nodes register."""
        request = RegisterNodeFleetRequest(public_key=self.public_key)
        return (await self._ask("register-node", request, RegisterNodeFleetResponse)).node_id

    async def activate(self) -> int:
        """The id of the node with the gate's key, which is online from now on."""
        request = ActivateNodeRequest(public_key=self.public_key, heartbeat_interval=HEARTBEAT)
        return (await self._ask("activate-node", request, ActivateNodeResponse)).node_id

    async def deactivate(self, node_id: int) -> None:
        """The node is offline from now on."""
        request = DeactivateNodeRequest(node_id=node_id)
        await self._ask("deactivate-node", request, DeactivateNodeResponse)

    async def unregister(self, node_id: int) -> None:
        """The SuperLink forgets the node."""
        request = UnregisterNodeFleetRequest(node_id=node_id)
        await self._ask("unregister-node", request, UnregisterNodeFleetResponse)

    async def heartbeat(self, request: SendNodeHeartbeatRequest) -> bool:
        """Whether the SuperLink knows the node."""
        answer = await self._ask("send-node-heartbeat", request, SendNodeHeartbeatResponse)
        return answer.success

    async def pull_messages(self, request: PullMessagesRequest) -> PullMessagesResponse:
        """At most one message, without its objects."""
        return await self._ask("pull-messages", request, PullMessagesResponse, MOST_MESSAGE_BYTES)

    async def get_run(self, request: GetRunRequest) -> GetRunResponse:
        """What the SuperLink says of a run."""
        return await self._ask("get-run", request, GetRunResponse, MOST_OBJECT_BYTES)

    async def get_fab(self, request: GetFabRequest) -> GetFabResponse:
        """The app bundle of a run."""
        return await self._ask("get-fab", request, GetFabResponse, MOST_FAB_BYTES + SMALL)

    async def pull_object(self, request: PullObjectRequest) -> PullObjectResponse:
        """An object of a message."""
        return await self._ask("pull-object", request, PullObjectResponse, MOST_OBJECT_BYTES)

    async def confirm(self, request: ConfirmMessageReceivedRequest) -> None:
        """The SuperLink need not keep a message's objects any longer."""
        await self._ask("confirm-message-received", request, ConfirmMessageReceivedResponse)

    async def push_messages(self, request: PushMessagesRequest) -> PushMessagesResponse:
        """A reply, without its objects; the answer names those that are to follow."""
        return await self._ask("push-messages", request, PushMessagesResponse)

    async def push_object(self, request: PushObjectRequest) -> bool:
        """Whether the SuperLink has stored the object."""
        return (await self._ask("push-object", request, PushObjectResponse)).stored

    async def _ask(self, name: str, request: Message, kind: type[T], most: int = SMALL) -> T:
        content = request.SerializeToString(deterministic=True)
        async with self._spoken("POST", f"/v1/fleet/{name}", content, self._headers()) as response:
            body = await self._body(response, most if response.status_code == 200 else SMALL)
        if response.status_code != 200:
            raise self._refusal(response.status_code, body)
        if response.headers.get("content-type") != PROTOBUF:
            raise self._away("answers what no SuperLink of Flower 1.40 or later answers")
        try:
            answer = kind()
            answer.ParseFromString(body)
            return answer
        except DecodeError:
            raise self._away("answers what cannot be read") from None

    def _headers(self) -> dict[str, str]:
        at = now().isoformat()
        return self._about | {
            "content-type": PROTOBUF,
            "accept": PROTOBUF,
            "accept-encoding": "identity",
            FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(self.public_key).decode(),
            TIMESTAMP_HEADER: at,
            FLEET_HTTP_SIGNATURE_HEADER: b64encode(sign_message(self._key, at.encode())).decode(),
        }

    @contextlib.asynccontextmanager
    async def _spoken(
        self, method: str, path: str, content: bytes, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with (
                asyncio.timeout(PATIENCE),
                self._client.stream(method, path, content=content, headers=headers) as response,
            ):
                yield response
        except TimeoutError:
            raise self._away(f"has not answered within {PATIENCE:.0f} seconds") from None
        except (httpx.HTTPError, ssl.SSLError) as error:
            if reason := _certificate(error):
                raise BadCertificate(
                    f"the SuperLink at {self.address} has a certificate that does not verify "
                    f"({reason}): give --root-certificates the certificate of its authority, and "
                    "--superlink the name that is in its certificate"
                ) from None
            raise self._away(f"cannot be reached ({_why(error)})") from None

    async def _body(self, response: httpx.Response, most: int) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._away("sends a compressed answer, which nobody has asked for")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > most:
                raise self._away(f"sends more than {most} bytes in one answer")
        return bytes(body)

    def _refusal(self, status: int, body: bytes) -> SuperLinkRefuses | SuperLinkAway:
        if status in _AWAY:
            return self._away(f"is not up behind its proxy (status {status})")
        found = FlowerError.from_json(body.decode(errors="replace"))
        said = f": {found.message[:300]!r}" if found else ""
        if status == _UNKNOWN:
            said = ": it does not know the gate's key, so give --private-key the registered one"
        kind = RunOver if status == _FORBIDDEN else SuperLinkRefuses
        return kind(status, f"the SuperLink answers with status {status}{said}")

    def _away(self, reason: str) -> SuperLinkAway:
        return SuperLinkAway(f"the SuperLink at {self.address} {reason}: check --superlink")


def _certificate(error: BaseException) -> str:
    """Why a certificate does not verify, empty if that is not what went wrong."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            return at.verify_message
        at = at.__cause__ or at.__context__
    return ""


def _why(error: BaseException) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in 30 seconds"
    return str(error) or type(error).__name__
