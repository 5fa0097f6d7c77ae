"""Words of another session, another federation or another member are posted again."""

from __future__ import annotations

import msgspec
import pytest

from protocol.board.budget import Surplus
from protocol.board.post import Post, SignedPost
from protocol.encoding import decode, encode
from protocol.errors import BadEntry
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.handover import BareWord, Content, HandoverProposal
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import proposal
from tests.stage.toy import next_post, toy_epoch

TOY, OTHER = toy_epoch(3, 2), toy_epoch(4, 2)
LIAR, HONEST = 1, 2


def given_up() -> PostedHandover:
    """A first attempt that all have frozen for, voided and thawed, and then a second one."""
    first = PostedHandover(copied(TOY), TOY.secrets, [1, 2, 3], 2)
    first.run(lambda view: view.attempt.is_frozen)
    for word in ("void", "thaw"):
        for member in (1, 2, 3):
            first.say(member, BareWord(word))
    return first


def words_of(handed: PostedHandover, sender: int) -> list[SignedPost]:
    entries = zip(handed.table.entries, handed.table.board.entries, strict=True)
    said = [(entry.post, posted.post) for entry, posted in entries]
    return [
        signed
        for signed, post in said
        if post.sender == sender and isinstance(post.body, Content) and post.session == "handover/1"
    ]


def test_words_of_the_attempt_before_stand_in_no_other() -> None:
    first = given_up()
    second = PostedHandover(first.table, TOY.secrets, [1, 2, 3], 2)
    for signed in words_of(first, HONEST):
        with pytest.raises(BadEntry, match=r"number . of its sender in handover/1"):
            second.table.put(signed)
    assert second.view.attempt.consents == frozenset()
    assert second.run().view.attempt.is_settled


def moved(signed: SignedPost, handed: PostedHandover) -> SignedPost:
    """The post with the next attempt's session, under the signature that it has."""
    post = decode(signed.post, Post, "post", MAX_POST_BYTES)
    board, session = handed.table.board, handed.session
    post = msgspec.structs.replace(
        post,
        session=session,
        sequence=board.count(session, post.sender),
        seen_position=board.head.position,
        seen=board.head.hash,
    )
    return SignedPost(encode(post), signed.signature)


def test_the_session_is_under_the_signature() -> None:
    first = given_up()
    second = PostedHandover(first.table, TOY.secrets, [1, 2, 3], 2)
    for signed in words_of(first, HONEST):
        with pytest.raises(BadEntry, match="signature does not fit"):
            second.table.put(moved(signed, second))


def test_without_it_an_honest_members_voids_would_end_each_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bare words say nothing else of where they belong."""
    first = given_up()
    second = PostedHandover(first.table, TOY.secrets, [1, 2, 3], 2)
    monkeypatch.setattr("protocol.board.board.verify", lambda *about: None)
    for member in (HONEST, 3):
        for signed in words_of(first, member):
            second.table.put(moved(signed, second))
    assert second.view.attempt.outcome == "void"
    assert second.view.culprits == {2, 3}, "by their consents, which are to the first attempt"


# ── proposals ──


def test_a_proposal_of_another_federation_is_none_here() -> None:
    """Signed by all its members, and with the right epoch written over it."""
    body = proposal(OTHER.federation, OTHER.epoch, [1, 2, "G1"], 2)
    table = copied(TOY)
    for epoch in (OTHER.epoch.digest, TOY.epoch.digest):
        said = HandoverProposal(epoch, body.terms, body.signatures)
        found = table.put(table.sign("handover/1", LIAR, said)).post.body
        assert isinstance(found, Surplus)
    assert table.board.key.handovers.last is None


def test_without_the_name_of_the_predecessor_it_would_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocol.handover.succession.check_succession", lambda old, new: None)
    body = proposal(OTHER.federation, OTHER.epoch, [1, 2, "G1"], 2)
    table = copied(TOY)
    said = HandoverProposal(TOY.epoch.digest, body.terms, body.signatures)
    table.put(table.sign("handover/1", LIAR, said))
    last = table.board.key.handovers.last
    assert last is not None
    assert last.about.new.predecessor is not None
    assert last.about.new.predecessor.federation == OTHER.federation.terms.federation


def test_nobody_speaks_for_another() -> None:
    handed = PostedHandover(copied(TOY), TOY.secrets, [1, 2, 3], 2)
    key, board = TOY.federation.keys[LIAR], handed.table.board
    with pytest.raises(BadEntry, match="signature does not fit"):
        handed.table.put(next_post(key, board, handed.session, HONEST, BareWord("void")))
