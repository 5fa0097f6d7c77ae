"""One hospital that makes others add the same update twice, under bounds of its choice.

It voids a round, which leaves the model as it was, and asks for other bounds. Or it learns from the
void round what the others add, takes that away in the next one, but for a step, and has another
model that is nearly the same. Or it leads back to an earlier one. Were updates scaled down to the
bounds of a round, a hospital that was scaled in one of two sums and not in the other would have
added different multiples of one update: their difference is a multiple of that update alone, and
the rule of differences looks at members only. So nobody scales: what does not fit is blinded.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from keyshare.proofs.plaintext_proof import encrypt_opened
from keyshare.rounds.packing import unpack
from keyshare.rounds.quantisation import SPREAD
from keyshare.rounds.slots import SlotReader, SlotWriter
from participant.errors import ModelMismatch
from participant.rounds import contribution
from protocol.board.draft import Draft
from protocol.board.suite import suite_of
from tests.attacks.rounds.test_narrowed_bound import (
    EVIL,
    EXAMPLES,
    LENGTH,
    MOST_EXAMPLES,
    Attack,
    Honest,
    Liar,
    Still,
    narrowed,
)
from tests.stage.studies import STUDY

VICTIM = 2


class Steering(Liar):
    """Writes its own numbers where its update lies, too."""

    steps: np.ndarray | None = None

    def due(self) -> Draft | None:
        if self.steps is None:
            return super().due()

        def encrypt(plaintexts: Any, key: Any, stream: Any) -> Any:
            return encrypt_opened([value % key.n for value in plaintexts], key, stream)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SlotWriter, "entries", lambda writer, update: self.steps)
            patch.setattr(contribution, "encrypt_opened", encrypt)
            return super().due()


class Moving(Attack):
    """After the first round the victim needs more than the bounds that follow from it."""

    def __init__(self) -> None:
        super().__init__()
        self.evil = Steering(self.terms, STUDY, self.ring(EVIL), Still(), self.disks[EVIL], b"")
        self.evil.lie = lambda tally, marks: np.zeros(tally.slots, int)
        self.seat(EVIL, self.evil)
        self.sums: dict[int, np.ndarray] = {}
        self.play_and_read(1)
        self.honest[VICTIM].target *= 4

    def play_and_read(self, number: int) -> None:
        """A round, and by how many steps its sum's slots move the model, as the liar opens them."""
        self.play(f"study/cardio/{number}")
        plaintexts = self.evil._known._rounds[number].member.plaintexts
        assert plaintexts is not None
        suite = suite_of("paillier", self.study_of())
        slots, packing = suite.slots(self.opening(number)), suite.packing(LENGTH)
        short = [p % 2 ** (packing.slot_bits * slots.count) for p in plaintexts]  # if blinded
        self.sums[number] = unpack(short, packing, slots.count)[slots.head :] - EVIL * self.offset

    @property
    def offset(self) -> int:
        return (1 << (self.study_of().training.bits - 1)) - 1

    def void(self, number: int) -> None:
        """The liar's number of examples alone is more than four may have, and no counts tell."""
        honest = self.evil.lie
        self.evil.lie, self.evil.weight = (lambda tally, marks: -tally.values(marks)), 1 << 25
        self.play_and_read(number)
        self.evil.lie, self.evil.weight = honest, 0
        assert self.events(number, "void") == [1, 2, 3]

    def steer(self, number: int, steps: np.ndarray) -> None:
        """The liar, which knows what the others add, has the model moved by so many steps."""
        self.evil.steps = self.offset + steps - self.sums[number - 1]
        self.play_and_read(number)
        self.evil.steps = None

    def ask(self, clip: float, most: int) -> None:
        """The liar asks for these bounds, and contributes whether it gets them or not."""
        stance = self.evil._known._stance
        changes = {"clip": clip, "max_examples": most}
        stance.statement = msgspec.structs.replace(stance.statement, **changes)
        stance.check = lambda view, epoch: None

    def examples_times_update(self, number: int) -> np.ndarray:
        """Σ n·x over the contributors."""
        clip, most = self.bounds(number)
        return self.sums[number] * clip * most / (self.offset - SPREAD)

    def reading(self, first: int, second: int, part: float) -> float:
        """The worst error of what two sums tell of the victim's update, in its largest change.

        part: of the update that one sum has more than the other.
        """
        difference = self.examples_times_update(second) - self.examples_times_update(first)
        read = difference / (EXAMPLES[VICTIM - 1] * part)
        true = self.honest[VICTIM].update
        return float(np.abs(read - true).max() / np.abs(true).max())


def asks_for_more(attack: Moving) -> int:
    attack.void(2)
    attack.ask(1.0, MOST_EXAMPLES)
    attack.play_and_read(3)
    assert attack.opening(3).model == attack.opening(2).model
    return 3


def nudges_the_model(attack: Moving) -> int:
    attack.void(2)
    attack.steer(3, np.eye(1, LENGTH, dtype=int)[0])
    attack.play_and_read(4)
    return 4


def leads_back(attack: Moving) -> int:
    attack.play_and_read(2)
    moved = attack.sums[2] * attack.bounds(2)[0] if not attack.events(2, "outgrown") else 0
    attack.void(3)
    attack.steer(4, np.rint(-moved / attack.bounds(3)[0]).astype(int))
    attack.play_and_read(5)
    return 5


WAYS = [asks_for_more, nudges_the_model, leads_back]


@pytest.mark.parametrize("way", WAYS)
def test_two_sums_under_other_bounds_show_nobodys_update(way: Callable[[Moving], int]) -> None:
    attack = Moving()
    last = way(attack)
    assert attack.events(2, "blinded") == [VICTIM]
    assert not attack.events(last, "blinded")
    for part in (0.5, 1.0):
        assert attack.reading(2, last, part) > 0.5


@pytest.mark.parametrize("way", WAYS)
def test_were_updates_scaled_to_the_bounds_the_liar_would_read_one(
    way: Callable[[Moving], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attacks themselves: if this fails, the test above may pass for another reason."""
    init, entries = SlotWriter.__init__, SlotWriter.entries

    def begin(writer: Any, slots: Any, examples: int, largest: float, seed: bytes) -> None:
        init(writer, slots, examples, largest, seed)
        writer.fits, clip = True, slots.quantisation.clip
        writer.halvings = max(0, math.ceil(math.log2(largest / clip))) if largest else 0

    def halved(writer: Any, update: np.ndarray) -> np.ndarray:
        return entries(writer, np.ldexp(update, -writer.halvings))

    monkeypatch.setattr(SlotWriter, "__init__", begin)
    monkeypatch.setattr(SlotWriter, "entries", halved)
    monkeypatch.setattr(SlotReader, "is_outgrown", False)
    attack = Moving()
    assert attack.reading(2, way(attack), 0.5) < 0.01


def test_an_opening_with_other_bounds_than_were_stated_is_answered_by_nobody() -> None:
    attack = Moving()
    attack.void(2)
    attack.settle()
    attack.open("study/cardio/3", clip=0.25)
    for index in (1, VICTIM, 3):
        with pytest.raises(ModelMismatch, match="bound"):
            attack.due(index)


def test_a_void_round_does_not_show_whose_update_did_not_fit() -> None:
    """Who voids a round must not see it in what hospitals ask for after that."""
    attack = Moving()
    attack.void(2)
    attack.settle()
    assert attack.events(2, "blinded") == [VICTIM]
    stated = attack.view("study/cardio/2").statements
    assert len({said for member, said in stated.items() if member != EVIL}) == 1


# ── what is remembered of being wronged ──


class Varying(Honest):
    """Needs the widest bound, but changes next to nothing when it is quiet."""

    quiet = False

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        if self.quiet:
            return [parameters[0] + 0.01], self.examples, {}
        return super().fit(parameters, config)


def through_a_quiet_round(lies: bool) -> Attack:
    """Three rounds; in the second the victim changes little, in the first its mark may be taken."""
    attack = narrowed(of=(VICTIM,))
    varying = Varying(VICTIM)
    varying.target *= 4
    attack.honest[VICTIM] = varying
    attack.hear(VICTIM, varying)
    lie = attack.evil.lie
    for number in (1, 2, 3):
        varying.quiet = number == 2
        is_lying = lies and number == 1
        attack.evil.lie = lie if is_lying else lambda tally, own: np.zeros(tally.slots, int)
        attack.play(f"study/cardio/{number}")
    return attack


@pytest.mark.parametrize("lies", [False, True])
def test_a_quiet_round_narrows_nothing_for_the_next_whoever_lied_before(lies: bool) -> None:
    attack = through_a_quiet_round(lies)
    assert attack.events(1, "uncounted") == ([VICTIM] if lies else [])
    assert not attack.events(3, "blinded")
    assert attack.bounds(3)[0] == 1.0
