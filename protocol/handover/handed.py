"""What is bound to what in a handover, what everybody sees wrong in it, and what follows from it.

    context   H(subject, all arrivals), and with the old state, all sizes and the dealers the plan's
              digest: into it goes all that was said before a dealer commits
    seal      under a key of its dealer and receiver alone, bound to the plan and to both
    commitment  H(plan, dealer, all that it deals)
    trial     a value hashed from the plan and the new epoch; its proofs name plan, epoch and member

All of it is a pure function of what was said. A fault is always its sender's, but where an
accusation is judged: then it is the accuser's or the dealer's, and never an honest one's.
"""

import hmac
from collections.abc import Iterable, Mapping
from enum import Enum

from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.handover import (
    Dealing,
    Drawn,
    Fault,
    HandoverPlan,
    advance,
    deal,
    points_for,
    wrong_dealing,
    wrong_point,
)
from keyshare.key import SecretShare, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import MemberParts, parts_hold, prove_parts
from keyshare.randomness import Stream
from protocol.encoding import digest, encode, width_of
from protocol.errors import BadSeal, Malformed
from protocol.handover.succession import Succession
from protocol.key import Epoch, epoch_of_state, proof_context, read_proof, to_number, write_proof
from protocol.messages import Arrival, DealingCommitment, HandedDealing, PointAccusation, ShownPart
from protocol.sealing import SealContext, SealingKey, check_public, seal

SEAL_BYTES = 1_136  # what a seal adds: two encapsulations and a tag


class ContentFault(Enum):
    """What is wrong with a content, beside what ``keyshare.handover.Fault`` has."""

    ELSEWHERE = "it belongs to another handover"
    KEY_COUNT = "it has not one key for each old member"
    SAME_KEY = "two of its keys are the same"
    BAD_KEY = "a key is none"
    NOT_COMMITTED = "it is not what was committed to"
    SPELLING = "a number is not in its one spelling"
    SEALED_SIZE = "it has not one sealed payload for each new member, each as long as a point"
    UNSEALED = "a sealed point does not open"
    PART = "its part is not proven to be that of its share"
    MADE_UP_KEY = "the key that it shows is another one than it arrived with"
    FALSE_ACCUSATION = "the point that it complains of is right"
    SUM = "the dealings do not add up to the same key"


AnyFault = Fault | ContentFault

# ── what is bound to what ──


def plan_of(
    about: Succession, arrivals: Mapping[int, Arrival], dealers: tuple[int, ...]
) -> HandoverPlan:
    """The plan of all dealings; arrivals: of all new members, by their numbers on the board."""
    said = [encode(arrivals[member]) for member in about.rosters.new]
    context = digest("quorate/handover/context", about.subject, *said)
    new = about.new
    return HandoverPlan(about.epoch.state, new.n_members, new.quorum, dealers, context)


def seal_context(about: Succession, plan: HandoverPlan, dealer: int, receiver: int) -> SealContext:
    """Where a sealed point belongs; both numbers are those on the board."""
    what = f"handover/{plan.digest.hex()}"
    return SealContext(about.old.federation, about.session, what, dealer, receiver)


def commitment_for(plan: HandoverPlan, dealer: int, handed: HandedDealing) -> DealingCommitment:
    """The commitment to a dealing; it holds for its dealer and this handover alone."""
    parts = plan.digest, number_bytes(dealer), encode(handed)
    return DealingCommitment(digest("quorate/handover/commitment", *parts))


def trial_of(plan: HandoverPlan, epoch: Epoch) -> bytes:
    """What the test value of a new epoch is hashed from, 32 bytes."""
    return digest("quorate/handover/trial", plan.digest, epoch.digest)


def _said_part(plan: HandoverPlan, epoch: Epoch, member: int, part: mpz) -> MemberParts:
    """member: its number in the new epoch."""
    trial = trial_of(plan, epoch)
    _, ciphertext = trial_ciphertext(plan.old.n, trial)
    context = proof_context(trial, "handover/show", member)
    return MemberParts((part,), (ciphertext,), member, epoch.joint_key(), context)


# ── what is said ──


def hand(
    about: Succession,
    plan: HandoverPlan,
    arrivals: Mapping[int, Arrival],
    own: tuple[int, mpz],
    drawn: Drawn,
    nonce: bytes,
) -> HandedDealing:
    """A dealer's word to all. own: the dealer and its P(i); nonce: 32 fresh bytes."""
    dealer, point = own
    said, points = deal(plan, dealer, point, drawn), points_for(plan, drawn)
    width, sealed = width_of(plan.dealt_bound), list[bytes]()
    for number, receiver in enumerate(about.rosters.new, start=1):
        payload = int(points[number]).to_bytes(width, "big")
        place = seal_context(about, plan, dealer, receiver)
        sealed.append(seal(arrivals[receiver].once[dealer - 1], payload, place))
    return HandedDealing(
        nonce,
        number_bytes(said.mask),
        tuple(map(number_bytes, said.coefficients)),
        number_bytes(abs(said.difference)),
        said.difference < 0,
        tuple(sealed),
    )


def show(plan: HandoverPlan, epoch: Epoch, share: SecretShare, stream: Stream) -> ShownPart:
    """A new member's part of the trial, with its proof."""
    _, ciphertext = trial_ciphertext(plan.old.n, trial_of(plan, epoch))
    part = partial_decryption(ciphertext, share, epoch.joint_key())
    proof = prove_parts(_said_part(plan, epoch, share.index, part), share, stream)
    return ShownPart(number_bytes(part), write_proof(proof))


# ── what everybody sees wrong ──


def wrong_arrival(about: Succession, arrival: Arrival) -> ContentFault | None:
    """What is wrong with a new member's keys.

    Those of another member are none of its faults: who copies them cannot open what it is sent.
    """
    keys = (*arrival.once, arrival.for_rounds)
    if arrival.subject != about.subject:
        return ContentFault.ELSEWHERE
    if len(arrival.once) != about.rosters.n_old:
        return ContentFault.KEY_COUNT
    if len(set(keys)) != len(keys):
        return ContentFault.SAME_KEY
    try:
        for key in keys:
            check_public(key)
    except Malformed:
        return ContentFault.BAD_KEY
    return None


def dealing_of(handed: HandedDealing) -> Dealing:
    """The dealing as the mathematics wants it."""
    difference = to_number(handed.difference)
    coefficients = tuple(map(to_number, handed.coefficients))
    signed = -difference if handed.is_negative else difference
    return Dealing(to_number(handed.mask), coefficients, signed)


def wrong_handed(
    plan: HandoverPlan, dealer: int, handed: HandedDealing, committed: DealingCommitment
) -> AnyFault | None:
    """What is wrong with a dealing, but for what only its receivers can open."""
    expected = commitment_for(plan, dealer, handed)
    if not hmac.compare_digest(committed.digest, expected.digest):
        return ContentFault.NOT_COMMITTED
    is_minus_zero = handed.is_negative and not handed.difference
    if is_minus_zero or not _spelt((handed.mask, *handed.coefficients, handed.difference)):
        return ContentFault.SPELLING
    length = SEAL_BYTES + width_of(plan.dealt_bound)
    if [len(sealed) for sealed in handed.sealed] != [length] * plan.n_members:
        return ContentFault.SEALED_SIZE
    return wrong_dealing(plan, dealer, dealing_of(handed))


def wrong_shown(
    plan: HandoverPlan, epoch: Epoch, member: int, shown: ShownPart
) -> ContentFault | None:
    """What is wrong with a new member's part; member: its number in the new epoch."""
    proof = read_proof(shown.proof)
    if proof is None or not _spelt([shown.part]):
        return ContentFault.SPELLING
    said = _said_part(plan, epoch, member, to_number(shown.part))
    return None if parts_hold(proof, said) else ContentFault.PART


def _spelt(numbers: Iterable[bytes]) -> bool:
    return all(number[:1] != b"\0" for number in numbers)


# ── what was sealed ──


def unseal_point(
    about: Succession, plan: HandoverPlan, way: tuple[int, int], handed: HandedDealing, seed: bytes
) -> mpz | None:
    """A member's point, unchecked, None if it does not open. The dealing was checked.

    way: dealer and receiver, by their numbers on the board; seed: of the receiver's key for it.
    """
    dealer, receiver = way
    sealed = handed.sealed[about.new_number(receiver) - 1]
    try:
        payload = SealingKey(seed).unseal(sealed, seal_context(about, plan, dealer, receiver))
    except BadSeal:
        return None
    return mpz(int.from_bytes(payload, "big"))


def judged(
    about: Succession,
    plan: HandoverPlan,
    accuser: int,
    accused: PointAccusation,
    arrival: Arrival,
    handed: HandedDealing,
) -> tuple[int, AnyFault]:
    """Who did wrong where a new member accuses a dealer, and what; one of the two always did.

    arrival: the accuser's; handed: the dealer's, checked. The seed gives the key that the dealer
    sealed to, so that what it opens is what the dealer sealed.
    """
    if SealingKey(accused.seed).public != arrival.once[accused.dealer - 1]:
        return accuser, ContentFault.MADE_UP_KEY
    point = unseal_point(about, plan, (accused.dealer, accuser), handed, accused.seed)
    if point is None:
        return accused.dealer, ContentFault.UNSEALED
    fault = wrong_point(plan, dealing_of(handed), about.new_number(accuser), point)
    return (accused.dealer, fault) if fault else (accuser, ContentFault.FALSE_ACCUSATION)


# ── what follows ──


def new_epoch(
    about: Succession,
    plan: HandoverPlan,
    arrivals: Mapping[int, Arrival],
    handed: Mapping[int, HandedDealing],
) -> Epoch:
    """The epoch after this one, from what is public; all of it checked.

    Raises BadHandover where the dealings do not add up, which nobody can bring about who finds no
    roots modulo N.
    """
    state = advance(plan, {i: dealing_of(handed[i]) for i in plan.dealers})
    keys = tuple(arrivals[member].for_rounds for member in about.rosters.new)
    return epoch_of_state(about.new.federation, about.epoch.number + 1, state, keys)
