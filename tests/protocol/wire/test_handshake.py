"""How a connection begins: who is let in, on which channel, and what fits no other connection."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.encoding import encode
from protocol.errors import BadSignature, BrokenChannel, Malformed
from protocol.signing import public_bytes
from protocol.terms.address_card import AddressCard, sign_card
from protocol.wire.frames import MAX_HELLO_BYTES, Challenge, Confirmation, Hello
from protocol.wire.handshake import AggregatorHandshake, Introduced, MemberHandshake, TurnedAway
from tests.stage.toy import Federation, toy_federation

TOY = toy_federation(3, 2)
CARDS = {1: TOY.card.url, 2: "wss://elsewhere:1"}
INSTANCE = b"i" * 16


def aggregator(federation: Federation = TOY, nonce: bytes = b"n" * 32) -> AggregatorHandshake:
    knows = lambda number, url: CARDS.get(number) == url  # noqa: E731
    return AggregatorHandshake(federation.terms, federation.keys[0], nonce, knows)


def member(
    index: int = 2,
    federation: Federation = TOY,
    card: AddressCard | None = None,
    key: Ed25519PrivateKey | None = None,
    purpose: Any = "member",
) -> MemberHandshake:
    key = key or federation.keys[max(index, 1) if index <= 3 else 1]
    card = card or federation.card
    return MemberHandshake(federation.terms, card, index, INSTANCE, purpose, key)


def let_in(one: AggregatorHandshake, other: MemberHandshake) -> tuple[Introduced, Any]:
    hello, channel = other.answer(encode(one.challenge))
    found = one.take(encode(hello))
    assert isinstance(found, Introduced)
    return found, channel


@pytest.mark.parametrize("purpose", ["member", "status"])
def test_both_sides_know_each_other_and_share_a_channel(purpose: str) -> None:
    one, other = aggregator(), member(purpose=purpose)
    found, channel = let_in(one, other)
    assert (found.member, found.instance, found.purpose, found.card) == (2, INSTANCE, purpose, 1)
    other.check(one.confirmation(found))
    assert found.channel.open(channel.seal(b"up")) == b"up"
    assert channel.open(found.channel.seal(b"down")) == b"down"


def test_no_two_connections_share_a_key() -> None:
    one, other = let_in(aggregator(), member()), let_in(aggregator(), member())
    with pytest.raises(BrokenChannel):
        other[0].channel.open(one[1].seal(b"frame"))


def test_who_looks_on_learns_neither_member_nor_address_nor_federation() -> None:
    one, other = aggregator(), member()
    hello, _ = other.answer(encode(one.challenge))
    seen = encode(one.challenge) + encode(hello)
    for secret in (TOY.card.url.encode(), TOY.terms.federation, INSTANCE, b"member"):
        assert secret not in seen


def refused(one: AggregatorHandshake, other: MemberHandshake) -> str:
    """The code of the refusal, as the member reads it on the channel."""
    hello, channel = other.answer(encode(one.challenge))
    found = one.take(encode(hello))
    assert isinstance(found, TurnedAway)
    assert channel.open(found.channel.seal(b"no")) == b"no"
    return found.answer.code


@pytest.mark.parametrize("index", [0, 4, 16])
def test_a_number_outside_the_roster_is_an_unknown_identity(index: int) -> None:
    assert refused(aggregator(), member(index)) == "unknown-identity"


def test_a_key_that_is_not_the_members_is_turned_away() -> None:
    assert refused(aggregator(), member(key=Ed25519PrivateKey.generate())) == "bad-signature"
    assert refused(aggregator(), member(2, key=TOY.keys[3])) == "bad-signature"


# ── guests of a handover ──


GUEST = Ed25519PrivateKey.from_private_bytes(b"g" * 32)


def with_guests(guests: Mapping[int, bytes]) -> AggregatorHandshake:
    knows = lambda number, url: CARDS.get(number) == url  # noqa: E731
    return AggregatorHandshake(TOY.terms, TOY.keys[0], b"n" * 32, knows, guests.get)


def test_a_guest_comes_in_with_its_number_and_its_key() -> None:
    one, other = with_guests({4: public_bytes(GUEST)}), member(4, key=GUEST)
    found, channel = let_in(one, other)
    assert (found.member, found.key) == (4, public_bytes(GUEST))
    other.check(one.confirmation(found))
    assert found.channel.open(channel.seal(b"up")) == b"up"


def test_a_guest_that_nobody_names_hears_that_no_handover_does() -> None:
    one, other = with_guests({4: public_bytes(GUEST)}), member(5, key=GUEST)
    found = one.take(encode(other.answer(encode(one.challenge))[0]))
    assert isinstance(found, TurnedAway)
    assert found.answer.code == "unknown-identity"
    assert "no handover under way names one" in found.answer.reason


def test_a_guest_with_another_key_than_its_proposals_is_turned_away() -> None:
    guests = {4: public_bytes(GUEST), 5: public_bytes(TOY.keys[3])}
    assert refused(with_guests(guests), member(4, key=TOY.keys[3])) == "bad-signature"
    assert refused(with_guests(guests), member(5, key=GUEST)) == "bad-signature"


def test_who_is_a_guest_is_asked_for_when_it_comes() -> None:
    guests = {4: public_bytes(GUEST)}
    one = with_guests(guests)
    guests[4] = public_bytes(TOY.keys[3])
    assert refused(one, member(4, key=GUEST)) == "bad-signature"


def test_a_guests_key_is_never_a_members() -> None:
    guests = {number: public_bytes(GUEST) for number in range(5)}
    assert refused(with_guests(guests), member(2, key=GUEST)) == "bad-signature"
    assert refused(with_guests(guests), member(0, key=GUEST)) == "unknown-identity"


# ── where it does not fit ──


def test_a_member_of_another_federation_of_this_aggregator_is_told_so() -> None:
    other = toy_federation(3, 2, name="Other")
    assert refused(aggregator(), member(federation=other)) == "other-federation"


@pytest.mark.parametrize(
    ("number", "url"), [(1, "wss://elsewhere:1"), (3, TOY.card.url), (2, TOY.card.url)]
)
def test_an_address_that_no_card_of_that_number_has_is_refused(number: int, url: str) -> None:
    """Whoever dials through another name than the card has been led astray."""
    card = sign_card(TOY.keys[0], number, url, b"p" * 32)
    assert refused(aggregator(), member(card=card)) == "wrong-address"


def test_an_older_card_still_lets_a_member_in() -> None:
    for number, url in CARDS.items():
        card = sign_card(TOY.keys[0], number, url, b"p" * 32)
        assert let_in(aggregator(), member(card=card))[0].card == number


def test_what_one_connection_heard_opens_nothing_in_another() -> None:
    one, again = aggregator(), aggregator()
    hello, _ = member().answer(encode(one.challenge))
    assert isinstance(one.take(encode(hello)), Introduced)
    with pytest.raises(Malformed):
        again.take(encode(hello))


@pytest.mark.parametrize("field", ["nonce", "key", "signature"])
def test_a_challenge_that_was_changed_is_not_answered(field: str) -> None:
    challenge = aggregator().challenge
    data = bytearray(getattr(challenge, field))
    data[0] ^= 1
    changed = msgspec.structs.replace(challenge, **{field: bytes(data)})
    with pytest.raises(BadSignature):
        member().answer(encode(changed))


def test_somebody_without_the_aggregators_key_is_not_answered() -> None:
    stranger = AggregatorHandshake(TOY.terms, TOY.keys[1], b"n" * 32, lambda number, url: True)
    with pytest.raises(BadSignature):
        member().answer(encode(stranger.challenge))


@pytest.mark.parametrize("data", [b"", b"\xff", encode(Hello(bytes(32), b"")), bytes(10_000)])
def test_what_is_no_challenge_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        member().answer(data)


def altered(hello: Hello, at: int) -> bytes:
    data = bytearray(encode(hello))
    data[at] ^= 1
    return bytes(data)


def test_a_hello_that_was_changed_anywhere_is_no_hello() -> None:
    for at in range(0, len(encode(member().answer(encode(aggregator().challenge))[0])), 7):
        one = aggregator()
        hello, _ = member().answer(encode(one.challenge))
        with pytest.raises(Malformed):
            one.take(altered(hello, at))


def test_a_hello_with_a_point_of_small_order_is_no_hello() -> None:
    with pytest.raises(Malformed):
        aggregator().take(encode(Hello(bytes(32), bytes(200))))


def test_a_hello_is_small() -> None:
    one, far = aggregator(), "wss://" + ".".join(["a" * 60] * 4) + ":65535"
    card = sign_card(TOY.keys[0], 1_000_000, far, b"p" * 32)
    hello, _ = member(card=card).answer(encode(one.challenge))
    assert len(encode(hello)) <= MAX_HELLO_BYTES
    with pytest.raises(Malformed):
        one.take(bytes(MAX_HELLO_BYTES + 1))


def test_a_confirmation_of_another_connection_or_of_another_party_is_none() -> None:
    one, other = aggregator(), member()
    found, _ = let_in(one, other)
    elsewhere = aggregator()
    theirs, _ = let_in(elsewhere, member())
    for proof in (
        elsewhere.confirmation(theirs),
        Confirmation(bytes(64)),
        Confirmation(one.challenge.signature),
    ):
        with pytest.raises(BadSignature):
            other.check(proof)
    other.check(one.confirmation(found))


def test_one_in_the_middle_who_answers_both_sides_is_found_out_by_both() -> None:
    """It swaps the aggregator's key for its own: the member then hears no signature that fits."""
    one, middle = aggregator(), Ed25519PrivateKey.generate()
    own = AggregatorHandshake(TOY.terms, middle, one.challenge.nonce, lambda number, url: True)
    swapped = Challenge(one.challenge.nonce, own.challenge.key, one.challenge.signature)
    with pytest.raises(BadSignature):
        member().answer(encode(swapped))
    assert refused(one, member(key=middle)) == "bad-signature"


def test_no_secret_is_shown() -> None:
    found, channel = let_in(aggregator(), member())
    assert "secret" in repr(found.channel)
    assert "secret" in repr(channel)
