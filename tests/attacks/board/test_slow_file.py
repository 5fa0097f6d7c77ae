"""A file of some kilobytes that a hospital's program reads for a minute, or for hours.

Terms come from whoever drew them up, before anybody has signed; the kind of any file that was given
in place of another is looked at.
"""

import pytest

from protocol.errors import BadTerms
from protocol.programs.file_kind import LOOKED_AT, kind_of_data
from protocol.terms.terms import parse
from protocol.terms.toml_text import NotToml, read_toml

DOTS = "a." * (1 << 19)  # a mebibyte, as terms may have
KEYS = [f"{DOTS}a = 1\n", f"[{DOTS}a]\n", f"a = {{ {DOTS}b = 1 }}\n", f'a = 1\n"b".{DOTS}c = 1\n']


@pytest.mark.parametrize("text", KEYS, ids=["key", "table", "inline", "second line"])
def test_a_key_of_many_parts_is_refused_unread(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(text: str) -> object:
        raise AssertionError("it would take hours")

    monkeypatch.setattr("protocol.terms.toml_text.tomllib.loads", parsed)
    with pytest.raises(BadTerms, match="more than 200 dots"):
        parse(text)
    assert kind_of_data(text.encode()[:LOOKED_AT]) is None


@pytest.mark.parametrize("text", ["a = " + 5_000 * "9", "a = " + 5_000 * "[", "a", "a = 1\r"])
def test_whatever_the_parser_says_is_one_error(text: str) -> None:
    with pytest.raises(NotToml):
        read_toml(text)


def test_many_dots_over_many_lines_are_read() -> None:
    found = read_toml("".join(f'line{k} = "{50 * "a."}"\n' for k in range(100)))
    assert len(found) == 100
