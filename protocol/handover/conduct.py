"""What an honest member says next in an attempt, and what it keeps and erases."""

from dataclasses import dataclass

from protocol.handover.attempt import Attempt, HandoverWord


@dataclass(frozen=True)
class OwnState:
    """What a member knows besides the board.

    consents: its people have agreed. has_share: its share of the old epoch is whole. gives_up: it
    waits no longer, or the board shows it a misdeed. has_dealing: its dealing lies durable here,
    and what that was made of is erased. holds: its share of the new epoch lies durable here, read
    back.
    """

    consents: bool = True
    has_share: bool = True
    gives_up: bool = False
    has_dealing: bool = False
    holds: bool = False


def due(attempt: Attempt, member: int, own: OwnState) -> HandoverWord | None:
    """The word that a member says next, if it has one; the board has all its words before."""
    said = [
        (HandoverWord.RELEASE, True),
        (HandoverWord.THAW, True),
        (HandoverWord.ACKNOWLEDGE, own.holds),
        (HandoverWord.VOID, own.gives_up),
        (HandoverWord.CONSENT, own.consents),
        (HandoverWord.ARRIVE, not own.gives_up),
        (HandoverWord.FREEZE if own.has_share else HandoverWord.FREEZE_ONLY, True),
        (HandoverWord.COMMIT, own.has_dealing),
        (HandoverWord.DEAL, own.has_dealing),
        (HandoverWord.SHOW, own.holds),
    ]
    for word, is_so in said:
        if is_so and attempt.counts(member, word):
            return word
    return None


def is_to_make_keys(attempt: Attempt, member: int, own: OwnState) -> bool:
    """Whether it is to make the keys that it arrives with; it keeps none where it gives up."""
    return attempt.counts(member, HandoverWord.ARRIVE) and not own.gives_up


def is_to_make_dealing(attempt: Attempt, member: int, own: OwnState) -> bool:
    """Whether it is to draw a dealing now; it is durable, and its making erased, before a word."""
    return attempt.counts(member, HandoverWord.COMMIT) and not own.has_dealing


def is_to_store_share(attempt: Attempt, member: int, own: OwnState) -> bool:
    """Whether what it was dealt is to become a share that is kept; before it shows anything."""
    return attempt.counts(member, HandoverWord.SHOW) and not own.holds


def may_erase_old(attempt: Attempt) -> bool:
    """Whether a member may erase its share of the old epoch."""
    return attempt.is_settled


def may_erase_new(attempt: Attempt) -> bool:
    """Whether a member may erase what it holds of the new epoch, which will never be."""
    return attempt.is_thawed
