"""Key rings whose vault is a list, and a second epoch of a toy key."""

from dataclasses import replace
from functools import lru_cache

from keyshare.handover import HandoverPlan, advance, deal, draw, new_share, points_for
from participant.home.key_ring import KeyRing
from protocol.key.epoch import HeldKey, epoch_of_state, epoch_secret
from protocol.sealing import SealingKey
from tests.stage.toy import ToyEpoch, seed_of, toy_epoch


def ring_of(*held: HeldKey) -> KeyRing:
    """A ring of keys that stay."""
    return KeyRing(lambda known: held)


def ring_in(toy: ToyEpoch, member: int) -> KeyRing:
    """The ring of a member that has its share of a toy epoch alone."""
    return ring_of(held_in(toy, member))


def held_in(toy: ToyEpoch, member: int) -> HeldKey:
    """What a member's vault holds of a toy epoch."""
    return HeldKey(toy.epoch, toy.secrets[member])


@lru_cache(maxsize=8)
def refreshed(n: int = 5, quorum: int = 3, bits: int = 256) -> ToyEpoch:
    """The key of ``toy_epoch`` one epoch later: the same N, new shares and new sealing keys."""
    toy = toy_epoch(n, quorum, bits)
    before = toy.epoch.state
    dealers = tuple(range(1, quorum + 1))
    plan = HandoverPlan(before, n, quorum, dealers, seed_of("refresh"))
    drawn = {i: draw(plan, i, seed_of("dealing", i)) for i in dealers}
    said = {i: deal(plan, i, before.point(toy.shares[i]), drawn[i]) for i in dealers}
    points = {i: points_for(plan, drawn[i]) for i in dealers}
    after = advance(plan, said)
    seeds = {i: seed_of("refreshed", i) for i in toy.federation.members}
    sealing = tuple(SealingKey(seeds[i]).public for i in toy.federation.members)
    federation = toy.federation.terms.federation
    epoch = epoch_of_state(federation, toy.epoch.number + 1, after, sealing)
    shares = {i: new_share(after, i, {d: points[d][i] for d in dealers}) for i in seeds}
    secrets = {i: epoch_secret(epoch, shares[i], seeds[i]) for i in seeds}
    return replace(toy, epoch=epoch, secrets=secrets)
