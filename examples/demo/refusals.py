"""What must not work, shown not working: each refusal comes from the process that makes it."""

import subprocess
from pathlib import Path
from typing import Any

from examples.demo.consortium import Consortium
from examples.demo.intruder import knock
from examples.demo.processes import DemoFailed, Hospital, checked, ending, finish, propose
from examples.demo.trainings import given_to_app, hold_study
from keyshare.key import combine_exponents, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from participant.home import Passphrase, Vault
from protocol.board import Refusal, round_session
from protocol.key import read_secret

VISITS, NUMBERS = "visits", (3, 5, 0)
GOING_ON = "more-digits"
SINGLE = "min-contributors: the sum holds 1 ("
REFUSED = 3  # exit code of a decryption that a rule forbids
OUT_OF_TIME = 1


def below_quorum(consortium: Consortium) -> dict[str, Any]:
    """Three hospitals add encrypted numbers; two alone cannot decrypt the sum, all five can.

    The two that are not in the study help to open its sum, and learn nothing of it.
    """
    hospitals, terms = consortium.hospitals, str(consortium.terms_file)
    inside, outside = hospitals[:3], hospitals[3:]
    with consortium.serving():
        _propose_visits(consortium, inside)
        consortium.approve(inside, VISITS)
        consortium.approve(outside, VISITS, "--only", "open")
        contribute(consortium, inside)
        decrypt = ("decrypt", terms, "--study", VISITS, "--yes")
        two = [
            h.start(*decrypt, "--timeout", "5", log=consortium.logs / "below-quorum.log")
            for h in hospitals[:2]
        ]
        codes = [process.wait(timeout=60) for process in two]
        if codes != [OUT_OF_TIME, OUT_OF_TIME]:
            raise DemoFailed(f"two hospitals alone: exit codes {codes}")
        shares_alone = _shares_of_two(consortium)
        logs = [consortium.logs / f"{VISITS}-{h.number}.log" for h in hospitals]
        processes = [h.start(*decrypt, log=log) for h, log in zip(hospitals, logs, strict=True)]
        with ending(processes):
            finish(processes, "the decryption of the visits", 60)
    return {
        "hospitals": len(two),
        "exit_codes": codes,
        "two_key_shares_alone": shares_alone,
        "sum_by_all": _sum_of(logs[0]),
    }


def _propose_visits(consortium: Consortium, members: list[Hospital]) -> None:
    names = [part for hospital in members for part in ("--member", hospital.name)]
    propose(
        consortium.hospitals[0], consortium.terms_file, VISITS,
        "--kind", "statistic", "--purpose", "Visits of last week", "--data", "visits",
        "--length", "1", "--seconds", "30", *names,
    )  # fmt: skip


def single_update(consortium: Consortium) -> dict[str, Any]:
    """A rogue aggregator closes a round over one hospital's update; everyone refuses.

    The round is of a study that goes on from the model of the digits.
    """
    study = consortium.digits
    with consortium.serving("examples.demo.rogue_aggregator"):
        hold_study(consortium, study, "--start", f"{study.name}/{study.rounds}", name=GOING_ON)
        processes = [_train(consortium, hospital) for hospital in consortium.hospitals]
        with ending(processes):
            try:
                codes = [process.wait(timeout=150) for process in processes]
            except subprocess.TimeoutExpired:
                raise DemoFailed("a hospital did not refuse within 150 s") from None
    if codes != [REFUSED] * len(processes):
        raise DemoFailed(f"not every hospital refused: exit codes {codes}")
    refusals = {
        consortium.terms.name_of(posted.post.sender): f"{body.rule}: {body.reason}"
        for posted in consortium.read_board().session(round_session(GOING_ON, 1))
        if isinstance(body := posted.post.body, Refusal)
    }
    wrong = [reason for reason in refusals.values() if not reason.startswith(SINGLE)]
    if wrong or len(refusals) != len(processes):
        raise DemoFailed(f"the refusals on the board are {refusals}")
    return {"refused_by": len(refusals), "on_the_board": refusals}


def _train(consortium: Consortium, hospital: Hospital) -> subprocess.Popen[str]:
    """One study with the app that was approved, without an agent that stays; said in a log."""
    given = given_to_app(consortium, hospital)
    names = [part for name in given for part in ("--app-env", name)]
    command = ("train", str(consortium.terms_file), "--study", GOING_ON, *names)
    return hospital.start(*command, log=consortium.log_of(hospital), **given)


def unknown_identity(consortium: Consortium) -> dict[str, Any]:
    """An intruder claims to be a sixth member, and to be the first one."""
    with consortium.serving():
        wait = consortium.hospitals[0].participant("status", str(consortium.terms_file))
        checked(wait)  # the service is up
        answers = {
            "as_member_6": knock(consortium.terms, consortium.card, 6),
            "as_member_1": knock(consortium.terms, consortium.card, 1),
        }
    if answers != {"as_member_6": "unknown-identity", "as_member_1": "bad-signature"}:
        raise DemoFailed(f"the intruder was told {answers}")
    return answers


def describe(shown: dict[str, Any]) -> str:
    """The three refusals for people."""
    below, single, unknown = (
        shown["below_quorum"], shown["single_update"], shown["unknown_identity"],
    )  # fmt: skip
    refused = "\n".join(f"    {name}: {why}" for name, why in single["on_the_board"].items())
    return (
        f"* Two hospitals alone did not get the sum of three encrypted numbers: not by the rules, "
        f"and their key shares by themselves: {below['two_key_shares_alone']}. "
        f"With all five it is {below['sum_by_all']}.\n"
        f"* A rogue aggregator asked for the decryption of one hospital's update:\n{refused}\n"
        f"* An intruder who claimed to be member 6, then member 1, was told: "
        f"{unknown['as_member_6']}, {unknown['as_member_1']}."
    )


def contribute(consortium: Consortium, hospitals: list[Hospital]) -> None:
    """Each hospital contributes its number of visits, from a file of plain numbers."""
    terms, processes = str(consortium.terms_file), []
    for hospital, number in zip(hospitals, NUMBERS, strict=True):
        file = hospital.home / f"{VISITS}.csv"
        file.write_text(f"{number}\n")
        options = ("contribute", str(file), "--federation", terms, "--study", VISITS)
        processes.append(hospital.start(*options, log=consortium.logs / f"{VISITS}.log"))
    finish(processes, f"the contributions to {VISITS}", 60)


def _shares_of_two(consortium: Consortium) -> str:
    """Two hospitals that break every rule pool their key shares; what the mathematics says."""
    terms, shares = consortium.terms, []
    for hospital in consortium.hospitals[:2]:
        folder = hospital.folder(terms.federation)
        vault = Vault(folder / "vault", terms.federation, hospital.number)
        stored = vault.read_key_share(vault.epochs()[-1], Passphrase(hospital.passphrase))
        epoch, secret = read_secret(stored, terms, hospital.number)
        shares.append(secret.secret_share())
    key = epoch.joint_key()
    _, ciphertext = trial_ciphertext(key.n, b"demo")
    partials = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    product = combine_exponents(partials, sorted(partials), key, factor=2)
    if product % key.n == 1:
        raise DemoFailed("two key shares decrypted")
    return "their parts do not combine to a plaintext"


def _sum_of(log: Path) -> int:
    numbers = [word for word in log.read_text().replace(",", " ").split() if word.isdigit()]
    if not numbers or int(numbers[-1]) != sum(NUMBERS):
        raise DemoFailed(f"the sum of the visits is not in {log}")
    return int(numbers[-1])
