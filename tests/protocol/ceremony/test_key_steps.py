"""θ', the trial and the certificate: a wrong value ends the ceremony, and its sender is named."""

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.ceremony.lanes import lanes
from protocol.board.draft import Draft
from protocol.ceremony import key_steps
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.messages.ceremony import Certificate
from protocol.messages.fields import MAX_BLOB_BYTES
from protocol.sealing import SealingKey
from tests.stage.ceremony.altered import (
    altered,
    assert_everybody_names,
    assert_named,
    seat_liar,
    table_with_liar,
)
from tests.stage.ceremony.opened_key import runs_of
from tests.stage.ceremony.small_ceremony import LIAR, QUORUM, N, federation
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch, toy_federation

DEALERS = sorted(runs_of(toy_epoch(N, QUORUM).table)[1].the_winner.exponents)
OUTSIDERS = [i for i in range(1, N + 1) if i not in DEALERS]


def theta_plus(change):
    """A lie about a share of θ'."""

    def tell(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
        prime = lanes(run.the_winner.shape.theta_exponent, 1).prime
        (value,) = unpack_numbers(payload, width_of(prime), 1, prime, "theta")
        return pack_numbers([change(value, run.the_winner.n) % prime], width_of(prime))

    return tell


def trial_with(change):
    """A lie in a trial: fields replaced by what ``change`` makes of the honest trial."""

    def tell(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
        said = decode(payload, Trial, "trial", MAX_BLOB_BYTES)
        return encode(msgspec.structs.replace(said, **change(said, run)))

    return tell


# ── θ' ──


@pytest.mark.parametrize("liar", range(1, N + 1))
@pytest.mark.parametrize("change", [lambda v, n: v + 1, lambda v, n: v + n, lambda v, n: mpz(0)])
def test_a_wrong_share_of_theta_does_not_fit_the_commitments_and_the_replay_names_it(liar, change):
    table = table_with_liar("theta", theta_plus(change), liar)
    assert_everybody_names(table, 0, "theta")
    assert_named(table, liar)
    assert table.verdict.culprits[liar].startswith("theta")


def test_a_modulus_that_shares_a_factor_with_its_trial_fails_before_the_trial(monkeypatch):
    monkeypatch.setattr(key_steps, "trial_ciphertext", lambda n, context: (mpz(0), n))
    assert_everybody_names(CeremonyTable(federation()).run(), 0, "theta")


# ── the trial ──


def doubled_partial(said: Trial, run: CeremonyRun) -> dict[str, bytes]:
    square = run.the_winner.n**2
    (value,) = unpack_numbers(said.partial, width_of(square), 1, square, "partial")
    return {"partial": pack_numbers([value * 2 % square], width_of(square))}


def by_an_nth_root(said: Trial, run: CeremonyRun) -> dict[str, bytes]:
    square = run.the_winner.n**2
    (value,) = unpack_numbers(said.partial, width_of(square), 1, square, "partial")
    wrong = value * (1 + run.the_winner.n) % square
    return {"partial": pack_numbers([wrong], width_of(square))}


WRONG_PARTIALS = {
    "doubled": doubled_partial,
    "another plaintext": by_an_nth_root,
    "zero": lambda said, run: {"partial": bytes(len(said.partial))},
    "out of range": lambda said, run: {"partial": b"\xff" * len(said.partial)},
    "short": lambda said, run: {"partial": said.partial[:-1]},
    "none": lambda said, run: {"partial": b""},
}


@pytest.mark.parametrize("liar", [DEALERS[0], OUTSIDERS[0]])
@pytest.mark.parametrize("kind", WRONG_PARTIALS)
def test_a_wrong_partial_decryption_names_its_sender(kind, liar):
    table = table_with_liar("trial", trial_with(WRONG_PARTIALS[kind]), liar)
    assert_everybody_names(table, liar, "trial")
    assert_named(table, liar)


WRONG_FRESH = {
    "wrong": lambda said, run: {"fresh": said.fresh[:-1] + bytes([said.fresh[-1] ^ 1])},
    "missing": lambda said, run: {"fresh": b""},
    "unproved": lambda said, run: {"fresh_proof": None},
    "left out with its proof": lambda said, run: {"fresh": b"", "fresh_proof": None},
    "proved of something else": lambda said, run: {"fresh_proof": said.partial_proof},
}


@pytest.mark.parametrize("liar", DEALERS)
@pytest.mark.parametrize("kind", WRONG_FRESH)
def test_a_wrong_value_for_the_fresh_base_names_its_dealer(kind, liar):
    table = table_with_liar("trial", trial_with(WRONG_FRESH[kind]), liar)
    assert_everybody_names(table, liar, "trial")
    assert_named(table, liar)


@pytest.mark.parametrize(
    "change",
    [
        lambda said, run: {"fresh": bytes(32)},
        lambda said, run: {"fresh_proof": said.partial_proof},
        lambda said, run: {"fresh": bytes(32), "fresh_proof": said.partial_proof},
        lambda said, run: {"sealing_key": said.sealing_key[:-32] + bytes(32)},
        lambda said, run: {"sealing_key": b""},
    ],
)
def test_who_has_no_part_in_n_or_no_sealing_key_is_named(change):
    liar = OUTSIDERS[0]
    table = table_with_liar("trial", trial_with(change), liar)
    assert_everybody_names(table, liar, "trial")
    assert_named(table, liar)


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (4, 4), (5, 3), (7, 4)])
def test_in_every_size_a_wrong_partial_of_anyone_names_it(n, quorum):
    for liar in (1, n):
        toy = toy_federation(n, quorum)
        table = table_with_liar("trial", trial_with(doubled_partial), liar, toy)
        assert_everybody_names(table, liar, "trial")


@pytest.mark.parametrize("kind", ["doubled", "another plaintext"])
def test_were_no_proof_checked_the_quorums_would_still_not_decrypt(monkeypatch, kind):
    monkeypatch.setattr(key_steps, "parts_hold", lambda *statement: True)
    table = table_with_liar("trial", trial_with(WRONG_PARTIALS[kind]))
    assert_everybody_names(table, 0, "trial")
    assert "do not decrypt" in table.machines[1].failure.reason


def test_a_fresh_base_that_n_does_not_pass_ends_the_ceremony(monkeypatch):
    monkeypatch.setattr(key_steps, "accepts", lambda *values: False)
    assert_everybody_names(CeremonyTable(federation()).run(), 0, "trial")


def test_nobody_knows_the_fresh_base_before_theta_is_opened():
    """It is hashed from the transcript: with the speakers in another order it is another one."""
    honest = CeremonyTable(federation()).run()
    other = CeremonyTable(federation()).run(order=lambda drafts: drafts[::-1])
    bases = {key_steps._fresh_base(runs_of(table)[1]) for table in (honest, other)}
    assert len(bases) == 2
    assert runs_of(honest)[1].the_winner.n == runs_of(other)[1].the_winner.n


def test_a_sealing_key_that_is_not_from_the_seed_harms_nobody_but_its_owner():
    """The ceremony ends with it; rounds are sealed to a key that this member cannot open."""
    other = SealingKey(bytes(32)).public
    table = CeremonyTable(federation())
    seat_liar(table, LIAR, "trial", trial_with(lambda said, run: {"sealing_key": other}))
    table.run()
    for i, machine in table.machines.items():
        assert machine.outcome
        epoch, secret = machine.outcome
        assert (SealingKey(secret.sealing_seed).public == epoch.sealing_keys[i - 1]) == (i != LIAR)


# ── the certificate ──


@pytest.mark.parametrize("field", ["transcript", "epoch"])
def test_a_certificate_of_something_else_fails_its_sender(field):
    def change(_: CeremonyTable, draft: Draft) -> Draft:
        value = getattr(draft.body, field)
        other = value[:-1] + bytes([value[-1] ^ 1])
        return Draft(CEREMONY, msgspec.structs.replace(draft.body, **{field: other}))

    assert_everybody_names(altered("certificate", change), LIAR, "certificate")


def test_without_the_last_certificate_nobody_has_a_key():
    table = CeremonyTable(federation()).before_the_end()
    for sender, draft in table.due()[:-1]:
        table.publish(sender, draft)
    assert not any(m.outcome for m in table.machines.values())
    assert table.machines[1].progress.waiting_for == (N,)
    table.run()
    assert all(m.outcome for m in table.machines.values())


def test_the_transcript_is_the_head_that_all_have_reached():
    table = toy_epoch(N, QUORUM).table
    trials = [p for p in table.board.entries if getattr(p.post.body, "step", "") == "trial"]
    last = max(p.position for p in trials)
    certificates = [p for p in table.board.entries if isinstance(p.post.body, Certificate)]
    assert len(certificates) == N
    for posted in certificates:
        assert isinstance(posted.post.body, Certificate)
        assert posted.post.body.transcript == table.board.hash_at(last)
