"""Files and secrets that other systems and editors made, and terminals that lack signs."""

import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gmpy2 import mpz

from participant.cli.views.terminal import say
from participant.errors import BadPassphrase
from participant.home.identity import Card, read_card, write_card
from participant.home.passphrase import CHANGED, PRESENT, Passphrase, obtain
from participant.home.terms_file import read_terms
from participant.statistic.number_files import read_numbers
from participant.training.journal import plain_value
from protocol.errors import BadTerms
from protocol.programs.streams import make_lasting
from protocol.terms.terms import render
from protocol.words.foreign import json_text
from tests.stage.toy import toy_federation

MARK = b"\xef\xbb\xbf"  # which Notepad and PowerShell put first
WORDS = "correct horse battery"


def as_windows_saves(text: str) -> bytes:
    return MARK + text.replace("\n", "\r\n").encode()


def test_terms_that_an_editor_marked_and_broke_its_way_are_the_same(tmp_path: Path) -> None:
    terms = toy_federation(3, 2).terms
    path = tmp_path / "federation.toml"
    path.write_bytes(as_windows_saves(render(terms)))
    assert read_terms(path).terms == terms


@pytest.mark.parametrize("change", [str.encode, as_windows_saves], ids=["plain", "windows"])
def test_a_card_is_read_however_it_was_saved(
    tmp_path: Path, change: Callable[[str], bytes]
) -> None:
    card = Card("Hôpital Łódź", toy_federation(3, 2).terms.members[0].key)
    path = tmp_path / "card.toml"
    write_card(path, card)
    path.write_bytes(change(path.read_text()))
    assert read_card(path) == card


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_every_file_of_text_may_be_in_the_encoding_that_its_mark_says(
    tmp_path: Path, encoding: str
) -> None:
    terms = toy_federation(3, 2).terms
    path = tmp_path / "file"
    path.write_bytes(render(terms).encode(encoding))
    assert read_terms(path).terms == terms
    path.write_bytes(f"{WORDS}\r\n".encode(encoding))
    assert obtain(path, False, {}) == Passphrase(WORDS)
    path.write_bytes("Größe,3\r\n".encode(encoding))
    assert read_numbers(path, mpz(35)).labels == ("Größe",)
    card = Card("Hôpital Łódź", terms.members[0].key)
    write_card(tmp_path / "card.toml", card)
    path.write_bytes((tmp_path / "card.toml").read_text().encode(encoding))
    assert read_card(path) == card


def test_text_of_two_encodings_is_none(tmp_path: Path) -> None:
    """As where a shell of Windows adds a signature to the terms."""
    path = tmp_path / "federation.toml"
    path.write_bytes(
        render(toy_federation(3, 2).terms).encode() + "\n[[signatures]]\n".encode("utf-16-le")
    )
    with pytest.raises(BadTerms, match="save it as UTF-8"):
        read_terms(path)
    path.write_bytes(f"{WORDS}\n".encode("utf-16-le"))
    with pytest.raises(BadPassphrase, match="UTF-8"):
        obtain(path, False, {})


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"], ids=repr)
def test_one_newline_at_the_end_of_a_secret_is_none_of_it(tmp_path: Path, end: str) -> None:
    path = tmp_path / "secret"
    for data in ((WORDS + end).encode(), MARK + (WORDS + end).encode()):
        path.write_bytes(data)
        assert obtain(path, False, {}) == Passphrase(WORDS)
    assert obtain(None, False, {"QUORATE_PASSPHRASE": WORDS + end}) == Passphrase(WORDS)
    typed = obtain(None, False, {}, lambda prompt: WORDS + end, CHANGED)
    assert typed == Passphrase(WORDS)


def test_no_other_blank_of_a_secret_is_lost() -> None:
    for words in (f" {WORDS} ", f"{WORDS}\n\n", f"\n{WORDS}"):
        found = obtain(None, False, {"QUORATE_PASSPHRASE": words}, which=PRESENT)
        assert found.text == words.removesuffix("\n")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
def test_no_character_ends_a_program_whose_terminal_lacks_it(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", None)
    make_lasting()
    say("Hôpital Łódź … 東京")
    sys.stdout.flush()
    said = raw.getvalue().decode(encoding)
    assert said.startswith("H")
    assert ("Ł" in said) == (encoding == "utf-8")
    assert ("\\u0141" in said) == (encoding != "utf-8")


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"), [math.nan]],
    ids=repr,
)
def test_json_is_what_strict_parsers_read(value: object) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = json_text({"loss": value}, default=plain_value)
    assert "null" in text
    json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("key", [np.int64(0), (1, 2), 1.5, math.nan, None, True], ids=repr)
def test_json_has_texts_for_keys(key: object) -> None:
    assert list(json.loads(json_text({key: 0.5})).values()) == [0.5]
