"""Records broken where rounds begin: openings and contributions."""

import dataclasses
import math
from collections.abc import Callable

import msgspec

from protocol.encoding import decode, encode
from protocol.messages.fields import MAX_BLOB_BYTES
from protocol.messages.rounds import (
    Ciphertexts,
    Closing,
    Contribution,
    Omission,
    Opening,
    Statement,
)
from tests.stage.files import flipped
from tests.stage.record.good import AGES, HYBRID, ROUND, Good
from tests.stage.record.story import Said, Story
from tests.stage.record.tampering import LAST, TAMPERINGS, Broken, altered, tampering, told


def ciphertexts_at(story: Story, position: int) -> Ciphertexts:
    """What was contributed, or summed, there."""
    body = story.at(position).body
    assert isinstance(body, Contribution | Closing)
    attachment = body.ciphertexts if isinstance(body, Contribution) else body.total
    return decode(story.payload(attachment), Ciphertexts, "ciphertexts", MAX_BLOB_BYTES)


def put_ciphertexts(story: Story, position: int, said: Ciphertexts) -> None:
    """Let something else be contributed, or summed, there."""
    name = "ciphertexts" if isinstance(story.at(position).body, Contribution) else "total"
    story.alter(position, **{name: story.attached(encode(said))})


# ── openings ──


for name, check, changes in (
    ("opened_under_an_unknown_key", "4.1", {"epoch": bytes(32)}),
    ("opened_for_another_suite", "4.1", {"suite": "hybrid"}),
    ("opened_with_another_clip", "4.1", {"clip": 0.5}),
    ("opened_from_another_model", "4.1", {"model": bytes(32)}),
    ("opened_under_another_plan", "7.2", {"plan": bytes(32)}),
):
    altered(name, check, LAST, Opening, **changes)

altered("statistic_opened_with_another_length", "4.1", AGES, Opening, length=3)
altered("statistic_opened_with_bounds", "4.1", AGES, Opening, clip=1.0)
altered("statistic_opened_from_a_model", "4.1", AGES, Opening, model=bytes([1]) * 32)

altered("contribution_to_another_opening", "4.2", LAST, Contribution, 4, opening=bytes(32))


@tampering
def opened_though_few_had_stated_a_model(made: Good) -> Broken:
    story = made.story.copy()
    for member in (1, 2):
        del story.said[story.find(ROUND[2], Statement, member) - 1]
    return told(story, "4.1", story.find(LAST, Opening))


@tampering
def opened_beyond_the_last_round(made: Good) -> Broken:
    story, beyond = made.story.until(ROUND[2]), "study/cardio/9"
    story.said = [
        dataclasses.replace(one, session=beyond) if one.session == ROUND[2] else one
        for one in story.said
    ]
    return told(story, "4.1", story.find(beyond, Opening), is_failure=False)


@tampering
def opened_twice(made: Good) -> Broken:
    story = made.story.copy()
    first = story.find(LAST, Opening)
    body = msgspec.structs.replace(story.at(first).body, length=HYBRID)
    story.insert(first + 1, Said(LAST, 0, body, story.at(first).time_ms))
    return told(story, "4.1", first + 1, is_failure=False)


# ── contributions ──


def contributed(
    name: str, check: str, change: Callable[[Good, Ciphertexts, Ciphertexts], dict[str, object]]
) -> None:
    """Enter that H3's contribution to the last round was changed; ``change`` sees H1's too."""

    def make(made: Good) -> Broken:
        story = made.story.copy()
        place, other = story.find(LAST, Contribution, 3), story.find(LAST, Contribution, 1)
        said = ciphertexts_at(story, place)
        changes = change(made, said, ciphertexts_at(story, other))
        put_ciphertexts(story, place, msgspec.structs.replace(said, **changes))
        return told(story, check, place)

    TAMPERINGS[name] = make


def _no_unit(made: Good, said: Ciphertexts, other: Ciphertexts) -> dict[str, object]:
    n = made.epoch.n.rjust(width_of(made), b"\0")
    return {"numbers": n + said.numbers[len(n) :]}


def _of_round_1(made: Good, said: Ciphertexts, other: Ciphertexts) -> dict[str, object]:
    """The whole contribution of round 1, ciphertexts and proof, is given again."""
    earlier = ciphertexts_at(made.story, made.story.find(ROUND[1], Contribution, 3))
    return {"numbers": earlier.numbers, "proof": earlier.proof}


def width_of(made: Good) -> int:
    """Bytes of a ciphertext."""
    return 2 * made.story.federation.terms.key_bits // 8


contributed("ciphertext_that_is_no_unit", "4.2", _no_unit)
contributed(
    "ciphertext_too_few", "4.2", lambda made, said, _: {"numbers": said.numbers[width_of(made) :]}
)
contributed(
    "ciphertext_of_another_member", "4.2", lambda _, said, other: {"numbers": other.numbers}
)
contributed("proof_left_out", "4.3", lambda _, said, other: {"proof": ()})
contributed("proof_of_another_member", "4.3", lambda _, said, other: {"proof": other.proof})
contributed("proof_of_another_round", "4.3", _of_round_1)


@tampering
def ciphertexts_of_a_statistic_repeated(made: Good) -> Broken:
    story = made.story.until(AGES)
    place, other = (story.find(AGES, Contribution, i) for i in (2, 1))
    put_ciphertexts(story, place, ciphertexts_at(story, other))
    return told(story, "4.2", place)


@tampering
def statistic_with_numbers_that_are_not_proved(made: Good) -> Broken:
    story = made.story.until(AGES)
    place = story.find(AGES, Contribution, 2)
    said = ciphertexts_at(story, place)
    put_ciphertexts(story, place, msgspec.structs.replace(said, proof=()))
    return told(story, "4.3", place)


@tampering
def contribution_without_a_proof_left_out(made: Good) -> Broken:
    """The aggregator closes without it, so it did no harm."""
    story = made.story.copy()
    place, closing = story.find(LAST, Contribution, 3), story.find(LAST, Closing)
    said = ciphertexts_at(story, place)
    put_ciphertexts(story, place, msgspec.structs.replace(said, proof=()))
    width = width_of(made)
    square = int.from_bytes(made.epoch.n, "big") ** 2
    added = [ciphertexts_at(story, story.find(LAST, Contribution, i)).numbers for i in (1, 2, 4)]
    total = b""
    for k in range(0, len(added[0]), width):
        product = math.prod(int.from_bytes(numbers[k : k + width], "big") for numbers in added)
        total += (product % square).to_bytes(width, "big")
    put_ciphertexts(story, closing, Ciphertexts(total))
    left = tuple(c for c in story.body(closing, Closing).contributors if c.member != 3)
    story.alter(closing, contributors=left)
    return told(story, "4.3", place, is_failure=False)


@tampering
def vector_exchanged_after_the_proof(made: Good) -> Broken:
    story = made.story.until(ROUND[2])
    place = story.find(ROUND[2], Contribution, 2)
    (name, *_) = story.body(place, Contribution).vector
    story.alter(place, vector=(flipped(name),))
    return told(story, "4.3", place)


@tampering
def left_out_for_a_reason_that_is_none(made: Good) -> Broken:
    story = made.story.copy()
    closing = story.find(LAST, Closing)
    del story.said[closing - 1 :]
    about = story.at(story.find(LAST, Contribution, 3))
    omission = Omission(3, about.names[0], "unproven")
    story.insert(closing, Said(LAST, 0, omission, story.said[-1].time_ms))
    return told(story, "4.4", closing, is_failure=False)
