"""The operator sees who has the newest card, and who must be told where the service moves."""

import pytest

from aggregator.status.card import card_report
from aggregator.status.text import render
from protocol.messages import CardSeen
from protocol.terms.address_card import AddressCard, sign_card
from tests.stage.desk import Desk


def card(desk: Desk, number: int, url: str = "wss://new:1") -> AddressCard:
    return sign_card(desk.federation.keys[0], number, url, b"")


def said(desk: Desk, newest: AddressCard) -> str:
    report = desk.service.status({}, newest)
    return "\n".join(line for line in render(report, None) if "card" in line.lower())


def test_who_has_the_newest_card_and_who_has_not_is_named(desk: Desk) -> None:
    newest = card(desk, 2)
    desk.say(1, "address/1", CardSeen(card(desk, 1)))
    desk.say(3, "address/2", CardSeen(newest))
    assert card_report(desk.service.board, desk.federation.terms, newest) == {
        "number": 2, "url": "wss://new:1", "tls": "public",
        "seen": ["H3"], "not_seen": ["H1", "H2"], "seen_another": [],
    }  # fmt: skip
    text = said(desk, newest)
    assert text.startswith("card 2, wss://new:1: seen by H3; not yet by H1, H2.")
    assert "quorate-participant address federation.toml --take aggregator.toml" in text


def test_that_all_have_it_is_one_line(desk: Desk) -> None:
    newest = card(desk, 2)
    for member in (1, 2, 3):
        desk.say(member, "address/2", CardSeen(newest))
    assert said(desk, newest) == "card 2, wss://new:1: all have seen it"


def test_of_the_first_card_nobody_is_told_to_take_it(desk: Desk) -> None:
    assert said(desk, card(desk, 1)).endswith("seen by nobody; not yet by H1, H2, H3")


@pytest.mark.parametrize("others", [(1,), (1, 2, 3)])
def test_another_card_of_the_same_number_is_shouted(desk: Desk, others: tuple[int, ...]) -> None:
    for member in (1, 2, 3):
        url = "wss://elsewhere:1" if member in others else "wss://new:1"
        desk.say(member, "address/2", CardSeen(card(desk, 2, url)))
    last = said(desk, card(desk, 2)).splitlines()[-1]
    assert last.startswith(f"ANOTHER CARD 2 was seen by {', '.join(f'H{m}' for m in others)},")
    assert "higher number" in last


def test_without_a_card_there_is_no_line(desk: Desk) -> None:
    assert desk.service.status({})["card"] is None
    assert not [line for line in render(desk.service.status({}), None) if "card" in line]
