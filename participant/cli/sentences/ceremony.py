"""What is said of a ceremony that was aborted, and of one that was not."""

from collections.abc import Sequence

from participant import errors as participant_errors
from participant.cli.sentences.sentence import (
    ABORTED,
    COMMAND,
    Context,
    Said,
    Sentence,
    in_a_row,
    plain,
)
from protocol import errors as protocol_errors


def _ceremony_failed(e: protocol_errors.CeremonyFailed, c: Context) -> Sentence:
    if e.silent:
        what = f"the key ceremony was given up in step {e.step}: {c.reason(e.reason)}"
        return Sentence(what, _after_silence(e.silent, c), ABORTED)
    who = f"because of {c.name(e.culprit)}" if e.culprit else "and nobody is accused"
    return Sentence(
        f"the key ceremony was aborted {who}, in step {e.step}: {c.reason(e.reason)}",
        f"see who broke the rules: {COMMAND} verdict {c.here}; when that is settled, all members "
        f"begin a new one: {COMMAND} ceremony {c.pasted}",
        ABORTED,
    )


def _after_silence(silent: Sequence[int], c: Context) -> str:
    return (
        f"ask {c.names(silent)} whether the agent runs. Going on without {c.names(silent)} takes "
        f"new terms. Else all members, {c.names(silent)} too, begin a new ceremony: {COMMAND} "
        f"ceremony {c.pasted}"
    )


def _ceremony_aborted(e: participant_errors.CeremonyAborted, c: Context) -> Sentence:
    said = [
        f"{c.name(culprit)} broke the rules (entry {e.evidence.get(culprit)}, {c.reason(reason)})"
        for culprit, reason in e.culprits.items()
    ]
    if e.silent:
        said.append(f"{c.names(e.silent)} did not disclose the seed, so may have")
    absent, given_up = e.given_up
    if given_up:
        said.insert(0, f"it was given up {c.reason(given_up)}")
    what = in_a_row([f"{e.session} was aborted", *(said or ["nobody broke the rules"])])
    remedies = []
    if absent and not e.culprits:
        return Sentence(what, _after_silence(absent, c), ABORTED)
    if e.culprits:
        remedies.append(
            f"ask {c.names(list(e.culprits))} about it (another release? a damaged data folder?)"
        )
    if e.silent:
        remedies.append(
            f"{c.names(e.silent)} can disclose the seed, unless it is withheld for good (a "
            "certificate was made, or the machine was set back). Type at "
            f"{c.names(e.silent)}: {COMMAND} ceremony {c.pasted}; and then here: {COMMAND} verdict "
            f"{c.here} --session {e.session}"
        )
    remedies.append(
        "all sign new terms without a culprit, or begin a new ceremony: "
        f"{COMMAND} ceremony {c.pasted}"
        if e.culprits
        else f"all members begin a new one: {COMMAND} ceremony {c.pasted}"
    )
    return Sentence(what, "; ".join(remedies), ABORTED)


def _not_aborted(e: participant_errors.NotAborted, c: Context) -> Sentence:
    what = f"{e.session} was not aborted" if e.session else "no ceremony of these terms was aborted"
    return Sentence(
        f"{what}, so there is nothing to judge", f"see how things stand: {COMMAND} status {c.here}"
    )


CEREMONIES: Said = {
    protocol_errors.CeremonyFailed: _ceremony_failed,
    participant_errors.CeremonyAborted: _ceremony_aborted,
    participant_errors.NotAborted: _not_aborted,
    participant_errors.NoCeremony: plain(
        "{c.file} takes over the key of the terms that it succeeds: no ceremony makes another",
        f"old and new members type: {COMMAND} handover {{c.pasted}}",
    ),
}
