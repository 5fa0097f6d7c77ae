"""A file of another kind than was to be given: what it is, what was expected, what to type."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import aggregator.cli.commands as service
from participant.cli import app
from participant.home.identity import create
from protocol.programs.file_kind import Kind, kind_of_data, kind_of_folder
from protocol.terms.terms import render
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import (
    CHEAP,
    PASSPHRASE,
    cheap_argon2id,
    member_at,
    write_aggregator_card,
    write_record,
)

TOY = toy_epoch(3, 2)
Run = Callable[..., str]
JWK = '{"kty": "DAJ", "alg": "PAI-GN1", "key_ops": ["encrypt"], "n": "abc", "kid": "quorate"}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of everything; the passphrase is in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE.text)
    monkeypatch.setattr("participant.home.passphrase._has_terminal", lambda: False)
    monkeypatch.setattr("participant.home.sealed_file.Argon2id", cheap_argon2id)
    member_at(tmp_path / "home")
    create(tmp_path / "new", "H9", PASSPHRASE, CHEAP)
    write_record(tmp_path / "record", TOY)
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "identity.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "federation.toml").write_text(TOY.federation.signed_text())
    (tmp_path / "joint-key.json").write_text(JWK)
    write_aggregator_card(tmp_path)
    (tmp_path / "app.py").write_text("import numpy\n")
    (tmp_path / "visits.csv").write_text("visits,3\n")
    return tmp_path


def said(words: str, expect: int = 1, of: object = app) -> str:
    result = CliRunner().invoke(of, words.split())  # type: ignore[arg-type]
    assert result.exit_code == expect, (result.output, result.exception)
    assert "internal error" not in result.output
    return " ".join(re.sub("[│╭╮╰╯─]", " ", str(result.output)).split())


NEW = "terms new t.toml --name X --quorum 2 --member new/card.toml"
CONTRIBUTE = "--study v --home home"


@pytest.mark.parametrize(
    ("words", "is_", "remedy"),
    [
        # cards mixed up
        (
            f"{NEW} --member aggregator.toml --aggregator new/card.toml",
            "aggregator.toml is an aggregator's card, not a hospital's card",
            "given as --aggregator",
        ),
        (
            f"{NEW} --aggregator new/card.toml",
            "new/card.toml is a hospital's card, not the aggregator's card",
            "given as --member",
        ),
        (
            f"{NEW} --member federation.toml --aggregator aggregator.toml",
            "federation.toml is the terms of a federation, not a hospital's card",
            "card.toml",
        ),
        (
            f"{NEW} --aggregator federation.toml",
            "federation.toml is the terms of a federation, not the aggregator's card",
            "init",
        ),
        (
            f"{NEW} --member new/identity.sealed --aggregator aggregator.toml",
            "new/identity.sealed is a file sealed with a passphrase, not a hospital's card",
            "card",
        ),
        # folders for files
        (
            f"{NEW} --member new --aggregator aggregator.toml",
            "new is a hospital's data folder, not a hospital's card",
            "card.toml",
        ),
        (
            f"{NEW} --aggregator service",
            "service is an aggregator's data folder, not the aggregator's card",
            "aggregator.toml",
        ),
        ("terms show record", "record is the folder of a record, not the terms", "terms new"),
        (
            f"contribute home {CONTRIBUTE}",
            "home is a hospital's data folder, not a file of numbers",
            "CSV or JSON",
        ),
        (
            "train --study v --home home --app home",
            "home is a hospital's data folder, not a Python file",
            "--app",
        ),
        # something else for the terms
        ("terms show new/card.toml", "new/card.toml is a hospital's card, not the terms", "terms"),
        (
            "terms sign aggregator.toml --home new",
            "is an aggregator's card, not the terms",
            "terms",
        ),
        ("ceremony joint-key.json --home new", "is a joint public key, not the terms", "terms new"),
        (
            "status new/identity.sealed --home new",
            "sealed with a passphrase, not the terms",
            "terms",
        ),
        # files for folders
        (
            "card --home federation.toml",
            "is the terms of a federation, not a hospital's data folder",
            "--home",
        ),
        (
            "init --name A --home new/card.toml",
            "is a hospital's card, not a hospital's data",
            "--home",
        ),
        (
            "init --name A --home service",
            "is an aggregator's data folder, not a hospital's",
            "--home",
        ),
        ("verify federation.toml", "not the folder of a record", "export"),
        ("verify home", "home is a hospital's data folder, not the folder of a record", "export"),
        ("report app.py --out page", "app.py is a file, not the folder of a record", "export"),
        # something else for numbers
        (
            f"contribute joint-key.json {CONTRIBUTE}",
            "joint-key.json is a joint public key, not a file of numbers",
            "encrypts with phe",
        ),
        (
            f"contribute federation.toml {CONTRIBUTE}",
            "federation.toml is the terms of a federation, not a file of numbers",
            "--federation FILE",
        ),
        (f"contribute new/card.toml {CONTRIBUTE}", "is a hospital's card, not a file", "README.md"),
        # something else for a backup, an app, a passphrase
        (
            "key restore federation.toml federation.toml --home home",
            "federation.toml is the terms of a federation, not a backup",
            "backup comes first",
        ),
        (
            "key restore visits.csv --home home",
            "visits.csv is damaged: not a sealed file",
            "backup",
        ),
        (
            "train --study v --home home --app federation.toml",
            "is the terms of a federation, not a Python file",
            "--app",
        ),
        (
            "key check --home home --passphrase-file new/identity.sealed",
            "is a file sealed with a passphrase, not a file with a passphrase",
            "opens",
        ),
        # folders that are not there
        ("key backup --out nodir/x --home home", "there is no folder nodir", "mkdir -p nodir"),
        ("public-key --out nodir/x --home home", "there is no folder nodir", "mkdir -p nodir"),
        (
            f"{NEW.replace('t.toml', 'nodir/t.toml')} --aggregator aggregator.toml",
            "there is no folder nodir",
            "mkdir -p nodir",
        ),
        ("report record --out nodir/page.html", "there is no folder nodir", "mkdir -p nodir"),
        ("key backup --out app.py/x --home home", "app.py is a file, not a folder", "another path"),
    ],
)
def test_what_was_given_is_called_what_it_is(
    folder: Path, words: str, is_: str, remedy: str
) -> None:
    output = said(words)
    assert is_ in output
    assert remedy in output
    assert not (folder / "t.toml").exists()


@pytest.mark.parametrize(
    ("words", "is_", "remedy"),
    [
        (
            "init --host localhost --data visits.csv",
            "visits.csv is a file, not the aggregator's data folder",
            "--data",
        ),
        (
            "init --host localhost --data home",
            "home is a hospital's data folder, not the",
            "--data",
        ),
        (
            "serve new/card.toml --data service",
            "new/card.toml is a hospital's card, not the terms",
            "federation.toml",
        ),
        (
            "serve service --data service",
            "service is an aggregator's data folder, not the terms",
            "federation.toml",
        ),
        ("status federation.toml --data home", "home is a hospital's data folder, not", "--data"),
        (
            "export federation.toml --out home --data service",
            "home is a hospital's data folder, not the folder of a record",
            "--out",
        ),
    ],
)
def test_the_service_says_it_too(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    is_: str,
    remedy: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["quorate-aggregator", *words.split()])
    with pytest.raises(SystemExit) as ended:
        service.main()
    err = capsys.readouterr().err
    assert ended.value.code == 1
    assert is_ in err
    assert remedy in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("contribute visits.csv federation.toml --study v", "--federation FILE"),
        ("contribute federation.toml visits.csv --study v", "--federation FILE"),
        (
            "terms new t.toml --name X --quorum 2 --member a b c --aggregator d",
            "--member of its own",
        ),
        ("ceremony federation.toml home", "given as --home FOLDER"),
        ("key restore a b c", "The backup comes first"),
    ],
)
def test_a_word_too_many_is_met_with_what_may_have_been_meant(
    folder: Path, words: str, hint: str
) -> None:
    assert hint in said(words, expect=2)


def test_the_service_hints_at_its_folder(folder: Path) -> None:
    assert "--data FOLDER" in said("serve federation.toml service", 2, service.app)


def test_nobody_types_a_passphrase_for_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUORATE_PASSPHRASE")  # it would be asked for, and there is no terminal
    (next((folder / "home").glob("*/vault")) / "key-share-1.sealed").unlink()
    for words in (
        "key backup --out b.sealed",
        "key check",
        "decrypt --study v",
        "contribute visits.csv --study v",
        "public-key",
        "train --study v --app app.py",
    ):
        output = said(f"{words} --home home")
        assert f"there is no key share in {folder / 'home'}" in output
        assert "ceremony" in output
    for words in ("terms sign", "ceremony", "status", "key passphrase"):
        assert f"no identity at {folder / 'nowhere'}" in said(f"{words} --home nowhere")
    assert "is there already" in said("key backup --out app.py --home home")


def test_a_backup_has_a_passphrase_of_its_own(folder: Path) -> None:
    (folder / "same").write_text(PASSPHRASE.text + "\n")
    words = "key backup --out b.sealed --home home --backup-passphrase-file same"
    assert f"the passphrase for the backup is that of {folder / 'home'}" in said(words)
    assert not (folder / "b.sealed").exists()
    (folder / "same").write_text("another one altogether")
    assert "Backup of H1" in said(words, expect=0)


def test_seconds_that_are_no_number_are_refused_with_the_range(folder: Path) -> None:
    for words in (
        "ceremony",
        "verdict",
        "key restore visits.csv",
        "contribute visits.csv --study v",
    ):
        for value in ("nan", "0", "-1", "-inf"):
            output = said(f"{words} --home home --timeout {value}", expect=2)
            assert "'--timeout'" in output
            assert "0.1" in output


def test_a_look_tells_kinds_apart_and_stumbles_over_nothing() -> None:
    assert kind_of_data(TOY.federation.signed_text().encode()) is Kind.TERMS
    assert kind_of_data(b"\xef\xbb\xbf" + render(TOY.federation.terms).encode()) is Kind.TERMS
    assert kind_of_data(b"PK\x03\x04rest") is Kind.SPREADSHEET
    assert kind_of_data(b"\x10\0\0\0\0\0\0\0" + b'{"a":{"data_offsets":[0,1]}}') is Kind.MODEL
    for data in (
        b"",
        b"{",
        b"[" * 100_000,
        b'{"kty": 1}',
        b"\xff\xfe\0",
        b"visits,3\n",
        b'"a" = 1',
        b"{}",
        b'{"a": 1e999999}',
        b"a = " + b"[" * 50_000,
    ):
        assert kind_of_data(data) is None
    assert kind_of_folder(lambda name: name == "identity.sealed") is Kind.HOME
    assert kind_of_folder(lambda name: name.startswith("identity")) is Kind.FOLDER  # both programs'
    assert kind_of_folder(lambda name: False) is Kind.FOLDER


@pytest.mark.parametrize(
    ("words", "is_not"),
    [
        ("terms show large", "is not the terms of a federation, which has at most"),
        (f"{NEW} --member large --aggregator aggregator.toml", "is not a hospital's card, which"),
        (f"{NEW} --aggregator large", "is not the aggregator's card, which has at most 4096 bytes"),
        ("key check --home home --passphrase-file large", "is not a file with a passphrase, which"),
    ],
)
def test_a_file_that_is_too_large_is_told_what_it_was_to_be(
    folder: Path, words: str, is_not: str
) -> None:
    (folder / "large").write_bytes(b"#" * (1 << 21))
    assert f"large {is_not}" in said(words)


def test_a_hospital_whose_own_card_is_damaged_is_not_to_ask_for_one(folder: Path) -> None:
    (folder / "home" / "card.toml").write_text("hello")
    for words in ("card --home home", "key check --home home"):
        assert "move it away. The next command that opens the identity" in said(words)
    (folder / "home" / "card.toml").rename(folder / "away.toml")
    assert "the key share is whole" in said("key check --home home", expect=0)
    assert "home/card.toml name H1" in said("card --home home", expect=0)
    assert "ask for the card again" in said(
        f"{NEW} --member away.toml --aggregator aggregator.toml"
    )
