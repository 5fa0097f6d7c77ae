"""What must not work, shown not working: each refusal comes from the process that makes it."""

from typing import Any

from examples.demo.consortium import Consortium
from examples.demo.intruder import knock
from examples.demo.processes import DemoFailed
from examples.demo.running import Running
from examples.demo.trainings import approve_trainings, propose_training
from keyshare.key import combine_exponents, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from protocol.messages import Refusal, round_session

GOING_ON, PATIENCE_SECONDS = "more-digits", 150
SINGLE = "min-contributors: the sum holds 1 ("


def single_update(running: Running) -> dict[str, Any]:
    """A rogue aggregator closes a round over one hospital's update; everyone refuses.

    The round is of a study that goes on from the model of the digits.
    """
    consortium, study = running.consortium, running.consortium.digits
    running.run_aggregator("examples.demo.rogue_aggregator")
    start = ("--start", f"{study.name}/{study.rounds}")
    propose_training(consortium, study, *start, name=GOING_ON)
    approve_trainings(consortium, GOING_ON)
    everybody = len(consortium.hospitals)
    have_refused = lambda: len(_refusals(consortium)) == everybody  # noqa: E731
    running.wait_for("all hospitals to refuse", have_refused, PATIENCE_SECONDS, pause=0.5)
    running.run_aggregator()
    refusals = _refusals(consortium)
    if wrong := [reason for reason in refusals.values() if not reason.startswith(SINGLE)]:
        raise DemoFailed(f"the refusals on the board are {wrong}")
    return {"refused_by": len(refusals), "on_the_board": refusals}


def _refusals(consortium: Consortium) -> dict[str, str]:
    """Who refused that round, and why, as it stands on the board."""
    return {
        consortium.terms.name_of(posted.post.sender): f"{body.rule}: {body.reason}"
        for posted in consortium.read_board().session(round_session(GOING_ON, 1))
        if isinstance(body := posted.post.body, Refusal)
    }


def two_key_shares(consortium: Consortium) -> str:
    """Two hospitals that break every rule pool their key shares; what the mathematics says.

    Their agents have ended.
    """
    held = [consortium.held(number) for number in (1, 2)]
    shares, key = [one.secret.secret_share() for one in held], held[0].epoch.joint_key()
    _, ciphertext = trial_ciphertext(key.n, b"demo")
    partials = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    product = combine_exponents(partials, sorted(partials), key, factor=2)
    if product % key.n == 1:
        raise DemoFailed("two key shares decrypted")
    return "their parts do not combine to a plaintext"


def unknown_identity(consortium: Consortium) -> dict[str, Any]:
    """An intruder claims to be a sixth member, and to be the first one."""
    answers = {
        "as_member_6": knock(consortium.terms, consortium.card, 6),
        "as_member_1": knock(consortium.terms, consortium.card, 1),
    }
    if answers != {"as_member_6": "unknown-identity", "as_member_1": "bad-signature"}:
        raise DemoFailed(f"the intruder was told {answers}")
    return answers


def describe(shown: dict[str, Any]) -> str:
    """The three refusals for people."""
    single, unknown = shown["single_update"], shown["unknown_identity"]
    refused = "\n".join(f"    {name}: {why}" for name, why in single["on_the_board"].items())
    return (
        f"* A rogue aggregator asked for the decryption of one hospital's update:\n{refused}\n"
        f"* An intruder who claimed to be member 6, then member 1, was told: "
        f"{unknown['as_member_6']}, {unknown['as_member_1']}.\n"
        f"* Two hospitals put their key shares together, whatever the rules say: "
        f"{shown['two_key_shares']}."
    )
