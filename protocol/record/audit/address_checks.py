"""Check 2.8: the aggregator's cards, as the members have seen them."""

from collections import defaultdict

from protocol.board import CardSeen, Posted, of_kind
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import Result, check
from protocol.terms import AGGREGATOR
from protocol.words import shown


@check(
    "2.8",
    "the aggregator's cards agree",
    "the cards that members have seen of the aggregator's address: no two of one number differ. It "
    "is said which card was seen when",
    BOARD,
)
def check_cards(evidence: Evidence, result: Result) -> None:
    seen = defaultdict[int, list[Posted[CardSeen]]](list)
    for posted in of_kind(evidence.entries, CardSeen):
        result.count += 1
        seen[posted.post.body.card.number].append(posted)
    for number, posts in sorted(seen.items()):
        first = posts[0]
        for posted in posts:
            if posted.post.body != first.post.body:
                other = evidence.name(first.post.sender)
                reason = (
                    f"it signed two cards with the number {number}: {_said(posted)} to "
                    f"{evidence.name(posted.post.sender)}, {_said(first)} to {other}"
                )
                result.find(posted.position, evidence.name(AGGREGATOR), reason)
                break
        members = ", ".join(evidence.name(posted.post.sender) for posted in posts)
        result.notes.append(
            f"card {number}, {_said(first)}, was seen from entry {first.position} on by {members}"
        )


def _said(posted: Posted[CardSeen]) -> str:
    card = posted.post.body.card
    trust = "public authorities" if card.is_public else f"pin {card.pin.hex()[:16]}"
    return f"{shown(card.url)} ({trust})"


CHECKS = (check_cards,)
