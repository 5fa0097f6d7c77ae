"""What a name and an address may be."""

import unicodedata

import pytest

from protocol.terms.names import fault_of_name, fault_of_url, is_host, look_of

GOOD_NAMES = [
    "x",
    "x" * 64,
    'St. Mary\'s [West], "Old" & Co.',
    "Charité, Universitätsmedizin",
    "Zürich",
    "北京协和医院",
    "東京病院",
    "مستشفى الملك فيصل",
    "בית חולים הדסה",
    "โรงพยาบาลศิริราช",
    "Bệnh viện Chợ Rẫy",
    "अखिल भारतीय",
    "All Saints",
    "Remember 9",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_of_any_script_is_a_name(name: str) -> None:
    assert fault_of_name(unicodedata.normalize("NFC", name)) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "1 to 64"),
        ("x" * 65, "1 to 64"),
        ("\x1b[2J", "invisible"),
        ("a\nb", "invisible"),
        ("a\u202eb", "invisible"),
        ("a\u200bb", "invisible"),
        ("a\u3164", "invisible"),
        ("a\ufe0f", "invisible"),
        ("\ud800", "invisible"),
        ("e" + "\u0323\u0301" * 4, "invisible"),
        ("a  b", "blank"),
        (" a", "blank"),
        ("a ", "blank"),
        ("Zu\u0308rich", "form C"),
        ("member 2", "somebody else"),
        ("member \uff11", "somebody else"),
        ("\uff2eobody", "somebody else"),
        ("\u217fember 1", "somebody else"),
        ("Member \u21161", "somebody else"),
        ("Member \u0661", "somebody else"),
        ("The Member 12 House", "somebody else"),
        ("The Aggregator", "somebody else"),
        ("aggregator", "somebody else"),
        ("nobody in particular", "somebody else"),
        ("Northgate (guest)", "somebody else"),
        ("Northgate\uff08Guest\uff09", "somebody else"),
        ("Northgate ( guest )", "somebody else"),
    ],
)
def test_a_name_that_hides_lays_out_or_stands_for_another_is_none(name: str, why: str) -> None:
    fault = fault_of_name(name)
    assert fault is not None
    assert why in fault


@pytest.mark.parametrize("other", ["ST. MARY", "st. mary", "\uff33t. Mary"])
def test_names_that_differ_in_case_or_width_look_alike(other: str) -> None:
    assert look_of(other) == look_of("St. Mary")
    assert look_of("St. Marie") != look_of("St. Mary")


@pytest.mark.parametrize(
    "url",
    [
        "wss://localhost:8443",
        "wss://aggregator.example.org",
        "wss://xn--spital-zrich-klb.example:1",
        "wss://192.0.2.7:65535",
        "wss://[2001:db8::7]:8443",
        "wss://A.example.",
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(url: str) -> None:
    assert fault_of_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ws://h",
        "https://h",
        "WSS://h",
        "wss://",
        "wss://h:0",
        "wss://h:65536",
        "wss://h:08443",
        "wss://h:",
        "wss://h/",
        "wss://h/path",
        "wss://h?q",
        "wss://h#f",
        "wss://user@h",
        "wss://user:word@h:1",
        "wss://h\x1b[2J",
        "wss://h\n",
        " wss://h",
        "wss://h:8443 ",
        "wss://zürich.example",
        "wss://a_b",
        "wss://-a",
        "wss://a-",
        "wss://a..b",
        "wss://" + "a" * 64,
        "wss://" + "a." * 127 + "aa",
        "wss://999.0.0.1",
        "wss://1.2.3",
        "wss://2001:db8::7",
        "wss://[::1%\x1b]",
        "wss://[fe80::1%eth0]",
        "wss://[192.0.2.7]",
        "wss://h:\u0661",
        "wss://[h]",
    ],
)
def test_nothing_else_is_an_address(url: str) -> None:
    assert fault_of_url(url) is not None


def test_a_host_has_no_brackets_and_no_zone() -> None:
    assert is_host("::1")
    assert not is_host("[::1]")
    assert not is_host("::1%eth0")
