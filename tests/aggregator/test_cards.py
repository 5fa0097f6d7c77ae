"""A new card that a kill cuts short: no number stands for two cards, and another can be made."""

from pathlib import Path

from aggregator.cards import CARDS_NAME, Cards
from aggregator.identity import CARD_NAME, read_card
from protocol.terms.address_card import render_card, sign_card
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy import toy_federation

KEY = toy_federation(3, 2).keys[0]
FIRST, SECOND, THIRD = (f"wss://{where}:8443" for where in ("here", "there", "elsewhere"))
PIN = b"p" * 32


def test_no_number_is_used_twice_whenever_a_process_dies_that_makes_a_card(tmp_path: Path) -> None:
    dies_at, is_last, numbers = 1, False, set[int]()
    while not is_last:
        folder = tmp_path / str(dies_at)
        folder.mkdir()
        (folder / CARD_NAME).write_bytes(render_card(sign_card(KEY, 1, FIRST, PIN)).encode())
        cards = Cards(KEY, folder)
        is_last = survived(lambda: cards.make(SECOND, PIN), dies_at, OF_A_HOSPITAL)  # noqa: B023
        made = Cards(KEY, folder)
        numbers.add(made.newest.number)
        assert made.newest.url == {1: FIRST, 2: SECOND}[made.newest.number]
        handed = read_card(folder / CARD_NAME)
        assert made.knows(handed.number, handed.url)
        made.make(THIRD, PIN)
        again = Cards(KEY, folder)
        assert again.newest == read_card(folder / CARD_NAME)
        assert again.newest.url == THIRD
        urls = [read_card(path).url for path in sorted((folder / CARDS_NAME).glob("*.toml"))]
        assert urls in ([FIRST, THIRD], [FIRST, SECOND, THIRD])
        dies_at += 1
    assert numbers == {1, 2}
    assert dies_at > 10
