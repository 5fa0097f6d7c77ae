"""What a report tells is what the record says."""

from functools import cache

import pytest

from participant.report.facts import PHASES, Report, RoundFacts, ceremony_facts, gather, round_facts
from participant.report.sections import _ceremony
from participant.words.fingerprint import fingerprint
from protocol.board.draft import Draft
from protocol.encoding import encode
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Abort, Certificate
from protocol.messages.rounds import (
    Closing,
    Contribution,
    Contributor,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.record.audit.evidence import Evidence
from protocol.rounds.view import RoundView
from tests.protocol.ceremony.test_lapse import given_up, overdue, waiting
from tests.stage.files import flipped
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write
from tests.stage.studies import training_study
from tests.stage.toy import Table, toy_epoch, toy_federation

FOUR = (1, 2, 3, 4)
TOY = toy_federation(5, 3)
STUDY = training_study(TOY.terms)


@cache
def report() -> Report:
    return gather(MemoryFiles(write(good().story).files), None)


def rounds() -> dict[str, RoundFacts]:
    assert report().contents
    return {r.session: r for r in report().contents.rounds}


def test_all_checks_are_run_and_the_good_record_passes() -> None:
    assert len(report().results) > 20
    assert report().failed == ()


def test_the_members_are_those_of_the_terms_and_all_have_countersigned() -> None:
    contents = report().contents
    assert contents
    assert contents.fingerprint == fingerprint(good().story.federation.terms.federation)
    assert [m.name for m in contents.members] == ["H1", "H2", "H3", "H4"]
    assert {m.countersigned for m in contents.members} == {contents.head.position}
    assert sum(m.posts for m in contents.members) < contents.head.position


def test_cards_of_the_aggregator_tell_where_it_was_and_who_has_seen_them() -> None:
    contents = report().contents
    assert contents
    (card,) = contents.cards
    due = good().story.federation.card
    assert (card.number, card.url, card.pin) == (1, due.url, due.pin)
    assert set(card.seen) == {1, 2, 3, 4}
    assert [o.session for o in contents.others] == ["check/1"], "they are no other sessions"


@pytest.mark.parametrize("content", [b"?", "older", "forked", "another's", "falsified"])
def test_only_a_countersignature_that_holds_counts(content: bytes | str) -> None:
    written = write(good().story)
    files = dict(written.files)
    story = good().story.until("ceremony/1")
    older = write(story).files
    if content == "older":
        files["heads/2.msgpack"] = older["heads/2.msgpack"]
    elif content == "forked":
        story.change(3, time_ms=story.at(3).time_ms + 1)
        files["heads/2.msgpack"] = write(story).files["heads/2.msgpack"]
    elif content == "another's":
        files["heads/2.msgpack"] = files["heads/1.msgpack"]
    elif content == "falsified":
        files["heads/2.msgpack"] = flipped(files["heads/2.msgpack"])
    else:
        assert isinstance(content, bytes)
        files["heads/2.msgpack"] = content
    contents = gather(MemoryFiles(files), None).contents
    assert contents
    expected = len(story.said) if content == "older" else None
    assert contents.members[1].countersigned == expected
    seen = contents.members[1].last
    assert seen
    assert contents.members[1].signed == seen.entry - 1  # with its last post


def test_ceremonies_tell_who_took_part_and_what_came_of_it() -> None:
    contents = report().contents
    assert contents
    first, second = contents.ceremonies
    assert (first.outcome, second.outcome) == ("aborted", "complete")
    assert first.joined == second.joined == second.certified == FOUR
    assert first.certified == ()
    assert second.fingerprint == fingerprint(good().epoch.digest)
    evidence = Evidence(MemoryFiles(write(good().story).files), None, None, bytes(32))
    assert second.candidates == evidence.ceremonies[1].candidates
    assert second.ended
    assert second.ended.time_ms > second.began.time_ms


def test_an_aborted_ceremony_has_its_verdict() -> None:
    contents = report().contents
    assert contents
    aborted = contents.ceremonies[0]
    assert aborted.disclosed == FOUR
    assert {a.culprit for a in aborted.aborts} == {2}
    assert aborted.verdict
    (culprit,) = aborted.verdict.culprits
    assert (culprit.member, aborted.verdict.silent) == (2, ())
    assert good().story.at(culprit.entry).sender == 2


def test_an_aborted_ceremony_without_its_payloads_has_no_verdict_and_says_so() -> None:
    files = dict(write(good().story).files)
    body = good().story.at(good().story.find("ceremony/1", Abort)).body
    assert isinstance(body, Abort)
    for path in [p for p in files if p.startswith("blobs/")]:
        del files[path]
    found = gather(MemoryFiles(files), None)
    assert found.failed
    assert found.contents
    verdict = found.contents.ceremonies[0].verdict
    assert verdict
    assert (verdict.culprits, verdict.missing != "") == ((), True)


def test_rounds_tell_who_did_what() -> None:
    training, hybrid = rounds()["study/cardio/1"], rounds()["study/cardio/2"]
    assert (training.suite, training.length, hybrid.suite) == ("paillier", 40, "hybrid")
    for found in (training, hybrid):
        assert found.chosen == FOUR
        assert tuple(sorted(found.locked)) == tuple(sorted(found.stated)) == FOUR
        assert len(set(found.results.values())) == 1
        assert found.left_out == ()
    ages = rounds()["study/ages/1"]
    assert (ages.kind, ages.chosen, 4 in ages.contributed) == ("statistic", (1, 2, 3), False)
    assert (ages.decimals, ages.labels) == (1, ("visits", "days"))


def test_complaints_and_refusals_are_told() -> None:
    (complaint,) = rounds()["study/cardio/1"].complaints
    assert (complaint.member, complaint.has_key) == (4, True)
    refusals = rounds()["study/few/1"].refusals
    assert {(r.by, r.rule) for r in refusals} == {(m, "min-contributors") for m in FOUR}
    assert "H1, H2" in refusals[0].reason
    assert rounds()["study/few/1"].decrypted == {}


def test_phases_add_up_to_the_time_from_the_opening_to_enough_statements() -> None:
    found, terms = rounds()["study/cardio/2"], good().story.federation.terms
    assert tuple(found.phases) == PHASES
    assert found.opened
    study = training_study(terms)
    times = sorted(d.time_ms for d in found.stated.values())
    enough = times[study.least_agreeing - 1]
    assert enough < times[-1]
    assert sum(found.phases.values()) == pytest.approx((enough - found.opened.time_ms) / 1000)
    assert tuple(rounds()["study/few/1"].phases) == PHASES[:2]


def table() -> Table:
    """A round of five, open, with contributions of 1, 2, 3 and 4."""
    found = Table(TOY)
    found.found(STUDY)
    asked = Opening(STUDY.digest, bytes(32), bytes(32), 5, clip=8.0, max_examples=1_000)
    opening = found.say(0, Draft("study/cardio/1", asked))
    for member in FOUR:
        body = Contribution(opening.digest, attach(bytes([member])))
        found.say(member, Draft("study/cardio/1", body))
    return found


def close(at: Table, *members: int) -> bytes:
    """Close it with some; the name of the set."""
    view = facts_view(at)
    chosen = tuple(Contributor(m, view.contributions[m].digest) for m in members)
    at.say(0, Draft("study/cardio/1", Closing(chosen, attach(b"sum"))))
    named = facts_view(at).chosen(TOY.terms.federation)
    assert named
    return named


def facts_view(at: Table) -> RoundView:
    return RoundView.of("study/cardio/1", at.board.session("study/cardio/1"))


def test_who_contributed_and_is_not_in_the_sum_is_left_out() -> None:
    at = table()
    assert round_facts(STUDY, at.board.session("study/cardio/1")).left_out == ()  # still open
    close(at, 1, 2, 4)
    found = round_facts(STUDY, at.board.session("study/cardio/1"))
    assert (found.chosen, found.left_out) == ((1, 2, 4), (3,))


def test_locks_and_parts_of_another_set_do_not_count() -> None:
    at = table()
    chosen = close(at, 1, 2, 3)
    for member, said in ((1, chosen), (2, b"x" * 32)):
        at.say(member, Draft("study/cardio/1", SetLock(said)))
        parts = tuple(attach(b"part", to) for to in range(6))
        at.say(member, Draft("study/cardio/1", Partial(said, bytes(32), parts)))
    found = round_facts(STUDY, at.board.session("study/cardio/1"))
    assert (set(found.locked), set(found.decrypted)) == ({1}, {1})


def test_a_members_last_statement_counts_and_all_its_refusals_are_told() -> None:
    at = table()
    close(at, 1, 2, 3)
    for result in (b"a", b"b"):
        at.say(1, Draft("study/cardio/1", Statement(result * 32, 5)))
        at.say(2, Draft("study/cardio/1", Refusal("sum", 3, f"member 3: {result!r}\u200b")))
    found = round_facts(STUDY, at.board.session("study/cardio/1"))
    assert found.results == {1: b"b" * 32}
    assert [r.reason for r in found.refusals] == ["H3: b'a'\\u200b", "H3: b'b'\\u200b"]


def test_an_abort_behind_the_key_is_none() -> None:
    toy = toy_epoch(5, 3)
    terms, table = toy.federation.terms, Table(toy.federation)
    for member in toy.federation.members:
        table.say(member, Draft("ceremony/1", Certificate(bytes(32), encode(toy.epoch))))
    table.say(1, Draft("ceremony/1", Abort(0, "deal", "no more")))
    found = ceremony_facts(terms, table.board.session("ceremony/1"), table.all_payloads)
    assert found.fingerprint
    assert (found.aborts, found.verdict) == ((), None)


def test_a_ceremony_that_was_given_up_shows_who_was_silent_since_when() -> None:
    table = waiting("moduli")
    overdue(table, 1)
    given_up(table)
    terms, posts = table.federation.terms, table.board.entries
    found = ceremony_facts(terms, posts, table.all_payloads)
    assert {abort.silent for abort in found.aborts} == {(4,)}
    assert found.verdict
    assert found.verdict.given_up
    entry, reason = found.verdict.given_up
    assert entry == found.aborts[0].position
    assert reason.startswith("step moduli: silent: H4, waited for since 1970-01-01 00:00:00 UTC")
    shown = str(_ceremony(found, terms))
    assert "for the silence of H4" in shown
    assert f"given up rightly at entry {entry}" in shown
