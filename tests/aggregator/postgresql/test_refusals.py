"""What a board in PostgreSQL cannot be: a sentence and a remedy each, and nothing is changed."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import aggregator
from aggregator.cli.sentences import _OF_A_DATABASE
from aggregator.postgresql.lead import Lead
from tests.stage.boards.server import PASSWORD, Server
from tests.stage.programs.place import Place, Run, place, refused, refused_to_serve, run

__all__ = ["place", "run"]  # fixtures
HOST = "127.0.0.1"
Serve = Callable[[str], str]


@pytest.fixture
def serve(place: Place, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """What ``serve`` says that is refused; no file is left that could have a password in it."""
    monkeypatch.chdir(tmp_path)

    def serve(address: str) -> str:
        said = refused_to_serve(run, place, "--board", address)
        return said

    return serve


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://owner:hush-hush@127.0.0.1/board",
        "postgresql://owner@127.0.0.1/board?password=hush-hush",
        "postgresql://owner@127.0.0.1/board?sslpassword=hush-hush",
        "postgresql://owner:hush-hush/more@127.0.0.1:x/board",
        "postgresql://owner:12/hush-hush@127.0.0.1/board",
        "postgres//owner:hush-hush@127.0.0.1/board",
        "host=127.0.0.1 password=hush-hush",
    ],
)
def test_an_address_with_a_password_is_refused_and_never_repeated(
    serve: Serve, address: str
) -> None:
    said = serve(address)
    assert "address" in said
    assert "hush" not in said


def test_a_wrong_password_is_refused_and_never_repeated(
    serve: Serve, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hush-hush")
    said = serve(postgres.address("postgres"))
    assert "password authentication failed" in said
    assert "~/.pgpass" in said
    assert "hush" not in said


def test_a_password_in_a_file_is_found(
    serve: Serve, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    address = postgres.address(postgres.new_database())
    assert "no password" in serve(address)
    file = tmp_path / "passwords"
    file.touch(0o600)
    file.write_text(f"127.0.0.1:{postgres.port}:*:owner:{PASSWORD}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    Lead(address, b"f" * 32).close()


def test_a_database_that_is_not_there_is_named(serve: Serve, postgres: Server) -> None:
    said = serve(postgres.address("nowhere"))
    assert 'database "nowhere" does not exist' in said
    assert "createdb" in said


def test_a_server_that_is_not_there_is_named(serve: Serve) -> None:
    said = serve(f"postgresql://owner@{HOST}:1/board")
    assert f"The database board at {HOST} cannot be reached" in said
    assert "Start PostgreSQL" in said


def test_a_user_without_rights_is_told_which_are_missing(serve: Serve, postgres: Server) -> None:
    database = postgres.new_database()
    with psycopg.connect(postgres.owner(database), autocommit=True) as owner:
        owner.execute(f"CREATE ROLE guest_{database} LOGIN PASSWORD '{PASSWORD}'")
    said = serve(f"postgresql://guest_{database}@{HOST}:{postgres.port}/{database}")
    assert "too few rights" in said
    assert "OWNER TO" in said


def test_a_database_of_another_federation_is_refused_and_unchanged(
    serve: Serve, postgres: Server
) -> None:
    address = postgres.address(postgres.new_database())
    Lead(address, b"\xab" * 32).close()
    said = serve(address)
    assert "the board of another federation, abababababababab" in said
    with psycopg.connect(address) as owner:
        assert owner.execute("SELECT federation, term FROM quorate.board").fetchall() == [
            (b"\xab" * 32, 0)
        ]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE quorate.board SET format = 0",
        "UPDATE quorate.board SET format = 2",
        "ALTER TABLE quorate.board DROP COLUMN format",
        "DELETE FROM quorate.board",
    ],
)
def test_tables_of_another_release_are_refused(
    serve: Serve, postgres: Server, place: Place, change: str
) -> None:
    address = postgres.address(postgres.new_database())
    Lead(address, place.terms.federation).close()
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute(change.encode())
    assert "no board that this release reads" in serve(address)


def test_what_is_not_installed_is_named_with_the_command(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("aggregator.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("aggregator.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = serve("postgresql://owner@127.0.0.1/board")
    assert "pip install 'quorate-fl[postgresql]'" in said


@pytest.mark.parametrize("command", ["status", "export"])
def test_who_only_reads_is_told_the_same(
    place: Place, run: Run, postgres: Server, tmp_path: Path, command: str
) -> None:
    options = ["--out", tmp_path / "record"] if command == "export" else []
    for address, what in (
        (postgres.address("nowhere"), "createdb"),
        (f"postgresql://owner@{HOST}:1/board", "cannot be reached"),
    ):
        words = command, *place.words, *options, "--board", address
        assert what in refused(run, *words)


def test_every_kind_of_refusal_has_its_sentence() -> None:
    folder = Path(aggregator.__file__).parent
    texts = "".join(p.read_text() for p in (folder / "postgresql").glob("*.py"))
    texts += (folder / "place" / "board.py").read_text()
    kinds = set(re.findall(r'BoardRefused\([^,]+, "(\w+)"', texts))
    kinds |= set(re.findall(r'return "(\w+)"', texts)) | {"connection", "rights"}
    assert kinds == set(_OF_A_DATABASE)
