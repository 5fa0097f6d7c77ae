"""The aggregator looks for what it must not have in its whole disk and memory of a round.

Real agents, the real service, a toy key: the test knows every share, hence every partial
decryption, every content key and the sum, and searches for each of them in every spelling it can
think of: in every file, in every frame, and in everything that the service's object refers to.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz

from aggregator.server.service import Aggregator
from keyshare.key.partial_decryption import combine
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.encoding import encode
from protocol.rounds.ciphertexts import read_ciphertexts
from protocol.rounds.partial_payload import LockedSum
from protocol.rounds.view import RoundView
from protocol.sealing import SealContext, SealingKey
from tests.stage.hall import Hall
from tests.stage.programs.referents import referents
from tests.stage.rounds.other_parts import Doubling, OtherParts
from tests.stage.rounds.wrong_part import parts_of, posted_as, right_parts
from tests.stage.studies import SESSION, STUDY
from tests.stage.toy import seed_of, toy_epoch

TOY = toy_epoch(5, 3)
KEY, QUORUM = TOY.key, TOY.key.quorum
LIAR = 2
SUITES = pytest.mark.parametrize("suite", ["paillier", "hybrid"])


class Waves:
    """An app whose updates fill some ciphertexts."""

    def __init__(self, index: int) -> None:
        self.index = index

    def initial_parameters(self, config: Any) -> list[np.ndarray]:
        return [np.zeros(40)]

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        return [parameters[0] + np.sin(np.arange(40) * self.index)], 10 + self.index, {}

    def evaluate(self, parameters: list[np.ndarray], config: Any) -> Any:
        return 0.5, 10, {}


class Clear(OtherParts):
    """Sends its parts as they are, so that the search can be seen to find them."""

    def instead(self, locked: LockedSum) -> Draft:
        index = self._keys.index
        own = parts_of(locked, index, right_parts(locked.ciphertexts, index))
        return posted_as(locked, index, encode(own), seed_of("clear", index), {})


@dataclass
class Played(Hall):
    """A round of training between real agents and a real service, with every frame kept."""

    kinds: dict[int, type[TrainingTask]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.federation = TOY.federation
        super().__post_init__()
        self.found(self.training(rounds=1))
        self.tasks = {i: self._task(i) for i in self.federation.members}
        for i, task in self.tasks.items():
            self.come(i, task)
        self.talk()
        assert all(task.finished == 1 and task.done for task in self.tasks.values())

    def restart(self) -> Aggregator:
        """With a clock that does not lead from the service to the hospitals."""
        terms, key = self.federation.terms, self.federation.keys[0]
        self.service = Aggregator(terms, key, self.folder, lambda: 1_000_000)
        return self.service

    def _task(self, index: int) -> TrainingTask:
        kind = self.kinds.get(index, TrainingTask)
        place = self.federation.terms, STUDY, self.ring(index), Waves(index)
        return kind(*place, self.disks[index], b"")

    @property
    def view(self) -> RoundView:
        return self.service.rounds.views[SESSION]

    # ── what the aggregator must not have ──

    def ciphertexts(self) -> tuple[mpz, ...]:
        opening, closing = self.view.terms_of_opening, self.view.closed
        assert opening is not None
        assert closing is not None
        payload = self.service._blobs.payload(closing.total)
        return read_ciphertexts(payload, opening, self.study(SESSION), KEY.n).values

    def sums(self) -> list[mpz]:
        quorum = {i: right_parts(self.ciphertexts(), i) for i in range(1, QUORUM + 1)}
        count = len(self.ciphertexts())
        found = [combine({i: quorum[i][k] for i in quorum}, KEY) for k in range(count)]
        long = [number for number in found if number.bit_length() > 128]  # the last may be short
        assert len(long) >= count - 1 >= 2
        return long

    def content_key(self, member: int) -> bytes:
        """As any hospital unseals it."""
        body = self.view.partials[member].post.body
        (sealed,) = (a for a in body.attachments if a.to == 1)
        federation = self.federation.terms.federation
        context = SealContext(federation, SESSION, "partial", member, 1)
        return SealingKey(TOY.secrets[1].sealing_seed).unseal(
            self.service._blobs.payload(sealed), context
        )

    def parts_known(self, places: list[Any]) -> set[int]:
        """Members of whom a part, or the key to them, can be read."""
        known = set()
        for member in self.view.partials:
            secrets = [*map(Number, right_parts(self.ciphertexts(), member))]
            if is_anywhere([*secrets, Secret(self.content_key(member))], places):
                known.add(member)
        return known

    def knows_the_sum(self, places: list[Any]) -> bool:
        model = self.tasks[1].parameters[0]
        assert model.any()
        vectors = [Secret(model.astype(kind).tobytes()) for kind in (np.float32, np.float64)]
        return is_anywhere([*map(Number, self.sums()), *vectors], places)

    def places(self) -> list[Any]:
        files = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        assert len(files) > 2
        return [*files, *self.frames, *reachable(self.service)]


# ── searching ──


class Secret:
    """Bytes to look for."""

    def __init__(self, *spellings: bytes, value: int | None = None) -> None:
        self.spellings, self.value = spellings, value
        assert all(len(spelling) >= 16 for spelling in spellings)

    def is_in(self, place: Any) -> bool:
        if isinstance(place, bytes | bytearray | memoryview):
            data = bytes(place)
            return any(spelling in data for spelling in self.spellings)
        if isinstance(place, str):
            return self.is_in(place.encode(errors="replace"))
        return self.value is not None and place == self.value


class Number(Secret):
    """A number, as big-endian and little-endian bytes, in decimal and in hexadecimal digits."""

    def __init__(self, number: mpz) -> None:
        value = int(number)
        size = (value.bit_length() + 7) // 8
        super().__init__(
            value.to_bytes(size, "big"),
            value.to_bytes(size, "little"),
            str(value).encode(),
            f"{value:x}".encode(),
            value=value,
        )


def is_anywhere(secrets: list[Secret], places: list[Any]) -> bool:
    return any(secret.is_in(place) for secret in secrets for place in places)


_LEAVES = (bytes, bytearray, memoryview, str, int, type(mpz(0)))
_SHARED = (type, types.ModuleType, types.BuiltinFunctionType, types.FrameType, types.CodeType)


def reachable(root: object) -> Iterator[Any]:
    """All bytes, text and numbers that an object refers to, however indirectly.

    Not through modules and classes, which it shares with the hospitals in this process.
    """
    seen, waiting = set[int](), [root]
    keep = []  # what is made while looking must not give its address to something else
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, _SHARED):
            continue
        seen.add(id(found))
        keep.append(found)
        if isinstance(found, _LEAVES):
            yield found
        elif isinstance(found, types.FunctionType):
            waiting += [*(found.__closure__ or ()), *(found.__defaults__ or ())]
        else:
            waiting += referents(found)


# ── the claims ──


@SUITES
def test_it_holds_no_part_no_key_and_no_sum(tmp_path: Path, suite: str) -> None:
    played = Played(tmp_path, suite=suite)
    assert len(played.view.partials) == 5
    places = played.places()
    assert played.parts_known(places) == set()
    assert not played.knows_the_sum(places)


@SUITES
def test_after_a_proven_complaint_it_holds_that_part_alone(tmp_path: Path, suite: str) -> None:
    played = Played(tmp_path, suite=suite, kinds={LIAR: Doubling})
    assert {about for _, about in played.view.complaints} == {LIAR}
    places = played.places()
    known = played.parts_known(places)
    assert known == {LIAR}
    assert len(known) < QUORUM
    assert not played.knows_the_sum(places)


def test_with_the_shown_key_it_reads_that_part(tmp_path: Path) -> None:
    """So that a key that is found counts as a part that is known."""
    played = Played(tmp_path, kinds={LIAR: Doubling})
    complaint = next(iter(played.view.complaints.values()))
    chosen = played.view.chosen(played.federation.terms.federation)
    assert chosen
    locked = LockedSum(played.epoch, SESSION, chosen, played.ciphertexts(), KEY)
    said = played.view.partials[LIAR]
    key = complaint.post.body.key
    data = locked._cipher(LIAR, key).decrypt(
        bytes(12), played.service._blobs.payload(said.attachments[0]), None
    )
    assert Number(2 * right_parts(played.ciphertexts(), LIAR)[0] % KEY.n**2).is_in(data)


# ── the search can fail ──


@SUITES
def test_parts_that_are_posted_in_clear_are_found(tmp_path: Path, suite: str) -> None:
    played = Played(tmp_path, suite=suite, kinds={4: Clear, 5: Clear})
    places = played.places()
    assert played.parts_known(places) >= {4, 5}
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert played.parts_known(files) >= {4, 5}
    assert played.parts_known(played.frames) >= {4, 5}
    assert played.parts_known(list(reachable(played.service))) >= {4, 5}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("aggregator"))


@pytest.mark.parametrize(
    "kept",
    [
        lambda sums: sums[0],
        lambda sums: int(sums[0]),
        lambda sums: str(sums[0]),
        lambda sums: encode([hex(sums[0])]),
        lambda sums: {"deep": [(None, {int(sums[0]): 1})]},
        lambda sums: lambda kept=sums[0]: kept,
    ],
)
def test_a_sum_that_the_service_kept_would_be_found(played: Played, kept: Any) -> None:
    assert not played.knows_the_sum(played.places())
    played.service.summing.left_out["study/cardio/0"] = kept(played.sums())
    try:
        assert played.knows_the_sum(played.places())
    finally:
        del played.service.summing.left_out["study/cardio/0"]


def test_a_model_or_a_key_on_its_disk_would_be_found(played: Played) -> None:
    stray = played.folder / "stray"
    stray.write_bytes(b"x" + played.tasks[1].parameters[0].tobytes())
    assert played.knows_the_sum(played.places())
    stray.write_bytes(b"x" + played.content_key(3))
    assert played.parts_known(played.places()) == {3}
    stray.unlink()
