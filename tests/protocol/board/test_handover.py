"""The key's handovers on a board: what may be proposed, who speaks in them, what counts."""

import copy
from typing import Any

import msgspec
import pytest

from protocol.board.budget import HANDOVERS_A_DAY, Surplus
from protocol.board.post import Posted
from protocol.encoding import encode
from protocol.errors import BadEntry
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort
from protocol.messages.check import CheckRequest
from protocol.messages.handover import BareWord, Consent, Content, HandoverProposal
from protocol.signing import public_bytes
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import Terms, sign_terms
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who, guest_key, proposal, terms_of
from tests.stage.toy import Table, next_post, replace_terms, toy_epoch, toy_federation

TOY = toy_epoch(3, 2)
REFRESH: Who = [1, 2, 3]
SUCCESSION: Who = ["G1", 3, 1, "G2"]
VOID, THAW = BareWord("void"), BareWord("thaw")
DAY_MS = 24 * 3_600_000


def attempt(who: Who = REFRESH, quorum: int = 2, table: Table | None = None) -> PostedHandover:
    return PostedHandover(table or copied(TOY), TOY.secrets, who, quorum)


def reason_of(posted: Posted) -> str:
    """Why a post did not count; empty if it did."""
    body = posted.post.body
    return body.reason if isinstance(body, Surplus) else ""


def why(table: Table, number: int, body: Body, sender: int = 1) -> str:
    """Why what a member says in an attempt's session does not count; empty if it does."""
    return reason_of(table.put(table.sign(f"handover/{number}", sender, body)))


def given_up(handed: PostedHandover) -> PostedHandover:
    """The attempt, void and thawed."""
    for word in (VOID, THAW):
        for member in (1, 2):
            assert not why(handed.table, handed.number, word, member)
    assert handed.handover.thawed_at == handed.table.board.head.position
    return handed


# ── what may be proposed ──


def test_the_next_handover_is_due_once_the_one_before_is_over() -> None:
    table = copied(TOY)
    body = proposal(TOY.federation, TOY.epoch, REFRESH, 2)
    assert why(table, 2, body).startswith("handover 1 is due")
    handed = attempt(table=table)
    assert why(table, 2, body).startswith("handover 2 is due")
    for member in (1, 2):
        why(table, 1, VOID, member)
    assert handed.view.attempt.outcome == "void"
    assert why(table, 2, body, sender=2).startswith("handover 2 is due")  # not thawed yet
    why(table, 1, THAW, 1)
    why(table, 1, THAW, 2)
    assert why(table, 3, body).startswith("handover 2 is due")
    assert not why(table, 2, body, sender=3)
    assert why(table, 1, body, sender=2).startswith("handover 3 is due")  # never anew
    assert [one.proposer for one in table.board.key.handovers.all] == [1, 3]


def test_a_handover_that_is_held_is_not_over() -> None:
    handed = attempt().run(lambda view: view.attempt.outcome == "held")
    body = proposal(TOY.federation, TOY.epoch, REFRESH, 2)
    assert why(handed.table, 2, body).startswith("handover 2 is due")
    handed.run()
    assert "about another key" in why(handed.table, 2, body, sender=2)
    newest = HandoverProposal(handed.new_epoch.digest, b"", ())
    assert not why(handed.table, 2, newest, sender=3)


@pytest.mark.parametrize("epoch", [bytes(32), TOY.epoch.digest])
def test_a_proposal_names_the_key_that_all_have(epoch: bytes) -> None:
    """On a board without a key none counts."""
    body = HandoverProposal(epoch, b"", ())
    assert "about another key" in why(Table(TOY.federation), 1, body)
    assert bool(why(copied(TOY), 1, body)) is (epoch != TOY.epoch.digest)


def test_a_key_that_was_handed_to_another_federation_is_handed_over_no_more() -> None:
    handed = attempt(SUCCESSION, 3).run(lambda view: view.attempt.is_released)
    body = proposal(TOY.federation, TOY.epoch, REFRESH, 2)
    assert why(handed.table, 2, body) == "the key was handed over to another federation"


def succeeding(new: Terms, signing: Who, **changes: Any) -> HandoverProposal:
    """A proposal of these terms, signed by some."""
    keys = [TOY.federation.keys[w] if isinstance(w, int) else guest_key(w) for w in signing]
    signatures = tuple(sign_terms(new, key) for key in keys)
    body = HandoverProposal(TOY.epoch.digest, encode(new), signatures)
    return msgspec.structs.replace(body, **changes)


NEW = terms_of(TOY.federation.terms, SUCCESSION, 3)
OTHER = toy_federation(4, 2).terms.federation
BAD = {
    "unreadable": (succeeding(NEW, SUCCESSION, terms=b"junk"), "its terms: "),
    "signatures alone": (succeeding(NEW, SUCCESSION, terms=b""), "signatures and no terms"),
    "too few signatures": (succeeding(NEW, SUCCESSION[:3]), "one signature for each member"),
    "another's signature": (succeeding(NEW, [*SUCCESSION[:3], "G3"]), "not signed by all"),
    "in another order": (succeeding(NEW, [*SUCCESSION[2:], *SUCCESSION[:2]]), "not signed by all"),
    "no predecessor": (
        succeeding(replace_terms(NEW, predecessor=None), SUCCESSION),
        "these terms succeed no others",
    ),
    "another predecessor": (
        succeeding(replace_terms(NEW, predecessor=Predecessor(OTHER, "handover")), SUCCESSION),
        "it names other terms",
    ),
    "a ceremony's key": (
        succeeding(
            replace_terms(
                NEW, predecessor=Predecessor(TOY.federation.terms.federation, "ceremony")
            ),
            SUCCESSION,
        ),
        "a ceremony makes a new key",
    ),
    "other key bits": (succeeding(replace_terms(NEW, key_bits=512), SUCCESSION), "key_bits"),
    "terms that are none": (succeeding(replace_terms(NEW, quorum=9), SUCCESSION), "its terms: "),
}


@pytest.mark.parametrize("name", BAD)
def test_terms_that_nobody_can_take_over_under_are_not_proposed(name: str) -> None:
    body, words = BAD[name]
    table = copied(TOY)
    assert words in why(table, 1, body)
    assert table.board.key.handovers.last is None
    assert not why(table, 1, succeeding(NEW, SUCCESSION), sender=2)


def test_a_member_proposes_so_many_handovers_a_day_and_the_next_does_not_begin() -> None:
    table = copied(TOY)
    table.now_ms = 1_000
    for _ in range(HANDOVERS_A_DAY):
        given_up(attempt(table=table))
    body, next_number = proposal(TOY.federation, TOY.epoch, REFRESH, 2), HANDOVERS_A_DAY + 1
    assert "in the last day is the most" in why(table, next_number, body)
    assert table.board.key.handovers.under_way is None
    assert len(table.board.key.handovers.all) == HANDOVERS_A_DAY
    other = copy.deepcopy(table)
    assert not why(other, next_number, body, sender=2)  # that is another's budget
    table.now_ms += DAY_MS
    assert not why(table, next_number, body)


# ── what is said ──


def test_nothing_is_said_of_a_handover_that_nobody_has_proposed() -> None:
    table = copied(TOY)
    assert why(table, 1, Consent(bytes(32))) == "nobody has proposed this handover"
    handed = attempt(table=table)
    assert why(table, 2, VOID) == "nobody has proposed this handover"
    assert not why(table, handed.number, VOID)


def test_a_word_counts_once() -> None:
    handed = attempt()
    assert not reason_of(handed.say(2, Consent(handed.about.subject)))
    moved, view = handed.handover.moved_ms, handed.view
    handed.table.now_ms += 5
    assert "said this before" in reason_of(handed.say(2, Consent(handed.about.subject)))
    assert "said this before" in reason_of(handed.say(2, Consent(bytes(32))))
    assert (handed.view, handed.handover.moved_ms) == (view, moved)
    assert not reason_of(handed.say(3, VOID))  # each bare word is one of its own
    assert not reason_of(handed.say(3, THAW))
    assert "said this before" in reason_of(handed.say(3, VOID))


def test_when_a_word_last_counted_is_known() -> None:
    handed = attempt()
    began = handed.handover.moved_ms
    handed.table.now_ms += 5
    handed.say(2, BareWord("release"))  # not due, so that nothing moves
    assert handed.handover.moved_ms == began
    handed.say(2, VOID)
    assert handed.handover.moved_ms == began + 5


# ── guests ──


def guest_says(
    handed: PostedHandover, session: str, sender: int, name: str, body: Content
) -> Posted:
    key = guest_key(name)
    return handed.table.put(next_post(key, handed.table.board, session, sender, body))


def test_a_guest_speaks_in_its_session_with_the_key_that_was_proposed() -> None:
    handed = attempt(SUCCESSION, 3)
    assert handed.about.rosters.new == (4, 3, 1, 5)
    for name, sender in [("G2", 4), ("G1", 5), ("G3", 4)]:
        with pytest.raises(BadEntry, match="signature does not fit"):
            guest_says(handed, "handover/1", sender, name, VOID)
    with pytest.raises(BadEntry, match="not a member"):
        guest_says(handed, "handover/1", 6, "G3", VOID)
    with pytest.raises(BadEntry, match="not a member"):
        guest_says(handed, "handover/2", 4, "G1", VOID)
    assert not reason_of(guest_says(handed, "handover/1", 4, "G1", VOID))
    assert handed.view.attempt.voids == frozenset()  # that is not its to decide
    with pytest.raises(BadEntry, match="signature does not fit"):
        guest_says(handed, "handover/1", 1, "G1", VOID)


@pytest.mark.parametrize(
    ("session", "body"),
    [
        ("ceremony/1", Abort(0, "deal", "it ends")),
        ("check/1", CheckRequest(TOY.epoch.digest, bytes(32))),
    ],
)
def test_a_guest_speaks_nowhere_else(session: str, body: Body) -> None:
    handed = attempt(SUCCESSION, 3)
    board = handed.table.board
    with pytest.raises(BadEntry, match="not a member"):
        handed.table.put(next_post(guest_key("G1"), board, session, 4, body))


def test_no_guest_speaks_where_the_same_members_take_new_shares() -> None:
    handed = attempt()
    assert handed.handover.guests == {}
    with pytest.raises(BadEntry, match="not a member"):
        guest_says(handed, "handover/1", 4, "G1", VOID)


def test_guests_of_two_attempts_are_two_though_they_have_one_number() -> None:
    """What the first saw last is nothing to the second, which has seen less."""
    first = attempt(SUCCESSION, 3)
    earlier = first.table.board.head.position - 1
    guest_says(first, "handover/1", 4, "G1", VOID)
    given_up(first)
    second = attempt([1, 2, 3, "G3"], 3, first.table)
    assert second.handover.guests.keys() == {4}
    with pytest.raises(BadEntry, match="signature does not fit"):
        guest_says(second, "handover/2", 4, "G1", VOID)
    board = first.table.board
    seen = {"seen_position": earlier, "seen": board.hash_at(earlier)}
    said = next_post(guest_key("G3"), board, "handover/2", 4, VOID, **seen)
    assert not reason_of(first.table.put(said))
    with pytest.raises(BadEntry, match="saw less"):
        first.table.put(next_post(guest_key("G1"), board, "handover/1", 4, THAW, **seen))


def test_what_another_guest_said_under_the_same_number_is_not_ones_own() -> None:
    first = attempt(SUCCESSION, 3)
    said = guest_says(first, "handover/1", 4, "G1", VOID)
    attempt([1, 2, 3, "G3"], 3, given_up(first).table)
    board, keys = first.table.board, [public_bytes(guest_key(name)) for name in ("G1", "G3")]
    assert [board.is_by(said, 4, key) for key in keys] == [True, False]
    assert not board.is_by(said, 5, keys[0])
    assert [board.name_of(f"handover/{k}", 4) for k in (1, 2)] == ["G1 (guest)", "G3 (guest)"]


# ── whom the next attempt trusts ──


def silent_dealer(table: Table | None = None) -> PostedHandover:
    """An attempt of 3 of 5 in which member 1 commits and never deals, so that it dies."""
    toy = toy_epoch(5, 3)

    def tamper(handed: PostedHandover, sender: int, content: Content) -> Content | None:
        is_dealt = sender == 1 and handed.view.attempt.is_committed
        return None if is_dealt and not handed.view.attempt.outcome else content

    return PostedHandover(
        table or copied(toy), toy.secrets, [1, 2, 3, 4, 5], 3, tamper=tamper
    ).run()


def test_who_was_silent_is_mistrusted_in_the_next_attempt_at_the_same_key() -> None:
    first = silent_dealer()
    assert first.view.attempt.is_thawed
    assert first.about.mistrusted == frozenset()
    toy = toy_epoch(5, 3)
    second = PostedHandover(first.table, toy.secrets, [1, 2, 3, 4, 5], 3).run()
    assert second.about.mistrusted == {1}
    assert second.view.attempt.dealers == (2, 3, 4)
    third = PostedHandover(first.table, second.new_secrets(), [1, 2, 3, 4, 5], 3)
    assert third.about.mistrusted == frozenset()  # under the next epoch all begin anew


def test_whom_a_misdeed_names_is_mistrusted_and_not_who_fell_silent_over_it() -> None:
    """The other dealers stop where they see a misdeed. They are honest, and deal the next time."""

    def tamper(handed: PostedHandover, sender: int, content: Content) -> Content | None:
        is_deal = sender == 1 and handed.view.attempt.is_committed
        if is_deal and not handed.view.attempt.outcome:
            return msgspec.structs.replace(content, nonce=bytes(32))
        return content

    toy = toy_epoch(5, 3)
    first = PostedHandover(copied(toy), toy.secrets, [1, 2, 3, 4, 5], 3, tamper=tamper).run()
    assert first.view.culprits == {1}
    assert first.view.attempt.owing == {1, 2, 3}
    second = PostedHandover(first.table, toy.secrets, [1, 2, 3, 4, 5], 3)
    assert second.about.mistrusted == {1}


def test_a_guest_that_was_named_takes_no_old_members_place() -> None:
    """Guests of another attempt have its number, and old members alone deal."""
    handed = attempt(SUCCESSION, 3)
    arrival = handed.members[4].due()
    assert arrival is not None
    handed.say(4, msgspec.structs.replace(arrival, once=()))
    assert handed.view.culprits == {4}
    given_up(handed)
    assert attempt(table=handed.table).about.mistrusted == frozenset()


def test_who_could_not_deal_is_mistrusted_too_or_each_attempt_would_wait_for_the_same() -> None:
    """Member 1 was a silent dealer once, and 4 and 5 have lost their shares. Three can deal."""
    toy = toy_epoch(5, 3)
    first = silent_dealer()
    able = {i: toy.secrets[i] for i in (1, 2, 3)}
    second = PostedHandover(first.table, able, [1, 2, 3, 4, 5], 3).run()
    assert second.about.mistrusted == {1}
    assert second.view.attempt.is_frozen
    assert second.view.attempt.is_thawed
    assert not second.view.attempt.dealers
    third = PostedHandover(first.table, able, [1, 2, 3, 4, 5], 3).run()
    assert third.about.mistrusted == {1, 4, 5}
    assert third.view.attempt.dealers == (1, 2, 3)
    assert third.handover.released_at is not None
