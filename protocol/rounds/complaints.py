"""Complaints about partial decryptions, judged from the board by anyone.

A complaint with the content key that the accused committed to shows what the accused sent to all.
Nobody needs to believe the complainer: the payload opens with the key, or does not, and its proof
holds, or does not. An honest member's proof holds and its key was sealed as it was committed to, so
no key convicts it.
"""

from dataclasses import dataclass
from typing import Literal

from protocol.board import Posted
from protocol.messages import Complaint
from protocol.rounds.partial_payload import LockedSum
from protocol.rounds.view import RoundView

# Against the accused; against the complainer; against nobody.
Verdict = Literal["proven", "false", "unproven"]


@dataclass(frozen=True)
class Judged:
    """A complaint on the board: its entry, who complains of whom, and what it shows."""

    entry: int
    by: int
    about: int
    verdict: Verdict


def judge_complaint(
    complaint: Posted[Complaint], view: RoundView, payload: bytes, locked: LockedSum
) -> Verdict:
    """What a complaint shows.

    payload: what the accused has posted for all with its partial decryptions; without any, the
    complaint is false.
    """
    body = complaint.post.body
    accused = view.partials.get(body.member)
    if accused is None or accused.position > complaint.position or body.chosen != locked.chosen:
        return "false"
    said = accused.post.body
    if said.chosen != locked.chosen:
        return "proven"  # the board itself shows it
    if not body.key:
        return "unproven"
    if not locked.fits(said, body.member, body.key):
        return "false"
    return "false" if locked.holds(body.key, payload, body.member) else "proven"
