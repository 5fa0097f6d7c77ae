"""What training rounds open of single hospitals, together: patient counts by difference, no more.

Each round opens the sums of its contributors' slots: slot 0 is a hospital's weight W, which stands
for its number of examples and is the same in every round, whatever the model; slot j is the update
of weight j, times W. Unknown are one W for each hospital, and one number for each hospital, model
and j: the worst case, in which a hospital that is asked again from one model says the same again.
All that is opened is linear in them. (Under a hybrid suite sums of one-time keys and errors are
opened besides; these are other ones for each hospital and round.)
"""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keyshare.hybrid.key_packing import unpack_key
from keyshare.hybrid.one_time_key import SummedKey, write_sum
from keyshare.rounds.packing import unpack
from keyshare.rounds.slots import Slots
from keyshare.rounds.tally import CHANGE_CLASSES
from protocol.board.suite import suite_of
from protocol.rounds.ciphertexts import lattice_context
from protocol.rounds.isolation import Row, isolated
from protocol.terms.terms import floor
from tests.stage.rounds import toy_round
from tests.stage.rounds.toy_round import (
    KEY,
    LENGTH,
    TRAINING,
    HybridRound,
    Round,
    examples_of,
    training,
)
from tests.stage.rounds.whole_update import sum_of

P = (1 << 31) - 1  # above every determinant that occurs, and above every W
Members = frozenset[int]
Rounds = Sequence[tuple[Members, str]]  # contributors and model of each
Unknown = tuple[int, str, int]  # member; model, nothing for a weight; slot


def rows_of(rounds: Rounds, slots: int, same: range = range(1)) -> list[dict[Unknown, int]]:
    """What each opened number is the sum of, round by round and slot by slot.

    ``same``: the slots in which a member adds the same in every round; slot 0 is one of them.
    """
    return [
        {(member, "" if slot in same or not slot else model, slot): 1 for member in chosen}
        for chosen, model in rounds
        for slot in range(slots)
    ]


def determined(rows: Sequence[dict[Unknown, int]], sums: Sequence[int]) -> dict[Unknown, int]:
    """The unknowns that the sums of the rows determine, and what they are, modulo P."""
    columns = sorted({unknown for row in rows for unknown in row})
    left = np.array(
        [[row.get(c, 0) for c in columns] + [s % P] for row, s in zip(rows, sums, strict=True)]
    )
    top = 0
    for column in range(len(columns)):
        below = np.flatnonzero(left[top:, column])
        if not len(below):
            continue
        left[[top, top + below[0]]] = left[[top + below[0], top]]
        left[top] = left[top] * pow(int(left[top, column]), -1, P) % P
        others = np.flatnonzero(left[:, column])
        others = others[others != top]
        left[others] = (left[others] - left[others, column, None] * left[top]) % P
        top += 1
        if top == len(left):
            break
    alone = [row for row in left if np.count_nonzero(row[:-1]) == 1]
    return {columns[int(np.flatnonzero(row)[0])]: int(row[-1]) for row in alone}


def differences(rounds: Rounds, known: Members = frozenset()) -> Members:
    """Members whose weight follows from the sets alone and the weights of ``known``."""
    rows = [{(m, "", 0): 1 for m in chosen - known} for chosen, _ in rounds if chosen - known]
    return frozenset(m for m, *_ in determined(rows, [0] * len(rows)))


# ── what real rounds open ──


def update_from(model: str, member: int) -> np.ndarray:
    draw = np.random.default_rng([member, *model.encode()])
    return draw.uniform(-1, 1, LENGTH) * TRAINING.training.clip / 2


def opened_packed(number: int, chosen: Members, model: str) -> list[int]:
    """The slots' sums that hospitals decrypt, less the offsets."""
    found = Round(session=f"study/cardio/{number}")
    found.open()
    for member in sorted(chosen):
        found.contribute(member, training(member, f"weights {model}"))
    found.close()
    found.settle()
    plaintexts = found.members[1].plaintexts
    assert plaintexts is not None
    suite, opening = suite_of("paillier", TRAINING), found.members[1].view.terms_of_opening
    assert opening is not None
    slots = suite.slots(opening)
    return without_offsets(unpack(plaintexts, suite.packing(LENGTH), slots.count), chosen, slots)


def opened_hybrid(number: int, chosen: Members, model: str) -> list[int]:
    """The same under the hybrid suite, by the opened one-time key."""
    found = HybridRound(session=f"study/cardio/{number}")
    found.open()
    for member in sorted(chosen):
        found.give(member)
    found.close()
    found.settle()
    plaintexts = found.members[1].plaintexts
    assert plaintexts is not None
    total = sum_of((made.chunks[0] for made in found.made.values()), found.lattice)
    key = SummedKey(found.lattice, unpack_key(plaintexts, found.lattice, KEY.n), len(chosen))
    context = lattice_context(found.toy.epoch.digest, found.opened.digest)
    slots = found.suite.slots(found.asked)
    sums = key.open(0, write_sum(total, found.lattice), slots.count, context)
    return without_offsets(sums, chosen, slots)


def without_offsets(sums: np.ndarray, chosen: Members, slots: Slots) -> list[int]:
    """The examples, the counts by class of change, those by class of examples, the entries."""
    counts = slots.tally.read(sums[slots.counted : slots.head], len(chosen))
    assert counts is not None
    entries = sums[slots.head :] - len(chosen) * slots.quantisation.offset
    assert slots.counted == 1
    return [int(sums[0]), *counts.change, *counts.examples, *entries.tolist()]


@pytest.mark.parametrize("opened", [opened_packed, opened_hybrid])
def test_who_comes_or_leaves_shows_its_number_of_patients_and_no_weight_of_a_model(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rounds, a model each, so that no rule about sums from one model is concerned."""
    rounds: Rounds = [
        (frozenset({1, 2, 3, 4}), "first"),
        (frozenset({1, 2, 3}), "second"),
        (frozenset({1, 2, 3, 5}), "third"),
    ]
    sums = []
    for number, (chosen, model) in enumerate(rounds, start=1):
        monkeypatch.setattr(toy_round, "update_of", lambda i, m=model: update_from(m, i))
        sums += opened(number, chosen, model)
    classes = TRAINING.training.max_examples.bit_length() + 1  # of 2^0 to 2^10 examples
    of_examples = range(1 + CHANGE_CLASSES, 1 + CHANGE_CLASSES + classes)
    found = determined(rows_of(rounds, of_examples.stop + LENGTH, of_examples), sums)
    shown = {(member, "", slot) for member in (4, 5) for slot in (0, *of_examples)}
    assert found.keys() == shown
    for member in (4, 5):
        examples = examples_of(member)
        assert found[member, "", 0] == examples
        marked = [found[member, "", slot] for slot in of_examples]
        assert marked == [2 ** (j - 1) < examples <= 2**j for j in range(classes)]


def test_where_all_take_part_in_every_round_no_number_of_patients_is_shown() -> None:
    everybody = frozenset(range(1, 6))
    rows = rows_of([(everybody, model) for model in ("a", "b", "c", "c")], 4)
    assert not determined(rows, [0] * len(rows))


# ── whatever sets the rules allow ──


def row(chosen: Members) -> Row:
    """The sum over these members, of one start."""
    return frozenset((member, "start") for member in chosen)


@st.composite
def allowed(draw: st.DrawFn) -> tuple[int, Rounds, Members]:
    """Rounds that hospitals would help with, and who colludes: as many as the floor counts on."""
    n = draw(st.integers(3, 8))
    least, rounds = floor(n), list[tuple[Members, str]]()
    for _ in range(draw(st.integers(2, 6))):
        chosen = draw(st.frozensets(st.integers(1, n), min_size=least))
        model = draw(st.sampled_from("ab"))
        same = {str(k): row(members) for k, (members, of) in enumerate(rounds) if of == model}
        if isolated(row(chosen), same, least) is None:
            rounds.append((chosen, model))
    assume(len(rounds) > 1)
    colluders = draw(st.frozensets(st.integers(1, n), max_size=least - 2))
    return n, rounds, colluders


@settings(max_examples=150)
@given(allowed())
def test_exactly_the_weights_that_sets_differ_by_are_determined(found) -> None:
    """Colluders' own numbers are known. What is determined of the others is weights alone."""
    _, rounds, colluders = found
    rows = rows_of(rounds, 3)
    own = [{unknown: 1} for unknown in {u for row in rows for u in row} if unknown[0] in colluders]
    shown = determined([*rows, *own], [0] * (len(rows) + len(own)))
    honest = {unknown for unknown in shown if unknown[0] not in colluders}
    assert honest == {(member, "", 0) for member in differences(rounds, colluders)}


def test_without_the_rule_of_differences_updates_would_be_determined() -> None:
    rounds: Rounds = [(frozenset({1, 2, 3, 4}), "a"), (frozenset({1, 2, 3}), "a")]
    rows = rows_of(rounds, 3)
    assert determined(rows, [0] * len(rows)).keys() == {(4, "", 0), (4, "a", 1), (4, "a", 2)}


def test_with_a_floor_of_two_updates_would_be_determined() -> None:
    """To one of the two."""
    rows = [*rows_of([(frozenset({1, 2}), "a")], 2), {(1, "", 0): 1}, {(1, "a", 1): 1}]
    assert (2, "a", 1) in determined(rows, [0] * len(rows))
