"""An aggregator that moves while hospitals train: real processes, between two rounds of a study.

Nobody types anything at a hospital: what runs there takes the newer card, and goes on.
"""

import ssl
from pathlib import Path

import pytest

from aggregator.identity import own_tls
from examples.demo.processes import free_port
from protocol.board.post import of_kind
from protocol.messages import CardSeen, Contribution
from tests.stage.link.box import Box
from tests.stage.link.held_study import ALL, ROUNDS, HeldStudy
from tests.stage.link.nginx import Authority, Nginx, installed
from tests.stage.link.relay import TlsKey, make_tls_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> HeldStudy:
    return HeldStudy.create(tmp_path_factory.mktemp("made"))


@pytest.fixture
def held(made: HeldStudy, tmp_path: Path) -> HeldStudy:
    return made.copied(tmp_path)


def cards_seen(held: HeldStudy) -> set[tuple[int, int]]:
    found = of_kind(held.entries(), CardSeen)
    return {(p.post.sender, p.post.body.card.number) for p in found}


def test_a_study_goes_on_at_another_port_with_another_certificate(
    held: HeldStudy, tmp_path: Path
) -> None:
    """Two wait for the third, which trains until the aggregator has moved. All are told at once."""
    tls, port = make_tls_key(tmp_path / "new"), free_port()
    with held.training():
        with held.served():
            held.let_go(1)
            held.wait_for_middle(2)
            url = f"wss://localhost:{port}"
            card = held.make_card(
                "--url", url, "--tls", "pinned", "--tls-cert", str(tls.certificate)
            )
            held.wait("the newer card", lambda: held.kept() == [card] * 3)
        new = ("--tls-cert", str(tls.certificate), "--tls-key", str(tls.key))
        with held.served(*new):
            held.let_go(2)
            held.let_go(3)
            said = held.said()
    assert (card.number, card.url) == (2, url)
    assert held.kept() == [card] * 3
    assert all(text.count("has a newer card, number 2") == 1 for text in said), said
    assert cards_seen(held) == {(member, number) for member in ALL for number in (1, 2)}
    held.check_models()


@pytest.mark.skipif(not installed(), reason="nginx is not installed")
def test_a_study_goes_on_behind_a_proxy_that_renews_its_certificate_with_a_new_key(
    held: HeldStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nginx comes in front in the second round, and has another key from the third one on."""
    authority = Authority.create(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    inner = free_port()
    nginx = Nginx(tmp_path / "nginx", free_port(), inner, authority)
    key_shown = lambda: ssl.get_server_certificate(("localhost", nginx.port))  # noqa: E731
    with held.training():
        with held.served():
            held.let_go(1)
            held.wait_for_middle(2)
            card = held.make_card("--url", f"wss://localhost:{nginx.port}", "--tls", "public")
            held.wait("the newer card", lambda: held.kept() == [card] * 3)
        with nginx.running():
            with held.served("--port", str(inner)):
                held.let_go(2)
                held.wait_for_middle(3)
                before = key_shown()
                nginx.renew()
                held.wait("the new key", lambda: key_shown() != before)
            with held.served("--port", str(inner)):
                held.let_go(3)
                held.said()
        assert nginx.connections() >= 2 * len(ALL), "all have come by either key"
    assert cards_seen(held) == {(member, number) for member in ALL for number in (1, 2)}
    held.check_models()


class Meddling:
    """Passes everything on, but for one frame in each direction once it is told to meddle."""

    def __init__(self) -> None:
        self.left: set[str] = set()

    def __call__(self, direction: str, number: int, frame: bytes) -> list[bytes]:
        if number < 4 or direction not in self.left:
            return [frame]
        self.left.remove(direction)
        return [frame[:-1] + bytes([frame[-1] ^ 1])]


def test_a_relay_in_the_middle_of_a_study_sees_and_changes_nothing(held: HeldStudy) -> None:
    """It holds the certificate that the card pins, as a proxy does where TLS ends."""
    inner, meddling = free_port(), Meddling()
    files = own_tls(held.data)
    tls = TlsKey(files.certificate, files.key, held.consortium.card.pin)
    box = Box(held.port, inner, tls, meddling)
    with held.served("--port", str(inner)), box.running(), held.training():
        held.let_go(1)
        held.wait_for_middle(2)
        came = box.connections
        meddling.left = {"up", "down"}
        held.let_go(2)
        held.let_go(3)
        held.said()
    assert meddling.left == set()
    assert box.connections >= came + 2, "each frame that was changed ended a connection"
    held.check_models()
    entries, seen = held.entries(), b"".join(box.seen)
    contributions = list(of_kind(entries, Contribution))
    assert len(contributions) == ROUNDS * len(ALL)
    assert len(seen) > 100_000
    for posted in entries:
        secrets = (posted.hash, posted.digest, posted.post.session.encode())
        assert not any(secret in seen for secret in secrets)
    assert held.consortium.terms.federation not in seen
