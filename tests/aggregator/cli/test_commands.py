"""The command: what it prints, where it refuses, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import aggregator.cli.sentences as sentences
from aggregator.errors import AggregatorError, BadUpload, StoreFull
from aggregator.identity import read_card
from aggregator.server.admission import NotAdmitted
from aggregator.server.connection import SlowReader
from aggregator.server.leases import IdentityInUse
from aggregator.server.service import Aggregator
from aggregator.status.file import read_status, write_status
from aggregator.store.lock import hold
from protocol.wire.frames import Accepted
from tests.stage.caller import HOST
from tests.stage.programs.place import Place, Run, join, place, refused, run, service, submit
from tests.stage.toy import toy_federation

__all__ = ["place", "run"]  # fixtures
INTERNAL = {AggregatorError, NotAdmitted, SlowReader, IdentityInUse, BadUpload}


# ── init ──


def test_init_names_the_card_and_the_next_step(tmp_path: Path, run: Run) -> None:
    code, out, _ = run("init", "--host", "a.example.org", "--data", tmp_path / "data")
    assert code == 0
    assert str(tmp_path / "data" / "aggregator.toml") in out
    assert "wss://a.example.org:8443" in out
    assert "quorate-participant terms new" in out


def test_init_twice_is_refused_and_changes_nothing(place: Place, run: Run) -> None:
    before = {p.name: p.read_bytes() for p in place.data.iterdir() if p.is_file()}
    err = refused(run, "init", "--host", HOST, "--data", place.data)
    assert "never overwritten" in err
    assert {p.name: p.read_bytes() for p in place.data.iterdir() if p.is_file()} == before


def test_init_with_an_impossible_host_is_refused(tmp_path: Path, run: Run) -> None:
    assert "neither a host name nor an address" in refused(
        run, "init", "--host", "wss://a.example.org", "--data", tmp_path / "data"
    )


# ── what serve refuses ──


def test_unsigned_terms_are_refused_naming_who_is_missing(place: Place, run: Run) -> None:
    place.file.write_text(place.federation.signed_text(2))
    err = refused(run, "serve", *place.words)
    assert "the signature of H2 is missing" in err
    assert "H1" not in err


def test_terms_altered_after_signing_are_refused(place: Place, run: Run) -> None:
    place.file.write_text(place.file.read_text().replace("step_seconds = 3600", "step_seconds = 7"))
    err = refused(run, "serve", *place.words)
    assert "do not fit" in err
    assert "H1, H2, H3" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"\xff", "not text in UTF-8"),
        (b"[federation", "not TOML"),
        (b"[federation]\nname = 3", "it is missing"),
        (b"#" * (2 << 20), "more than"),
    ],
)
def test_terms_that_do_not_read_are_refused(
    place: Place, run: Run, content: bytes | None, said: str
) -> None:
    place.file.unlink()
    if content is not None:
        place.file.write_bytes(content)
    assert said in refused(run, "serve", *place.words)


def test_a_data_folder_without_a_key_points_to_init(place: Place, tmp_path: Path, run: Run) -> None:
    assert "quorate-aggregator init" in refused(
        run, "serve", place.file, "--data", tmp_path / "empty"
    )


def test_a_key_that_is_not_in_the_terms_is_refused(place: Place, tmp_path: Path, run: Run) -> None:
    other = tmp_path / "other"
    run("init", "--host", HOST, "--data", other)
    assert "federation.aggregator_key" in refused(run, "serve", place.file, "--data", other)


def test_a_certificate_that_is_not_the_pinned_one_is_refused(
    place: Place, tmp_path: Path, run: Run
) -> None:
    other = tmp_path / "other"
    run("init", "--host", HOST, "--data", other)
    certificate, key = other / "tls-certificate.pem", other / "tls-key.pem"
    options = ("--tls-cert", certificate, "--tls-key", key)
    assert "Card 1 pins the TLS key of another certificate" in refused(
        run, "serve", *place.words, *options
    )


def test_a_certificate_without_its_key_is_a_usage_error(place: Place, run: Run) -> None:
    code, _, _ = run("serve", *place.words, "--tls-cert", place.file)
    assert code == 2


def test_a_taken_port_is_one_sentence_and_a_remedy(place: Place, run: Run) -> None:
    with socket.create_server((HOST, place.port)):
        err = refused(run, "serve", *place.words)
    assert f"Port {place.port} on {HOST} is taken" in err
    assert "--port" in err


def test_an_address_of_another_machine_is_refused_with_a_remedy(place: Place, run: Run) -> None:
    assert "--host 0.0.0.0" in refused(run, "serve", *place.words, "--host", "192.0.2.1")


@pytest.mark.parametrize("command", ["serve", "status"])
def test_a_flipped_bit_on_the_board_is_noticed_before_anything_is_served(
    place: Place, run: Run, command: str
) -> None:
    submitted = join(place, 1)
    board = Aggregator(place.terms, place.federation.keys[0], place.store, lambda: 0)
    (answer,) = board.receive(1, submitted)
    assert isinstance(answer, Accepted)
    board.close()
    flipped = 0
    for path in place.store.rglob("*"):
        data = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        if (at := data.find(submitted.post.signature)) >= 0:
            data[at] ^= 1
            path.write_bytes(data)
            flipped += 1
    assert flipped
    err = refused(run, command, *place.words)
    assert "damaged" in err
    assert "entry 1" in err


def test_a_file_instead_of_the_data_folder_is_refused(place: Place, run: Run) -> None:
    (place.store).write_text("")
    assert "File exists" in refused(run, "serve", *place.words)


def test_an_internal_error_is_one_line_with_its_details_in_a_file(
    place: Place, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("aggregator.server.aggregation.load_key", broken)
    err = refused(run, "status", *place.words)
    assert "Internal error: ZeroDivisionError: oops" in err
    (details,) = tmp_path.glob("quorate-aggregator-*.txt")
    assert "Traceback" in details.read_text()


# ── a running service ──


def test_a_service_serves_ends_on_a_signal_and_goes_on_where_it_was(place: Place, run: Run) -> None:
    with service(place) as process:
        first = asyncio.run(submit(place, 1))
        assert isinstance(first, Accepted)
        assert f"process {process.pid}" in refused(run, "serve", *place.words)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        log = process.stderr.read().splitlines()
    assert log[-1].endswith("stopped")
    assert any("H1: connected" in line for line in log)
    assert any("entry 1, ceremony/1: join by H1" in line for line in log)
    with service(place) as process:
        assert asyncio.run(submit(place, 1)) == first
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_killed_service_has_kept_all_it_acknowledged(place: Place) -> None:
    with service(place) as process:
        first = asyncio.run(submit(place, 1))
        assert isinstance(first, Accepted)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    with service(place):
        assert asyncio.run(submit(place, 1)) == first


def test_the_status_shows_who_is_here_while_it_runs_and_who_spoke_when_it_does_not(
    place: Place, run: Run
) -> None:
    def report() -> dict[str, object]:
        code, out, err = run("status", *place.words, "--json")
        return json.loads(out) if code == 0 else {"running": False, "why": err}

    one = read_card(place.data / "aggregator.toml")
    card = {
        "number": 1, "url": one.url, "tls": one.trust,
        "seen": [], "not_seen": ["H1", "H2", "H3"], "seen_another": [],
    }  # fmt: skip
    with service(place):
        asyncio.run(submit(place, 2))
        deadline = time.monotonic() + 10
        while (found := report()).get("entries") != 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found["running"] is True
        assert found["card"] == card
        assert run("status", *place.words)[1].startswith("Toy: service running since")
    found = report()
    assert found["running"] is False
    assert found["card"] == card
    code, out, _ = run("status", *place.words)
    assert code == 0
    assert "H1  missing, never heard" in out
    assert "H2  missing, last heard 20" in out
    assert "ceremony/1: at join, waiting for H1, H3" in out


def test_a_status_under_other_terms_than_the_running_ones_is_refused(
    place: Place, run: Run
) -> None:
    other = toy_federation(3, 3).at(place.federation.card)
    with hold(place.data, "serve"):
        write_status(place.data, {"pid": os.getpid(), "federation": "Other", "fingerprint": "00"})
        place.file.write_text(other.signed_text())
        assert "serves Other under other terms" in refused(run, "status", *place.words)


def test_a_service_that_is_just_starting_has_no_report_of_an_earlier_one(
    place: Place, run: Run
) -> None:
    write_status(place.data, {"pid": os.getpid() + 1, "federation": "Toy", "fingerprint": ""})
    with hold(place.data, "serve"):
        assert "starting" in refused(run, "status", *place.words)


def test_a_service_forgets_an_earlier_ones_report_before_it_serves(place: Place, run: Run) -> None:
    write_status(place.data, {"pid": 1, "federation": "Toy", "fingerprint": ""})
    with socket.create_server((HOST, place.port)):
        assert run("serve", *place.words)[0] == 1
    assert read_status(place.data) is None


# ── sentences ──


def all_errors(kind: type[AggregatorError] = AggregatorError) -> Iterator[type[AggregatorError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from all_errors(below)


def test_every_error_that_reaches_the_command_has_a_sentence() -> None:
    assert set(all_errors()) - INTERNAL <= set(sentences.SENTENCES)


def test_every_sentence_names_what_and_a_remedy() -> None:
    what, remedy = sentences.sentences(StoreFull(Path("board"), "no space left on device"))
    assert what == "board: no space left on device."
    assert "check space" in remedy.lower()


def test_the_status_report_of_a_service_is_json_for_programs(place: Place, run: Run) -> None:
    code, out, _ = run("status", *place.words, "--json")
    assert code == 0
    found = msgspec.json.decode(out)
    assert found["federation"] == "Toy"
    assert [m["name"] for m in found["members"]] == ["H1", "H2", "H3"]
