"""What the errors of key care say to people."""

from collections.abc import Callable
from typing import Any

from participant.cli.sentences.sentence import ABORTED, COMMAND, Context, Sentence, in_a_row, plain
from participant.cli.sentences.waiting import step_words
from participant.key import errors
from protocol.words import number_of
from protocol.words.counted import counted


def _no_quorum(e: errors.NoQuorum, c: Context) -> Sentence:
    are = number_of(len(e.good), "is", "are")
    said = [f"{counted(e.quorum, 'good key share')} are needed, {len(e.good)} {are} there"]
    if e.good:
        said.append(f"good: {c.names(e.good)}")
    if e.wrong:
        said.append(f"wrong: {c.names(e.wrong)}")
    remedies = []
    if e.missing:
        said.append(f"nothing came from {c.names(e.missing)}")
        remedies.append(f"they type {COMMAND} key check --together {c.pasted}, at the same time")
    if e.wrong:
        remedies.append(f"{c.names(e.wrong)}: {COMMAND} key check {c.pasted}, then key restore")
    return Sentence(f"{e.session}: {in_a_row(said)}", "; ".join(remedies))


_DESTROY = (
    "This backup is of no use to this hospital, but to a thief it is a key share: destroy it, and "
    "all copies of it."
)


def _outdated(e: errors.Outdated, c: Context) -> Sentence:
    if e.what == "record":
        return Sentence(
            f"the record {e.path} ends with entry {e.have}, but entry {e.known} is known here",
            "nothing was replaced. Ask another member for a newer record",
        )
    return Sentence(
        f"the backup {e.path} is of epoch {e.have}, {e.place} is at epoch {e.known}: the key was "
        "handed over since, and its key share does not fit any more",
        f"nothing was replaced. {_DESTROY} Use one that was made in epoch {e.known}",
    )


def _handed_over(e: errors.HandedOver, c: Context) -> Sentence:
    known = f"the key was handed over to {e.to}, and {e.path} has a key share of epoch {e.epoch}"
    if not e.to:
        known = (
            f"the key was handed over, and the key share of epoch {e.epoch}, which is in {e.path}, "
            "was given up in this data folder"
        )
    return Sentence(known, f"nothing was replaced. {_DESTROY}")


KEY_CARE: dict[type[Exception], Callable[[Any, Context], Sentence]] = {
    errors.ShareNotWhole: plain(
        "the key share of epoch {e.epoch} in {e.folder} is not whole",
        "move it away and put back the backup: {c.restores}",
    ),
    errors.NoQuorum: _no_quorum,
    errors.QuorumFails: plain(
        "{e.session}: the parts of {who} have proofs that hold, and yet they do not give "
        "the test value",
        "do not go on under this key. Tell the other members: the record shows it",
        ABORTED,
    ),
    errors.UnfitBackup: plain(
        "{e.path} cannot be restored: {e.reason}", "nothing was replaced. Use the right backup"
    ),
    errors.Outdated: _outdated,
    errors.HandedOver: _handed_over,
    errors.OtherInheritedKey: plain(
        "the key share of epoch {e.have} here is of another key than that of epoch {e.counts}, "
        "which enough members of {e.federation} have taken over",
        "ask the others whether they have the same record of the old federation "
        f"({COMMAND} export, at each), and from whom this share is. If it came from a backup, put "
        f"back another one: {COMMAND} key restore FILE {{c.here}}",
    ),
    errors.NoBoard: lambda e, c: Sentence(
        f"the aggregator at {e.url} did not show the board: {step_words(e.waiting, c)}",
        "nothing was replaced. Try again when it runs, or give --record DIR with a record",
    ),
}
