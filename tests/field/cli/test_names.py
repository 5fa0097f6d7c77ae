"""Names and labels in any script, however they were typed; nothing in them hides."""

# ruff: noqa: RUF001

import unicodedata
from pathlib import Path

import pytest
from gmpy2 import mpz
from typer.testing import CliRunner

from participant.cli import app
from participant.home.identity import create, load, read_card
from participant.statistic.number_files import read_numbers
from protocol.errors import BadTerms
from protocol.terms.names import fault_of_name, look_of
from protocol.terms.terms import Member, check, parse, render, render_signature, sign_terms
from protocol.words.foreign import is_plain, line, shown
from tests.stage.programs.commands import typed
from tests.stage.toy import replace_terms, toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE, write_cards

ZWNJ, ZWJ, VS16 = "\u200c", "\u200d", "\ufe0f"
NEEDED = {
    "Persian": f"بیمارستان می{ZWNJ}خوابد",
    "Persian, vowel sign between": f"خانه\u0654{ZWNJ}ها",
    "Kurdish": f"نەخۆشخانەی پێ{ZWNJ}شکەوتوو",
    "Urdu": f"بے{ZWNJ}مثال".replace("بے", "بی"),
    "Uyghur": "دوختۇرخانا",
    "Hindi, half form": f"अस्पताल क्{ZWJ}ष",
    "Hindi, virama": f"क्{ZWNJ}ष केन्द्र",
    "Bengali": f"হাসপাতাল র\u09cd{ZWJ}য",
    "Sinhala": f"ශ\u0dca{ZWJ}රී රෝහල",
    "Malayalam": f"ആശുപത്രി ന\u0d4d{ZWJ}",
    "Kannada": f"ಆಸ್ಪತ್ರೆ ರ\u0ccd{ZWJ}ಯ",
    "health worker": f"👩{ZWJ}⚕{VS16} Clinic",
    "health worker of a colour": f"🧑🏽{ZWJ}⚕ Clinic",
    "heart": f"❤{VS16} Clinic",
    "Thai": "โรงพยาบาลศิริราช",
    "Hebrew": "בית חולים הדסה",
}


@pytest.mark.parametrize("name", NEEDED.values(), ids=NEEDED)
def test_a_joiner_that_shows_is_part_of_a_name(name: str) -> None:
    name = unicodedata.normalize("NFC", name)
    assert fault_of_name(name) is None
    assert line(name) == shown(name) == name  # and is printed


USELESS = {
    "Latin": f"St.{ZWJ} Mary",
    "within a word": f"Ma{ZWNJ}ry",
    "at the beginning": f"{ZWNJ}می",
    "at the end": f"می{ZWNJ}",
    "before a blank": f"می{ZWNJ} خوابد",
    "after a letter that joins nothing after it": f"دار{ZWNJ}و",
    "two in a row": f"می{ZWNJ}{ZWNJ}خوابد",
    "joiner between letters that join": f"می{ZWJ}خوابد",
    "before a letter of another script": f"می{ZWNJ}a",
    "virama, then the end": f"क्{ZWNJ}",
    "virama, then a vowel sign": f"क्{ZWJ}\u093f",
    "one pictograph": f"🏥{ZWJ}",
    "pictograph and letter": f"🏥{ZWJ}a",
    "selector after a letter": f"a{VS16}",
    "selector twice": f"❤{VS16}{VS16}",
    "selector after nothing": VS16,
    "blank Braille": f"🏥{ZWJ}\u2800",
    "reserved": f"no{ZWNJ}body",
}


@pytest.mark.parametrize("name", USELESS.values(), ids=USELESS)
def test_a_joiner_that_shows_nothing_is_refused_and_escaped(name: str) -> None:
    fault = fault_of_name(name)
    assert fault is not None
    assert "invisible" in fault
    assert not is_plain(name)
    assert "\\u" in line(name)


def test_marks_are_counted_on_over_a_joiner() -> None:
    """No letter carries more of them than four, whatever stands between."""
    piled = "ی" + "\u0654" * 4 + ZWNJ + "\u0654" * 4 + "خ"
    assert not is_plain(piled)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"می{ZWNJ}خوابد", "میخوابد"),
        (f"ශ\u0dca{ZWJ}රී", "ශ\u0dcaරී"),
        (f"❤{VS16}", "❤"),
        (f"🧑{ZWJ}⚕", "🧑⚕"),
    ],
)
def test_names_that_differ_by_joiners_alone_are_not_two_members(one: str, other: str) -> None:
    assert look_of(one) == look_of(other)
    terms = toy_federation().terms
    first, second, *rest = terms.members
    members = (Member(one, first.key), Member(other, second.key), *rest)
    with pytest.raises(BadTerms, match="too much like"):
        check(replace_terms(terms, members=members))


@pytest.mark.parametrize("name", [f"nobody{ZWNJ}", f"mem{ZWJ}ber 2", "the aggregator", "member 2"])
def test_joiners_hide_no_reserved_name(name: str) -> None:
    assert fault_of_name(name) is not None


# ── normalised on the way in ──

COMPOSED = "Hôpital Zürich"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def test_a_name_is_one_name_however_it_was_typed(tmp_path: Path) -> None:
    made = create(tmp_path, DECOMPOSED, PASSPHRASE, CHEAP)
    assert made.name == COMPOSED
    card = tmp_path / "card.toml"
    card.write_text(card.read_text().replace(COMPOSED, DECOMPOSED))  # as an editor may save it
    assert read_card(card).name == COMPOSED
    assert load(tmp_path, PASSPHRASE).card == made.card


def test_terms_are_the_same_in_either_normal_form() -> None:
    federation = toy_federation()
    first, *rest = federation.terms.members
    members = (Member(COMPOSED, first.key), *rest)
    terms = replace_terms(federation.terms, name=COMPOSED, members=members)
    signature = sign_terms(terms, federation.keys[1])
    text = render(terms) + render_signature(COMPOSED, signature)
    read = parse(unicodedata.normalize("NFD", text))
    found, signatures = read.terms, read.signatures
    assert found == terms
    assert found.federation == terms.federation
    assert signatures == {COMPOSED: signature}


def test_the_federations_name_is_normalised_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--quorum", "2", "--key-bits", "512", "--allow-small-key", "--name", DECOMPOSED]
    ended = CliRunner().invoke(app, ["terms", "new", "f.toml", *words, *write_cards(tmp_path)])
    assert ended.exit_code == 0, ended.output
    assert parse(Path("f.toml").read_text()).terms.name == COMPOSED


@pytest.mark.parametrize("text", ["Größe,3\n", '{"Größe": 3}'])
def test_labels_of_numbers_are_the_same_in_either_normal_form(tmp_path: Path, text: str) -> None:
    path = tmp_path / "numbers"
    path.write_text(unicodedata.normalize("NFD", text))
    assert read_numbers(path, mpz(35)).labels == ("Größe",)


@pytest.mark.parametrize("name", ["Łódź", "a\nb", "\udcff", "n" * 300, "Ł" * 40, ""], ids=len)
def test_no_name_of_an_aggregator_is_our_fault(tmp_path: Path, name: str) -> None:
    ended = typed("quorate-aggregator", "init", "--host", "h", "--name", name, "--data", tmp_path)
    assert (ended.code, ended.err) == (0, "")
