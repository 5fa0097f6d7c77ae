"""Records broken where rounds begin: openings and contributions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import msgspec

from protocol.board.draft import public_payload
from protocol.board.messages import (
    MAX_BLOB_BYTES,
    Ciphertexts,
    Closing,
    Contribution,
    Omission,
    Opening,
    Request,
    Statement,
)
from protocol.encoding import decode, encode
from tests.stage.record.good import HYBRID, Good
from tests.stage.record.story import Said, Story, write
from tests.stage.record.tampering import AGGREGATOR, LAST, Broken, flipped, tampering


def ciphertexts_at(story: Story, position: int) -> Ciphertexts:
    """What was contributed, or summed, there."""
    body = story.at(position).body
    assert isinstance(body, Contribution | Closing)
    attachment = body.ciphertexts if isinstance(body, Contribution) else body.total
    data = story.blobs[attachment.digest] if attachment.is_blob else attachment.data
    return decode(data, Ciphertexts, "ciphertexts", MAX_BLOB_BYTES)


def put_ciphertexts(story: Story, position: int, said: Ciphertexts) -> None:
    """Let something else be contributed, or summed, there."""
    (attachment,), blobs = public_payload(encode(said))
    for blob in blobs:
        story.put(blob)
    body = story.at(position).body
    name = "ciphertexts" if isinstance(body, Contribution) else "total"
    story.change(position, body=msgspec.structs.replace(body, **{name: attachment}))


# ── openings ──


def _opened_otherwise(made: Good, check: str = "4.1", **changes: object) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Opening)
    story.change(place, body=msgspec.structs.replace(story.at(place).body, **changes))
    return Broken(write(story).files, check, place, AGGREGATOR)


@tampering
def opened_under_an_unknown_key(made: Good) -> Broken:
    return _opened_otherwise(made, epoch=bytes(32))


@tampering
def opened_for_another_suite(made: Good) -> Broken:
    return _opened_otherwise(made, suite="hybrid")


@tampering
def opened_with_another_clip(made: Good) -> Broken:
    return _opened_otherwise(made, clip=0.5)


@tampering
def opened_from_another_model(made: Good) -> Broken:
    return _opened_otherwise(made, model=bytes(32))


@tampering
def opened_as_a_statistic(made: Good) -> Broken:
    return _opened_otherwise(made, check="2.2", kind="statistic")


@tampering
def training_opened_with_decimals(made: Good) -> Broken:
    return _opened_otherwise(made, decimals=1)


@tampering
def training_opened_with_labels(made: Good) -> Broken:
    return _opened_otherwise(made, labels=bytes(32))


@tampering
def opened_though_few_had_stated_a_model(made: Good) -> Broken:
    story = made.story.copy()
    for member in (1, 2):
        del story.said[story.find("round/2", Statement, member) - 1]
    return Broken(write(story).files, "4.1", story.find(LAST, Opening), AGGREGATOR)


@tampering
def opened_beyond_the_last_round(made: Good) -> Broken:
    story = made.story.copy()
    story.said = [
        dataclasses.replace(one, session={"round/2": "round/8", LAST: "round/9"}[one.session])
        if one.session in ("round/2", LAST)
        else one
        for one in story.said
    ]
    return Broken(write(story).files, "4.1", story.find("round/9", Opening), AGGREGATOR)


def _statistic_opened_otherwise(made: Good, check: str = "4.1", **changes: object) -> Broken:
    story = made.story.copy()
    story.end_after("statistic/ages")
    place = story.find("statistic/ages", Opening)
    story.change(place, body=msgspec.structs.replace(story.at(place).body, **changes))
    return Broken(write(story).files, check, place, AGGREGATOR)


@tampering
def statistic_opened_as_training(made: Good) -> Broken:
    return _statistic_opened_otherwise(made, check="2.2", kind="training")


@tampering
def statistic_opened_with_other_decimals(made: Good) -> Broken:
    return _statistic_opened_otherwise(made, decimals=2)


@tampering
def statistic_opened_with_other_labels(made: Good) -> Broken:
    return _statistic_opened_otherwise(made, labels=bytes(32))


@tampering
def statistic_opened_from_a_model(made: Good) -> Broken:
    return _statistic_opened_otherwise(made, model=bytes([1]) * 32)


@tampering
def statistic_that_nobody_asked_for(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("statistic/ages")
    del story.said[story.find("statistic/ages", Request) - 1]
    return Broken(write(story).files, "4.1", story.find("statistic/ages", Opening), AGGREGATOR)


@tampering
def opened_twice(made: Good) -> Broken:
    story = made.story.copy()
    first = story.find(LAST, Opening)
    body = msgspec.structs.replace(story.at(first).body, length=HYBRID)
    story.insert(first + 1, Said(LAST, 0, body, story.at(first).time_ms))
    return Broken(write(story).files, "4.1", first + 1, AGGREGATOR, is_failure=False)


# ── contributions ──


def _contributed_otherwise(
    made: Good, check: str, change: Callable[[Ciphertexts, Ciphertexts], dict[str, object]]
) -> Broken:
    """H3's contribution to the last round, changed; ``change`` sees that of H1 too."""
    story = made.story.copy()
    place, other = story.find(LAST, Contribution, 3), story.find(LAST, Contribution, 1)
    said = ciphertexts_at(story, place)
    changes = change(said, ciphertexts_at(story, other))
    put_ciphertexts(story, place, msgspec.structs.replace(said, **changes))
    return Broken(write(story).files, check, place, "H3")


@tampering
def ciphertext_that_is_no_unit(made: Good) -> Broken:
    width = (2 * made.story.federation.terms.key_bits) // 8
    n = int.from_bytes(made.epoch.n, "big").to_bytes(width, "big")
    return _contributed_otherwise(
        made, "4.2", lambda said, other: {"numbers": n + said.numbers[width:]}
    )


@tampering
def ciphertext_too_few(made: Good) -> Broken:
    width = (2 * made.story.federation.terms.key_bits) // 8
    return _contributed_otherwise(
        made, "4.2", lambda said, other: {"numbers": said.numbers[width:]}
    )


@tampering
def ciphertext_of_another_member(made: Good) -> Broken:
    return _contributed_otherwise(made, "4.2", lambda said, other: {"numbers": other.numbers})


@tampering
def ciphertexts_of_a_statistic_repeated(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("statistic/ages")
    place, other = (story.find("statistic/ages", Contribution, i) for i in (2, 1))
    put_ciphertexts(story, place, ciphertexts_at(story, other))
    return Broken(write(story).files, "4.2", place, "H2")


@tampering
def statistic_with_numbers_that_are_not_proved(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("statistic/ages")
    place = story.find("statistic/ages", Contribution, 2)
    said = ciphertexts_at(story, place)
    put_ciphertexts(story, place, msgspec.structs.replace(said, proof=()))
    return Broken(write(story).files, "4.3", place, "H2")


@tampering
def contribution_to_another_opening(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Contribution, 4)
    body = msgspec.structs.replace(story.at(place).body, opening=bytes(32))
    story.change(place, body=body)
    return Broken(write(story).files, "4.2", place, "H4")


@tampering
def proof_left_out(made: Good) -> Broken:
    return _contributed_otherwise(made, "4.3", lambda said, other: {"proof": ()})


@tampering
def proof_of_another_member(made: Good) -> Broken:
    return _contributed_otherwise(made, "4.3", lambda said, other: {"proof": other.proof})


@tampering
def proof_of_another_round(made: Good) -> Broken:
    """The whole contribution of round 1, ciphertexts and proof, is given again."""
    earlier = ciphertexts_at(made.story, made.story.find("round/1", Contribution, 3))
    return _contributed_otherwise(
        made, "4.3", lambda said, other: {"numbers": earlier.numbers, "proof": earlier.proof}
    )


@tampering
def contribution_without_a_proof_left_out(made: Good) -> Broken:
    """The aggregator closes without it, so it did no harm."""
    story = made.story.copy()
    place, closing = story.find(LAST, Contribution, 3), story.find(LAST, Closing)
    said = ciphertexts_at(story, place)
    put_ciphertexts(story, place, msgspec.structs.replace(said, proof=()))
    width = 2 * story.federation.terms.key_bits // 8
    square = int.from_bytes(made.epoch.n, "big") ** 2
    added = [ciphertexts_at(story, story.find(LAST, Contribution, i)).numbers for i in (1, 2, 4)]
    total = b""
    for k in range(0, len(added[0]), width):
        product = math.prod(int.from_bytes(numbers[k : k + width], "big") for numbers in added)
        total += (product % square).to_bytes(width, "big")
    put_ciphertexts(story, closing, Ciphertexts(total))
    body = story.at(closing).body
    assert isinstance(body, Closing)
    left = tuple(c for c in body.contributors if c.member != 3)
    story.change(closing, body=msgspec.structs.replace(body, contributors=left))
    return Broken(write(story).files, "4.3", place, "H3", is_failure=False)


@tampering
def vector_exchanged_after_the_proof(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("round/2")
    place = story.find("round/2", Contribution, 2)
    body = story.at(place).body
    assert isinstance(body, Contribution)
    vector = (flipped(body.vector[0]),)
    story.change(place, body=msgspec.structs.replace(body, vector=vector))
    return Broken(write(story).files, "4.3", place, "H2")


@tampering
def left_out_for_a_reason_that_is_none(made: Good) -> Broken:
    story = made.story.copy()
    closing = story.find(LAST, Closing)
    del story.said[closing - 1 :]
    about = story.at(story.find(LAST, Contribution, 3))
    omission = Omission(3, about.names[0], "unproven")
    story.insert(closing, Said(LAST, 0, omission, story.said[-1].time_ms))
    return Broken(write(story).files, "4.4", closing, AGGREGATOR, is_failure=False)
