"""Records broken in their rounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from protocol.audit.results import NOBODY
from protocol.draft import public_payload
from protocol.encoding import decode, encode
from protocol.messages import (
    MAX_BLOB_BYTES,
    Ciphertexts,
    Closing,
    Complaint,
    Contribution,
    Contributor,
    Opening,
    Partial,
    Refusal,
    Request,
    SetLock,
    Statement,
)
from tests.record.good import HYBRID, Good, once_more
from tests.record.story import Said, Story, write
from tests.record.tampering import AGGREGATOR, LAST, Broken, flipped, tampering

FEW = "statistic/few"


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


def _opened_otherwise(made: Good, **changes: object) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Opening)
    story.change(place, body=msgspec.structs.replace(story.at(place).body, **changes))
    return Broken(write(story).files, "4.1", place, AGGREGATOR)


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
    return _opened_otherwise(made, kind="statistic")


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
def vector_exchanged_after_the_proof(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("round/2")
    place = story.find("round/2", Contribution, 2)
    body = story.at(place).body
    assert isinstance(body, Contribution)
    vector = (flipped(body.vector[0]),)
    story.change(place, body=msgspec.structs.replace(body, vector=vector))
    return Broken(write(story).files, "4.3", place, "H2")


# ── closings ──


def _closed_otherwise(
    made: Good, check: str, change: Callable[[Closing], dict[str, object]], session: str = LAST
) -> Broken:
    story = made.story.copy()
    story.end_after(session)
    place = story.find(session, Closing)
    body = story.at(place).body
    assert isinstance(body, Closing)
    story.change(place, body=msgspec.structs.replace(body, **change(body)))
    return Broken(write(story).files, check, place, AGGREGATOR)


@tampering
def closed_with_fewer_than_the_minimum(made: Good) -> Broken:
    return _closed_otherwise(
        made, "5.1", lambda closing: {"contributors": closing.contributors[:2]}
    )


@tampering
def closed_with_a_contributor_twice(made: Good) -> Broken:
    def twice(closing: Closing) -> dict[str, object]:
        return {"contributors": (closing.contributors[0], *closing.contributors)}

    return _closed_otherwise(made, "5.1", twice)


@tampering
def closed_with_another_contribution(made: Good) -> Broken:
    def exchanged(closing: Closing) -> dict[str, object]:
        return {"contributors": (*closing.contributors[:3], Contributor(4, bytes(32)))}

    return _closed_otherwise(made, "5.1", exchanged)


@tampering
def vector_of_the_sum_too_short(made: Good) -> Broken:
    return _closed_otherwise(made, "5.1", lambda closing: {"vector": ()}, "round/2")


@tampering
def sum_that_is_not_the_product(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Closing)
    total, one = ciphertexts_at(story, place), ciphertexts_at(story, place - 1)
    put_ciphertexts(story, place, msgspec.structs.replace(total, numbers=one.numbers))
    return Broken(write(story).files, "5.2", place, AGGREGATOR)


@tampering
def forged_closing(made: Good) -> Broken:
    """Whoever has the aggregator's key closes a round again; nobody goes by it."""
    story = made.story.copy()
    first = story.find(LAST, Closing)
    closing = story.at(first).body
    assert isinstance(closing, Closing)
    body = msgspec.structs.replace(closing, contributors=closing.contributors[:3])
    story.insert(first + 1, Said(LAST, 0, body, story.at(first).time_ms))
    return Broken(write(story).files, "5.1", first + 1, AGGREGATOR, is_failure=False)


# ── locks, releases, refusals ──


@tampering
def two_sets_locked_by_one_member(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Partial, 2)
    story.insert(place, Said(LAST, 2, SetLock(bytes(32)), story.at(place).time_ms))
    return Broken(write(story).files, "5.3", place, "H2")


@tampering
def another_set_locked(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after(FEW)
    place = story.find(FEW, Refusal, 4)
    story.change(place, body=SetLock(bytes(32)))
    return Broken(write(story).files, "5.3", place, "H4", is_failure=False)


@tampering
def part_released_before_enough_had_locked(made: Good) -> Broken:
    story = made.story.copy()
    part, lock = story.find(LAST, Partial, 1), story.find(LAST, SetLock, 3)
    said = story.at(part)
    story.said.remove(said)
    story.insert(lock, dataclasses.replace(said, time_ms=story.at(lock).time_ms))
    return Broken(write(story).files, "5.4", lock, "H1")


@tampering
def part_released_without_a_lock(made: Good) -> Broken:
    story = made.story.copy()
    del story.said[story.find(LAST, SetLock, 4) - 1]
    return Broken(write(story).files, "5.4", story.find(LAST, Partial, 4), "H4")


@tampering
def part_released_twice(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    part = story.at(story.find(LAST, Partial, 3))
    story.insert(place, Said(LAST, 3, part.body, story.at(place).time_ms))
    return Broken(write(story).files, "5.4", place, "H3")


@tampering
def two_sets_released(made: Good) -> Broken:
    """A coalition helps with a second set of the same round."""
    story = made.story.copy()
    closing = story.find(LAST, Closing)
    first = story.at(closing)
    assert isinstance(first.body, Closing)
    body = msgspec.structs.replace(first.body, contributors=first.body.contributors[:3])
    story.insert(closing + 1, Said(LAST, 0, body, first.time_ms))
    place = story.find(LAST, Statement, 1)
    for member in (1, 2, 3):
        part = story.at(story.find(LAST, Partial, member)).body
        assert isinstance(part, Partial)
        again = msgspec.structs.replace(part, chosen=bytes([2]) * 32)
        story.insert(place + member - 1, Said(LAST, member, again, story.at(place).time_ms))
    return Broken(write(story).files, "6.1", place + 2, AGGREGATOR)


@tampering
def complaint_that_is_false(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    lock = story.at(story.find(LAST, SetLock, 2)).body
    assert isinstance(lock, SetLock)
    said = Complaint(lock.chosen, 3, bytes(32))
    story.insert(place, Said(LAST, 2, said, story.at(place).time_ms))
    return Broken(write(story).files, "5.4", place, "H2", is_failure=False)


@tampering
def complaint_that_proves_nothing(made: Good) -> Broken:
    story = made.story.copy()
    story.end_after("round/1")
    place = story.find("round/1", Complaint)
    body = msgspec.structs.replace(story.at(place).body, key=b"")
    story.change(place, body=body)
    name = story.federation.terms.name_of(story.at(place).sender)
    return Broken(write(story).files, "5.4", place, name, is_failure=False)


@tampering
def part_of_a_proven_complaint(made: Good) -> Broken:
    """Nothing is altered: the wrong part of round 1 must be named in any case."""
    place = made.story.find("round/1", Partial, 4)
    return Broken(write(made.story).files, "5.4", place, "H4", is_failure=False)


@tampering
def refusal_without_reason(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 1)
    said = Refusal("recomputed-sum", 0, "the sum is another")
    story.insert(place, Said(LAST, 4, said, story.at(place).time_ms))
    return Broken(write(story).files, "5.5", place, "H4", is_failure=False)


@tampering
def refusal_with_reason(made: Good) -> Broken:
    """Nothing is altered: whoever refuses is named, whatever its reason."""
    story = once_more(made, remembering=True)
    return Broken(write(story).files, "5.5", story.find("round/4", Refusal, 2), "H2", False)


# ── results ──


@tampering
def another_result_stated(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Statement, 2)
    body = msgspec.structs.replace(story.at(place).body, result=bytes(32))
    story.change(place, body=body)
    return Broken(write(story).files, "6.2", place, "H2", is_failure=False)


@tampering
def one_singled_out_by_two_sums(made: Good) -> Broken:
    story = once_more(made, remembering=False)
    return Broken(write(story).files, "6.3", story.find("round/4", Closing), AGGREGATOR)


@tampering
def results_without_a_majority(made: Good) -> Broken:
    story = made.story.copy()
    for member in (3, 4):
        place = story.find(LAST, Statement, member)
        body = msgspec.structs.replace(story.at(place).body, result=bytes(32))
        story.change(place, body=body)
    return Broken(write(story).files, "6.2", place, NOBODY)
