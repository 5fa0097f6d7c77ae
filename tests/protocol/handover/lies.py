"""What a liar does in a handover, and how such an attempt has to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.handover import HandoverPlan, draw
from keyshare.proofs import CHECKPOINTS
from protocol.encoding import decode
from protocol.handover import Succession
from protocol.handover.handed import commitment_for, dealing_of, hand
from protocol.handover.shelf import OLD_SHARE, ArrivalSecret
from protocol.key import Proof
from protocol.messages.handover import Content, DealingCommitment, HandedDealing, ShownPart
from protocol.sealing import SealingKey
from tests.protocol.handover.table import HandoverTable, changed, decrypts, table, three_of_five
from tests.stage.toy import seed_of, toy_epoch

DEALER, STAYS, GUEST = 1, 3, 6  # a dealer that stays, one that stays and does not deal, a newcomer
DEALERS = (1, 2, 5)  # the first who can freeze
BAD_SHOWN = ShownPart(b"\1", Proof(b"", b"", b"", (b"",) * CHECKPOINTS))


def is_void(at: HandoverTable, *named: tuple[int, str]) -> None:
    """The attempt is over, these were named and no others, and the old epoch is as it was."""
    attempt, old = at.view.attempt, at.about.epoch
    assert at.named == list(named)
    assert attempt.is_thawed
    assert not attempt.is_released
    assert all(attempt.may_lock(i) for i in at.about.rosters.old)
    for i, shelf in at.shelves.items():
        if i != at.liar:
            assert shelf.kept.keys() == ({OLD_SHARE} if i in at.about.rosters.old else set())
    for member in at.members.values():
        assert member.view == at.view
    shares = [secret.secret_share() for secret in at.secrets.values()]
    assert decrypts(old.joint_key(), shares[: old.quorum])


def lying(
    change: Callable[..., Content | None],
    kind: type[Any],
    liar: int,
    about: Succession | None = None,
) -> HandoverTable:
    """A handover in which one content of a liar is changed."""

    def tamper(at: HandoverTable, sender: int, content: Content) -> Content | None:
        return change(at, content) if isinstance(content, kind) else content

    return table(about or three_of_five(), tamper, liar).run()


def key_of(label: object) -> bytes:
    return SealingKey(seed_of(label)).public


def rehanded(
    at: HandoverTable, plan: HandoverPlan, *, dealer: int = DEALER, point: mpz | None = None
) -> HandedDealing:
    own = toy_epoch(5, 3).shares[dealer]
    known = at.about.epoch.state.point(own)
    drawn = draw(plan, dealer, seed_of("drawn"))
    who = dealer, known if point is None else point
    return hand(at.about, plan, at.view.arrivals, who, drawn, seed_of("nonce"))


def the_plan(at: HandoverTable) -> HandoverPlan:
    assert at.view.plan is not None
    return at.view.plan


def deals(
    make: Callable[[HandoverTable, HandedDealing], HandedDealing],
    kind: type[HandoverTable] = HandoverTable,
) -> HandoverTable:
    """A dealer commits to another dealing than an honest one, and deals it."""
    made = dict[str, HandedDealing]()

    def tamper(at: HandoverTable, sender: int, content: Content) -> Content:
        if isinstance(content, DealingCommitment):
            kept = at.members[DEALER]._dealing()
            assert kept is not None
            made["it"] = make(at, kept.handed)
            return commitment_for(the_plan(at), DEALER, made["it"])
        return content

    at = table(three_of_five(), tamper, DEALER, kind)
    # It has to open what it has committed to, though the board does not have what its machine says.
    at.run(lambda view: DEALER in view.attempt.committed)
    at.run(lambda view: view.attempt.is_committed)
    at.say(DEALER, made["it"])
    return at.run()


def padded(number: bytes) -> bytes:
    return b"\0" + number


def plus(handed: HandedDealing, more: int) -> HandedDealing:
    difference = int(dealing_of(handed).difference) + more
    return changed(handed, difference=number_bytes(abs(difference)), is_negative=difference < 0)


def seed_for(at: HandoverTable, dealer: int, member: int = GUEST) -> bytes:
    data = at.shelves[member].kept["handover/1/arrival"]
    return decode(data, ArrivalSecret, "", 1 << 20).seed_for(dealer)
