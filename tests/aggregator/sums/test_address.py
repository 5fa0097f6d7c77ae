"""Addresses and certificates of a scheduler that are refused before anything is sent."""

import sys
from pathlib import Path

import pytest

from aggregator.cli.sentences import sentences
from aggregator.errors import SumsRefused
from aggregator.rounds import InProcess
from aggregator.sums import SumsTls, read_place, summation_at
from tests.stage.sums.certificates import issue

TLS = SumsTls(Path("ca"), Path("cert"), Path("key"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_without_tls_a_scheduler_is_on_the_loopback(host: str) -> None:
    assert read_place(f"tcp://{host}:8786", None) == f"tcp://{host}:8786"


@pytest.mark.parametrize(
    ("address", "tls", "kind"),
    [
        ("tcp://10.0.0.1:8786", None, "plain"),
        ("tcp://127.0.0.1.example.org:8786", None, "plain"),
        ("tcp://0.0.0.0:8786", None, "plain"),
        ("tcp://127.0.0.1:8786", TLS, "plain"),
        ("tls://10.0.0.1:8786", None, "certificates"),
        ("tls://127.0.0.1:8786", None, "certificates"),
        ("tls://10.0.0.1", TLS, "address"),
        ("tls://10.0.0.1:99999", TLS, "address"),
        ("tls://user@10.0.0.1:8786", TLS, "address"),
        ("tls://10.0.0.1:8786/x", TLS, "address"),
        ("10.0.0.1:8786", TLS, "address"),
        ("inproc://10.0.0.1:8786", TLS, "address"),
        ("", None, "address"),
    ],
)
def test_another_address_is_refused(address: str, tls: SumsTls | None, kind: str) -> None:
    with pytest.raises(SumsRefused) as refused:
        read_place(address, tls)
    assert refused.value.kind == kind
    assert all(sentences(refused.value))


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    mine, other = issue(tmp_path / "mine"), issue(tmp_path / "other")
    for files in (TLS, SumsTls(mine.ca, mine.cert, other.key), SumsTls(mine.key, *_pair(mine))):
        with pytest.raises(SumsRefused) as refused:
            summation_at("tls://127.0.0.1:1", files)
        assert refused.value.kind == "certificates"


def _pair(tls: SumsTls) -> tuple[Path, Path]:
    return tls.cert, tls.key


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in ("connection", "on_dask"):
        monkeypatch.delitem(sys.modules, f"aggregator.sums.{name}", raising=False)
    with pytest.raises(SumsRefused) as refused:
        summation_at("tcp://127.0.0.1:1", None)
    assert "quorate-fl[dask]" in sentences(refused.value)[1]


def test_without_an_address_sums_are_made_in_process() -> None:
    assert isinstance(summation_at(None, None), InProcess)
