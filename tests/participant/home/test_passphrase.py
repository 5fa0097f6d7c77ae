"""Where the passphrase comes from, and which are refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from participant.errors import BadPassphrase, MissingFile, NoPassphrase, TooLarge
from participant.home.passphrase import Passphrase, obtain

GOOD = "correct horse"


def answers(*texts: str):
    remaining = list(texts)
    return lambda _prompt: remaining.pop(0)


def never_asked(_prompt: str) -> str:
    raise AssertionError("asked at the terminal")


def test_a_file_comes_first_then_the_environment_then_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("from the file")
    environment = {"QUORATE_PASSPHRASE": "from the environment"}
    assert obtain(tmp_path / "p", True, environment, never_asked).text == "from the file"
    assert obtain(None, True, environment, never_asked).text == "from the environment"
    assert obtain(None, True, {}, answers(GOOD, GOOD)).text == GOOD
    assert obtain(None, False, {}, answers(GOOD)).text == GOOD


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("secret 1", "secret 1"),
        ("secret 1\n", "secret 1"),
        ("secret 1\r\n", "secret 1"),
        ("secret 1\n\n", "secret 1\n"),
        ("  secret 1 \n", "  secret 1 "),
    ],
)
def test_one_trailing_newline_of_a_file_is_dropped(
    written: str, meant: str, tmp_path: Path
) -> None:
    (tmp_path / "p").write_bytes(written.encode())
    assert obtain(tmp_path / "p", True, {}, never_asked).text == meant


def test_a_new_passphrase_has_eight_characters_and_an_old_one_any() -> None:
    assert obtain(None, False, {"QUORATE_PASSPHRASE": "1234567"}, never_asked).text == "1234567"
    assert obtain(None, True, {"QUORATE_PASSPHRASE": "12345678"}, never_asked).text == "12345678"
    with pytest.raises(BadPassphrase) as caught:
        obtain(None, True, {"QUORATE_PASSPHRASE": "1234567"}, never_asked)
    assert caught.value.source == "QUORATE_PASSPHRASE"
    assert "1234567" not in str(caught.value)


def test_two_entries_that_differ_are_refused() -> None:
    with pytest.raises(BadPassphrase, match="differ") as caught:
        obtain(None, True, {}, answers("correct horse", "correct house"))
    assert "correct" not in str(caught.value)


@pytest.mark.parametrize("new", [True, False])
def test_an_empty_passphrase_is_refused(new: bool, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("\n")
    with pytest.raises(BadPassphrase, match="empty"):
        obtain(tmp_path / "p", new, {}, never_asked)
    with pytest.raises(BadPassphrase, match="empty"):
        obtain(None, new, {"QUORATE_PASSPHRASE": ""}, never_asked)
    with pytest.raises(BadPassphrase, match="empty"):
        obtain(None, new, {}, answers("", ""))


def test_a_file_that_cannot_be_a_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        obtain(tmp_path / "none", False, {}, never_asked)
    (tmp_path / "large").write_bytes(b"x" * 5000)
    with pytest.raises(TooLarge):
        obtain(tmp_path / "large", False, {}, never_asked)
    (tmp_path / "binary").write_bytes(b"\xff secret")
    with pytest.raises(BadPassphrase, match="UTF-8") as caught:
        obtain(tmp_path / "binary", False, {}, never_asked)
    assert caught.value.__suppress_context__  # whose text would quote the bytes


def test_undecodable_bytes_of_the_environment_are_refused() -> None:
    with pytest.raises(BadPassphrase, match="encoding"):
        obtain(None, False, {"QUORATE_PASSPHRASE": "secret \udcff"}, never_asked)


def test_composed_and_decomposed_letters_are_the_same_passphrase() -> None:
    assert Passphrase("Zu\u0308rich").encoded() == Passphrase("Z\u00fcrich").encoded()


def test_without_a_terminal_there_is_a_clear_error() -> None:
    program = (
        "from participant.cli.sentences.errors import describe\n"
        "from participant.cli.sentences.sentence import Context\n"
        "from participant.errors import NoPassphrase\n"
        "from participant.home.passphrase import obtain\n"
        "try: obtain(None, False, {})\n"
        "except NoPassphrase as error: print(describe(error, Context()).what)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,  # which has no controlling terminal
        text=True,
        check=True,
    )
    assert "QUORATE_PASSPHRASE is not set" in done.stdout
    assert done.stderr == ""


def test_a_terminal_closed_at_the_prompt_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("participant.home.passphrase._has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", closed)
    with pytest.raises(NoPassphrase):
        obtain(None, False, {})


def test_a_passphrase_is_not_shown() -> None:
    assert GOOD not in repr(Passphrase(GOOD))
    assert GOOD not in f"{[Passphrase(GOOD)]}"
    assert "<secret>" in str(Passphrase(GOOD))
