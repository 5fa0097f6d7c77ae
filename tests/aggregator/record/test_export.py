"""``quorate-aggregator export``: what is stored, whether or not a service is at work on it."""

import asyncio
import fcntl
import sqlite3
from pathlib import Path
from unittest.mock import patch

import pytest

import aggregator.cli.commands as cli
from aggregator.server.service import Aggregator
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Abort, Step
from protocol.record.files import read_manifest
from tests.stage.desk import Desk
from tests.stage.files import contents
from tests.stage.programs.place import Place, Run, place, refused, run, service, submit
from tests.stage.toy import toy_federation

__all__ = ["place", "run"]  # fixtures


@pytest.fixture
def desk(place: Place) -> Desk:
    """A board with a payload for all, and what a member has sealed to another."""
    found = Desk(place.store, place.federation)
    public, sealed = b"p" * 5000, b"s" * 5000
    step = Step("deal", 0, 0, (attach(public, 0), attach(sealed, 2)))
    found.say(1, "ceremony/1", step, public, sealed)
    found.propose(2)
    found.service.close()
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "record"


def refusal(run: Run, place: Place, out: Path) -> str:
    """What the command says that fails."""
    return refused(run, "export", *place.words, "--out", out)


def test_the_record_has_the_board_and_what_is_for_all(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    code, said, _ = run("export", *place.words, "--out", out)
    assert code == 0
    assert "entries  2, up to" in said
    found = contents(out)
    assert len([p for p in found if p.startswith("entries/")]) == 2
    assert [found[p] for p in found if p.startswith("blobs/")] == [b"p" * 5000]
    assert read_manifest(found["record.json"]).head.position == 2
    assert sorted(p for p in found if "/" not in p) == ["federation.toml", "record.json"]


def test_an_aborted_ceremony_brings_what_was_sealed(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    assert run("export", *place.words, "--out", out)[0] == 0
    desk.restart()
    desk.say(2, "ceremony/1", Abort(1, "deal", "its proof does not hold"))
    desk.service.close()
    assert run("export", *place.words, "--out", out)[0] == 0
    blobs = [data for path, data in contents(out).items() if path.startswith("blobs/")]
    assert sorted(blobs) == [b"p" * 5000, b"s" * 5000]


def test_a_running_service_is_not_disturbed_and_a_second_export_extends(
    place: Place, run: Run, out: Path
) -> None:
    with service(place):
        asyncio.run(submit(place, 1))
        assert run("export", *place.words, "--out", out)[0] == 0
        first = contents(out)
        assert read_manifest(first["record.json"]).head.position == 1
        asyncio.run(submit(place, 2))
        assert run("export", *place.words, "--out", out)[0] == 0
    second = contents(out)
    assert read_manifest(second["record.json"]).head.position == 2
    assert {p: second[p] for p in first if p != "record.json"} == {
        p: d for p, d in first.items() if p != "record.json"
    }


def test_no_signature_is_verified_that_was_verified_before_it_was_stored(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    with patch("protocol.board.board.verify") as verified:
        assert run("export", *place.words, "--out", out)[0] == 0
        assert not verified.called
        (place.store / "heads").unlink()  # as a crash leaves it, in the worst case
        assert run("export", *place.words, "--out", out)[0] == 0
    assert verified.call_count == 2


def test_a_record_that_goes_on_where_the_store_ends_is_a_fork(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    older = {p: p.read_bytes() for p in place.store.iterdir() if p.is_file()}
    desk.restart()
    desk.propose(3)
    desk.service.close()
    assert run("export", *place.words, "--out", out)[0] == 0
    before = contents(out)
    for path, data in older.items():  # the whole folder, put back from a backup
        path.write_bytes(data)
    assert "forked from this board at entry 3" in refusal(run, place, out)
    assert contents(out) == before


def test_what_is_in_the_way_is_refused_by_name(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    out.write_text("a file")
    assert "is a file, not the folder of a record" in refusal(run, place, out)
    out.unlink()
    out.mkdir()
    (out / "thesis.doc").write_text("mine")
    assert "thesis.doc: it belongs to no record" in refusal(run, place, out)
    assert contents(out) == {"thesis.doc": b"mine"}
    (out / "thesis.doc").unlink()
    other = toy_federation(3, 2, name="Other").at(place.federation.card)
    (out / "federation.toml").write_text(other.signed_text())
    assert "terms of another federation, Other" in refusal(run, place, out)


def test_a_folder_without_a_board_says_which_to_give(place: Place, run: Run, out: Path) -> None:
    err = refused(run, "export", place.file, "--data", out.parent / "wrong", "--out", out)
    assert "there is no board in" in err
    assert "--data" in err
    assert not out.exists() or not contents(out)


def test_a_damaged_store_is_told_as_elsewhere(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    blob = next(
        p for p in (place.store / "blobs").rglob("*") if p.is_file() and b"p" in p.read_bytes()
    )
    blob.write_bytes(b"q" * 5000)
    assert "What is stored is damaged: blob" in refusal(run, place, out)
    assert "record.json" not in contents(out)
    blob.unlink()
    assert "No such file" in refusal(run, place, out)
    blob.write_bytes(b"p" * 5000)
    assert run("export", *place.words, "--out", out)[0] == 0


def test_a_flipped_bit_and_a_lost_end_of_the_board_are_noticed(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    database = sqlite3.connect(place.store / "board.sqlite")
    (entry,) = database.execute("SELECT entry FROM entries WHERE position = 2").fetchone()
    at = len(entry) - 3
    database.execute(
        "UPDATE entries SET entry = ? WHERE position = 2",
        (entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1 :],),
    )
    database.commit()
    assert "damaged: entry 2" in refusal(run, place, out)
    database.execute("DELETE FROM entries WHERE position = 2")
    database.commit()
    assert "entry 2: it is missing" in refusal(run, place, out)
    database.close()
    assert not out.exists() or not contents(out)


def test_a_long_export_tells_how_far_it_is(
    place: Place, desk: Desk, run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_LINE_SECONDS", 0.0)
    code, _, err = run("export", *place.words, "--out", out)
    assert code == 0
    assert "1 of 2 entries are written" in err
    assert "0 of 5,000 bytes of payloads are written" in err


def test_what_a_dead_process_was_writing_goes_and_what_a_living_one_writes_stays(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    assert run("export", *place.words, "--out", out)[0] == 0
    whole = contents(out)
    dead, living = (out / "entries" / f".quorate-{c * 32}.tmp" for c in "de")
    dead.write_bytes(b"half")
    with living.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run("export", *place.words, "--out", out)[0] == 0
        assert (dead.exists(), living.exists()) == (False, True)
    living.unlink()
    assert contents(out) == whole


def test_unsigned_terms_are_refused(place: Place, desk: Desk, run: Run, out: Path) -> None:
    place.file.write_text(place.federation.signed_text(2))
    assert "the signature of H2 is missing" in refusal(run, place, out)


def test_the_service_goes_on_with_what_was_exported(
    place: Place, desk: Desk, run: Run, out: Path
) -> None:
    before = contents(place.store)
    assert run("export", *place.words, "--out", out)[0] == 0
    after = {p: d for p, d in contents(place.store).items() if not p.endswith(("-shm", "-wal"))}
    assert after == {p: d for p, d in before.items() if not p.endswith(("-shm", "-wal"))}
    core = Aggregator(place.terms, place.federation.keys[0], place.store, lambda: 0)
    assert core.board.head.position == 2
    core.close()
