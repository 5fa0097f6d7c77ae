"""What a coalition knows of a history as linear equations: is the secret among what follows?

Unknowns are the coefficients of the first P and all that honest dealers draw, modulo a prime. This
shares no code with the handover, and says nothing about sizes: the shift does (``test_privacy``).
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import factorial

import pytest

from tests.stage.elimination import rank

PRIME = 2**61 - 1
STEP = 2 * factorial(16)

Form = dict[str, int]  # a linear form: unknown -> factor


def add(*forms: Form) -> Form:
    found = Form()
    for form in forms:
        for name, factor in form.items():
            found[name] = (found.get(name, 0) + factor) % PRIME
    return found


def scaled(form: Form, factor: int) -> Form:
    return {name: value * factor % PRIME for name, value in form.items()}


def at(polynomial: Sequence[Form], x: int) -> Form:
    return add(*(scaled(form, pow(x, a, PRIME)) for a, form in enumerate(polynomial)))


def weight(i: int, dealers: Sequence[int]) -> int:
    """λ_i modulo the prime."""
    value = 1
    for j in dealers:
        if j != i:
            value = value * j * pow(j - i, -1, PRIME) % PRIME
    return value


@dataclass
class Knowledge:
    """What a coalition knows of one key's history; corrupted dealers' polynomials are constants."""

    rng: random.Random
    forms: list[Form] = field(default_factory=list)
    unknowns: int = 0

    def fresh(self, count: int) -> list[Form]:
        names = [f"x{self.unknowns + k}" for k in range(count)]
        self.unknowns += count
        return [{name: 1} for name in names]

    def begin(self, quorum: int) -> list[Form]:
        polynomial = self.fresh(quorum)
        self.secret = polynomial[0]  # N·P(0) = θ' - S, and S stays
        return polynomial

    def sees(self, forms: Iterable[Form]) -> None:
        self.forms += forms

    def dealing(
        self, old: Sequence[Form], i: int, dealers: Sequence[int], quorum: int, new: Iterable[int]
    ) -> list[Form]:
        """An honest dealer's: e_i, and its points for the corrupted new members, are seen."""
        mask, *tail = self.fresh(quorum)
        polynomial = [scaled(mask, STEP), *(scaled(b, 2) for b in tail)]
        self.sees([add(scaled(at(old, i), weight(i, dealers)), scaled(mask, -STEP))])
        self.sees(at(polynomial, j) for j in new)
        return polynomial

    @property
    def knows_the_secret(self) -> bool:
        names = [f"x{k}" for k in range(self.unknowns)]
        rows = [[form.get(name, 0) for name in names] for form in self.forms]
        target = [self.secret.get(name, 0) for name in names]
        return rank([*rows, target], PRIME) == rank(rows, PRIME)


def history(
    seed: int, epochs: int, more_old: int = 0, more_new: int = 0, kept_seeds: int = 0
) -> Knowledge:
    """Handovers to random rosters with quorum-1 corrupted in each, or more at the ends."""
    rng = random.Random(seed)
    n, quorum, knowledge = 5, 3, Knowledge(rng)
    polynomial = knowledge.begin(quorum)
    corrupted = set(rng.sample(range(1, n + 1), quorum - 1 + more_old))
    knowledge.sees(at(polynomial, i) for i in corrupted)
    for epoch in range(epochs):
        last = epoch == epochs - 1
        after, least = (size := rng.randrange(3, 7)), rng.randrange(2, size)
        dealers = rng.sample(range(1, n + 1), quorum)
        new = set(rng.sample(range(1, after + 1), least - 1 + (more_new if last else 0)))
        summed: list[Form] = [{}] * least
        for number, i in enumerate(sorted(set(dealers) - corrupted)):
            dealt = knowledge.dealing(polynomial, i, dealers, least, new)
            if last and number < kept_seeds:
                knowledge.sees(dealt)
            summed = [add(a, b) for a, b in zip(summed, dealt, strict=True)]
        polynomial, n, quorum, corrupted = summed, after, least, new
    return knowledge


@pytest.mark.parametrize("seed", range(12))
def test_a_quorum_less_one_in_every_epoch_does_not_know_the_secret(seed):
    assert not history(seed, 4).knows_the_secret


@pytest.mark.parametrize("seed", range(4))
def test_one_more_in_the_first_or_the_last_epoch_knows_it(seed):
    assert history(seed, 3, more_old=1).knows_the_secret
    assert history(seed, 3, more_new=1).knows_the_secret


def test_a_seed_that_an_honest_dealer_kept_tells_it():
    assert all(history(seed, 3, kept_seeds=1).knows_the_secret for seed in range(6))


def forks(n: int, quorum: int, sessions: int, one_mask: bool = False, more: int = 0) -> Knowledge:
    """Each honest member is shown another set of dealers, in several sessions that all die."""
    rng = random.Random(n)
    knowledge, kept = Knowledge(rng), dict[int, list[Form]]()
    polynomial = knowledge.begin(quorum)
    corrupted = set(rng.sample(range(1, n + 1), quorum - 1 + more))
    knowledge.sees(at(polynomial, i) for i in corrupted)
    for _ in range(sessions):
        for i in set(range(1, n + 1)) - corrupted:
            others = [j for j in range(1, n + 1) if j != i]
            dealers = [i, *rng.sample(others, quorum - 1)]
            new = rng.sample(range(1, 7), 2)
            if one_mask and i in kept:
                again = add(
                    scaled(at(polynomial, i), weight(i, dealers)), scaled(kept[i][0], PRIME - 1)
                )
                knowledge.sees([again])
                continue
            kept[i] = knowledge.dealing(polynomial, i, dealers, 3, new)
    return knowledge


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (5, 3), (7, 4)])
def test_forks_and_dead_attempts_do_not_tell_it(n, quorum):
    assert not forks(n, quorum, 5).knows_the_secret


@pytest.mark.parametrize(("n", "quorum"), [(5, 3), (7, 4)])
def test_one_mask_for_several_sets_of_dealers_tells_it(n, quorum):
    assert forks(n, quorum, 4, one_mask=True).knows_the_secret


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (5, 3), (7, 4)])
def test_a_quorum_of_old_members_knows_it_in_forks_too(n, quorum):
    assert forks(n, quorum, 2, more=1).knows_the_secret


def dead(rosters: int, holders: int) -> Knowledge:
    """Attempts that died, each with its roster, of which so many never erased their points."""
    knowledge = Knowledge(random.Random(1))
    polynomial, dealers = knowledge.begin(3), [1, 2, 3]
    knowledge.sees(at(polynomial, i) for i in (4, 5))
    for _ in range(rosters):
        for i in dealers:
            knowledge.dealing(polynomial, i, dealers, 3, range(1, holders + 1))
    return knowledge


def test_a_dead_attempt_is_a_sharing_of_the_same_secret_and_its_quorum_knows_it():
    assert not dead(5, 2).knows_the_secret
    assert dead(1, 3).knows_the_secret


def test_a_joint_mask_opened_under_three_sets_tells_it():
    """The alternative in which A = Σ A_i over accepted dealers masks P, and P(i) + A(i) is opened.

    4 of 7; members 5, 6 and 7 collude; members 1, 2 and 3 open under the sets that they are shown.
    """

    def opened(sets: dict[int, tuple[int, ...]]) -> Knowledge:
        knowledge = Knowledge(random.Random(2))
        polynomial = knowledge.begin(4)
        masks = {d: knowledge.fresh(4) for d in (1, 2)}
        for j in (5, 6, 7):
            knowledge.sees([at(polynomial, j), *(at(mask, j) for mask in masks.values())])
        for i, some in sets.items():
            summed = add(at(polynomial, i), *(at(masks[d], i) for d in some))
            knowledge.sees([summed])
        return knowledge

    assert not opened({1: (1, 2), 2: (1, 2), 3: (1, 2), 4: (1, 2)}).knows_the_secret
    assert opened({1: (1,), 2: (2,), 3: (1, 2)}).knows_the_secret
