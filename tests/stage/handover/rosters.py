"""Who takes a toy federation's key over: old members by number, guests as G1, G2, …"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.encoding import encode
from protocol.key.epoch import Epoch
from protocol.messages.handover import HandoverProposal
from protocol.signing import public_bytes
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import Floors, Member, Terms, floor, sign_terms
from tests.stage.toy import Federation, replace_terms, seed_of

Who = Sequence[int | str]


def guest_key(name: str) -> Ed25519PrivateKey:
    """The signing key of G1, G2, …"""
    return Ed25519PrivateKey.from_private_bytes(seed_of("guest", int(name[1:])))


def guest(name: str) -> Member:
    """G1, G2, … as the new terms have it."""
    return Member(name, public_bytes(guest_key(name)))


def terms_of(old: Terms, who: Who, quorum: int) -> Terms:
    """Terms of old members by number and guests by name; the old ones where nothing changes."""
    members = tuple(old.members[w - 1] if isinstance(w, int) else guest(w) for w in who)
    n = len(members)
    changes = {"floors": Floors(floor(n), floor(n), 1), "allow_minority_quorum": 2 * quorum <= n}
    new = replace_terms(old, members=members, quorum=quorum, **changes)
    succeeding = replace_terms(new, predecessor=Predecessor(old.federation, "handover"))
    return old if new == old else succeeding


def proposal(federation: Federation, epoch: Epoch, who: Who, quorum: int) -> HandoverProposal:
    """What one of a federation's members proposes; all new members have signed."""
    old = federation.terms
    new = terms_of(old, who, quorum)
    if new == old:
        return HandoverProposal(epoch.digest, b"", ())
    keys = [federation.keys[w] if isinstance(w, int) else guest_key(w) for w in who]
    return HandoverProposal(epoch.digest, encode(new), tuple(sign_terms(new, key) for key in keys))
