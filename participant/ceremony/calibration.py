"""What a ceremony costs on this machine, measured on the work that most of its time goes to.

It must cost a ceremony nothing itself: it is done in slices, in the time that is spent waiting.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import (
    expected_candidates,
    expected_tests,
    screen_witness,
    screen_witnesses_fit,
)
from protocol.ceremony import layout_of
from protocol.terms import Terms

LIMIT_SECONDS = 1.0
# What a candidate costs besides: dealing, multiplying, trial division, and the first of them once
# more for checking. It is arithmetic on rows, linear in the key's length: 57, 65 and 112 ns a bit
# with 3, 5 and 10 members at 2048 bits, where 4^x mod N takes 0.94 ms. A tenth to a third of all.
_SECONDS_PER_BIT, _SECONDS_PER_BIT_AND_MEMBER = 30e-9, 8e-9
# The longest way through the steps that follow the search, in values of a screen: 540, 680 and
# 1,570 of them with 3, 5 and 10 members at 2048 bits. The lead's 66 long exponents are some 150 of
# them; proofs modulo N², of which every member checks n, are most of the others.
_ENDING_VALUES, _ENDING_VALUES_PER_MEMBER = 200, 120


@dataclass(frozen=True)
class CeremonyCost:
    """Seconds of one member's work: for each candidate, and after a good one is found."""

    candidate_seconds: float
    ending_seconds: float


class Calibration:
    """Measures the two exponentiations of the search: a screen's values, and their check.

    ``clock`` gives seconds, of this thread's work unless told otherwise: that others start up on
    the same machine is over when the ceremony runs. Nothing here is secret; numbers are random.
    """

    def __init__(self, terms: Terms, clock: Callable[[], float] = time.thread_time) -> None:
        self._terms, self._clock, bits = terms, clock, terms.key_bits
        self._n, self._p, self._x = _odd(bits), _odd(bits // 2), _odd(bits // 2)
        dealers = layout_of(terms).shape.dealers
        numbers = range(dealers)
        self._values = {i: _odd(bits - 1) for i in numbers}
        self._exponents = {i: _odd(bits if i == 0 else bits // 2) for i in numbers}
        self._weights = {i: _odd(64) for i in numbers}
        self.spent = self._value_seconds = self._check_seconds = 0.0
        self._samples = 0

    @property
    def done(self) -> bool:
        """Whether LIMIT_SECONDS are spent."""
        return self.spent >= LIMIT_SECONDS

    def advance(self, seconds: float) -> None:
        """Measure for about so many seconds, once at least, unless LIMIT_SECONDS are spent."""
        end = self.spent + seconds
        while not self.done:
            self._sample()
            if self.spent >= end:
                return

    def _sample(self) -> None:
        started = self._clock()
        screen_witness(self._x, self._n)
        between = self._clock()
        screen_witnesses_fit(self._values, self._exponents, self._weights, self._p)
        ended = self._clock()
        self._value_seconds += between - started
        self._check_seconds += ended - between
        self.spent += ended - started
        self._samples += 1

    @property
    def cost(self) -> CeremonyCost:
        """What it comes to, in the mean of all members.

        A screen has t+1 values, and one of them, the lead's, has an exponent twice as long: t+2
        values by n members. Then t+1 of them check it.
        """
        terms = self._terms
        bits, n = terms.key_bits, terms.n_members
        dealers = layout_of(terms).shape.dealers
        value, check = self._value_seconds / self._samples, self._check_seconds / self._samples
        test = ((dealers + 1) * value + dealers * check) / n
        tests_per_candidate = expected_tests(bits, n) / expected_candidates(bits, n)
        besides = _SECONDS_PER_BIT + n * _SECONDS_PER_BIT_AND_MEMBER
        return CeremonyCost(
            tests_per_candidate * test + bits * besides,
            (_ENDING_VALUES + n * _ENDING_VALUES_PER_MEMBER) * value,
        )


def _odd(bits: int) -> mpz:
    """A random odd number of exactly so many bits."""
    return gmpy2.bit_set(mpz(secrets.randbits(bits - 1)) | 1, bits - 1)
