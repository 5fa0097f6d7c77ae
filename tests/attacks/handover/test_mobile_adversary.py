"""An adversary that moves: in each epoch it has all but one of a quorum's shares, never the same.

It has so over ten refreshes on a real board, and in an attempt that died between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, islice, product

import pytest

from keyshare.key import JointKey, SecretShare
from protocol.key.epoch import EpochSecret
from protocol.messages.handover import Content, HandedDealing
from tests.protocol.handover.table import decrypts
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
FIVE: list[int | str] = [1, 2, 3, 4, 5]
EPOCHS, MIXTURES = 10, 60


def stolen(epoch: int, secrets: Mapping[int, EpochSecret], more: int = 0) -> list[SecretShare]:
    """Two members' shares, others in each epoch; ``more`` than that."""
    chosen = [(2 * epoch + a) % 5 + 1 for a in range(2 + more)]
    return [secrets[i].secret_share() for i in chosen]


def silent_dealer(at: PostedHandover, sender: int, content: Content) -> Content | None:
    return None if sender == 1 and isinstance(content, HandedDealing) else content


@lru_cache(maxsize=1)
def history() -> tuple[tuple[JointKey, Mapping[int, EpochSecret]], ...]:
    """The key and all shares in each epoch; before the fifth refresh an attempt dies."""
    table, secrets = copied(TOY), TOY.secrets
    found = [(TOY.epoch.joint_key(), TOY.secrets)]
    for number in range(EPOCHS):
        if number == 4:
            dead = PostedHandover(table, secrets, FIVE, 3, tamper=silent_dealer).run()
            assert dead.view.attempt.is_thawed
        handed = PostedHandover(table, secrets, FIVE, 3).run()
        assert handed.view.attempt.is_settled
        secrets = handed.new_secrets()
        found.append((handed.new_epoch.joint_key(), secrets))
    return tuple(found)


def mixtures(chosen: Sequence[Sequence[SecretShare]]) -> Sequence[Sequence[SecretShare]]:
    """Three stolen shares of three members, each of an epoch of its own, or two of one."""
    flat = [share for shares in chosen for share in shares]
    apart = (some for some in combinations(flat, 3) if len({s.index for s in some}) == 3)
    return list(islice(apart, 0, None, 13))[:MIXTURES]


def test_two_of_each_epoch_decrypt_in_none() -> None:
    epochs = history()
    chosen = [stolen(e, secrets) for e, (_, secrets) in enumerate(epochs)]
    assert len({share.value for shares in chosen for share in shares}) == 2 * len(epochs)
    found = mixtures(chosen)
    assert len(found) == MIXTURES
    for shares, (key, _) in product(found, epochs[::5]):
        assert not decrypts(key, shares)


@pytest.mark.parametrize("epoch", [0, 5, EPOCHS])
def test_three_of_any_one_epoch_decrypt_in_all(epoch: int) -> None:
    """The key is the same for ever: one theft of a quorum is one too many."""
    key, secrets = history()[epoch]
    assert decrypts(key, stolen(epoch, secrets, more=1))
    assert {key.n for key, _ in history()} == {TOY.epoch.joint_key().n}


def test_shares_do_not_grow() -> None:
    lengths = [
        max(secrets[i].secret_share().value.bit_length() for i in (1, 2, 3, 4, 5))
        for _, secrets in history()[1:]
    ]
    assert max(lengths) - min(lengths) <= 4
