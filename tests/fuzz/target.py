"""What a fuzz target is: a decoder under test, what it may raise, and messages to begin with."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.codecs import MSGPACK, Codec
from tests.fuzz.mutate import mutated

Spoil = Callable[[bytes, int], bytes]  # bytes and a largest length: other bytes
Run = Callable[[bytes], object]


@dataclass(frozen=True)
class Case:
    """A target made ready.

    run: calls the decoder; any exception out of it is a finding, and so is a failed assertion about
    what was accepted. seeds: real messages. codec: how their structure is got at, None for bytes.
    """

    run: Run
    seeds: Sequence[bytes]
    codec: Codec | None = MSGPACK

    def mutate(self, data: bytes, limit: int, chance: random.Random, spoil: Spoil) -> bytes:
        """Another input: mostly one with a field changed, so that it passes for a message.

        Where decoding is done in C nothing tells a fuzzer that two messages are of different kinds,
        and it keeps the shorter one; so a part of all inputs begins with the seeds again.
        """
        if chance.random() < 0.3:
            data = chance.choice(self.seeds)
        if self.codec is None or chance.random() < 0.25:
            return spoil(data, limit)
        return mutated(data, self.codec, limit, chance, spoil)


@dataclass(frozen=True)
class Target:
    """A target by name. ``limit``: bytes of an input; what is longer, decoders refuse unread."""

    name: str
    decoder: str  # what it tests, for people
    prepare: Callable[[], Case]
    limit: int


TARGETS: dict[str, Target] = {}


def target(name: str, decoder: str, limit: int = 4_096) -> Callable[[Callable[[], Case]], None]:
    """Register what prepares a case; it is called in the process that runs it."""

    def register(prepare: Callable[[], Case]) -> None:
        assert name not in TARGETS
        TARGETS[name] = Target(name, decoder, prepare, limit)

    return register
