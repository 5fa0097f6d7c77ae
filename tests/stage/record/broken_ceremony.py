"""Records broken in their ceremonies, by members that are in it together."""

from collections.abc import Callable

import msgspec
from gmpy2 import mpz

from protocol.board.classes import CandidateLayout
from protocol.ceremony.commitment import commitment_to
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.run import CeremonyRun
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, width_of
from protocol.key.epoch import Epoch
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Step
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.fields import MAX_BLOB_BYTES, MAX_POST_BYTES
from protocol.record.audit.results import NOBODY
from protocol.record.files import blob_path
from tests.stage.files import flipped
from tests.stage.record.good import LIAR, Good
from tests.stage.record.story import Said, Story, write
from tests.stage.record.tampering import KEY, Broken, altered, tampering, told

_NONCE_BYTES = _HASH_BYTES = 32


def place_of(story: Story, step: str, sender: int, session: str = KEY) -> int:
    """The position of a member's last post in a step."""
    return max(
        position
        for position, one in enumerate(story.said, start=1)
        if one.session == session and one.sender == sender
        if isinstance(one.body, Step) and one.body.step == step
    )


def payload_at(story: Story, position: int) -> bytes:
    """What was said to all there."""
    (found,) = [a for a in story.body(position, Step).attachments if a.to == 0]
    return story.payload(found)


def put_payload(story: Story, position: int, payload: bytes) -> None:
    """Let something else be said to all there."""
    others = [a for a in story.body(position, Step).attachments if a.to]
    story.alter(position, attachments=(story.attached(payload), *others))


def say_instead(
    story: Story, step: str, sender: int, change: Callable[[bytes], bytes], commits: bool = True
) -> int:
    """Let a member say something else in a step, and commit to that; the post's position."""
    place = place_of(story, step, sender)
    opening = payload_at(story, place)
    changed = opening[:_NONCE_BYTES] + change(opening[_NONCE_BYTES:])
    put_payload(story, place, changed)
    if commits:
        terms = story.federation.terms
        context = CeremonyRun(terms, sender, KEY, bytes(32)).context
        promise, step_id = place_of(story, step + "-commit", sender), story.body(place, Step).id
        rest = payload_at(story, promise)[_HASH_BYTES:]
        put_payload(story, promise, commitment_to(context, step_id, sender, changed) + rest)
    return place


def certify(story: Story, member: int, change: Callable[[Epoch], Epoch]) -> int:
    """Let a member certify something else."""
    place = story.find(KEY, Certificate, member)
    epoch = decode(story.body(place, Certificate).epoch, Epoch, "epoch", MAX_POST_BYTES)
    story.alter(place, epoch=encode(change(epoch)))
    return place


def with_another_key(epoch: Epoch) -> Epoch:
    """The second member's verification key is exchanged for the third's."""
    keys = list(epoch.verification_keys)
    keys[1] = keys[2]
    return msgspec.structs.replace(epoch, verification_keys=tuple(keys))


@tampering
def one_certifies_another_key(made: Good) -> Broken:
    story = made.story.until(KEY)
    place = certify(story, 3, with_another_key)
    return told(story, "3.1", place)


@tampering
def all_certify_another_key(made: Good) -> Broken:
    story = made.story.until(KEY)
    places = [certify(story, member, with_another_key) for member in (1, 2, 3, 4)]
    return told(story, "3.5", places[1])


@tampering
def all_certify_an_impossible_key(made: Good) -> Broken:
    story = made.story.until(KEY)
    places = [
        certify(story, member, lambda epoch: msgspec.structs.replace(epoch, theta=epoch.n))
        for member in (1, 2, 3, 4)
    ]
    return told(story, "3.1", places[3], NOBODY)


@tampering
def all_certify_another_transcript(made: Good) -> Broken:
    story = made.story.until(KEY)
    for member in (1, 2, 3, 4):
        place = story.find(KEY, Certificate, member)
        story.alter(place, transcript=bytes(32))
    return told(story, "3.2", place)


@tampering
def opened_what_was_not_committed_to(made: Good) -> Broken:
    story = made.story.until(KEY)
    place = say_instead(story, "moduli", 1, lambda said: flipped(said, 0), commits=False)
    return told(story, "3.3", place)


@tampering
def screened_with_a_wrong_value(made: Good) -> Broken:
    """A lie about a candidate that fails all the same, by one that has not dealt the winner."""
    story = made.story.until(KEY)
    layout = CandidateLayout(story.federation.terms)
    candidate = next(one.body.candidate for one in story.said if is_step(one, "trial"))
    idle = {1, 2, 3, 4} - set(layout.dealers(layout.class_of(candidate)))
    member = next(
        m for m in idle if len(payload_at(story, place_of(story, "screen", m))) > _NONCE_BYTES
    )
    say_instead(story, "screen", member, flipped)
    place = place_of(story, "theta-commit", member)
    return told(story, "3.3", place)


@tampering
def leaf_opened_that_was_not_committed_to(made: Good) -> Broken:
    story = made.story.until(KEY)
    place = place_of(story, "theta-commit", 4)
    before = _HASH_BYTES + width_of(
        CeremonyRun(story.federation.terms, 4, KEY, bytes(32)).rows.prime
    )
    put_payload(story, place, flipped(payload_at(story, place), before))
    return told(story, "3.3", place)


@tampering
def exponents_are_not_those_that_were_dealt(made: Good) -> Broken:
    story = made.story.until(KEY)
    place = place_of(story, "theta-commit", 2)
    put_payload(story, place, flipped(payload_at(story, place), _HASH_BYTES + 9))
    return told(story, "3.8", place_of(story, "theta-commit", 4), NOBODY)


@tampering
def proof_of_exponents_altered(made: Good) -> Broken:
    def alter(payload: bytes) -> bytes:
        said = decode(payload, Winning, "winning", MAX_BLOB_BYTES)
        proof = msgspec.structs.replace(said.proof, response=flipped(said.proof.response))
        return encode(msgspec.structs.replace(said, proof=proof))

    story = made.story.until(KEY)
    dealer = max(one.sender for one in story.said if is_step(one, "winner"))
    place = say_instead(story, "winner", dealer, alter)
    return told(story, "3.4", place)


@tampering
def share_of_theta_altered(made: Good) -> Broken:
    story = made.story.until(KEY)
    say_instead(story, "theta", 3, flipped)
    return told(story, "3.5", place_of(story, "theta", 4), NOBODY)


@tampering
def partial_decryption_of_the_trial_altered(made: Good) -> Broken:
    return _with_trial(made, 2, lambda said, other: {"partial": other.partial})


@tampering
def proof_of_the_trial_from_another_member(made: Good) -> Broken:
    return _with_trial(made, 3, lambda said, other: {"partial_proof": other.partial_proof})


@tampering
def test_with_a_fresh_base_altered(made: Good) -> Broken:
    def negated(said: Trial, other: Trial) -> dict[str, object]:
        n = int.from_bytes(made.epoch.n, "big")
        value = mpz(int.from_bytes(said.fresh, "big"))
        return {"fresh": int(value * 4 % n).to_bytes(len(said.fresh), "big")}

    dealer = max(one.sender for one in made.story.said if is_step(one, "winner"))
    return _with_trial(made, dealer, negated)


def _with_trial(
    made: Good, member: int, change: Callable[[Trial, Trial], dict[str, object]]
) -> Broken:
    """What a member says in the trial, changed; ``change`` sees the next member's too."""
    story = made.story.until(KEY)
    place = place_of(story, "trial", member)
    said, other = (
        decode(payload_at(story, place_of(story, "trial", i)), Trial, "trial", MAX_BLOB_BYTES)
        for i in (member, member % 4 + 1)
    )
    put_payload(story, place, encode(msgspec.structs.replace(said, **change(said, other))))
    return told(story, "3.6", place)


def is_step(one: Said, step: str) -> bool:
    """Whether a post is for a step of the ceremony that made the key."""
    return one.session == KEY and isinstance(one.body, Step) and one.body.step == step


altered(
    "key_check_of_an_unknown_key", "3.9", "check/1", CheckRequest, is_failure=False, epoch=bytes(32)
)
altered(
    "another_seed_disclosed", "3.7", "ceremony/1", Disclosure, 3, is_failure=False, seed=bytes(32)
)


@tampering
def part_of_a_key_check_from_another_member(made: Good) -> Broken:
    story = made.story.until("check/1")
    place, other = (story.find("check/1", CheckPart, i) for i in (3, 2))
    story.alter(place, payload=story.at(other).body.payload)
    return told(story, "3.9", place, is_failure=False)


# ── the ceremony that was aborted ──


@tampering
def aborted_without_reason(made: Good) -> Broken:
    story = made.story.copy()
    place = place_of(story, "deal", 4)
    del story.said[place:]
    story.said.append(Said(KEY, 1, Abort(2, "deal", "I do not like it"), 10**9))
    for member, seed in made.seeds.items():
        story.said.append(Said(KEY, member, Disclosure(seed), 10**9))
    return told(story, "3.7", place + 1, is_failure=False)


@tampering
def seed_not_disclosed(made: Good) -> Broken:
    story = made.story.until("ceremony/1")
    del story.said[story.find("ceremony/1", Disclosure, LIAR) - 1]
    place = story.find("ceremony/1", Abort)
    return told(story, "3.7", place, f"H{LIAR}", is_failure=False)


@tampering
def evidence_of_an_abort_missing(made: Good) -> Broken:
    story = made.story.until("ceremony/1")
    written = write(story)
    sealed = [a for one in story.said if is_sealed(one) for a in one.body.attachments if a.is_blob]
    del written.files[blob_path(sealed[0].digest)]
    return Broken(written.files, "3.7", story.find("ceremony/1", Abort), NOBODY)


def is_sealed(one: Said) -> bool:
    """Whether a post of the first ceremony has what is sealed to members."""
    return isinstance(one.body, Step) and one.body.step == "deal"
