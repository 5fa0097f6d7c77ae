"""What the members' own code lets pass in a handover, the audit's own code does not."""

import dataclasses
from typing import Any, Literal

import msgspec
import pytest

from keyshare.digest import number_bytes
from protocol.board.handover import Handover
from protocol.board.key_history import KeyHistory
from protocol.handover.attempt import Attempt
from protocol.handover.view import HandoverView
from protocol.key.epoch import Epoch
from protocol.messages.check import CheckRequest
from protocol.messages.handover import Arrival, BareWord, Consent, Content, HandedDealing, ShownPart
from protocol.messages.rounds import Opening, Partial, SetLock
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed.handover_evidence import HandoverEvidence
from protocol.record.audit.results import Result
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.record.broken_handover import word
from tests.stage.record.good import PACKED, ROUND, story_at, train
from tests.stage.record.handed import DEAD, REFRESH, SUCCESSION, at, handed_over, start
from tests.stage.record.story import Said, Story, write
from tests.stage.toy import toy_epoch

NONCE = b"n" * 32
Word = Literal["void", "release", "thaw"]


def audited(story: Story) -> Audit:
    return audit(write(story).files, NONCE, story.federation.terms.federation[:16])


def result_of(story: Story, number: str) -> Result:
    (found,) = [r for r in audited(story).results if r.number == number]
    return found


def until(place: int, session: str = REFRESH) -> Story:
    """The story up to an entry."""
    story = handed_over().until(session)
    del story.said[place:]
    return story


def test_a_dealing_that_all_let_pass_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.handover.view.wrong_handed", lambda *about: None)
    place = handed_over().find(REFRESH, HandedDealing, 2)
    story = until(place)
    difference = story.body(place, HandedDealing).difference
    story.alter(place, difference=number_bytes(int.from_bytes(difference, "big") + 1))
    assert [(r.entry, r.party) for r in result_of(story, "3.11").failures] == [(place, "H2")]


def test_a_key_that_does_not_follow_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the view made another epoch of the same dealings."""
    made = HandoverView._added

    def added(view: HandoverView) -> HandoverView:
        found = made(view)
        assert found.epoch is not None
        other = msgspec.structs.replace(found.epoch, number=9)
        return type(found)(**{**vars(found), "epoch": other})

    monkeypatch.setattr(HandoverView, "_added", added)
    story = until(handed_over().find(REFRESH, ShownPart) - 1)
    (remark,) = result_of(story, "3.12").failures
    assert "not the next one" in remark.reason


def test_dealings_that_do_not_add_up_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is named for it; it takes roots modulo N."""
    monkeypatch.setattr("protocol.handover.view.wrong_handed", lambda *about: None)
    place = handed_over().find(REFRESH, HandedDealing, 2)
    story = until(handed_over().find(REFRESH, ShownPart) - 1)
    difference = story.body(place, HandedDealing).difference
    story.alter(place, difference=number_bytes(int.from_bytes(difference, "big") + 1))
    found = result_of(story, "3.12")
    assert [(r.party, "add up" in r.reason) for r in found.failures] == [
        ("nobody in particular", True)
    ]
    assert not result_of(story, "3.11").findings


def test_parts_that_are_proven_and_do_not_open_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.handover.view.wrong_shown", lambda *about: None)
    place = handed_over().find(REFRESH, ShownPart, 2)
    story = handed_over().until(REFRESH)
    story.alter(place, part=b"\2")
    last = handed_over().find(REFRESH, ShownPart, nth=-1)
    assert [(r.entry, r.party) for r in result_of(story, "3.12").failures] == [
        (last, "nobody in particular")
    ]


@pytest.mark.parametrize(
    ("kind", "missing"), [(Consent, (1, 2)), (Consent, (4,)), (Arrival, (4,)), (Arrival, ())]
)
def test_an_agreement_of_too_few_fails(
    monkeypatch: pytest.MonkeyPatch, kind: type, missing: tuple[int, ...]
) -> None:
    """Three of four have to consent, and all to arrive."""
    monkeypatch.setattr(Attempt, "is_agreed", property(lambda attempt: True))
    freeze = word(handed_over(), REFRESH, "freeze", 1)
    story = until(freeze)
    for member in missing:
        del story.said[story.find(REFRESH, kind, member) - 1]
    enough = (kind is Consent and len(missing) == 1) or not missing
    due = [] if enough else [(freeze - len(missing), "H1")]
    assert [(r.entry, r.party) for r in result_of(story, "3.10").failures] == due


@pytest.mark.parametrize(("kind", "late"), [(Consent, (1, 2)), (Arrival, (4,))])
def test_an_agreement_that_comes_after_a_freeze_fails(
    monkeypatch: pytest.MonkeyPatch, kind: type, late: tuple[int, ...]
) -> None:
    monkeypatch.setattr(Attempt, "is_agreed", property(lambda attempt: True))
    freeze = word(handed_over(), REFRESH, "freeze", 1)
    story = until(freeze)
    said = [story.said.pop(story.find(REFRESH, kind, member) - 1) for member in late]
    time_ms = story.said[-1].time_ms
    story.said += [dataclasses.replace(one, time_ms=time_ms) for one in said]
    due = [(freeze - len(late), "H1")]
    assert [(r.entry, r.party) for r in result_of(story, "3.10").failures] == due


def test_an_epoch_that_the_board_does_not_have_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else rounds would be judged under the key of before."""
    added = KeyHistory._add

    def add(history: KeyHistory, position: int, epoch: Epoch) -> None:
        if epoch.number == 1:
            added(history, position, epoch)

    monkeypatch.setattr(KeyHistory, "_add", add)
    (remark,) = result_of(handed_over().until(REFRESH), "3.12").failures
    assert "not those that were released" in remark.reason


@pytest.mark.parametrize(
    ("name", "value"), [("released_at", 1), ("released_at", None), ("thawed_at", 5)]
)
def test_an_end_that_the_words_do_not_show_fails(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    """Where the board has it otherwise, rounds would be judged by the wrong key."""
    taken = Handover.take

    def take(handover: Handover, *about: Any) -> None:
        taken(handover, *about)
        if handover.about.session == REFRESH and handover.view.attempt.is_settled:
            setattr(handover, name, value)

    monkeypatch.setattr(Handover, "take", take)
    failures = result_of(handed_over().until(REFRESH), "3.13").failures
    assert [remark.party for remark in failures] == ["nobody in particular"]


def test_a_round_is_judged_under_the_epoch_that_was_the_keys_at_its_opening() -> None:
    found = {r.number: r for r in audited(handed_over()).results}
    assert found["4.3"].count == 8  # of both epochs
    story = handed_over().until(ROUND[2])
    opening = story.find(ROUND[2], Opening)
    before = story.body(story.find(ROUND[1], Opening), Opening).epoch
    assert story.body(opening, Opening).epoch != before
    story.alter(opening, epoch=before)
    result = result_of(story, "4.1")
    assert [(r.entry, r.party) for r in result.findings] == [(opening, "the aggregator")]
    assert not result.failures  # since nobody helps with such a round


def test_the_next_epoch_is_no_key_before_it_is_released() -> None:
    story = handed_over().until(REFRESH)
    epoch = handed_over().body(handed_over().find(ROUND[2], Opening), Opening).epoch
    release = word(story, REFRESH, "release", 3)  # the third, with which it counts
    time_ms = story.at(release).time_ms
    request = Said("check/1", 2, CheckRequest(epoch, bytes(32)), time_ms)
    early, late = story.copy(), story
    early.insert(release, request)
    late.insert(release + 1, request)
    assert [r.entry for r in result_of(early, "3.9").findings] == [release]
    assert not result_of(late, "3.9").findings


def seen_at(story: Story, position: int) -> dict[str, Any]:
    """Fields of a post whose sender had seen so many entries of the story."""
    return {"seen_position": position, "seen": write(story).entries[position - 1].hash}


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_word_that_crossed_with_the_end_is_no_finding(is_seen: bool) -> None:
    """Whoever says void has not seen that it is held, or could know better."""
    story = handed_over().until(REFRESH)
    held = story.find(REFRESH, ShownPart, nth=-1)
    falsified = {} if is_seen else seen_at(story, held - 1)
    void = Said(REFRESH, 4, BareWord("void"), story.at(held).time_ms, falsified=falsified)
    story.insert(held + 1, void)
    found = [(r.entry, r.party) for r in result_of(story, "3.13").findings]
    assert found == ([(held + 1, "H4")] if is_seen else [])


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_part_that_crossed_with_the_end_is_no_finding(is_seen: bool) -> None:
    """It was on its way when the key was given up. Its set was locked, and counts as opened."""
    story = handed_over().until(REFRESH)
    part = story.said.pop(story.find(ROUND[1], Partial, 2) - 1)
    held = story.find(REFRESH, ShownPart, nth=-1)
    falsified = {} if is_seen else seen_at(story, held - 1)
    time_ms = story.at(held).time_ms
    story.insert(held + 1, Said(part.session, 2, part.body, time_ms, part.names, falsified))
    found = [(r.entry, r.party) for r in result_of(story, "3.14").findings]
    assert found == ([(held + 1, "H2")] if is_seen else [])


@pytest.mark.parametrize("is_seen", [False, True])
def test_who_has_frozen_locks_nothing_though_others_may(is_seen: bool) -> None:
    """It knows what it has said itself, whether its post says so or not."""
    story = handed_over().until(DEAD)
    own, other = (story.said.pop(story.find(ROUND[1], SetLock, i) - 1) for i in (1, 4))
    freeze = word(story, DEAD, "freeze", 1)
    falsified = {} if is_seen else seen_at(story, freeze - 1)
    time_ms = story.at(freeze).time_ms
    story.insert(freeze + 1, dataclasses.replace(own, time_ms=time_ms, falsified=falsified))
    story.insert(freeze + 2, dataclasses.replace(other, time_ms=time_ms))  # H4 has not frozen yet
    found = [(r.entry, r.party) for r in result_of(story, "3.14").findings]
    assert found == [(freeze + 1, "H1")]


@pytest.mark.parametrize("is_seen", [False, True])
def test_once_enough_have_frozen_nobody_locks_who_has_seen_it(is_seen: bool) -> None:
    """With the freeze of H3 they are enough. H4 comes later, and may not know yet."""
    story = handed_over().until(DEAD)
    lock = story.said.pop(story.find(ROUND[1], SetLock, 4) - 1)
    freeze = word(story, DEAD, "freeze", 3)
    falsified = {} if is_seen else seen_at(story, freeze - 1)
    time_ms = story.at(freeze).time_ms
    story.insert(freeze + 1, dataclasses.replace(lock, time_ms=time_ms, falsified=falsified))
    found = [(r.entry, r.party) for r in result_of(story, "3.14").findings]
    assert found == ([(freeze + 1, "H4")] if is_seen else [])


def test_nobody_locks_under_a_key_that_was_released() -> None:
    story = handed_over().until(REFRESH)
    lock = story.said.pop(story.find(ROUND[1], SetLock, 4) - 1)
    story.said.append(dataclasses.replace(lock, time_ms=story.said[-1].time_ms))
    (remark,) = result_of(story, "3.14").findings
    assert (remark.entry, remark.party) == (len(story.said), "H4")
    assert "released the key" in remark.reason


def test_parts_that_open_nothing_are_findings_though_honest_members_gave_them() -> None:
    """Two of a set are too few to open it."""
    story = handed_over().until(REFRESH)
    for member in (1, 4):
        del story.said[story.find(ROUND[1], Partial, member) - 1]
    for member in (2, 3):
        part = story.said.pop(story.find(ROUND[1], Partial, member) - 1)
        story.said.append(dataclasses.replace(part, time_ms=story.said[-1].time_ms))
    found = result_of(story, "3.14")
    last = len(story.said)
    assert [(r.entry, r.party) for r in found.findings] == [(last - 1, "H2"), (last, "H3")]
    assert not found.failures


def test_locks_that_lock_nothing_are_findings_though_honest_members_said_them() -> None:
    """Two open a set here, and three lock it."""
    toy = toy_epoch(4, 2)
    table = copied(toy)
    start(table)
    train(at(table, toy), ROUND[1], PACKED)
    handed = PostedHandover(table, toy.secrets, [1, 2, 3, 4], 2).run()
    story = story_at(table)
    locks = {i: story.said.pop(story.find(ROUND[1], SetLock, i) - 1) for i in (1, 2, 3, 4)}
    freeze = word(story, handed.session, "freeze", 4)
    for member in (2, 3):
        late = dataclasses.replace(locks[member], time_ms=story.at(freeze).time_ms)
        story.insert(freeze + 1, late)
    found = result_of(story, "3.14")
    assert {r.party for r in found.findings} == {"H2", "H3"}
    assert not found.failures


def test_a_round_after_the_key_went_to_others_is_told_and_so_is_who_helps() -> None:
    story = handed_over().copy()
    time_ms, opening = story.said[-1].time_ms, story.at(story.find(ROUND[2], Opening))
    story.said.append(Said(ROUND[3], 0, opening.body, time_ms))
    story.said.append(Said(ROUND[3], 2, SetLock(bytes(32)), time_ms))
    last = len(story.said)
    found = [(r.entry, r.party) for r in result_of(story, "3.14").findings]
    assert found == [(last - 1, "the aggregator"), (last, "H2")]


def test_it_is_noted_who_has_not_released_and_acknowledged() -> None:
    notes = result_of(until(word(handed_over(), REFRESH, "release", 3)), "3.13").notes
    assert f"{REFRESH}: no release yet from H4" in notes
    assert any("not acknowledged yet by H1, H2, H3, H4" in note for note in notes)


def test_dealers_that_fell_silent_over_a_misdeed_are_not_called_silent() -> None:
    def tamper(handed: PostedHandover, sender: int, content: Content) -> Content | None:
        if sender == 1 and isinstance(content, HandedDealing):
            return msgspec.structs.replace(content, nonce=bytes(32))
        return content

    toy = toy_epoch(4, 3)
    table = copied(toy)
    PostedHandover(table, toy.secrets, [1, 2, 3, 4], 3, tamper=tamper).run()
    ends, dealings = (result_of(story_at(table), number) for number in ("3.13", "3.11"))
    assert [r.party for r in dealings.findings] == ["H1"]
    assert not any("had not dealt" in note for note in ends.notes)
    assert any("nothing came of it" in note for note in ends.notes)


def append(story: Story, session: str, words: tuple[Word, ...], members: tuple[int, ...]) -> None:
    """Let members say bare words behind all that was said."""
    shown = [one for one in story.said if one.session == session and one.guest]
    guests = {one.sender: one.guest for one in shown}
    for said in words:
        body = BareWord(said)
        for member in members:
            time_ms, guest = story.said[-1].time_ms, guests.get(member, "")
            story.said.append(Said(session, member, body, time_ms, guest=guest))


def evidence_of(story: Story, session: str) -> HandoverEvidence:
    evidence = Evidence(write(story).files, None, None, NONCE)
    return next(one for one in evidence.handovers if one.session == session)


def test_what_was_held_is_void_no_more() -> None:
    """Three voids and thaws are enough, and came too late: nobody can undo what was held."""
    held = handed_over().find(REFRESH, ShownPart, nth=-1)
    story = until(held)
    append(story, REFRESH, ("void", "thaw"), (1, 2, 3))
    found = evidence_of(story, REFRESH)
    ends = found.outcome, found.held_at, found.void_at, found.thawed_at
    assert ends == ("held", held, None, None)


def test_a_release_before_it_was_held_releases_nothing() -> None:
    last = handed_over().find(REFRESH, ShownPart, nth=-1)
    story = until(last - 1)
    append(story, REFRESH, ("release",), (1, 2, 3))
    story.said.append(handed_over().at(last))
    found = evidence_of(story, REFRESH)
    assert (found.held_at, found.released_at) == (last + 3, None)


def test_guests_make_nothing_void() -> None:
    story = until(handed_over().find(SUCCESSION, ShownPart), SUCCESSION)
    append(story, SUCCESSION, ("void",), (1, 2, 5, 6))
    assert evidence_of(story, SUCCESSION).void_at is None
    append(story, SUCCESSION, ("void",), (4,))
    assert evidence_of(story, SUCCESSION).void_at == len(story.said)


def test_who_freezes_without_a_share_has_frozen() -> None:
    toy = toy_epoch(4, 3)
    table = copied(toy)
    shares = {i: toy.secrets[i] for i in (1, 2, 3)}
    handed = PostedHandover(table, shares, [1, 2, 3, 4], 3).run()
    story = story_at(table)
    freeze = word(story, handed.session, "freeze only", 4)
    assert evidence_of(story, handed.session).frozen_at[4] == freeze


def test_guests_have_their_names() -> None:
    story = handed_over().copy()
    place = story.find(SUCCESSION, ShownPart, 6)
    story.insert(place + 1, story.at(place))
    found = result_of(story, "2.2").findings
    assert [(r.entry, r.party) for r in found] == [(place + 1, "G2 (guest)")]
    notes = result_of(story, "2.5").notes
    assert any(note.startswith("G1 (guest) has signed for entries") for note in notes)
    forged = handed_over().copy()
    forged.change(place, guest="G1")
    (remark,) = result_of(forged, "2.2").failures
    assert (remark.entry, remark.party) == (place, "G2 (guest)")
    forked = handed_over().copy()
    forked.change(place, falsified={"seen": bytes(32)})
    (remark,) = result_of(forked, "2.3").failures
    assert (remark.entry, remark.party) == (place, "G2 (guest)")
