"""The verdict on an aborted ceremony: whoever lied is named, and never an honest member."""

import msgspec
import pytest

from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.ceremony import judgement
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Step
from protocol.sealing import SealingKey
from tests.stage.ceremony.altered import altered, assert_named, instead, resealed
from tests.stage.ceremony.small_ceremony import (
    LIAR,
    PRIVATE,
    PUBLIC,
    QUORUM,
    VICTIM,
    N,
    federation,
    name_of,
    said_once,
)
from tests.stage.files import flipped, spoilt, with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, seed_of, toy_epoch

MEMBERS = list(range(1, N + 1))
STEPS_OF_ALL = [name for name in PUBLIC if not name.startswith("winner")]


def disclosing(table: CeremonyTable, seeds: dict[int, bytes | None]) -> CeremonyTable:
    """Let the others disclose, and some another seed or (None) nothing."""
    said = dict(seeds)
    while drafts := [(i, draft) for i, draft in table.due() if said.get(i, b"") is not None]:
        for sender, draft in drafts:
            is_other = isinstance(draft.body, Disclosure) and sender in said
            other = Draft(CEREMONY, Disclosure(said.get(sender) or b""))
            table.publish(sender, other if is_other else draft)
    return table


def claim(position: int, accuser: int, abort: Abort) -> CeremonyTable:
    """A ceremony that somebody aborts after so many entries."""
    table = said_once(position)
    table.publish(accuser, Draft(CEREMONY, abort))
    return table


# ── whoever says something else than its seed gives ──


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("step", STEPS_OF_ALL)
def test_whoever_says_something_else_to_all_is_named_for_that_step(step, member):
    table = altered(step, lambda _, draft: with_payload(draft, 0, spoilt), member)
    assert_named(table, member)
    assert table.verdict.culprits[member] == f"{step}: its seed gives something else"


@pytest.mark.parametrize("step", ["winner-commit", "winner"])
def test_each_of_the_winners_dealers_is_named(step):
    for member in toy_epoch(N, QUORUM).table.machines[1]._run.the_winner.exponents:
        table = altered(step, lambda _, draft: with_payload(draft, 0, flipped), member)
        assert_named(table, member)


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("step", PRIVATE)
def test_a_wrong_share_under_a_good_seal_to_one_member_names_its_dealer(step, member):
    dealers = toy_epoch(N, QUORUM).table.machines[1]._run.the_winner.exponents
    if step == "winner" and member not in dealers:
        member = LIAR
    to = member % N + 1
    change = lambda t, draft: resealed(t, draft, flipped, member, to)  # noqa: E731
    table = altered(step, change, member)
    assert_named(table, member)
    assert table.verdict.culprits[member] == f"{step}: it sealed something else for member {to}"


@pytest.mark.parametrize("step", PRIVATE)
def test_a_broken_seal_names_its_sender(step):
    table = altered(step, lambda _, draft: with_payload(draft, VICTIM, flipped))
    assert_named(table, LIAR)
    assert table.verdict.culprits[LIAR].endswith(f"for member {VICTIM} does not open")


def test_a_sealing_key_that_is_not_from_the_seed_names_its_owner_alone():
    """Else a member could make what was sealed for it unreadable, and blame the senders."""
    other = SealingKey(bytes(32)).public

    def change(_: CeremonyTable, draft: Draft) -> Draft:
        assert isinstance(draft.body, Join)
        return Draft(CEREMONY, Join(other, draft.body.seed_digest))

    table = altered("join", change)
    assert table.failures[LIAR]  # it cannot open what the others sealed for it, and accuses them
    assert_named(table, LIAR)
    assert "another seed" in table.verdict.culprits[LIAR]


def test_two_liars_are_both_named():
    def tamper(sender: int, draft: Draft) -> Draft:
        lies = {1: "moduli-commit", 3: "moduli"}
        return with_payload(draft, 0, flipped) if lies.get(sender) == name_of(draft.body) else draft

    table = CeremonyTable(federation()).run(tamper)
    assert set(table.verdict.culprits) == {1, 3}


def test_the_replay_of_an_honest_ceremony_names_nobody():
    table = CeremonyTable(federation()).run()
    verdict = table.verdict
    assert (verdict.session, verdict.culprits, verdict.silent) == (CEREMONY, {}, ())


# ── accusers ──

CLAIMS = [
    Abort(3, "deal", "a payload does not open"),
    Abort(3, "no-such-step", ""),
    Abort(0, "moduli", "I do not like it"),
    Abort(1, "moduli", "it was me"),
]


@pytest.mark.parametrize("position", [2, N + 2, 2 * N, 3 * N + 1])
@pytest.mark.parametrize("abort", CLAIMS, ids=range(len(CLAIMS)))
def test_a_false_accuser_is_the_culprit(position, abort):
    table = claim(position, 1, abort).run()
    assert_named(table, 1)
    assert table.verdict.culprits[1] == "it aborted without reason"


def test_an_abort_in_the_words_of_another_release_is_no_lie():
    """Reasons quote libraries; another version of one must not get an honest accuser named."""

    def change(sender: int, draft: Draft) -> Draft:
        if sender == LIAR and isinstance(draft.body, Join):
            return Draft(CEREMONY, Join(bytes(32), draft.body.seed_digest))
        if isinstance(draft.body, Abort):
            return Draft(CEREMONY, Abort(draft.body.culprit, draft.body.step, "no such key"))
        return draft

    assert_named(CeremonyTable(federation()).run(change), LIAR)


def test_who_repeats_another_members_right_abort_without_having_the_reason_is_named():
    """Only the recipient of a bad seal can know of it when it aborts."""
    table, others = CeremonyTable(federation()), [i for i in MEMBERS if i not in (LIAR, VICTIM)]

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender == LIAR and name_of(draft.body) == "deal":
            return with_payload(draft, VICTIM, flipped)
        if sender == others[0] and name_of(draft.body) == "moduli-commit":
            return Draft(CEREMONY, Abort(LIAR, "deal", "a payload does not open"))
        return draft

    table.run(tamper)
    assert set(table.verdict.culprits) == {LIAR, others[0]}


def test_an_abort_before_its_reason_was_on_the_board_is_false():
    """The reason must stand on the board that the accuser had seen when it signed."""
    table = said_once(N)
    drafts = dict(table.due())
    head = table.board.head
    table.publish(LIAR, with_payload(drafts[LIAR], VICTIM, flipped))
    abort = Abort(LIAR, "deal", "a payload does not open")
    signed = table.sign(CEREMONY, VICTIM, abort, seen_position=head.position, seen=head.hash)
    table.show(table.put(signed))
    table.run()
    assert set(table.verdict.culprits) == {LIAR, VICTIM}


# ── seeds ──


@pytest.mark.parametrize("step", ["moduli-commit", "screen", "trial"])
def test_another_seed_cannot_frame_whoever_sealed_for_it(step):
    accuser, accused = LIAR, VICTIM
    tamper = instead(accuser, step, Abort(accused, "deal", "a payload does not open"))
    table = CeremonyTable(federation())
    while not any(machine.aborted for machine in table.machines.values()):
        for sender, draft in table.due():
            table.publish(sender, tamper(sender, draft))
    disclosing(table, {accuser: seed_of("not mine")})
    assert set(table.verdict.culprits) == {accuser}
    assert "another seed" in table.verdict.culprits[accuser]


def test_only_the_first_seed_that_a_member_discloses_counts():
    table = claim(N + 1, 1, CLAIMS[2]).run()
    before = table.verdict
    table.publish(2, Draft(CEREMONY, Disclosure(seed_of("second thoughts"))))
    assert table.verdict == before


def test_a_seed_disclosed_without_an_abort_names_its_owner():
    table = said_once(N + 1)
    table.publish(3, Draft(CEREMONY, Disclosure(table.seeds[3])))
    table.run()
    assert_named(table, 3)


@pytest.mark.parametrize("quiet", [{2}, {1, 4}])
def test_silent_members_are_shown_and_never_named(quiet):
    table = disclosing(claim(N + 2, 3, CLAIMS[1]), dict.fromkeys(quiet))
    assert table.verdict.silent == tuple(sorted(quiet))
    assert set(table.verdict.culprits) == {3}


def test_the_silence_of_a_recipient_hides_a_lie_but_shows_the_silence():
    table = CeremonyTable(federation())
    while not any(machine.aborted for machine in table.machines.values()):
        for sender, draft in table.due():
            lies = sender == LIAR and name_of(draft.body) == "deal"
            table.publish(
                sender, resealed(table, draft, lambda d: b"\xff" * len(d)) if lies else draft
            )
    disclosing(table, {VICTIM: None})
    assert table.verdict.culprits == {}
    assert table.verdict.silent == (VICTIM,)


def test_who_has_certified_is_neither_silent_nor_named():
    table = CeremonyTable(federation()).before_the_end()
    certified, draft = table.due()[0]
    table.publish(certified, draft)
    assert isinstance(draft.body, Certificate)
    table.publish(3, Draft(CEREMONY, Abort(0, "certificate", "I will not")))
    table.run()
    assert table.verdict.silent == ()
    assert set(table.verdict.culprits) == {3}


# ── order, and posts in flight ──


@pytest.mark.parametrize("turn", range(N))
def test_posts_that_were_on_their_way_when_the_abort_came_are_judged_as_any(turn):
    """All but the accuser said what was due: right after the abort, signed before it."""
    table = said_once(2 * N)
    drafts, head = dict(table.due()), table.board.head
    accuser = MEMBERS[turn]
    table.publish(accuser, Draft(CEREMONY, CLAIMS[2]))
    late = [i for i in MEMBERS if i != accuser]
    for i in late:
        draft = with_payload(drafts[i], 0, flipped) if i == late[0] else drafts[i]
        for blob in draft.blobs:
            table.blobs[_blob(draft, blob)] = blob
        signed = table.sign(CEREMONY, i, draft.body, seen_position=head.position, seen=head.hash)
        table.show(table.put(signed))
    table.run()
    assert set(table.verdict.culprits) == {accuser, late[0]}


def _blob(draft: Draft, blob: bytes) -> bytes:
    assert isinstance(draft.body, Step)
    (name,) = {a.digest for a in draft.body.attachments if a.is_blob and a.size == len(blob)}
    return name


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("step", ["deal", "moduli", "screen", "trial"])
def test_the_order_of_speakers_changes_no_verdict(step, backwards):
    def tamper(sender: int, draft: Draft) -> Draft:
        wrong = sender == LIAR and name_of(draft.body) == step
        return with_payload(draft, 0, spoilt) if wrong else draft

    order = (lambda drafts: drafts[::-1]) if backwards else (lambda drafts: drafts)
    assert_named(CeremonyTable(federation()).run(tamper, order), LIAR)


def test_everybody_who_reads_the_board_comes_to_the_same_verdict():
    """Judged from a board alone: its entries and its blobs, no machine and no secret."""
    table = altered("theta", lambda _, draft: with_payload(draft, 0, flipped))
    elsewhere = CeremonyTable(federation(), "an onlooker")
    elsewhere.blobs = table.blobs
    for entry in table.entries:
        elsewhere.board.append(entry)
    assert elsewhere.verdict == table.verdict


def test_the_evidence_is_the_first_word_about_the_winner(monkeypatch: pytest.MonkeyPatch) -> None:
    table = toy_epoch(N, QUORUM).table
    entries = table.board.session(CEREMONY)
    said, body = next(
        (posted, body)
        for posted in entries
        if isinstance(body := posted.post.body, Step)
        and (posted.post.sender, body.step) == (LIAR, "winner")
    )
    of_another = msgspec.structs.replace(body, candidate=body.candidate + 1)
    in_another = msgspec.structs.replace(body, batch=body.batch + 1)
    end = entries[-1].position
    told = [
        _again(said, 1, of_another),
        *entries,
        _again(said, end + 1, body),
        _again(said, end + 2, of_another),
        _again(said, end + 3, in_another),
    ]
    court = judgement._Court(table.federation.terms, CEREMONY, told, table.all_payloads)
    court._machines = dict(table.machines)
    monkeypatch.setattr(judgement, "misdealers", lambda shape, parts: [LIAR])
    innocent = table.machines.keys() - {LIAR}
    assert court.misdealt(innocent)[LIAR].position == said.position


def _again(said: Posted, position: int, body: Step) -> Posted:
    """What its sender says with another body, at another place of the board."""
    return said._replace(position=position, post=msgspec.structs.replace(said.post, body=body))
