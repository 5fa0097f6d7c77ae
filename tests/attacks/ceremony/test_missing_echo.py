"""A party, with the aggregator's help, says one thing to some members and another to the rest.

mpcsec.org, "Multicast masquerading as broadcast"; it refers to Goldwasser and
Lindell, 2002, for what an echo gives. Here the echo is the head that every post names as seen.
"""

import pytest

from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Entry, Post
from protocol.ceremony.machine import Ceremony
from protocol.errors import BadEntry, Fork
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.messages.fields import MAX_INLINE_BYTES
from protocol.sealing import SealingKey
from protocol.terms.terms import Terms
from tests.stage.toy import CEREMONY, CeremonyTable, toy_federation

LIAR = 2
LEFT, RIGHT = (1, 2, 3), (4, 5)
STEP = "moduli-commit"


class TwoBoards:
    """An aggregator that keeps two boards, and passes posts from one to the other."""

    def __init__(self) -> None:
        federation = toy_federation(5, 3)
        self.tables = {LEFT: CeremonyTable(federation), RIGHT: CeremonyTable(federation)}

    def play(self) -> None:
        """Everybody sees one board until the liar speaks in the step, and two from there on."""
        left, right = self.tables.values()
        while True:
            for sender, draft in left.due():
                if sender == LIAR and isinstance(draft.body, Step) and draft.body.step == STEP:
                    left.publish(LIAR, draft)
                    right.publish(LIAR, self.other(draft))
                    return
                entry = left.publish(sender, draft)
                self.copy(entry.position, left, right)

    def copy(self, position: int, source: CeremonyTable, target: CeremonyTable) -> None:
        target.blobs |= source.blobs
        posted = target.board.append(source.entries[position - 1])
        target.entries.append(source.entries[position - 1])
        target.show(posted)

    @staticmethod
    def other(draft: Draft) -> Draft:
        body = draft.body
        assert isinstance(body, Step)
        payload = bytes(32)
        assert len(payload) < MAX_INLINE_BYTES
        return Draft(CEREMONY, Step(*body.id, (attach(payload),)))

    def cross(self) -> None:
        """A member that sees the right board speaks; its post is passed to the left one."""
        left, right = self.tables.values()
        sender, draft = next((i, d) for i, d in right.due() if i in RIGHT)
        said = right.sign(CEREMONY, sender, draft.body)
        right.put(said)
        left.board.append(Entry(left.board.head.position + 1, left.board.head.hash, 0, said))


def test_the_first_post_that_crosses_shows_the_fork():
    boards = TwoBoards()
    boards.play()
    left, right = boards.tables.values()
    assert left.board.head != right.board.head
    with pytest.raises(Fork) as caught:
        boards.cross()
    # The entry that differs is the liar's, and both versions bear its signature.
    position = caught.value.position
    found = [table.board.entries[position - 1] for table in (left, right)]
    assert {p.post.sender for p in found} == {LIAR}
    assert {p.post.sequence for p in found} == {found[0].post.sequence}
    assert len({p.digest for p in found}) == 2


def test_two_signed_posts_of_one_number_convict_their_sender_and_the_aggregator():
    boards = TwoBoards()
    boards.play()
    left, right = (table.entries[-1] for table in boards.tables.values())
    terms: Terms = boards.tables[LEFT].federation.terms
    for entry in (left, right):
        board = Board(terms)
        for earlier in boards.tables[LEFT].entries[:-1]:
            board.append(earlier)
        assert board.open(entry.post).sender == LIAR


def test_without_the_echo_both_groups_go_on_with_other_values(monkeypatch):
    def only_numbers(board: Board, post: Post, position: int) -> None:
        assert post.sequence == board.count(post.session, post.sender)

    monkeypatch.setattr(Board, "_check_order", only_numbers)
    boards = TwoBoards()
    boards.play()
    boards.cross()  # nobody notices
    views = [step_of(table.machines[1]) for table in boards.tables.values()]
    assert views[0] != views[1]


def step_of(machine: Ceremony) -> bytes:
    """What a machine holds to be the liar's commitment."""
    return machine._payloads[LIAR][0]


def test_one_who_signs_two_posts_of_one_number_cannot_put_both_on_one_board():
    table = CeremonyTable(toy_federation(5, 3))
    (sender, draft), *_ = table.due()
    first, second = (table.sign(CEREMONY, sender, said) for said in (draft.body, other_join()))
    table.put(first)
    with pytest.raises(BadEntry, match="due is 1"):
        table.put(second)


def other_join() -> Join:
    return Join(SealingKey(bytes(32)).public, bytes(32))
