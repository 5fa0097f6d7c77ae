"""Terms that succeed others: which can, what changes, and how many old members have to agree."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.errors import BadTerms
from protocol.signing import public_bytes
from protocol.terms.predecessor import KeySource, Predecessor
from protocol.terms.succession import Setting, changes, check_succession, least_consents
from protocol.terms.terms import Floors, Member, Terms, floor
from tests.stage.toy import replace_terms, seed_of, toy_federation

OLD = toy_federation(5, 3).terms
H1, H2, H3, H4, H5 = OLD.members


def stranger(name: str) -> Member:
    return Member(name, public_bytes(Ed25519PrivateKey.from_private_bytes(seed_of("new", name))))


def succeeding(
    *members: Member, quorum: int = 3, key: KeySource = "handover", **others: Any
) -> Terms:
    """New terms of these members, with the least floors."""
    n = len(members)
    least = floor(n)
    given = {
        "members": members,
        "quorum": quorum,
        "floors": Floors(least, least, 1),
        "allow_minority_quorum": 2 * quorum <= n,
        "predecessor": Predecessor(OLD.federation, key),
    }
    return replace_terms(OLD, **(given | others))


def refusal(new: Terms) -> tuple[str, str]:
    with pytest.raises(BadTerms) as raised:
        check_succession(OLD, new)
    return raised.value.field, raised.value.reason


@pytest.mark.parametrize(
    "members",
    [
        (H1, H2, H3, H4, H5),
        (H1, H2, H3),
        (H3, stranger("G1"), H1),
        (H1, H2, H3, H4, stranger("H5")),
        tuple(stranger(f"G{i}") for i in range(16)),
    ],
    ids=["all stay", "two leave", "one joins", "a card is replaced", "nobody stays"],
)
@pytest.mark.parametrize("key", ["handover", "ceremony"])
def test_rosters_change_as_they_like(members: tuple[Member, ...], key: KeySource) -> None:
    check_succession(OLD, succeeding(*members, key=key))


def test_new_terms_name_the_old_ones() -> None:
    new = succeeding(*OLD.members)
    assert refusal(replace_terms(new, predecessor=None))[0] == "predecessor"
    other = Predecessor(toy_federation(4, 3).terms.federation, "handover")
    assert refusal(replace_terms(new, predecessor=other))[0] == "predecessor.federation"


def test_a_key_that_is_handed_over_keeps_its_length() -> None:
    assert refusal(succeeding(*OLD.members, key_bits=512))[0] == "federation.key_bits"
    check_succession(OLD, succeeding(*OLD.members, key="ceremony", key_bits=512))


def test_new_terms_have_to_stand_by_themselves() -> None:
    assert refusal(succeeding(H1, H2, quorum=2, floors=OLD.floors))[0] == "members"
    many = tuple(stranger(f"G{i}") for i in range(17))
    assert refusal(succeeding(*many, quorum=9, floors=OLD.floors))[0] == "members"
    assert refusal(succeeding(*OLD.members, floors=Floors(6, 3, 1)))[0].startswith("floors")


def test_a_key_keeps_its_name() -> None:
    field, reason = refusal(succeeding(H1, H2, Member("Renamed", H3.key)))
    assert field == "members[3].key"
    assert "'Renamed' has the key of 'H3' in the old terms" in reason
    swapped = Member(H2.name, H1.key), Member(H1.name, H2.key), H3
    assert refusal(succeeding(*swapped))[0] == "members[1].key"


def test_nobody_becomes_the_aggregator_or_was_it_with_the_same_key() -> None:
    field, reason = refusal(succeeding(H1, H2, H3, aggregator_key=H4.key))
    assert field == "federation.aggregator_key"
    assert "'the aggregator' has the key of 'H4'" in reason
    was_it = Member("Server", OLD.aggregator_key)
    new = succeeding(H1, H2, was_it, aggregator_key=stranger("A").key)
    assert refusal(new)[0] == "members[3].key"
    check_succession(OLD, succeeding(H1, H2, H3, aggregator_key=stranger("A").key))


@pytest.mark.parametrize("name", ["h4", "\uff28\uff14"])
def test_nobody_joins_under_a_name_like_one_who_was_there(name: str) -> None:
    field, reason = refusal(succeeding(H1, H2, H3, stranger(name)))
    assert field == "members[4].name"
    assert "too much like 'H4'" in reason


def test_what_changes_is_told() -> None:
    floors = Floors(4, 3, 1)
    new = succeeding(
        H5, stranger("G1"), H1, stranger("H2"), stranger("G0"), quorum=4, floors=floors
    )
    found = changes(OLD, new)
    assert found.joins == ("G1", "G0")
    assert found.leaves == ("H3", "H4")
    assert found.replaced == ("H2",)
    assert found.settings == (
        Setting("federation.quorum", 3, 4),
        Setting("floors.least_contributors", 3, 4),
    )


def test_every_setting_that_changes_is_told() -> None:
    fields: dict[str, Any] = {
        "name": "Other",
        "quorum": 4,
        "key_bits": 512,
        "allow_minority_quorum": True,
        "allow_small_key": False,
        "aggregator_key": b"k" * 32,
        "step_seconds": 60,
        "floors": Floors(4, 4, 2, "warn"),
    }
    kept = {"members", "predecessor"}
    assert fields.keys() | kept == {*Terms.__struct_fields__}
    told = {setting.field for setting in changes(OLD, replace_terms(OLD, **fields)).settings}
    floors = {f"floors.{name}" for name in Floors.__struct_fields__}
    assert told == {f"federation.{name}" for name in fields if name != "floors"} | floors
    assert changes(OLD, OLD).settings == ()


@pytest.mark.parametrize(
    ("members", "quorum", "needed"),
    [(5, 3, 4), (5, 4, 4), (3, 3, 4), (3, 2, 5), (6, 3, 5), (7, 4, 4)],
)
def test_all_agree_where_fewer_than_before_or_a_minority_decrypt(
    members: int, quorum: int, needed: int
) -> None:
    new = succeeding(*(stranger(f"G{i}") for i in range(members)), quorum=quorum)
    assert least_consents(OLD, new) == needed


def test_a_refresh_takes_two_sets_that_share_an_honest_member_and_a_quorum() -> None:
    for n in range(3, 17):
        for quorum in range(2, n + 1):
            terms = toy_federation(n, quorum).terms
            assert least_consents(terms, terms) == max(quorum, terms.lock_threshold)
