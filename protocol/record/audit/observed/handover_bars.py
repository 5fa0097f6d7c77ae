"""What handovers bar by an entry, from where each thing happened on the board."""

from collections.abc import Sequence

from protocol.board import Posted
from protocol.record.audit.observed.handover_evidence import HandoverEvidence

Handovers = Sequence[HandoverEvidence]


def help_bar(handovers: Handovers, opened_at: int, seen: int) -> str:
    """Why no part is given any more by who has seen so many entries; empty if one may be.

    opened_at: where the round was opened.
    """
    for found in handovers:
        if (released := found.released_at) and released <= seen:
            if opened_at < released or not found.about.is_refresh:
                return f"entry {released} released the key that the round was opened under"
        elif found.held_at and found.held_at <= seen:
            return f"with entry {found.held_at} that key was given up"
    return ""


def lock_bar(handovers: Handovers, posted: Posted, opened_at: int) -> str:
    """The same of a lock: its sender knows what it has said itself, seen or not."""
    seen, member = posted.post.seen_position, posted.post.sender
    for found in handovers:
        if found.is_over(seen):
            continue
        if (own := found.frozen_at.get(member)) and own < posted.position:
            return f"it had frozen, with entry {own}"
        if (frozen := found.all_frozen_at) and frozen <= seen:
            return f"with entry {frozen} enough had frozen"
    return help_bar(handovers, opened_at, seen)


def opening_bar(handovers: Handovers, position: int) -> str:
    """Why no round may be opened at a position; empty if one may."""
    for found in handovers:
        is_over = found.is_over(position - 1)
        if is_over and found.released_at and not found.about.is_refresh:
            return "the key was handed over to another federation"
        if not is_over and found.at(position - 1).attempt.is_agreed:
            return f"{found.session} was agreed, and not over"
    return ""
