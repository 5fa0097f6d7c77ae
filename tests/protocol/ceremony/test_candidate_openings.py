"""What was said about rejected candidates is opened, and computed again by those who should."""

import hashlib
from collections import defaultdict

import pytest
from gmpy2 import mpz

from keyshare.ceremony.lanes import lanes
from protocol.board.draft import Draft
from protocol.ceremony import candidate_openings, winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import digest, encode, pack_numbers, unpack_numbers, width_of
from protocol.messages.ceremony import Abort, Step
from tests.stage.ceremony.altered import (
    Change,
    assert_everybody_names,
    assert_named,
    resealed,
    seat_liar,
    turned,
)
from tests.stage.ceremony.opened_key import runs_of
from tests.stage.ceremony.small_ceremony import (
    QUORUM,
    N,
    accepted,
    federation,
    name_of,
    with_one_batch,
    with_two_batches,
    with_two_passing,
)
from tests.stage.files import flipped, with_payload
from tests.stage.toy import CeremonyTable, finished, toy_epoch

T_PLUS_1 = (N - 1) // 2 + 1


def again(table: CeremonyTable) -> CeremonyTable:
    """The same ceremony, from its beginning."""
    other = CeremonyTable(federation())
    other.seeds = table.seeds
    other.machines = {i: other.machine(i) for i in table.machines}
    return other


def rejected_survivor(table: CeremonyTable) -> tuple[int, int]:
    """A candidate of batch 0 that was screened in vain, and one of its dealers, not the lead."""
    run = table.machines[1]._run
    assert run.batch.number == 0
    passed = accepted(run.batch, run.layout)
    k = next(k for k in run.batch.survivors if k not in passed)
    return k, run.layout.dealers(run.layout.class_of(k))[1]


def places(table: CeremonyTable, step: str) -> list[int]:
    return [p.post.body.batch for p in table.board.entries if name_of(p.post.body) == step]


# ── leaves and the commitment to them ──


def test_the_commitment_is_the_hash_of_the_leaves_hashes():
    leaves = [bytes([k]) * 32 for k in range(3)]
    hashes = [hashlib.sha256(b"quorate/leaf" + leaf).digest() for leaf in leaves]
    assert candidate_openings.leaves_commitment(leaves) == digest("quorate/leaves", *hashes)
    assert candidate_openings.leaves_commitment(leaves[::-1]) != digest("quorate/leaves", *hashes)


def changed_in_the_second_batch(step: str, culprit: int, change: Change) -> CeremonyTable:
    def tamper(sender: int, draft: Draft) -> Draft:
        body = draft.body
        last = isinstance(body, Step) and (body.step, body.batch) == (step, 1)
        return with_payload(draft, 0, change) if sender == culprit and last else draft

    return again(with_two_batches()).run(tamper)


@pytest.mark.parametrize("step", ["deal", "theta-commit"])
@pytest.mark.parametrize("place", [0, 868])
def test_a_leaf_that_was_not_committed_to_names_its_dealer(step, place):
    """In the deal that follows a rejected batch, and beside the commitments to θ'."""
    before = 32 + (
        width_of(runs_of(with_two_batches())[1].rows.prime) if step == "theta-commit" else 0
    )
    table = changed_in_the_second_batch(step, 2, turned(before + place))
    assert_everybody_names(table, 2, step)
    assert "did not commit" in table.machines[1].failure.reason
    assert_named(table, 2)


@pytest.mark.parametrize("step", ["deal", "theta-commit"])
@pytest.mark.parametrize("change", [lambda d: d[:-32], lambda d: d + bytes(32), lambda d: d[:32]])
def test_another_number_of_leaves_names_its_dealer(step, change):
    table = changed_in_the_second_batch(step, 3, change)
    assert_everybody_names(table, 3, step)
    assert_named(table, 3)


def test_all_leaves_of_a_rejected_batch_and_none_of_the_winner_are_on_the_board():
    table = with_two_batches()
    said = b"".join(encode(entry) for entry in table.entries) + b"".join(table.blobs.values())
    for i, run in runs_of(table).items():
        fresh = CeremonyRun(run.terms, i, run.session, table.seeds[i])
        assert all(leaf in said for leaf in fresh.begin_batch(0).leaves)
        kept = candidate_openings._place(run, i, run.the_winner.number)
        closed = [k for k, leaf in enumerate(run.batch.leaves) if leaf not in said]
        assert closed == ([] if kept is None else [kept])


# ── shares and N ──


def test_a_share_of_a_rejected_candidate_that_its_leaf_does_not_give_is_noticed_by_its_owner():
    """The dealer seals something else to one member; N is off, and the share shows who did it."""
    table = again(toy_epoch(N, QUORUM).table)
    culprit, victim = 1, 2

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender == culprit and name_of(draft.body) == "deal":
            return resealed(table, draft, lambda d: bytes([d[0] ^ 1]) + d[1:], culprit, victim)
        return draft

    table.run(tamper)
    assert {f[0] for f in table.failures.values() if f} <= {culprit, 0}
    first_abort = next(p for p in table.board.entries if isinstance(p.post.body, Abort))
    alone = table.replayed(victim, first_abort.position - 1).failure
    assert alone
    assert alone.culprit == culprit
    assert "its leaf does not give what it dealt" in alone.reason
    assert_named(table, culprit)
    assert "sealed something else" in table.verdict.culprits[culprit]


def spoiled_modulus(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
    """A share of N that is off by one, for the last candidate of the first class."""
    rows = lanes(run.shape.field_exponent, run.layout.class_size)
    numbers = list(rows.split(rows.decode(payload[: rows.size])))
    numbers[-1] = (numbers[-1] + 1) % rows.prime
    return rows.encode(rows.join(numbers)) + payload[rows.size :]


def test_a_wrong_share_of_n_shows_when_the_candidate_is_opened_and_the_replay_says_whose():
    """In a batch that is all rejected, so that the candidate is not the winner."""
    table = again(with_two_batches())
    seat_liar(table, 3, "moduli", spoiled_modulus)
    table.run()
    assert {f[0] for f in table.failures.values() if f} == {0}
    assert all("is not p·q" in m.failure.reason for m in table.machines.values() if m.failure)
    assert_named(table, 3)
    assert table.verdict.culprits[3].startswith("moduli")


# ── test values ──


def wrong_value(candidate: int, change):
    """What a liar posts in a screen: its value for one candidate changed."""

    def tell(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
        if step.batch:
            return payload
        top = mpz(1) << run.terms.key_bits
        own = run.layout.chosen(run.batch.survivors, run.index)
        values = unpack_numbers(payload, width_of(top), len(own), top, "screen")
        place = own.index(candidate)
        values[place] = change(values[place], run.batch.moduli[candidate])
        return pack_numbers(values, width_of(top))

    return tell


@pytest.mark.parametrize(
    "change", [lambda v, n: v * 2 % n, lambda v, n: mpz(0), lambda v, n: v + 1]
)
def test_a_wrong_test_value_of_a_rejected_candidate_is_noticed_by_its_checkers(change):
    honest = with_one_batch()
    k, liar = rejected_survivor(honest)
    table = again(honest)
    seat_liar(table, liar, "screen", wrong_value(k, change))
    accused = set[int]()

    def watch(sender: int, draft: Draft) -> Draft:
        for i, machine in table.machines.items():
            if machine.failure and not machine.aborted:
                accused.add(i)
        return draft

    table.run(watch)
    assert_everybody_names(table, liar, "theta-commit")
    layout = table.machines[1]._run.layout
    assert accused == set(layout.checkers(layout.class_of(k)))
    assert_named(table, liar)


def test_a_sign_in_a_test_value_is_no_lie_that_matters():
    """Accepting and checking are both up to sign; no candidate is lost or won by it."""
    honest = with_one_batch()
    k, liar = rejected_survivor(honest)
    table = again(honest)
    seat_liar(table, liar, "screen", wrong_value(k, lambda v, n: n - v))
    assert finished(table.run()).key.n == finished(honest).key.n


def recorded(monkeypatch: pytest.MonkeyPatch, name: str) -> dict[tuple[int, int], set[int]]:
    """Who called a check for which candidate of which batch."""
    calls, real = defaultdict(set), getattr(candidate_openings, name)

    def check(run: CeremonyRun, step: StepId, k: int, *rest: object) -> None:
        calls[run.batch.number, k].add(run.index)
        real(run, step, k, *rest)

    monkeypatch.setattr(candidate_openings, name, check)
    return calls


@pytest.mark.parametrize("source", [lambda: toy_epoch(N, QUORUM).table, with_two_batches])
def test_every_rejected_candidates_test_values_are_computed_again_by_t_plus_1(monkeypatch, source):
    honest = source()
    calls = recorded(monkeypatch, "_check_witnesses")
    table = again(honest).run()
    run = table.machines[1]._run
    kept = (run.batch.number, run.the_winner.number)
    for (_, k), members in calls.items():
        assert members == set(run.layout.checkers(run.layout.class_of(k)))
        assert len(members) == T_PLUS_1
    expected = {(run.batch.number, k) for k in run.batch.survivors} - {kept}
    assert {place for place in calls if place[0] == run.batch.number} == expected
    assert kept not in calls
    assert {batch for batch, _ in calls} == set(range(run.batch.number + 1))
    assert run.tests_done == len(calls) + 1


# ── a candidate that passed the screen, and failed the rounds ──


def test_who_spoils_a_good_candidate_with_another_exponent_is_named_when_it_is_opened():
    """All of its values and its proof agree with each other, just not with its share of p and q."""
    honest = with_two_passing()
    table = again(honest)
    (first, *_) = accepted(runs_of(honest)[1].batch, runs_of(honest)[1].layout)
    layout = runs_of(honest)[1].layout
    liar = layout.dealers(layout.class_of(first))[-1]
    run = table.machines[liar]._run
    real = run.test_exponent

    def exponent(k: int) -> mpz:
        in_winner = table.machines[liar].progress.step.startswith("winner")
        return real(k) + (1 if in_winner and k == first else 0)

    run.test_exponent = exponent  # type: ignore[assignment]
    table.run()
    step = next(f[1] for f in table.failures.values() if f)
    assert step in ("theta-commit", "deal")
    assert_everybody_names(table, liar, step)
    assert "commitment to the exponent" in table.machines[1].failure.reason
    assert_named(table, liar)


def test_a_candidate_that_fails_the_rounds_gives_way_to_the_next_and_is_opened(monkeypatch):
    honest, real = with_two_passing(), winner_steps.accepts
    run = runs_of(honest)[1]
    first, *others = accepted(run.batch, run.layout)
    doomed = run.batch.moduli[first]
    monkeypatch.setattr(
        winner_steps, "accepts", lambda values, lead, n: n != doomed and real(values, lead, n)
    )
    calls = recorded(monkeypatch, "_check_commitments")
    table = finished(again(honest).run()).table
    after = runs_of(table)[1]
    assert after.the_winner.number in others
    assert after.the_winner.n != doomed
    assert calls == {(run.batch.number, first): set(table.machines)}
    assert after.batch.number == run.batch.number


def test_if_all_that_passed_fail_the_rounds_the_next_batch_is_dealt(monkeypatch):
    honest, real = with_two_passing(), winner_steps.accepts
    run = runs_of(honest)[1]
    doomed = {run.batch.moduli[k] for k in accepted(run.batch, run.layout)}
    monkeypatch.setattr(
        winner_steps, "accepts", lambda values, lead, n: n not in doomed and real(values, lead, n)
    )
    table = finished(again(honest).run()).table
    assert runs_of(table)[1].the_winner.n not in doomed
    assert runs_of(table)[1].batch.number > run.batch.number
    assert max(places(table, "deal")) == runs_of(table)[1].batch.number


def test_a_spoilt_root_in_the_first_deal_is_noticed_at_the_next_opening():
    def tamper(sender: int, draft: Draft) -> Draft:
        mine = sender == 1 and name_of(draft.body) == "deal"
        return with_payload(draft, 0, flipped) if mine else draft

    table = CeremonyTable(federation()).run(tamper)
    assert {f[0] for f in table.failures.values() if f} == {1}
    assert_named(table, 1)
