"""A key in the form in which it is handed over, from a dealer, put in the place of a ceremony's.

The dealer draws what a ceremony with one dealer draws, from the same ranges. So all that is
computed later takes as long. A ceremony for 3072 bits takes minutes, and is measured elsewhere.
"""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from aggregator.store import BoardStore
from keyshare.ceremony import evaluate, feldman, integer_polynomial
from keyshare.handover import KeyState, normal_form, normal_share
from keyshare.key import SecretShare, key_shape
from keyshare.key.dealer import blum_prime
from keyshare.key.threshold_key import secret_share, verification_base
from keyshare.randomness import Stream
from participant.agent import save_checkpoint
from participant.home import Membership
from protocol.board import Board, Post, sign_post
from protocol.encoding import encode
from protocol.key import Epoch, HeldKey, epoch_of_state, epoch_secret
from protocol.messages import Certificate
from protocol.sealing import SealingKey
from protocol.terms import Terms

CEREMONY = "ceremony/1"


def deal_state(bits: int, n_members: int, quorum: int) -> tuple[KeyState, dict[int, SecretShare]]:
    """A key's state and the members' shares, in normal form; bits: even. Raises BadParameters."""
    stream = Stream(secrets.token_bytes(32))
    p, q = blum_prime(bits // 2, stream), blum_prime(bits // 2, stream)
    n = p * q
    shape = key_shape(n, n_members, quorum)
    phi_beta = (p - 1) * (q - 1) * stream.below(shape.mask_bound)
    bound = shape.coefficient_bound(shape.blind_bound, quorum - 1)
    blind = shape.delta * stream.below(shape.blind_bound)
    polynomial = integer_polynomial(blind, quorum - 1, bound, stream)
    theta_prime = shape.delta**2 * phi_beta + n * blind
    base = verification_base(n, b"dealer")
    commitments = feldman.commit(polynomial, base % n, n)
    state = normal_form(n, base, theta_prime, commitments, n_members, quorum)
    shares = (
        secret_share(i, theta_prime, evaluate(polynomial, i), n) for i in range(1, n_members + 1)
    )
    return state, {share.index: normal_share(share, n_members) for share in shares}


def put_key(terms: Terms, members: Sequence[Membership], stored: Path) -> Epoch:
    """Deal a key, and leave behind what a ceremony does; the epoch.

    Each member has its share in its vault, and knows the board that all have certified the key
    on. stored: where the aggregator has that board. Nobody may be at work there.
    """
    state, shares = deal_state(terms.key_bits, terms.n_members, terms.quorum)
    seeds = {member.index: secrets.token_bytes(32) for member in members}
    sealing_keys = tuple(SealingKey(seed).public for _, seed in sorted(seeds.items()))
    epoch = epoch_of_state(terms.federation, 1, state, sealing_keys)
    for member in members:
        secret = epoch_secret(epoch, shares[member.index], seeds[member.index])
        member.secrets.keep(CEREMONY, HeldKey(epoch, secret))
    board = _certified(terms, members, stored, epoch)
    for member in members:
        save_checkpoint(member.storage, board.head)
    return epoch


def _certified(terms: Terms, members: Sequence[Membership], stored: Path, epoch: Epoch) -> Board:
    board, store = Board(terms), BoardStore(stored)
    certificate = Certificate(board.head.hash, encode(epoch))
    for member in members:
        head = board.head
        post = Post(
            terms.federation, CEREMONY, member.index, 0, head.position, head.hash, certificate
        )
        signed = sign_post(post, member.identity.signing_key)
        entry = board.extend(signed, time.time_ns() // 1_000_000)
        board.append(entry)
        store.append(board.head, encode(entry))
    store.close()
    return board
