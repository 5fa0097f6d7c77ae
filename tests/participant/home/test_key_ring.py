"""The ring of a hospital's keys has what its vault has, and nothing else."""

import threading
from collections.abc import Sequence

import pytest

from participant.home.key_ring import KeyRing
from protocol.key.epoch import HeldKey
from tests.stage.rounds.rings import held_in, refreshed
from tests.stage.toy import toy_epoch

OLD, NEW = held_in(toy_epoch(), 2), held_in(refreshed(), 2)


def test_a_refreshed_key_has_the_same_modulus_and_other_shares() -> None:
    assert OLD.epoch.n == NEW.epoch.n
    assert OLD.secret.share != NEW.secret.share
    assert (OLD.epoch.number, NEW.epoch.number) == (1, 2)


def test_the_newest_key_is_the_current_one_and_each_is_found_by_its_epoch() -> None:
    vault = [OLD]
    ring = KeyRing(lambda known: vault)
    assert (ring.current, ring.index) == (OLD, 2)
    vault.append(NEW)
    assert ring.current == OLD  # before it is told
    ring.renew()
    assert ring.current == NEW
    assert [ring.of(key.epoch.digest) for key in (OLD, NEW)] == [OLD, NEW]
    assert ring.of(bytes(32)) is None


def test_what_the_vault_has_no_more_the_ring_has_no_more() -> None:
    vault = [OLD, NEW]
    ring = KeyRing(lambda known: list(vault))
    assert ring.of(OLD.epoch.digest) == OLD
    del vault[0]
    ring.renew()
    assert ring.of(OLD.epoch.digest) is None
    assert ring._keys == (NEW,)


def test_a_vault_that_cannot_be_read_leaves_nothing_and_is_read_again() -> None:
    answers: list[list[HeldKey] | OSError] = [[OLD], OSError("the disk is gone"), [NEW]]

    def read(known: Sequence[HeldKey]) -> list[HeldKey]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    ring = KeyRing(read)
    assert ring.current == OLD
    with pytest.raises(OSError, match="gone"):
        ring.renew()
    assert ring.current == NEW
    assert ring.of(OLD.epoch.digest) is None


def test_what_the_ring_has_is_not_opened_again() -> None:
    had = list[tuple[HeldKey, ...]]()

    def read(known: Sequence[HeldKey]) -> list[HeldKey]:
        had.append(tuple(known))
        return [OLD, NEW]

    ring = KeyRing(read)
    ring.renew()
    assert had == []  # nobody has asked for a key yet
    assert ring.current == NEW
    ring.renew()
    assert had == [(), (OLD, NEW)]


def test_threads_that_ask_at_once_read_the_vault_once() -> None:
    reads, gate = list[int](), threading.Barrier(8)

    def read(known: Sequence[HeldKey]) -> list[HeldKey]:
        reads.append(1)
        return [OLD]

    ring = KeyRing(read)

    def ask() -> None:
        gate.wait()
        assert ring.current == OLD

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_it_says_nothing_of_what_it_holds() -> None:
    ring = KeyRing(lambda known: [OLD])
    assert repr(ring.read()) == "<key ring>"
