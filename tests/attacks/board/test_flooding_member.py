"""One member posts and uploads as fast as it can; its budget ends, and nobody else notices."""

import os
import pickle

import pytest

from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from protocol.board.board import Board
from protocol.board.budget import (
    ABORTS_A_DAY,
    APPROVALS_A_DAY,
    CHECKS_A_DAY,
    PLANS_A_DAY,
    TRIES_AN_HOUR,
    Budget,
    Surplus,
)
from protocol.board.key_history import KeyHistory
from protocol.board.post import decode_entry
from protocol.board.study import Studies
from protocol.encoding import encode
from protocol.messages.attachment import Attachment, attach, blob_name
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Join, Overdue, Step
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import Complaint, Contribution, Partial, Refusal, SetLock, Statement
from protocol.wire.frames import BlobChunk, BlobHave, BlobRequest
from tests.stage.desk import MODEL, Desk
from tests.stage.studies import SESSION

FLOODER, HONEST = 3, 1
MANY = 300


# ── posts ──


@pytest.mark.parametrize(
    ("body", "most"),
    [
        (Contribution(b"j" * 32, attach(b"x")), 1),
        (Complaint(b"c" * 32, 1, b""), 0),
        (SetLock(b"c" * 32), 2),
        (Refusal("rule", 0, "reason"), 2),
    ],
)
def test_what_is_said_once_in_a_round_is_not_taken_again_and_again(
    desk: Desk, body: Body, most: int
) -> None:
    session = desk.open_training()
    assert desk.flood(session, [body] * 20) == most


def test_a_member_contributes_to_a_statistic_once(desk: Desk) -> None:
    session = desk.open_statistic()
    desk.contribute(FLOODER, session)
    assert not desk.flood(session, [Contribution(b"j" * 32, attach(b"x"))])
    desk.contribute(HONEST, session)


def test_a_model_can_be_stated_anew_but_not_for_ever(desk: Desk) -> None:
    session = desk.found_training().round(0)
    stated: list[Body] = [Statement(MODEL, k) for k in range(MANY)]
    assert desk.flood(session, stated) <= TRIES_AN_HOUR + 1
    desk.time_ms += 3_600_000
    assert desk.flood(session, stated[:1]) == 1


def test_sessions_that_are_far_from_due_are_refused(desk: Desk) -> None:
    desk.open_training()
    assert not desk.flood("study/cardio/3", [Statement(MODEL, 5)])
    assert not desk.flood("ceremony/3", [Join(b"k", bytes(32))])
    assert not desk.flood("check/2", [CheckRequest(desk.epoch.digest, b"n" * 32)])
    assert not desk.flood("study/unproposed/1", [Refusal("rule", 0, "reason")])


def test_plans_are_bounded_by_the_day(desk: Desk) -> None:
    plan = desk.statistic().plan
    assert sum(desk.flood(f"study/a{k}", [plan]) for k in range(MANY)) == PLANS_A_DAY
    assert desk.flood("study/mine", [plan], HONEST) == 1
    desk.time_ms += 24 * 3_600_000
    assert desk.flood("study/b", [plan]) == 1


def test_who_approves_and_withdraws_in_turn_comes_to_an_end(desk: Desk) -> None:
    study = desk.found(desk.statistic(), HONEST)
    turns: list[Body] = [Approval(study.digest, True, True), Withdrawal(study.digest)]
    assert desk.flood(study.session, turns * MANY) == 2 * APPROVALS_A_DAY
    votes: list[Body] = [Ending(study.digest)]
    assert desk.flood(study.session, votes * MANY) == 1
    assert not desk.service.board.studies[study.name].contributes(FLOODER)


def test_checks_are_bounded_by_the_day(desk: Desk) -> None:
    desk.certify()
    asked: list[Body] = [CheckRequest(desk.epoch.digest, b"n" * 32)]
    assert sum(desk.flood(f"check/{k}", asked) for k in range(1, MANY)) == CHECKS_A_DAY
    desk.time_ms += 24 * 3_600_000
    assert desk.flood(f"check/{CHECKS_A_DAY + 1}", asked) == 1


def test_aborts_are_bounded_by_the_day(desk: Desk) -> None:
    def aborted() -> int:
        due = range(1, MANY)
        return sum(desk.flood(f"ceremony/{k}", [Abort(0, "deal", "no more")]) for k in due)

    assert aborted() == ABORTS_A_DAY
    desk.time_ms += 23 * 3_600_000
    assert desk.flood(f"ceremony/{ABORTS_A_DAY + 1}", [Abort(0, "deal", "no more")]) == 0
    desk.time_ms += 3_600_000
    assert desk.flood(f"ceremony/{ABORTS_A_DAY + 1}", [Abort(0, "deal", "no more")]) == 1


def test_numbers_begin_with_one(desk: Desk) -> None:
    start = desk.found_training().round(0)
    assert not desk.flood("ceremony/0", [Join(b"key", bytes(32)), Abort(0, "join", "no")])
    assert not desk.flood("check/0", [CheckRequest(desk.epoch.digest, b"n" * 32)])
    assert not desk.flood(start, [SetLock(b"c" * 32), Refusal("rule", 0, "reason")])
    assert desk.flood(start, [Statement(MODEL, 5)]) == 1


def test_before_all_have_joined_little_is_kept(desk: Desk) -> None:
    early: list[Body] = [Step("deal", 0, part, (attach(b"x" * 4096),)) for part in range(MANY)]
    for member in set(desk.federation.members) - {HONEST}:
        desk.say(member, "ceremony/1", Join(b"key", bytes(32)))
    large = Attachment(0, 40_000, blob_name(b"large"), b"")
    assert not desk.flood("ceremony/1", [Step("deal", 0, 0, (large,))])
    assert desk.flood("ceremony/1", early) == 2
    desk.say(HONEST, "ceremony/1", Join(b"key", bytes(32)))
    assert desk.flood("ceremony/1", early) > 2


def test_a_ceremony_in_which_a_key_is_made_is_the_last(desk: Desk) -> None:
    desk.join()
    desk.certify()
    late: list[Body] = [Abort(0, "deal", "no more")]
    late += [Step("deal", 0, part, (attach(b"x" * 4096),)) for part in range(MANY)]
    assert desk.flood("ceremony/1", late) == 3
    for number in range(2, 10):
        assert not desk.flood(f"ceremony/{number}", [Join(b"key", bytes(32)), *late])


def test_certificates_that_differ_open_the_next_ceremony_only_by_an_abort(desk: Desk) -> None:
    for member in desk.federation.members:
        desk.say(member, "ceremony/1", Certificate(bytes(32), b"%d" % member))
    assert not desk.flood("ceremony/2", [Join(b"key", bytes(32))])
    desk.say(HONEST, "ceremony/1", Abort(0, "certificate", "they differ"))
    assert desk.flood("ceremony/2", [Join(b"key", bytes(32))]) == 1


def test_a_certificate_is_no_larger_than_a_key_can_be(desk: Desk) -> None:
    assert not desk.flood("ceremony/1", [Certificate(bytes(32), os.urandom(100 << 10))])
    assert desk.flood("ceremony/1", [Certificate(bytes(32), encode(desk.epoch))]) == 1


def test_nobody_is_further_than_a_batch_ahead_in_a_ceremony(desk: Desk) -> None:
    desk.join()

    def step(name: str, batch: int, part: int) -> Body:
        return Step(name, batch, part, ())

    said = [step("deal", k, 0) for k in range(MANY)]
    said += [step("nonsense", 0, k) for k in range(MANY)]
    said += [step("winner-commit", 0, k) for k in range(MANY)]
    assert 0 < desk.flood("ceremony/1", said) < 80


def test_to_ask_for_an_excess_changes_nothing(desk: Desk) -> None:
    desk.join()
    terms = desk.federation.terms
    budget = Budget(terms, Studies(terms), KeyHistory(terms))
    for posted in desk.service.board.entries:
        post = posted.post
        budget.take(posted.position, post.session, post.sender, post.body, posted.time_ms)

    def ask(numbers: range) -> int:
        """How often the answer is that it would be too much."""
        bodies = [Step(s, k, k, ()) for k in numbers for s in ("deal", "winner-commit", "winner")]
        return sum(bool(budget.excess("ceremony/1", FLOODER, body, 0)) for body in bodies)

    assert ask(range(2))  # what follows from the terms is computed now
    before = pickle.dumps(budget)
    assert ask(range(2, 20))
    assert pickle.dumps(budget) == before


def test_whoever_is_waited_for_in_vain_may_say_so_as_long_as_it_lasts(desk: Desk) -> None:
    desk.join()
    for _ in range(200):
        desk.say(HONEST, "ceremony/1", Overdue("deal", 0, 0))
        desk.time_ms += 60_000
    assert desk.flood("ceremony/1", [Step("deal", 0, 0, ())], HONEST) == 1


def test_a_ceremonys_bytes_are_bounded(desk: Desk) -> None:
    desk.join()
    payload = os.urandom(4096)
    attachments = tuple(attach(payload, to) for to in range(4))
    many: list[Body] = [Step("s", 0, k, attachments) for k in range(MANY)]
    assert 0 < desk.flood("ceremony/1", many) * 4 * 4096 < 1 << 20


def test_all_of_it_together_leaves_a_small_board(desk: Desk) -> None:
    desk.open_training()
    for k in range(MANY):
        cardio, others = f"study/cardio/{k}", (f"check/{k}", f"ceremony/{k}")
        for session in (SESSION, cardio, f"study/a{k}", f"study/a{k}/1", *others):
            desk.flood(session, [Refusal("r", 0, "x"), Statement(MODEL, k), desk.statistic().plan])
    assert desk.service.board.head.position < 1_000


@pytest.mark.parametrize(
    ("body", "most"), [(SetLock(b"c" * 32), 2), (Contribution(b"j" * 32, attach(b"x")), 1)]
)
def test_what_a_colluding_aggregator_shows_beyond_the_budget_is_unsaid(
    desk: Desk, body: Body, most: int
) -> None:
    desk.open_training()
    board = Board(desk.federation.terms)
    for data in desk.all_entries():
        board.append(decode_entry(data))
    session = len(board.session(SESSION))
    for k in range(20):
        head = board.head
        signed = desk.sign(
            FLOODER, SESSION, body, sequence=k, seen_position=head.position, seen=head.hash
        )
        posted = board.append(board.extend(signed, desk.time_ms))
    assert isinstance(posted.post.body, Surplus)
    assert len(board.session(SESSION)) == session + most
    assert board.count(SESSION, FLOODER) == 20


# ── what a frame costs ──


def test_a_part_of_a_blob_is_served_without_reading_all_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = [os.urandom(2 << 20) for _ in range(3)]
    for blob in blobs:
        desk.upload(FLOODER, blob)
    hashed: list[int] = []

    def counted(data: bytes) -> bytes:
        hashed.append(len(data))
        return blob_name(data)

    desk.restart()
    monkeypatch.setattr("aggregator.store.whole_blobs.blob_name", counted)
    for _ in range(5):
        for blob in blobs:
            last = BlobRequest(blob_name(blob), len(blob) - 1)
            answer = desk.ask(HONEST, last)
            assert isinstance(answer, BlobChunk)
            assert answer.data == blob[-1:]
    assert len(hashed) == len(blobs)


def test_an_offer_of_what_is_named_puts_it_on_no_account(desk: Desk) -> None:
    desk.open_training(length=700)
    kept = desk.contribute(HONEST, SESSION)
    assert desk.upload(FLOODER, kept) == len(kept)
    desk.wait(2 * CLEAN_UP_SECONDS)
    assert desk.service._blobs.read(blob_name(kept)) == kept


def test_a_blob_named_by_twenty_posts_is_named_by_one(desk: Desk) -> None:
    desk.open_training(length=700)
    blob = os.urandom(5_000)
    desk.upload(FLOODER, blob)
    opening = desk.opened(SESSION)
    named = Attachment(0, len(blob), blob_name(blob), b"")
    assert desk.flood(SESSION, [Contribution(opening.digest, named)] * 20) == 1


def test_the_budget_is_the_same_after_a_restart(desk: Desk) -> None:
    desk.open_training()
    desk.flood(SESSION, [SetLock(b"c" * 32)] * 5)
    desk.restart()
    assert desk.flood(SESSION, [SetLock(b"c" * 32)] * 5) == 0
    assert len(encode(desk.service.entries_after(0))) > 0


def test_an_upload_goes_on_after_a_declined_post(desk: Desk) -> None:
    desk.open_training()
    desk.flood(SESSION, [SetLock(b"c" * 32)] * 5)
    assert isinstance(desk.ask(FLOODER, BlobChunk(b"n" * 32, 9_000, 0, b"x")), BlobHave)


def test_larger_payloads_than_a_round_can_have_are_refused(desk: Desk) -> None:
    session = desk.open_statistic()
    for member in desk.federation.members:
        desk.contribute(member, session)
    assert desk.wait()
    opening = desk.opened(session)
    large = Attachment(0, 1 << 20, b"n" * 32, b"")
    keys = tuple(Attachment(to, 5_000, b"n" * 32, b"") for to in range(1, 4))
    sealed = tuple(attach(b"key", to) for to in range(1, 4))
    fits = attach(b"part")
    assert not desk.flood(session, [Contribution(opening.digest, large)])
    assert not desk.flood(session, [Contribution(opening.digest, fits, (b"c" * 32,))])
    assert not desk.flood(session, [Partial(b"c" * 32, b"d" * 32, (large, *sealed))])
    assert not desk.flood(session, [Partial(b"c" * 32, b"d" * 32, (fits, *keys))])
    asked = desk.say(HONEST, "check/1", CheckRequest(desk.epoch.digest, b"n" * 32))
    assert not desk.flood("check/1", [CheckPart(asked.digest, large)])


def test_what_crossed_with_an_abort_is_little(desk: Desk) -> None:
    desk.join()
    desk.say(HONEST, "ceremony/1", Abort(0, "deal", "no more"))
    large = Attachment(0, 4 << 20, blob_name(b"large"), b"")
    assert not desk.flood("ceremony/1", [Step("deal", 0, 0, (large,))])
    late: list[Body] = [Step("deal", 0, part, ()) for part in range(20)]
    assert desk.flood("ceremony/1", late) == 2
