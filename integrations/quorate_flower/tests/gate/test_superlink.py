# SPDX-License-Identifier: Apache-2.0
"""What the gate takes from a SuperLink, and what it sends there."""

import asyncio
import gzip
import socket
import ssl
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse
from flwr.proto.node_pb2 import Node
from flwr.supercore.primitives.asymmetric import generate_key_pairs, verify_signature
from quorate_flower.gate import superlink as client
from quorate_flower.gate.errors import BadCertificate, RunOver, SuperLinkAway, SuperLinkRefuses
from quorate_flower.gate.superlink import MOST_MESSAGE_BYTES, SuperLink

from tests.gate import certificates
from tests.gate.replies import instruction, pushed

KEY, PUBLIC = generate_key_pairs()
GOOD = "Content-Type: application/protobuf\r\n"


def answer(body: bytes, fields: str = GOOD, status: str = "200 OK") -> bytes:
    """As a SuperLink sends it."""
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def scene(
    said: bytes,
    ask: Callable[[SuperLink], Awaitable[object]],
    seconds: float = 0,
    tls: Mapping[str, ssl.SSLContext] | None = None,
) -> list[bytes]:
    """Ask a server that gives one answer, and closes after ``seconds``; returns what it read."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            heard.append(head + await reader.readexactly(size))
            writer.write(said)
            await writer.drain()
            await asyncio.sleep(seconds)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def played() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=(tls or {}).get("server"))
        port = server.sockets[0].getsockname()[1]
        link = SuperLink(f"127.0.0.1:{port}", (tls or {}).get("client"), KEY)
        try:
            await ask(link)
        finally:
            await link.close()
            server.close()

    asyncio.run(played())
    return heard


async def pull(link: SuperLink) -> PullMessagesResponse:
    return await link.pull_messages(PullMessagesRequest(node=Node(node_id=5)))


def test_a_message_is_read() -> None:
    message = pushed(instruction())
    given = PullMessagesResponse(
        messages_list=[message.message], message_object_trees=[message.tree]
    )

    async def ask(link: SuperLink) -> None:
        assert await pull(link) == given

    scene(answer(given.SerializeToString()), ask)


def test_the_head_of_a_request_is_the_gates_own() -> None:
    (heard,) = scene(answer(b""), pull)
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    exact = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /v1/fleet/pull-messages HTTP/1.1"
    assert set(fields) == {
        "host", "accept", "accept-encoding", "connection", "user-agent", "content-type",
        "content-length", "flwr-public-key", "flwr-timestamp", "flwr-signature",
        "flwr-package-name", "flwr-package-version", "flwr-component-name",
    }  # fmt: skip
    assert fields["accept-encoding"] == "identity"
    signature = b64decode(exact["flwr-signature"])
    assert verify_signature(PUBLIC, exact["flwr-timestamp"].encode(), signature)
    assert body == PullMessagesRequest(node=Node(node_id=5)).SerializeToString()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.setblocking(False)
        where = f"Location: http://127.0.0.1:{other.getsockname()[1]}/\r\n"
        with pytest.raises(SuperLinkRefuses, match="status 30"):
            scene(answer(b"", where, status), pull)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(SuperLinkAway, match="compressed"):
        scene(answer(bomb, GOOD + "Content-Encoding: gzip\r\n"), pull)


def test_an_answer_has_a_limit_of_its_kind() -> None:
    async def fab(link: SuperLink) -> None:
        await link.get_fab(GetFabRequest())

    with pytest.raises(SuperLinkAway, match="more than"):
        scene(answer(b"\0" * (MOST_MESSAGE_BYTES + 1)), pull)
    with pytest.raises(SuperLinkAway, match="more than"):
        scene(answer(b"\0" * (11 << 20)), fab)


def test_a_refusal_has_a_limit_too() -> None:
    with pytest.raises(SuperLinkAway, match="more than"):
        scene(answer(b"x" * (1 << 20), "", "500 Oops"), pull)


def test_a_body_without_end_is_given_up() -> None:
    head = f"HTTP/1.1 200 OK\r\n{GOOD}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"100000\r\n" + b"\0" * (1 << 20) + b"\r\n"
    with pytest.raises(SuperLinkAway, match="more than"):
        scene(head + chunk * 20, pull)


def test_a_superlink_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.3)
    with pytest.raises(SuperLinkAway, match="has not answered within"):
        scene(answer(b"\0" * 100)[:-1], pull, 5)


def test_403_says_that_the_run_is_over() -> None:
    with pytest.raises(RunOver):
        scene(answer(b"{}", "", "403 Forbidden"), pull)


def test_a_proxy_without_a_superlink_is_one_that_is_away() -> None:
    with pytest.raises(SuperLinkAway, match="503"):
        scene(answer(b"", "", "503 Service Unavailable"), pull)


def test_401_names_the_option_with_the_key() -> None:
    with pytest.raises(SuperLinkRefuses, match="--private-key"):
        scene(answer(b"{}", "", "401 Unauthorized"), pull)


def test_a_refusal_is_repeated_in_quotes() -> None:
    body = b'{"code": 5, "detail": "Public key already in use.\\u001b[2J"}'
    with pytest.raises(SuperLinkRefuses) as caught:
        scene(answer(body, "", "412 No"), pull)
    assert "Public key already in use." in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        answer(b"<html>", "Content-Type: text/html\r\n"),
        answer(b"\xff\xff"),
        b"no http\r\n\r\n",
        b"",
    ],
)
def test_what_no_superlink_answers_is_an_error_with_a_remedy(said: bytes) -> None:
    with pytest.raises(SuperLinkAway, match="check --superlink"):
        scene(said, pull)


def test_a_superlink_that_is_not_there_is_an_error_with_a_remedy() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def ask() -> None:
        link = SuperLink(f"127.0.0.1:{port}", None, KEY)
        try:
            await link.meet()
        finally:
            await link.close()

    with pytest.raises(SuperLinkAway, match=r"cannot be reached .*check --superlink"):
        asyncio.run(ask())


def contexts(folder: Path, address: str = "127.0.0.1", days: int = 2) -> dict[str, ssl.SSLContext]:
    """A server with a certificate, and a client that trusts its authority."""
    made = certificates.make(folder, address, days)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.server, made.key)
    return {"server": server, "client": ssl.create_default_context(cafile=made.authority)}


def test_tls_is_spoken_with_a_certificate_that_verifies(tmp_path: Path) -> None:
    scene(answer(b""), pull, tls=contexts(tmp_path))


def test_another_authority_is_refused(tmp_path: Path) -> None:
    own, other = contexts(tmp_path / "own"), contexts(tmp_path / "other")
    with pytest.raises(BadCertificate, match="--root-certificates"):
        scene(answer(b""), pull, tls={"server": other["server"], "client": own["client"]})


def test_a_certificate_for_another_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCertificate, match=r"127\.0\.0\.1"):
        scene(answer(b""), pull, tls=contexts(tmp_path, "127.0.0.2"))


def test_a_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCertificate, match="expired"):
        scene(answer(b""), pull, tls=contexts(tmp_path, days=0))


def test_plaintext_is_not_taken_for_tls(tmp_path: Path) -> None:
    with pytest.raises(SuperLinkAway):
        scene(answer(b""), pull, tls={"client": contexts(tmp_path)["client"]})
