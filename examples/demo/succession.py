"""People and machines change: one leaves, one joins, one has lost its share; the key stays.

Lakeview leaves and Haarlem joins. Hillcrest has lost its key share. The key is handed over, with
the same N, and the new members go on with the tumours from where the old ones have left them.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from examples.demo.consortium import QUORUM, Consortium
from examples.demo.processes import (
    DemoFailed,
    Hospital,
    aggregate,
    checked,
    ending,
    finish,
    propose,
)
from examples.demo.running import Running
from examples.demo.trainings import APP, WAIT_SECONDS
from keyshare.errors import BadCombination
from keyshare.key import SecretShare, combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from participant.handover import RECEIPT_NAME
from participant.model import model_name
from protocol.key import Epoch, HeldKey
from protocol.terms import parse

NEWCOMER, LOST = "Haarlem", 4  # who joins, and the number of the hospital that has lost its share
SECONDS = 120.0


def change(consortium: Consortium) -> tuple[Consortium, dict[str, Any]]:
    """Hand the key over, while the old aggregator runs and no agent; the new consortium."""
    old = [consortium.held(number) for number in (1, 2, 3)]
    stays, leaver = consortium.hospitals[:4], consortium.hospitals[4]
    newcomer = Hospital(6, NEWCOMER, consortium.folder / "hospital-6", leaver.patients)
    checked(newcomer.participant("init", "--name", NEWCOMER))
    consortium.vault(LOST).key_share_path(old[0].epoch.number).unlink()
    new = _agree(consortium, [*stays, newcomer], leaver)
    _hand_over(consortium, new, newcomer)
    now = [new.held(number) for number in range(1, new.terms.n_members + 1)]
    return new, {
        "joins": NEWCOMER,
        "leaves": leaver.name,
        "new_share": consortium.hospitals[LOST - 1].name,
        "same_modulus": now[0].epoch.n == old[0].epoch.n,
        "epoch": now[0].epoch.number,
        "quorums_that_decrypt": _quorums(now),
        "two_old_one_new": _mixed(old, now),
        "three_old_would": _opens(old[0].epoch, [held.secret.secret_share() for held in old]),
        "receipt": str(leaver.folder(consortium.terms.federation) / RECEIPT_NAME),
    }


def go_on(running: Running, before: Consortium) -> dict[str, Any]:
    """One more round of the tumours under the handed-over key: the newcomer helps to open it.

    Its plan says that it begins with the last model of the old federation.
    """
    new, study = running.consortium, running.consortium.tumours
    *stays, newcomer = new.hospitals
    for hospital in new.hospitals:
        running.start(hospital)
    members = [part for h in stays for part in ("--member", h.name)]
    propose(
        stays[0], new.terms_file, study.name,
        "--kind", "training", "--purpose", f"{study.purpose}, one round more",
        "--rounds", "1", "--seconds", str(WAIT_SECONDS), "--clip", "8", "--max-examples", "1000",
        "--start", f"{study.name}/{study.rounds}", "--old", str(before.terms_file),
        "--app", str(APP), *members,
    )  # fmt: skip
    new.approve(stays, [study.name], "--app", str(APP))
    new.approve([newcomer], [study.name], "--only", "open")
    made = [h.folder(new.terms.federation) / model_name(study.name, 1) for h in stays]
    have_all = lambda: all(path.exists() for path in made)  # noqa: E731
    running.wait_for("the round after the handover", have_all, SECONDS)
    return {"round": f"{study.name}/1", "contributors": [h.name for h in stays]}


def leave_record(new: Consortium, before: Path) -> str:
    """The new federation's record, verified with that of the old one before it."""
    record = new.terms_file.parent / "record"
    place = ("--data", str(new.data), "--out", str(record))
    checked(aggregate("export", str(new.terms_file), *place))
    checked(new.hospitals[0].participant("verify", str(record), "--predecessor", str(before)))
    return str(record)


def describe(found: dict[str, Any]) -> str:
    """For people."""
    return (
        f"{found['leaves']} has left, {found['joins']} has joined, {found['new_share']} had lost "
        f"its key share and has a new one. The key has the same N, in epoch {found['epoch']}.\n"
        f"Each of the {found['quorums_that_decrypt']} quorums of {QUORUM} decrypts. Two old key "
        f"shares and a new one do not: {found['two_old_one_new']}.\n"
        f"Three old ones, had they been kept, would. That is why they are erased, and why backups "
        f"have to be destroyed: a handover takes the key from nobody who keeps a quorum of shares."
    )


# ── the new terms, and the handover ──


def _agree(consortium: Consortium, hospitals: Sequence[Hospital], leaver: Hospital) -> Consortium:
    old, file = str(consortium.terms_file), consortium.folder / "after" / "federation.toml"
    file.parent.mkdir()
    cards = ("--add", str(hospitals[-1].home / "card.toml"), "--aggregator")
    checked(
        hospitals[0].participant(
            "terms", "succeed", old, *cards, str(consortium.data / "aggregator.toml"),
            "--remove", leaver.name, "--leaves-in-peace", "--quorum", str(QUORUM),
            "--out", str(file),
        )
    )  # fmt: skip
    for hospital in hospitals:
        checked(hospital.participant("terms", "sign", str(file), "--old", old, "--yes"))
    shown = ("terms", "show", str(file), "--old", old)
    print(checked(hospitals[0].participant(*shown)).rstrip(), flush=True)
    terms = parse(file.read_text()).terms
    return replace(consortium, hospitals=list(hospitals), terms_file=file, terms=terms)


def _hand_over(consortium: Consortium, new: Consortium, newcomer: Hospital) -> None:
    """All type the same command; the newcomer gives the record that it has verified."""
    record = consortium.folder / "record-for-newcomers"
    place = ("--data", str(consortium.data), "--out", str(record))
    checked(aggregate("export", str(consortium.terms_file), *place))
    command = ("handover", str(new.terms_file), "--old", str(consortium.terms_file), "--yes")
    handing = [h.start(*command, log=new.logs / "handover.log") for h in consortium.hospitals]
    told = ("--record", str(record))
    handing.append(newcomer.start(*command, *told, log=new.logs / "handover.log"))
    with ending(handing):
        finish(handing, "the handover", SECONDS)
    shutil.rmtree(record)


# ── what key shares are good for ──


def _opens(epoch: Epoch, shares: Sequence[SecretShare]) -> bool:
    """Whether these shares decrypt a test value under a key."""
    key = epoch.joint_key()
    plaintext, ciphertext = trial_ciphertext(key.n, b"demo")
    parts = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    try:
        return bool(combine(parts, key) == plaintext)
    except BadCombination:
        return False


def _quorums(held: Sequence[HeldKey]) -> int:
    shares = [one.secret.secret_share() for one in held]
    quorums = list(combinations(shares, QUORUM))
    if not all(_opens(held[0].epoch, quorum) for quorum in quorums):
        raise DemoFailed("a quorum of new key shares does not decrypt")
    return len(quorums)


def _mixed(old: Sequence[HeldKey], new: Sequence[HeldKey]) -> str:
    """Two old shares and the newcomer's, under the old key and under the new one."""
    shares = [held.secret.secret_share() for held in (*old[:2], new[-1])]
    if any(_opens(held.epoch, shares) for held in (old[0], new[0])):
        raise DemoFailed("two old key shares and a new one decrypted")
    return "their parts do not combine to a plaintext"
