"""Whole handovers in which everybody is honest: who decrypts, and what is left on whose shelf."""

import itertools
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.handover import HandoverPlan, KeyState
from protocol.encoding import decode, decoder_of, encode, width_of
from protocol.errors import BadTerms
from protocol.handover import OLD_SHARE, Succession
from protocol.handover.handed import SEAL_BYTES
from protocol.handover.shelf import ArrivalSecret, KeptDealing
from protocol.key import Epoch, read_epoch, read_secret
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    Content,
    DealingCommitment,
    HandedDealing,
    PointAccusation,
    ShownPart,
)
from protocol.terms.predecessor import Predecessor
from tests.protocol.handover.table import (
    HandoverTable,
    changed,
    decrypts,
    epoch_in,
    refresh,
    succession,
    table,
    three_of_five,
)
from tests.stage.handover.rosters import terms_of
from tests.stage.toy import toy_epoch

SUCCESSIONS = {"leavers and newcomers": three_of_five, "refresh": refresh}


@lru_cache(maxsize=4)
def settled(name: str) -> HandoverTable:
    return table(SUCCESSIONS[name]()).run()


each_succession = pytest.mark.parametrize("name", SUCCESSIONS)


@each_succession
def test_every_quorum_of_the_new_epoch_decrypts(name: str) -> None:
    done = settled(name)
    assert done.view.attempt.is_settled
    assert done.named == []
    secrets, epoch = done.new_secrets(), done.view.epoch
    assert epoch is not None
    assert all(epoch_in(secret) == epoch for secret in secrets.values())
    shares = [secret.secret_share() for secret in secrets.values()]
    for quorum in itertools.combinations(shares, epoch.quorum):
        assert decrypts(epoch.joint_key(), quorum)
    assert not decrypts(epoch.joint_key(), shares[: epoch.quorum - 1])


@each_succession
def test_the_new_epoch_is_one_that_its_federation_reads(name: str) -> None:
    done = settled(name)
    about, epoch = done.about, done.view.epoch
    assert epoch is not None
    assert read_epoch(encode(epoch), about.new) == epoch
    assert (epoch.number, epoch.n) == (about.epoch.number + 1, about.epoch.n)
    for number, secret in done.new_secrets().items():
        assert read_secret(encode(secret), about.new, number).epoch == epoch
    keys = [done.view.arrivals[i].for_rounds for i in about.rosters.new]
    assert epoch.sealing_keys == tuple(keys)


def test_old_and_new_shares_mixed_do_not_decrypt() -> None:
    done = settled("refresh")
    old, new = toy_epoch(3, 2).shares, done.new_secrets()
    epoch = done.view.epoch
    assert epoch is not None
    for key in (epoch.joint_key(), done.about.epoch.joint_key()):
        for i, j in itertools.permutations((1, 2, 3), 2):
            assert not decrypts(key, [old[i], new[j].secret_share()])


@each_succession
def test_what_is_left_is_the_new_share_alone(name: str) -> None:
    done = settled(name)
    for i, shelf in done.shelves.items():
        kept = {"handover/1/share"} if i in done.about.rosters.new else set()
        assert shelf.kept.keys() == kept


def test_a_member_without_its_share_gets_a_new_one_and_does_not_deal() -> None:
    at = table(refresh())
    del at.shelves[1].kept[OLD_SHARE]
    at.run()
    assert at.view.attempt.is_settled
    assert at.view.attempt.dealers == (2, 3)
    assert (1, BareWord("freeze only")) in at.entries
    shares = {i: secret.secret_share() for i, secret in at.new_secrets().items()}
    epoch = at.view.epoch
    assert epoch is not None
    assert all(decrypts(epoch.joint_key(), [shares[1], shares[i]]) for i in (2, 3))


@pytest.mark.parametrize("damage", ["cut", "another's", "of another epoch", "off by N"])
def test_a_share_that_is_not_whole_counts_as_none(damage: str) -> None:
    at = table(refresh())
    secret = toy_epoch(3, 2).secrets[1]
    share = int.from_bytes(secret.share, "big") + int.from_bytes(refresh().epoch.n, "big")
    data = {
        "cut": encode(secret)[:-1],
        "another's": encode(toy_epoch(3, 2).secrets[2]),
        "of another epoch": encode(changed(secret, epoch=encode(toy_epoch(5, 3).epoch))),
        "off by N": encode(changed(secret, share=share.to_bytes(len(secret.share) + 1, "big"))),
    }[damage]
    at.shelves[1].kept[OLD_SHARE] = data
    at.run()
    assert at.view.attempt.is_settled
    assert (1, BareWord("freeze only")) in at.entries


def test_a_handed_over_key_is_handed_over_again() -> None:
    first = settled("leavers and newcomers")
    about, epoch = first.about, first.view.epoch
    assert epoch is not None
    back = terms_of(about.new, [7, 6, 5], 2)
    second = Succession(about.new, epoch, "handover/1", back)
    at = HandoverTable(second, first.new_secrets()).run()
    assert at.view.attempt.is_settled
    last = at.view.epoch
    assert last is not None
    assert last.number == about.epoch.number + 2
    shares = [secret.secret_share() for secret in at.new_secrets().values()]
    assert all(decrypts(last.joint_key(), pair) for pair in itertools.combinations(shares, 2))


def test_nothing_is_handed_over_that_its_people_did_not_agree_to() -> None:
    at = table(refresh())
    for i in (1, 2):
        at.members[i].consents = False
    at.run()
    assert at.view.attempt.is_thawed
    assert not at.view.attempt.frozen


def test_terms_that_do_not_fit_the_key_are_refused() -> None:
    about, other = refresh(), toy_epoch(5, 3)
    with pytest.raises(BadTerms):
        Succession(about.old, other.epoch, "handover/1", about.new)
    foreign = changed(about.epoch, federation=bytes(32))
    with pytest.raises(BadTerms):
        Succession(about.old, foreign, "handover/1", about.new)
    changes: dict[str, dict[str, Any]] = {
        "federation.key_bits": {"key_bits": 512},
        "predecessor": {"predecessor": None},
        "predecessor.federation": {"predecessor": Predecessor(bytes(32), "handover")},
        "predecessor.key": {"predecessor": Predecessor(about.old.federation, "ceremony")},
    }
    for field, change in changes.items():
        new = changed(succession(toy_epoch(3, 2), [2, 1, 3], 2).new, **change)
        with pytest.raises(BadTerms) as raised:
            Succession(about.old, about.epoch, "handover/1", new)
        assert raised.value.field == field
    old = changed(about.old, quorum=3)
    with pytest.raises(BadTerms):
        Succession(old, changed(about.epoch, federation=old.federation), "", about.new)


def test_all_consent_where_fewer_than_before_or_a_minority_decrypt() -> None:
    toy = toy_epoch(5, 3)
    rosters: list[tuple[list[int | str], int]] = [
        ([1, 2, 3], 2),
        ([1, 2, 3, 4, 5, "g1"], 3),
        ([1, 2, 3, 4], 3),
    ]
    needed = {(len(w), k): succession(toy, w, k).least_consents for w, k in rosters}
    assert needed == {(3, 2): 5, (6, 3): 5, (4, 3): 4}
    same = Succession(toy.federation.terms, toy.epoch, "handover/1", toy.federation.terms)
    assert same.least_consents == 4


def test_who_keeps_its_key_keeps_its_number_on_the_board() -> None:
    about = succession(toy_epoch(5, 3), ["G1", 3, 1, "G2"], 3)
    assert about.rosters.new == (6, 3, 1, 7)
    assert [about.new_number(i) for i in about.rosters.new] == [1, 2, 3, 4]


def test_every_fact_goes_into_the_subject() -> None:
    about = refresh()
    others = [
        refresh("handover/2"),
        succession(toy_epoch(3, 2), [2, 1, 3], 2),
        succession(toy_epoch(3, 2), [1, 2, 3], 3),
        Succession(about.old, about.epoch, about.session, about.new, frozenset({1})),
        Succession(about.old, changed(about.epoch, number=9), about.session, about.new),
    ]
    assert len({about.subject, *(other.subject for other in others)}) == len(others) + 1


def test_no_secret_shows() -> None:
    at = table(refresh()).run(lambda view: view.attempt.is_dealt)
    keys = decode(at.shelves[1].kept["handover/1/arrival"], ArrivalSecret, "", 1 << 20)
    dealing = decode(at.shelves[1].kept["handover/1/dealing"], KeptDealing, "", 1 << 20)
    assert repr(keys) == "ArrivalSecret(<secret>)"
    accusation = PointAccusation(1, keys.seed_for(1))
    seeds = [keys.root, keys.seed_for(1), keys.seed_for_rounds]
    share = toy_epoch(3, 2).secrets[1]
    assert repr(dealing) == "KeptDealing(<not said yet>)"
    shown = "".join(map(repr, [keys, accusation, dealing, share, *at.members.values(), at.view]))
    for secret in (*seeds, share.share):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
    assert str(int(share.secret_share().value)) not in shown


def test_each_content_is_read_as_what_it_is() -> None:
    said = [content for _, content in settled("refresh").entries]
    kinds = {Consent, Arrival, DealingCommitment, HandedDealing, ShownPart, BareWord}
    assert {type(content) for content in said} == kinds
    one_of = decoder_of(Content)
    assert [one_of.decode(encode(content)) for content in said] == said
    accusation = PointAccusation(1, bytes(32))
    assert one_of.decode(encode(accusation)) == accusation


@pytest.mark.parametrize("quorum", [2, 9, 16])
def test_the_longest_words_have_room(quorum: int) -> None:
    """Of the largest key, with 16 members before and after, however often it is handed over."""
    n = mpz(2) ** 4096 - 1
    u = (mpz(1),) * quorum
    state = KeyState(n, mpz(4), 16, 16, quorum, n, u, mpz(1))
    for _ in range(3):  # what a point was bounded by before it is forgotten after one
        plan = HandoverPlan(state, 16, quorum, tuple(range(1, quorum + 1)), b"")
        state = replace(state, point_bound=plan.point_bound)
    bounds = [plan.difference_bound(i) for i in plan.dealers]
    assert all(width_of(bound) <= room(HandedDealing, "difference") for bound in bounds)
    assert SEAL_BYTES + width_of(plan.dealt_bound) <= room(HandedDealing, "sealed")
    assert width_of(n**2) <= room(ShownPart, "part")
    assert width_of(n * sum(bounds) // state.delta) <= room(Epoch, "theta")
    assert width_of(state.point_bound) <= room(Epoch, "point_bound")


def room(kind: type, name: str) -> int:
    """The longest bytes that a field takes, or one of its items."""
    found = next(f.type for f in msgspec.inspect.type_info(kind).fields if f.name == name)
    return getattr(found, "item_type", found).max_length
