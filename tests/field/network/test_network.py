"""Networks on the way to the aggregator: names, dead addresses, boxes in between, silence."""

import asyncio
import datetime
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import Unreachable, WrongCertificate
from participant.network import link
from participant.network import session as sessions
from participant.network.link_trouble import Way, closed, trouble
from participant.network.proxy import Proxy
from protocol.terms.names import fault_of_url
from tests.stage.consortium import Consortium, call, found, lost_into, run_all
from tests.stage.fake_proxy import (
    Handler,
    answer,
    certificate_of,
    hang,
    head_of,
    leave,
    over_tls,
    saying,
    serving,
)
from tests.stage.link.relay import make_tls_key

pytestmark = pytest.mark.usefixtures("no_proxy_settings")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    return found(tmp_path_factory.mktemp("network"))


def refused(consortium: Consortium, handle: Handler) -> Unreachable:
    with serving(handle, consortium.relay.port), pytest.raises(Unreachable) as caught:
        call(consortium)
    said = describe(caught.value, Context())
    assert said.what
    assert said.remedy
    return caught.value


# ── names and addresses ──


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the aggregator's name have several addresses."""

    async def resolve(self: Any, host: str, port: int, **kwargs: Any) -> list[Any]:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        places = [(a, port, 0, 0) if ":" in a else (a, port) for a in addresses]
        kind = socket.SOCK_STREAM
        return [(f, kind, 6, "", place) for f, place in zip(families, places, strict=True)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


@pytest.mark.parametrize("dead", ["::1", "127.0.0.2"])
def test_another_address_of_the_name_is_tried_where_one_is_dead(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch, dead: str
) -> None:
    resolving_to(monkeypatch, dead, "127.0.0.1")
    with consortium.relay.running():
        assert call(consortium) == "Welcome"


def test_an_address_that_hangs_holds_up_the_next_one_for_a_moment_only(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving_to(monkeypatch, "127.0.0.3", "127.0.0.1")
    monkeypatch.setattr(link, "OPEN_SECONDS", 5.0)
    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def hanging(self: Any, sock: socket.socket, address: tuple[str, int]) -> None:
        if address[0] == "127.0.0.3":
            await asyncio.sleep(60)
        await connect(self, sock, address)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", hanging)
    with consortium.relay.running():
        assert call(consortium) == "Welcome"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] x"), "refused"),
        (
            OSError("Multiple exceptions: [Errno 113] Connect call failed, [Errno 101] x"),
            "no route",
        ),
        (OSError(101, "Connect call failed"), "network is unreachable"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "DNS does not answer"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "its name is not known here"),
        (TimeoutError(), "no answer"),
    ],
)
def test_what_the_system_says_is_said_in_words(error: Exception, words: str) -> None:
    found = trouble(error, Way("wss://a.example", None))
    assert isinstance(found, Unreachable)
    assert words in found.reason
    assert found.remedy


@pytest.mark.parametrize("proxy", [None, Proxy("HTTPS_PROXY", "http", "proxy", 8080)])
@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(24, "x"), "Raise the limit of open files (ulimit -n)"),
        (OSError(23, "x"), "Close other programs"),
        (OSError("Multiple exceptions: [Errno 24] x, [Errno 24] x"), "(ulimit -n)"),
        (OSError(12, "x"), "Close other programs"),
        (PermissionError(1, "x"), "Check its firewall"),
        (PermissionError(13, "x"), "Check its firewall"),
    ],
)
def test_what_this_machine_lacks_is_not_laid_to_others(
    error: Exception, remedy: str, proxy: Proxy | None
) -> None:
    found = trouble(error, Way("wss://a.example", proxy))
    assert "this machine" in found.reason
    assert remedy in found.remedy
    assert "operator" not in found.remedy


@pytest.mark.parametrize("number", [101, 100, 113, 99])
def test_without_a_network_the_network_is_to_be_checked(number: int) -> None:
    found = trouble(OSError(number, "x"), Way("wss://a.example", None))
    assert found.remedy.startswith("Check this machine's network")


@pytest.mark.parametrize(
    "url", ["wss://a.example/", "wss://a.example:8443/path", "https://a.example", "a.example:8443"]
)
def test_an_address_is_host_and_port_alone(url: str) -> None:
    fault = fault_of_url(url)
    assert fault is not None
    assert "wss://host or wss://host:port" in fault


# ── what answers instead ──


@pytest.mark.parametrize(
    ("handle", "words", "remedy"),
    [
        (saying(answer("200 OK", "<html>Log in")), "speaks no TLS", "login page"),
        (saying(answer("302 Found")), "speaks no TLS", "login page"),
        (saying(b"SSH-2.0-OpenSSH_9.9\r\n"), "speaks no TLS", "login page"),
        (saying(b"\x15\x03\x03\x00\x02\x02\x46"), "speaks no TLS 1.3", "inspects TLS"),
        (leave, "was closed while it was being set up", "quorate-aggregator serve"),
    ],
)
def test_what_is_no_aggregator_is_told_by_what_it_does(
    consortium: Consortium, handle: Handler, words: str, remedy: str
) -> None:
    found = refused(consortium, handle)
    assert words in found.reason
    assert remedy in found.remedy


def test_who_answers_and_then_says_nothing_is_no_address_without_answer(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "OPEN_SECONDS", 0.3)
    assert "it is connected, but says nothing" in refused(consortium, hang).reason


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway", "302 Found"])
def test_what_holds_the_key_and_speaks_no_websocket_is_named_by_its_status(
    consortium: Consortium, status: str
) -> None:
    """And is not followed elsewhere: a redirection leads to wherever the answer says."""
    followed: list[bytes] = []

    def elsewhere(connected: socket.socket) -> None:
        followed.append(connected.recv(100))

    with serving(elsewhere) as other:

        def webserver(connected: socket.socket) -> None:
            head_of(connected)
            location = f"Location: wss://localhost:{other}/\r\nContent-Length: 0"
            connected.sendall(f"HTTP/1.1 {status}\r\n{location}\r\n\r\n".encode())

        tls = consortium.tls
        found = refused(consortium, over_tls(tls.certificate, tls.key, webserver))
    assert f"answers HTTP {status[:3]} instead of a websocket" in found.reason
    assert followed == []


def test_a_box_that_inspects_tls_is_told_by_its_certificate(
    consortium: Consortium, tmp_path: Path
) -> None:
    box = make_tls_key(tmp_path)
    handle = over_tls(box.certificate, box.key, hang)
    with serving(handle, consortium.relay.port), pytest.raises(WrongCertificate) as caught:
        call(consortium)
    said = describe(caught.value, Context())
    assert "issued to CN=localhost by CN=localhost" in said.what
    assert "inspects TLS" in said.remedy


def test_the_dates_of_the_aggregators_certificate_do_not_count(tmp_path: Path) -> None:
    """The pin does: a machine whose clock is wrong by years still connects."""
    consortium = found(tmp_path)
    then = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    key = load_pem_private_key(consortium.tls.key.read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    consortium.tls.certificate.write_bytes(certificate_of(key, then, then))
    with consortium.relay.running():
        assert call(consortium) == "Welcome"


# ── silence ──


def test_a_line_through_which_nothing_comes_is_told_from_one_that_was_closed() -> None:
    silent = ConnectionClosedError(None, Close(1011, "keepalive ping timeout"))
    reason, remedy = closed(silent)
    assert "nothing comes through" in reason
    assert "firewall or VPN" in remedy
    assert closed(ConnectionClosedError(None, None))[0] == "the connection was closed"


def test_a_connection_that_falls_silent_is_given_up_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.02)
    monkeypatch.setattr(sessions, "NUDGE_SECONDS", 0.05)
    consortium = found(tmp_path)
    first = [True]

    def swallowing(connected: socket.socket) -> None:
        """Passes on for a while, and then nothing any more, without hanging up."""
        far = socket.create_connection(("127.0.0.1", target))
        pump_for(0.6 if first else 60, connected, far)
        first.clear()
        connected.settimeout(None)
        hang(connected)

    reasons: list[str] = []
    with serving(lambda s: None) as target:
        pass
    relay = replace(consortium.relay, port=target)
    session = consortium.session(1, notices=lost_into(reasons), time_limit=3.0)
    with relay.running(), serving(swallowing, consortium.relay.port):
        run_all([session], seconds=20)
    assert [r for r in reasons if "nothing comes through" in r] == reasons[:1] != []


def pump_for(seconds: float, near: socket.socket, far: socket.socket) -> None:
    """Pass on in both directions for so long."""
    near.settimeout(0.02)
    far.settimeout(0.02)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for source, sink in ((near, far), (far, near)):
            try:
                data = source.recv(65_536)
            except TimeoutError:
                continue
            if not data:
                return
            sink.sendall(data)
