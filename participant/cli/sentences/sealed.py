"""What is said of sealed files, of their passphrase, and of the seeds in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from participant import errors
from participant.cli.sentences.sentence import ABORTED, COMMAND, Context, Said, Sentence, plain
from participant.home import MINIMUM_CHARACTERS

_UNUSABLE = {  # passphrases: why, and what helps
    "empty": ("empty", "give one that is not empty"),
    "too short": (f"at least {MINIMUM_CHARACTERS} characters are needed", "choose a longer one"),
    "entries differ": ("the two entries differ", "type the command again"),
    "not UTF-8": ("not text in UTF-8", "save it as UTF-8"),
    "not in the system's encoding": (
        "not text in this system's encoding", "use a locale in UTF-8, such as LC_ALL=C.UTF-8"
    ),
}  # fmt: skip


def _no_passphrase(e: errors.NoPassphrase, c: Context) -> Sentence:
    why, sources = "the terminal was closed at the prompt", e.option
    if e.variable:
        sources += f", or set {e.variable}"
    if e.why == "no terminal":
        why = f"no terminal, no {e.option}" + (f", and {e.variable} is not set" * bool(e.variable))
    return Sentence(f"no passphrase: {why}", f"give {sources}")


def _bad_passphrase(e: errors.BadPassphrase, c: Context) -> Sentence:
    if e.why == "the present one":
        what = "the new passphrase is the present one"
        remedy = "nothing was changed. Choose another"
    elif e.why == "that of the data folder":
        what = (
            f"the passphrase for the backup is that of {e.source}: whoever learns it there could "
            "open the backup, too"
        )
        remedy = "nothing was written. Choose another, and keep it elsewhere than the file"
    else:
        reason, remedy = _UNUSABLE[e.why]
        what = f"the passphrase from {e.source} cannot be used: {reason}"
    return Sentence(what, remedy)


def _foreign_seal(e: errors.ForeignSeal, c: Context) -> Sentence:
    parts = [f"{k} is {found!r}, not {want!r}" for k, (want, found) in e.differing.items()]
    return Sentence(
        f"{e.path} was sealed for something else: {'; '.join(parts)}",
        "put back the file that belongs there, or use the data folder of that federation (--home)",
    )


def of_share(sentence: Callable[[Any, Context], Sentence]) -> Callable[[Any, Context], Sentence]:
    """The same of any other file; a key share that is damaged has ways back of its own."""

    def said(e: Any, c: Context) -> Sentence:
        found = sentence(e, c)
        if not Path(e.path).name.startswith("key-share-"):
            return found
        return Sentence(
            f"the key share is damaged: {found.what}",
            f"move {e.path} away and put back the backup: {c.restores}",
        )

    return said


def _no_seed(e: errors.NoSeed, c: Context) -> Sentence:
    if e.why == "forgotten":
        return Sentence(
            f"{e.session} has ended here, but its key share is gone from the data folder",
            "without it this hospital cannot help to decrypt. Put back the key share: "
            f"{c.restores}",
        )
    if e.why == "lost":
        return Sentence(
            f"this hospital began {e.session}, but the seed it began with is not in the data "
            "folder",
            "put back the vault from a backup, or use the data folder (--home) that it began with",
        )
    return Sentence(
        f"this hospital takes no further part in {e.session}: its data folder was put back to an "
        "earlier state after it had joined",
        "tell the other members. When they have given the ceremony up, all begin a new one: "
        f"{COMMAND} ceremony {c.pasted}",
        ABORTED,
    )


SEALED: Said = {
    errors.NoPassphrase: _no_passphrase,
    errors.BadPassphrase: _bad_passphrase,
    errors.WrongPassphrase: of_share(
        plain(
            "{e.path} does not open: the passphrase is wrong or the file is damaged",
            "try again. If the passphrase is right, put back a copy of the file from a backup",
        )
    ),
    errors.ForeignSeal: of_share(_foreign_seal),
    errors.NewerFormat: plain(
        "{e.path} has format {e.found}, this release knows {e.known}", "install a newer release"
    ),
    errors.TooLittleMemory: plain(
        "unlocking {e.path} takes {e.memory_kib} KiB of memory, which are not free",
        "close other programs and try again",
    ),
    errors.NoSeed: _no_seed,
    errors.RetiredShare: plain(
        "the key was handed over, and this hospital has given up its key share of epoch {e.epoch} "
        "in {e.folder}",
        "the members that have the key now go on with it, under their terms. If this hospital is "
        "one of them here, its newer key share is lost. Put it back: {c.restores}",
    ),
}
