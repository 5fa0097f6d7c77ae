"""Who has seen the aggregator's newest card, by what members have said on the board."""

from aggregator.status.ceremony import Report
from protocol.board import Board, firsts
from protocol.messages import CardSeen
from protocol.terms import AddressCard, Terms


def card_report(board: Board, terms: Terms, card: AddressCard | None) -> Report | None:
    """The newest card, and the members by name; None where no card is known.

    ``seen_another``: who has seen another card of this number, which the same key has signed.
    """
    if card is None:
        return None
    found = firsts(board.session(f"address/{card.number}"), CardSeen)
    another = [m for m, posted in found.items() if posted.post.body.card != card]
    seen = [m for m in found if m not in another]
    everyone = range(1, terms.n_members + 1)
    return {
        "number": card.number,
        "url": card.url,
        "tls": card.trust,
        "seen": [terms.name_of(m) for m in sorted(seen)],
        "not_seen": [terms.name_of(m) for m in everyone if m not in found],
        "seen_another": [terms.name_of(m) for m in sorted(another)],
    }
