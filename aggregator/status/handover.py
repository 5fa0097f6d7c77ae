"""How the key and its handovers stand, by the board: who is waited for, and since when."""

from collections.abc import Collection, Iterable, Mapping

from aggregator.clock import iso
from aggregator.status.ceremony import Report
from protocol.board import Board, Handover
from protocol.handover import NOBODY, Misdeed, handover_awaited

MAX_HANDOVERS = 5  # shown, the newest: a report must fit in a frame
_OF_NEW_MEMBERS = ("arrive", "show", "acknowledge")


def key_report(board: Board) -> Report | None:
    """The key's epoch and since when, None before there is one.

    ``federation``: of the members that have it now, under these terms or those that succeed them.
    """
    if not board.key.epochs:
        return None
    position, epoch = board.key.epochs[-1]
    posted, last = board.entries[position - 1], board.key.handovers.last
    found: Report = {
        "epoch": epoch.number,
        "session": posted.post.session,
        "since": iso(posted.time_ms),
        "federation": board.terms.name,
        "fingerprint": board.terms.federation.hex(),
    }
    successor = board.key.handovers.successor
    if successor is None or last is None or last.released_at is None:
        return found
    return found | {
        "epoch": last.view.epoch.number if last.view.epoch else None,
        "session": last.about.session,
        "since": iso(board.entries[last.released_at - 1].time_ms),
        "federation": successor.name,
        "fingerprint": successor.federation.hex(),
    }


def handover_reports(board: Board, connected: Mapping[int, str]) -> list[Report]:
    """The newest attempts to hand the key over, in their order.

    connected: since when each present member or guest is, by its number, in ISO 8601.
    """
    handovers = board.key.handovers
    return [
        _of(handover, board, connected if handover is handovers.last else {})
        for handover in handovers.all[-MAX_HANDOVERS:]
    ]


def waits_for_handover(board: Board, is_open: bool, step: str) -> str | None:
    """The session of the attempt that a round waits for, whoever else it waits for; None of none.

    While the key is handed over no round is opened, and from the last needed freeze on no set of an
    open one is locked.
    """
    handovers = board.key.handovers
    last = handovers.under_way
    if last is None:
        return None
    if is_open:
        is_barred = last.view.attempt.is_frozen and step in ("contributions", "sum", "locks")
    else:
        is_barred = bool(handovers.opening_bar)
    return last.about.session if is_barred else None


def _of(handover: Handover, board: Board, connected: Mapping[int, str]) -> Report:
    about, attempt = handover.about, handover.view.attempt
    rosters, due = about.rosters, handover_awaited(attempt)
    old, names = board.terms.name_of, about.names
    return {
        "session": about.session,
        "kind": "refresh" if handover.is_refresh else "succession",
        "outcome": _outcome(handover),
        "proposed": iso(handover.time_ms),
        "proposed_by": old(handover.proposer),
        "federation": about.new.name,
        "fingerprint": about.new.federation.hex(),
        "quorum": about.new.quorum,
        "new_members": [member.name for member in about.new.members],
        "guests": [
            {"member": number, "name": names[number], "connected_since": connected.get(number)}
            for number in sorted(handover.guests)
        ],
        "step": due.step if due else None,
        "waiting_for": _waiting_for(handover, board),
        "needed": due.needed if due else 0,
        "since": iso(handover.moved_ms),
        "consents": [old(number) for number in sorted(attempt.consents)],
        "consents_needed": rosters.least_consents,
        "arrived": _names(attempt.arrived, handover),
        "not_arrived": _names(set(rosters.new) - attempt.arrived, handover),
        "frozen": [old(number) for number in sorted(attempt.frozen)],
        "dealers": [old(number) for number in attempt.dealers],
        "committed": [old(number) for number in sorted(attempt.committed)],
        "dealt": [old(number) for number in sorted(attempt.dealt)],
        "shown": _names(attempt.shown, handover),
        "released": _confirmed(handover, board, "held"),
        "thawed": _confirmed(handover, board, "void"),
        "acknowledged": _names(attempt.acknowledged, handover),
        "voids": [old(number) for number in sorted(attempt.voids)],
        "votes_needed": rosters.lock_threshold,
        "misdeeds": [_misdeed(found, handover, board) for found in handover.view.misdeeds],
    }


def _outcome(handover: Handover) -> str:
    """As docs/how-it-works/handover.md has the ends of an attempt; "open" before."""
    attempt = handover.view.attempt
    if attempt.is_settled:
        return "settled"
    if attempt.is_released or attempt.is_thawed:
        return "released" if attempt.is_released else "thawed"
    return attempt.outcome or "open"


def _waiting_for(handover: Handover, board: Board) -> list[str]:
    due = handover_awaited(handover.view.attempt)
    if due is None:
        return []
    if due.step in _OF_NEW_MEMBERS:
        return _names(due.members, handover)
    return [board.terms.name_of(number) for number in due.members]


def _names(members: Iterable[int], handover: Handover) -> list[str]:
    """Of new members; a guest is called one, as it may have the name of an old member."""
    return [handover.about.names[number] for number in sorted(members)]


def _confirmed(handover: Handover, board: Board, outcome: str) -> list[str]:
    """Which old members have confirmed that the attempt ended so."""
    attempt = handover.view.attempt
    said: Collection[int] = attempt.confirmed if attempt.outcome == outcome else ()
    return [board.terms.name_of(number) for number in sorted(said)]


def _misdeed(found: Misdeed, handover: Handover, board: Board) -> Report:
    """What was seen at which entry of the board; ``by`` is None where it is nobody's."""
    session = handover.about.session
    # The proposal is the session's first entry, and the contents are counted from 1.
    posted = board.session(session)[found.entry]
    culprit = None if found.culprit == NOBODY else board.name_of(session, found.culprit)
    return {"entry": posted.position, "by": culprit, "fault": found.fault.value}
