"""Well-signed nonsense: it may end a ceremony or a round, but only with an error that says so."""

import contextlib
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from gmpy2 import mpz

from keyshare.errors import KeyshareError
from keyshare.proofs.plaintext_proof import PlaintextProof
from participant.errors import ParticipantError
from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.draft import Draft, Envelope
from protocol.encoding import encode
from protocol.errors import BadEntry, ProtocolError
from protocol.messages.attachment import Attachment, attach
from protocol.messages.bodies import Body, belongs
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Step
from protocol.messages.fields import MAX_INLINE_BYTES
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import (
    Ciphertexts,
    Closing,
    Complaint,
    Contribution,
    Contributor,
    Near,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.rounds.ciphertexts import Encrypted, write_ciphertexts
from protocol.rounds.statistic import opening_for
from tests.stage.ceremony.small_ceremony import label_of, plaintexts_of
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import SESSION, STUDY, statistic_plan, statistic_study, training_plan
from tests.stage.toy import CEREMONY, CeremonyTable, number_secret, toy_epoch, toy_federation

OURS = (KeyshareError, ProtocolError, ParticipantError)
ATTACKER = 2


def nonsense(chance: random.Random, payload: bytes) -> bytes:
    """Bytes in the place of a payload: mostly of its length, so that they are looked into."""
    return chance.choice(
        [
            bytes(len(payload)),
            bytes(len(payload) - 1) + b"\1",
            bytes([*payload[:-1], payload[-1] ^ 1]),
            payload[: len(payload) // 2] * 2,
            chance.randbytes(len(payload)),
            chance.randbytes(chance.randrange(40)),
            bytes(1) + chance.randbytes(len(payload) - 1),
        ]
    )


def spoilt(chance: random.Random, table: CeremonyTable, draft: Draft) -> Draft:
    """The attacker's draft with other payloads inside intact seals, or another body."""
    body = draft.body
    if not isinstance(body, Step) or chance.random() < 0.1:
        return Draft(CEREMONY, chance.choice(ceremony_bodies(chance)))
    attachments, blobs = list[Attachment](), list[bytes]()
    keys = {i: m._run.sealing.public for i, m in table.machines.items()}
    envelope = Envelope(table.federation.terms.federation, CEREMONY, ATTACKER, keys)
    for to, payload in plaintexts_of(draft, table, ATTACKER).items():
        data = nonsense(chance, payload)
        if to:
            (sealed,), sealed_blobs = envelope.seal_all({to: data}, label_of(body))
            attachments, blobs = [*attachments, sealed], blobs + sealed_blobs
        else:
            attachments.append(attach(data))
            blobs += [data] if len(data) > MAX_INLINE_BYTES else []
    return Draft(CEREMONY, Step(*body.id, tuple(attachments)), tuple(blobs))


def ceremony_bodies(chance: random.Random) -> list[Body]:
    attachments = tuple(attach(chance.randbytes(9), to) for to in chance.sample(range(4), 2))
    names = ["join", "deal", "moduli-commit", "moduli", "screen", "winner", "theta", "trial",
             "certificate", "none"]  # fmt: skip
    return [
        Join(chance.randbytes(chance.choice([0, 32, 1216, 2048])), chance.randbytes(32)),
        Disclosure(chance.randbytes(32)),
        Step(chance.choice(names), chance.choice([0, 1, 1 << 40]), chance.randrange(3), ()),
        Step(chance.choice(names), 0, 0, attachments),
        Certificate(chance.randbytes(32), chance.randbytes(40)),
        Abort(chance.randrange(17), "no step", "no reason"),
    ]


@pytest.mark.parametrize("salt", range(24))
def test_a_ceremony_with_one_spoilt_draft_ends_for_all_and_nothing_escapes(salt: int) -> None:
    chance = random.Random(salt)
    table = CeremonyTable(toy_federation(3, 2))
    spoil_at, spoken = chance.randrange(16), 0

    def tamper(sender: int, draft: Draft) -> Draft:
        nonlocal spoken
        if sender != ATTACKER:
            return draft
        spoken += 1
        return spoilt(chance, table, draft) if spoken - 1 == spoil_at else draft

    table.run(tamper, lambda drafts: chance.sample(drafts, len(drafts)))
    for machine in table.machines.values():
        assert machine.aborted or machine.outcome, machine.progress


# ── rounds ──


def payloads(chance: random.Random, n: mpz) -> list[bytes]:
    """Payloads of contributions and sums: from none at all to almost right."""
    numbers = [mpz(k) for k in (0, 1, 2, 7, n, n - 1, n + 1, n * n - 1, n * n - n)]
    values = tuple(chance.choices(numbers, k=chance.randrange(4)))
    proof = PlaintextProof(*(mpz(chance.choice([0, 1, n, n * n, 1 << 4_000])) for _ in range(3)))
    return [
        chance.randbytes(chance.randrange(60)),
        write_ciphertexts(Encrypted(values), n),
        write_ciphertexts(Encrypted(values, proof), n),
        encode(Ciphertexts(chance.randbytes(64), (b"\1",) * chance.randrange(4))),
        bytes(5_000),
    ]


def round_bodies(chance: random.Random, table: RoundTable, session: str) -> list[Body]:
    """One body of every kind that is ever said in a round, with fields that almost fit."""
    view, epoch = table.view(session), table.toy.epoch
    study = table.study_of(session).digest
    n = table.toy.key.n
    digests = [p.digest for p in table.board.entries] + [bytes(32), epoch.digest]
    chosen = view.chosen(table.terms.federation) or bytes(32)
    opening = view.opening.digest if view.opening else bytes(32)
    stated = [p.post.body.result for p in table.board.entries
              if isinstance(p.post.body, Statement)] or [bytes(32)]  # fmt: skip
    honest = [Contributor(m, p.digest) for m, p in sorted(view.contributions.items())]
    odd = [Contributor(chance.randrange(17), chance.choice(digests)) for _ in range(3)]
    contributors = tuple(chance.choice([honest, honest[:-1], honest * 2, odd, honest + odd])[:16])
    payload = chance.choice(payloads(chance, n))
    sealed = tuple(attach(chance.randbytes(50), i) for i in range(6))
    key = chance.choice([b"", chance.randbytes(32)])
    lengths = [1, 2, 3, 4, 100_000, 10_000_000]
    return [
        Opening(
            chance.choice([study, study, bytes(32)]),
            chance.choice([epoch.digest, bytes(32)]),
            chance.choice(stated),
            chance.choice(lengths),
        ),
        Closing(contributors, attach(payload)),
        Contribution(
            chance.choice([opening, chance.choice(digests)]),
            attach(payload),
            near=chance.choice(
                [
                    Near(),
                    Near(("study/age/1",)),
                    Near(("study/none/7", "study/age/1")),
                    Near((), (0, 1 << 40)),
                ]
            ),
        ),
        SetLock(chance.choice([chosen, bytes(32)])),
        Partial(chance.choice([chosen, bytes(32)]), chance.randbytes(32), sealed),
        Complaint(chance.choice([chosen, bytes(32)]), chance.randrange(1, 6), key),
        Refusal("a rule", chance.randrange(17), "a reason"),
        Statement(chance.choice(stated), chance.choice(lengths)),
        *study_bodies(chance, table, study),
    ]


def study_bodies(chance: random.Random, table: RoundTable, study: bytes) -> list[Body]:
    """Plans, and words that are mostly about this one."""
    plan, length = chance.choice([study, study, bytes(32)]), chance.choice([1, 2, 100_000])
    labels = chance.choice([(), ("men",), ("men", "women"), ("men", "men")])
    return [
        statistic_plan(table.terms, length, decimals=chance.choice([0, 100]), labels=labels),
        training_plan(
            table.terms, clip=chance.choice([0.0, 1e300, 8.0]), bits=chance.choice([1, 64])
        ),
        Approval(plan, chance.random() < 0.5, chance.random() < 0.5),
        Withdrawal(plan),
        Ending(plan),
    ]


def hear(table: RoundTable, act: Callable[[], Any], index: int) -> Any:
    """What a task does; one that ends with an error of ours has left the table."""
    try:
        return act()
    except OURS:
        del table.tasks[index]
        return None


def publish(table: RoundTable, sender: int, draft: Draft) -> None:
    posted = table.say(sender, draft)
    for index in list(table.tasks):
        hear(table, lambda index=index: table.show(index, posted), index)  # type: ignore[misc]


def interfere(table: RoundTable, chance: random.Random, sessions: list[str]) -> None:
    """The attacker or the aggregator says something that the board lets it say."""
    session = chance.choice(sessions)
    sender = chance.choice([0, 0, ATTACKER, ATTACKER, ATTACKER])
    bodies = [b for b in round_bodies(chance, table, session) if belongs(session, sender, b)]
    if not bodies:
        return  # as the aggregator in round 0, or of a study
    body = chance.choice(bodies)
    blobs = (bytes(5_000),) if any(a.is_blob for p in [body] for a in blobs_of(p)) else ()
    with contextlib.suppress(BadEntry):  # as a part whose readers are not the study's
        publish(table, sender, Draft(session, body, blobs))


def blobs_of(body: Body) -> list[Attachment]:
    if isinstance(body, Closing):
        return [body.total]
    return [body.ciphertexts] if isinstance(body, Contribution) else []


def speak(table: RoundTable) -> None:
    for index in list(table.tasks):
        draft = hear(table, lambda index=index: table.tasks[index].due(), index)  # type: ignore[misc]
        if draft and index in table.tasks:
            publish(table, index, draft)


@pytest.mark.parametrize("salt", range(60))
def test_training_amid_nonsense_ends_with_nothing_but_errors_of_ours(salt: int) -> None:
    chance = random.Random(salt)
    table = RoundTable()
    for i in table.toy.federation.members:
        if i != ATTACKER:
            table.train(i, Steps())
    for _ in range(chance.choice([0, 1, 2])):
        speak(table)
    if chance.random() < 0.8:
        publish(table, 0, Draft(SESSION, opening_of(table)))
        speak(table)
    numbers = ("/1", "/1", "/0", "/2", "/999999999", "")
    for _ in range(25):
        interfere(table, chance, [f"study/{STUDY}{number}" for number in numbers])
        speak(table)


def opening_of(table: RoundTable) -> Opening:
    stated = [p.post.body for p in table.board.session(f"study/{STUDY}/0")
              if isinstance(p.post.body, Statement)]  # fmt: skip
    said = stated[0] if stated else Statement(bytes(32), 3)
    study, epoch = table.study_of().digest, table.toy.epoch.digest
    bounds: dict[str, Any] = {"clip": said.clip, "max_examples": said.max_examples}
    return Opening(study, epoch, said.result, said.length, **bounds)


@pytest.mark.parametrize("salt", range(60))
def test_a_statistic_amid_nonsense_ends_with_nothing_but_errors_of_ours(salt: int) -> None:
    chance = random.Random(salt)
    study = statistic_study(toy_epoch().federation.terms, decimals=1)
    table = RoundTable(study=study)
    numbers = Numbers("numbers.json", (Decimal(5), Decimal("7.5")))
    for i in (1, 3):
        task = StatisticTask(
            table.terms, "age", table.ring(i), numbers, table.disks[i], number_secret(i)
        )
        table.seat(i, task)
    for i in (4, 5):
        task = DecryptionTask(  # type: ignore[assignment]
            table.terms, "age", 1, table.ring(i), table.disks[i], lambda question: True
        )
        table.seat(i, task)
    if chance.random() < 0.8:
        speak(table)
        opening = opening_for(study, table.toy.epoch.digest)
        publish(table, 0, Draft(study.round(1), opening))
    for _ in range(25):
        speak(table)
        interfere(table, chance, [study.round(1), study.round(1), study.session])
