"""What another party wrote is shown without steering, hiding in or filling what shows it."""

import json
import sys
import unicodedata

import pytest

from protocol.words.foreign import FIELD, LINE, is_plain, json_text, line, lines, shown

STEERING = {
    "\x1b[2J": "\\x1b[2J",
    "\x9b2J": "\\x9b2J",
    "a\nb\r\u2028c": "a\\nb\\r\\u2028c",
    "\x00\x07\x7f": "\\x00\\x07\\x7f",
    "\u202egnissim\u2066\u200f": "\\u202egnissim\\u2066\\u200f",
    "zero\u200bwidth\u2060\ufeff": "zero\\u200bwidth\\u2060\\ufeff",
    "filler\u3164\u115f": "filler\\u3164\\u115f",
    "selector\ufe0f\U000e0101": "selector\\ufe0f\\U000e0101",
    "tag\U000e0041": "tag\\U000e0041",
    "surrogate\ud800": "surrogate\\ud800",
    "\u0301first": "\\u0301first",
}
NAMES = (
    "Charité",
    "Zürich",
    "北京协和医院",
    "مستشفى الملك فيصل",
    "בית חולים",
    "ศิริราช",
    "Bệnh viện",
)


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_or_hides_is_shown_as_its_escape(text: str) -> None:
    assert shown(text) == line(text) == STEERING[text]
    assert not is_plain(text)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_scripts_stay_as_they_are(name: str) -> None:
    name = unicodedata.normalize("NFC", name)
    assert shown(name) == line(name) == name
    assert is_plain(name)


def test_no_character_at_all_is_shown_raw_that_steers_or_hides() -> None:
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(c := chr(number)) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            assert not is_plain(c), hex(number)


def test_marks_do_not_climb_over_other_lines() -> None:
    tower = "e" + "\u0301" * 40
    assert shown(tower).count("\u0301") == 4
    assert "\\u0301" in shown(tower)


def test_a_field_is_short_has_single_blanks_and_ends_in_an_ellipsis() -> None:
    assert shown("a" * FIELD) == "a" * FIELD
    assert shown("a" * 10_000) == "a" * (FIELD - 1) + "…"
    assert shown("H1" + " " * 60 + "signed") == "H1 signed"
    assert shown(" " * 10_000 + "x") == " …"
    assert shown("\x1b" * 20, limit=10) == "\\x1b\\x1b…"
    assert len(line("b" * 100_000)) == LINE


def test_what_is_no_text_is_shown_as_its_type() -> None:
    assert shown([["x"]]) == "(list)"
    assert shown({"\x1b": 1}) == "(dict)"
    assert [shown(7), shown(1.5), shown(None)] == ["7", "1.5", "None"]


@pytest.mark.parametrize("text", [*STEERING, *NAMES, "a" * 10_000, "e" + "\u0301" * 40])
def test_shown_twice_is_shown_once(text: str) -> None:
    assert shown(shown(text)) == line(shown(text)) == shown(text)


def test_a_text_keeps_its_own_lines_and_no_others() -> None:
    assert lines("a\n\x1b\u2028b\n") == "a\n\\x1b\\u2028b\n"


def test_json_is_plain_and_reads_back() -> None:
    value = {"\x7f\x1b": ["\u202e", "é\n"]}
    assert is_plain(json_text(value))
    assert json.loads(json_text(value)) == value
