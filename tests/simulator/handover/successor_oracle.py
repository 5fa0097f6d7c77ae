"""What must be true where a key is handed over to other terms, named by what goes wrong else."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping

from keyshare.errors import KeyshareError
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from participant.handover import RECEIPT_NAME
from protocol.handover import HandoverWord
from protocol.key.epoch import HeldKey
from protocol.messages.rounds import Closing, Opening
from protocol.messages.session import read_session
from tests.simulator.federation import memory_folder
from tests.simulator.handover.hospital import KeepingHospital
from tests.simulator.handover.oracle import (
    all_have_the_newest_share,
    boards_with,
    epochs_in_memory,
    honest,
    nothing_old_is_left,
    one_key_decrypts,
    safe,
    wishes_came_true,
)
from tests.simulator.handover.passed import Passed, attempts_of
from tests.simulator.handover.succession import NewFederation, OldFederation
from tests.simulator.memo import remembering
from tests.simulator.oracle import judge, nothing_forbidden
from tests.simulator.plan import Plan
from tests.simulator.studies.founding import first_shares
from tests.simulator.studies.studied import Violation, entries_of, is_released
from tests.stage.elimination import rank

Row = Mapping[tuple[str, object], int]  # by a hospital's name and what it gave numbers of
FREEZES = HandoverWord.FREEZE, HandoverWord.FREEZE_ONLY


def hand_over(plan: Plan, forgetful: bool = False) -> str:
    """How a run with handovers to other terms ended: as ``tests.simulator.oracle.simulate``."""
    with handed_over(plan, forgetful) as (_, outcome):
        return outcome


@contextlib.contextmanager
def handed_over(plan: Plan, forgetful: bool = False) -> Iterator[tuple[OldFederation, str]]:
    """A run that has ended, and how; raises Violation if it must not have ended so."""
    with memory_folder() as folder, contextlib.nullcontext() if forgetful else remembering():
        old = OldFederation(plan, folder)
        in_time = old.run()
        yield old, _judged(old, in_time)


def _judged(old: OldFederation, in_time: bool) -> str:
    safe(old)
    for new in old.heirs_at_work:
        safe(new)
        nothing_forbidden(new, one_key_decrypts)
    safe_over_all(old)
    if judge(old, in_time, keys=one_key_decrypts) == "fork":
        return "fork"
    if old.plan.fork and any(h.failure for f in old.heirs for h in f.hospitals.values()):
        return "fork"
    for new in old.heirs_at_work:
        judge(new, in_time, keys=one_key_decrypts)
    wishes_came_true(old)
    ended_as_it_must(old)
    return "done"


def safe_over_all(old: OldFederation) -> None:
    """What must be true of the old board and the new ones together, however the run ended."""
    an_epoch_has_one_successor(old)
    a_key_counts_where_it_was_released_to(old)
    nobody_is_blamed(old)
    nobody_agrees_unasked(old)
    old_shares_are_given_up_in_turn(old)
    old_and_new_shares_do_not_mix(old)
    for new in old.heirs_at_work:
        no_few_are_shown_over_both(old, new)


# ── one successor ──


def _released(old: OldFederation) -> Iterator[tuple[Passed, bytes]]:
    """All that any board has released, with the digest of the new epoch."""
    for board in boards_with(old):
        for one, known in zip(attempts_of(board), board.key.handovers.all, strict=True):
            if one.released_at is not None:
                assert known.view.epoch is not None
                yield one, known.view.epoch.digest


def an_epoch_has_one_successor(old: OldFederation) -> None:
    """Whatever boards the aggregator shows."""
    found = dict[int, tuple[bytes, bytes]]()
    for one, epoch in _released(old):
        if found.setdefault(one.epoch, (one.heir, epoch)) != (one.heir, epoch):
            raise Violation(f"epoch {one.epoch} has two successors")


def a_key_counts_where_it_was_released_to(old: OldFederation) -> None:
    """No new board has another key than one that an old one has released to it, with the same N."""
    released = {(one.heir, epoch) for one, epoch in _released(old)}
    first, _ = first_shares(old.toy)
    for new in old.heirs:
        for board in boards_with(new):
            if (counted := board.key.inheritance.epoch) is None:
                continue
            if (new.terms.federation, counted.digest) not in released:
                raise Violation(f"{new.folder.name} has a key that nobody has released to it")
            if any(known.epoch.n != first.n for known in board.key.epochs):
                raise Violation(f"{new.folder.name} has another modulus")


# ── who agrees, and who is blamed ──


def nobody_is_blamed(old: OldFederation) -> None:
    """Who is silent has done nothing wrong, and nobody else here does."""
    for federation in (old, *old.heirs):
        for board in boards_with(federation):
            for handover in board.key.handovers.all:
                if misdeeds := handover.view.misdeeds:
                    raise Violation(f"{handover.about.session} blames {misdeeds}")


def nobody_agrees_unasked(old: OldFederation) -> None:
    """Old members consent to what was typed, and freeze once enough have, and all have arrived."""
    typed = {old.terms.federation: 0}
    typed |= {heir.terms.federation: k for k, heir in enumerate(old.heirs, start=1)}
    for board in boards_with(old):
        for one in attempts_of(board):
            for member in one.who(HandoverWord.CONSENT):
                if typed[one.heir] not in old.hospitals[member].keeper.typed:
                    raise Violation(f"hospital {member} agrees to what nobody typed there")
            _freezes_in_turn(one, old.script.liars)


def _freezes_in_turn(one: Passed, liars: frozenset[int]) -> None:
    consents = sorted(at for (word, _), at in one.said.items() if word is HandoverWord.CONSENT)
    arrivals = [at for (word, _), at in one.said.items() if word is HandoverWord.ARRIVE]
    froze = [at for (word, m), at in one.said.items() if word in FREEZES and m not in liars]
    if not froze:
        return
    is_agreed = len(consents) >= one.consents and len(arrivals) == len(one.new)
    if not is_agreed or max(consents[one.consents - 1], *arrivals) > min(froze):
        raise Violation(f"handover {one.number} is frozen before it is agreed")


# ── shares ──


def old_shares_are_given_up_in_turn(old: OldFederation) -> None:
    """No hospital gives one up before it has seen that all new members have acknowledged."""
    for member, epoch, is_in_turn in old.retired:
        if not is_in_turn:
            raise Violation(f"hospital {member} gave up epoch {epoch} before all had the next one")


def old_and_new_shares_do_not_mix(old: OldFederation) -> None:
    """A quorum of shares opens nothing if some are of the first epoch, and some of the new one."""
    first, secrets = first_shares(old.toy)
    before = {i: HeldKey(first, secret) for i, secret in secrets.items()}
    for new in old.heirs_at_work:
        held = {i: key for i, h in new.hospitals.items() if (key := h.held_key()) is not None}
        _mixtures_open_nothing(before, held)
        _mixtures_open_nothing(held, before)


def _mixtures_open_nothing(of: Mapping[int, HeldKey], others: Mapping[int, HeldKey]) -> None:
    """Under the key of the former, whoever has the latter."""
    key = next(iter(of.values())).epoch.joint_key()
    plaintext, ciphertext = trial_ciphertext(key.n, b"oracle")
    own, foreign = (
        {i: partial_decryption(ciphertext, h.secret.secret_share(), h.epoch.joint_key())
         for i, h in all_held.items()}
        for all_held in (of, others)
    )  # fmt: skip
    numbers = sorted(own.keys() | foreign.keys())
    for members in itertools.combinations(numbers, key.quorum):
        for choice in itertools.product((own, foreign), repeat=key.quorum):
            is_there = all(m in parts for m, parts in zip(members, choice, strict=True))
            if not is_there or own not in choice or foreign not in choice:
                continue
            parts = {m: found[m] for m, found in zip(members, choice, strict=True)}
            with contextlib.suppress(KeyshareError):
                if combine(parts, key) == plaintext:
                    raise Violation(f"hospitals {members} decrypt with shares of two epochs")


# ── sums ──


def no_few_are_shown_over_both(old: OldFederation, new: NewFederation) -> None:
    """What was opened on both boards shows no more of few than what was opened on the old one.

    A hospital is known by its name, and numbers by what the plans call them.
    """
    before, after = list(_rows(old)), list(_rows(new))
    names = sorted({name for row in before + after for name, _ in row})
    for size in range(1, new.terms.least_difference):
        for few in itertools.combinations(names, size):
            if _shown(before + after, few) > _shown(before, few):
                raise Violation(f"the sums of both boards show what {few} added")


def _rows(federation: OldFederation | NewFederation) -> Iterator[Row]:
    """The sums that were opened, each as who is in it with what."""
    for posted in entries_of(federation):
        body, session = posted.post.body, posted.post.session
        if isinstance(body, Closing) and is_released(federation, session, posted):
            start = _start(federation, session)
            yield {(federation.terms.name_of(c.member), start): 1 for c in body.contributors}


def _start(federation: OldFederation | NewFederation, session: str) -> object:
    name = read_session(session).study
    script = next(s for s in federation.plan.studies if s.name == name and not s.variant)
    if script.kind == "statistic":
        return "numbers", script.data
    openings = (p.post.body for p in entries_of(federation) if p.post.session == session)
    return "model", next(body.model for body in openings if isinstance(body, Opening))


def _shown(rows: list[Row], few: tuple[str, ...]) -> int:
    """How many combinations of sums show these alone: none if nothing does."""
    columns = sorted({one for row in rows for one in row}, key=repr)
    matrix = [[row.get(one, 0) for one in columns] for row in rows]
    others = [k for k, (name, _) in enumerate(columns) if name not in few]
    return rank(matrix) - (rank([[row[k] for k in others] for row in matrix]) if others else 0)


# ── how it ends ──


def ended_as_it_must(old: OldFederation) -> None:
    """By how the last attempt on the old board has ended."""
    last, board = old.board.key.handovers.last, old.board
    if board.key.handovers.successor is None:
        if old.heirs_at_work:
            raise Violation("there are shares of a key that was not handed over")
        all_have_the_newest_share(old)
        nothing_old_is_left(old)
        guests_have_left_nothing(old)
        return
    assert last is not None
    (new,) = old.heirs_at_work
    for hospital in honest(old):
        _has_given_up(hospital, attempts_of(board)[-1])
    if attempts_of(board)[-1].is_settled:
        guests_have_left_nothing(old)
    all_have_the_newest_share(new)
    nothing_old_is_left(new)
    wishes_came_true(new)


def _has_given_up(hospital: KeepingHospital, last: Passed) -> None:
    """Its old share, in the vault and in memory, once all have acknowledged and not before."""
    vault = hospital.member().vault
    if last.is_settled:
        if kept := [e for e in (*vault.epochs(), *epochs_in_memory(hospital)) if e <= last.epoch]:
            raise Violation(f"{hospital} still has shares of epochs {kept}")
        if list(vault.folder.glob("handover-*.seed.sealed")):
            raise Violation(f"{hospital} still has a seed of a handover")
        has_receipt = (hospital.folder / RECEIPT_NAME).exists()
        if has_receipt != (hospital.index not in last.new):
            raise Violation(f"{hospital}: whether it has a receipt is {has_receipt}")
    elif last.epoch not in vault.epochs():
        raise Violation(f"{hospital} gave up its share, and not all have a new one")


def guests_have_left_nothing(old: OldFederation) -> None:
    """Of what they kept for attempts on the old board, if they could see that these are over."""
    for hospital in old.guests:
        if not hospital.is_let_in():
            continue  # it cannot know: another one has its number
        vault = hospital.folder / "vault"
        if kept := [*vault.glob("handover-*.seed.sealed"), *vault.glob("handover-*.share")]:
            raise Violation(f"{hospital} still has {[path.name for path in kept]}")
