"""An aggregator that moves: another port, another certificate, a proxy, while hospitals work."""

import asyncio
import contextlib
import errno
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.identity import TlsFiles, create, load_key, own_tls
from aggregator.server.aggregation import Aggregation
from examples.demo.processes import free_port
from participant.errors import DiskError, Unreachable
from participant.network import session as sessions
from participant.network.session import Notices, Session
from protocol.board.post import of_kind
from protocol.messages.bodies import CardSeen
from protocol.terms.address_card import AddressCard, render_card, sign_card
from tests.stage.consortium import Consortium, found
from tests.stage.link.nginx import Authority, Nginx, installed

ALL = (1, 2, 3)


@dataclass
class Moving:
    """A real service on a folder of its own, and hospitals that make a key there."""

    consortium: Consortium
    data: Path

    @contextlib.contextmanager
    def served(self, port: int | None = None, tls: TlsFiles | None = None) -> Iterator[Aggregation]:
        """Serve until the block ends, in a thread."""
        service, ready = Aggregation(self.consortium.file, self.data), threading.Event()

        async def serve() -> None:
            async with service.serving("127.0.0.1", port, tls):
                ready.set()
                await service.stopped()

        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(10), "the service does not start"
        try:
            yield service
        finally:
            service.stop()
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def working(all_sessions: list[Session]) -> Iterator[list[BaseException | None]]:
    """Sessions at work, until they have ended; what each raised."""
    ends: list[BaseException | None] = [TimeoutError()] * len(all_sessions)

    def run(k: int) -> None:
        try:
            asyncio.run(all_sessions[k].work())
            ends[k] = None
        except BaseException as error:
            ends[k] = error

    threads = [
        threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(all_sessions))
    ]
    for thread in threads:
        thread.start()
    yield ends
    for thread in threads:
        thread.join(60)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    tick = threading.Event()
    for _ in range(2_000):
        if holds():
            return
        tick.wait(0.02)
    raise AssertionError(f"never: {what}")


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moving:
    monkeypatch.setattr(sessions, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(sessions, "_LONGEST_WAIT", 0.2)
    data = tmp_path / "aggregator"
    card = Aggregation.init(data, "localhost", free_port())
    return Moving(found(tmp_path / "hospitals", card=card), data)


def new_certificate(folder: Path) -> TlsFiles:
    folder.mkdir()
    create(folder, "localhost", "localhost", 8443)
    return own_tls(folder)


def moved(told: list[AddressCard]) -> Notices:
    return Notices(moving=told.append)


def test_hospitals_follow_to_another_port_and_certificate(moving: Moving, tmp_path: Path) -> None:
    """Two work, and are told. The third comes later, and has the newer card from a file."""
    tls, port = new_certificate(tmp_path / "new"), free_port()
    told: list[AddressCard] = []
    hospitals = [moving.consortium.session(i, None, True, notices=moved(told)) for i in (1, 2)]
    with working(hospitals) as ends:
        with moving.served() as service:
            until(lambda: all(s.agent.board.ceremonies for s in hospitals), "a link")
            url = f"wss://localhost:{port}"
            card = Aggregation.card(moving.data, url, False, tls.certificate)
            assert card.number == 2
            until(lambda: len(told) == 2, "the newer card")
        with moving.served(tls=tls) as service:
            moving.consortium.typed(3, "address", "federation.toml", "--take", take(moving))
            late = moving.consortium.session(3, None, True)
            with working([late]) as end:
                pass
    assert (ends, end) == ([None, None], [None])
    assert told == [card, card]
    for i in ALL:
        assert moving.consortium.member(i).address.kept() == card
    seen = of_kind(late.agent.board.entries, CardSeen)
    by_card = {(p.post.sender, p.post.body.card.number) for p in seen}
    assert by_card >= {(1, 1), (2, 1), (1, 2), (2, 2)}
    assert service.terms == moving.consortium.terms


def test_a_hospital_at_work_takes_the_card_although_its_link_breaks_meanwhile(
    moving: Moving, tmp_path: Path
) -> None:
    tls, url = new_certificate(tmp_path / "new"), f"wss://localhost:{free_port()}"
    told: list[AddressCard] = []
    hospitals = [moving.consortium.session(i, None, True, notices=moved(told)) for i in ALL]
    at_work, go = threading.Event(), threading.Event()
    agent = hospitals[0].agent
    step = agent.step

    def step_long() -> None:
        step()
        if agent.begun and not go.is_set():
            at_work.set()
            go.wait(30)

    agent.step = step_long
    with working(hospitals) as ends:
        with moving.served():
            assert at_work.wait(30)
            Aggregation.card(moving.data, url, False, tls.certificate)
            until(lambda: len(told) == 3, "the newer card, also at the hospital that is at work")
        go.set()
        with moving.served(tls=tls):
            until(lambda: TimeoutError not in map(type, ends), "the end")
    assert ends == [None] * 3


def test_a_hospital_without_the_newer_card_goes_on_as_soon_as_it_is_given(
    moving: Moving, tmp_path: Path
) -> None:
    """The certificate has changed at the old address, and nobody was connected meanwhile."""
    tls, lost = new_certificate(tmp_path / "new"), list[Unreachable]()
    first = moving.consortium.session(1, None, True, notices=Notices(lost=lost.append))
    others = [moving.consortium.session(i, None, True) for i in (2, 3)]
    with working([first]) as ends:
        with moving.served():
            until(lambda: bool(first.agent.board.ceremonies), "a link")
        Aggregation.card(moving.data, cert=tls.certificate)
        with moving.served(tls=tls):
            until(lambda: any("another TLS key" in reason.reason for reason in lost), "the loss")
            assert "address federation.toml --take" in lost[-1].remedy
            for i in ALL:
                moving.consortium.typed(i, "address", "federation.toml", "--take", take(moving))
            with working(others) as end:
                pass
            until(lambda: ends == [None], "the end")
    assert end == [None, None]


def take(moving: Moving) -> str:
    return str(moving.data / "aggregator.toml")


def test_an_older_card_is_refused_and_the_newer_one_stays(moving: Moving, tmp_path: Path) -> None:
    first = tmp_path / "first.toml"
    first.write_text(render_card(moving.consortium.card))
    newer = Aggregation.card(moving.data, "wss://elsewhere:1", True)
    typed = moving.consortium.typed
    out, _ = typed(1, "address", "federation.toml", "--take", take(moving), "--json")
    said = {"event": "taken", "number": 2, "url": "wss://elsewhere:1", "tls": "public"}
    assert json.loads(out) == said
    _, err = typed(1, "address", "federation.toml", "--take", str(first), expect=1)
    assert "card 1 is older than card 2" in err
    assert moving.consortium.member(1).address.newest == newer
    assert "nothing to do" in typed(1, "address", "federation.toml", "--take", take(moving))[0]


@pytest.mark.parametrize("whose", ["another key", "same number"])
def test_a_card_that_cannot_be_true_is_refused(moving: Moving, tmp_path: Path, whose: str) -> None:
    consortium, path = moving.consortium, tmp_path / "card.toml"
    key, number, said = {
        "another key": (consortium.relay.key, 2, "signed by another key"),
        "same number": (_key_of(moving), 1, "two cards of the aggregator with the number 1"),
    }[whose]
    path.write_text(render_card(sign_card(key, number, "wss://elsewhere:1", b"")))
    _, err = consortium.typed(1, "address", "federation.toml", "--take", str(path), expect=1)
    assert said in err
    assert consortium.member(1).address.newest == consortium.card


def _key_of(moving: Moving) -> Ed25519PrivateKey:

    return load_key(moving.data)


def test_a_newer_card_is_used_although_it_cannot_be_kept(moving: Moving) -> None:
    address = moving.consortium.member(1).address
    newer = sign_card(_key_of(moving), 2, "wss://elsewhere:1", b"")
    full = DiskError(address.folder, "no space left on device", errno.ENOSPC)
    with patch("participant.home.address.replace", side_effect=full):
        assert address.take(newer)
    assert address.trouble == full
    assert address.newest == newer
    assert address.kept() is None
    address.keep()
    assert address.trouble is None
    assert address.kept() == newer


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="nginx is not installed")
def test_hospitals_follow_to_a_proxy_that_renews_its_certificate_with_a_new_key(
    moving: Moving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority.create(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    inner = int(moving.consortium.card.url.rpartition(":")[2])
    nginx = Nginx(tmp_path / "nginx", free_port(), inner, authority)
    told: list[AddressCard] = []
    hospitals = [moving.consortium.session(i, None, True, notices=moved(told)) for i in (1, 2)]
    with working(hospitals) as ends, moving.served() as service, nginx.running():
        until(lambda: all(s.agent.board.ceremonies for s in hospitals), "a link")
        card = Aggregation.card(moving.data, f"wss://localhost:{nginx.port}", True)
        until(lambda: len(told) == 2, "the newer card")
        before = nginx.certificate.read_bytes()
        nginx.renew()
        assert nginx.certificate.read_bytes() != before
        moving.consortium.typed(3, "address", "federation.toml", "--take", take(moving))
        late = moving.consortium.session(3, None, True)
        with working([late]) as end:
            pass
        assert nginx.connections() > 0
    assert (ends, end) == ([None, None], [None])
    assert moving.consortium.member(3).address.newest == card
    assert service.terms == moving.consortium.terms
