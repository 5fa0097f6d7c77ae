"""Where the aggregator was, by its own cards as members have seen them."""

from collections.abc import Iterable

from participant.report.facts.facts import CardFacts, Deed
from protocol.board import Posted, of_kind
from protocol.messages import CardSeen
from protocol.terms import AddressCard


def card_facts(entries: Iterable[Posted]) -> tuple[CardFacts, ...]:
    """Each card that somebody has seen, by its number; two where two of one number differ."""
    seen: dict[AddressCard, dict[int, Deed]] = {}
    for posted in of_kind(entries, CardSeen):
        by_member = seen.setdefault(posted.post.body.card, {})
        by_member.setdefault(posted.post.sender, Deed.of(posted))
    found = sorted(seen.items(), key=lambda item: item[0].number)
    return tuple(
        CardFacts(card.number, card.url, b"" if card.is_public else card.pin, by_member)
        for card, by_member in found
    )
