"""What is said of a change of members that cannot be."""

from participant.cli.sentences.sentence import COMMAND, Context, Said, Sentence
from participant.home import (
    CannotRevoke,
    NoSuchMember,
    NothingChanges,
    OtherPredecessor,
    UnfitCard,
    UnsaidLeaving,
)
from protocol.words import number_of, pasted


def _no_such_member(e: NoSuchMember, c: Context) -> Sentence:
    return Sentence(
        f"{e.name} is not a member in {c.file}", f"the members are {', '.join(e.among)}"
    )


def _unfit_card(e: UnfitCard, c: Context) -> Sentence:
    if e.why == "there":
        return Sentence(
            f"--add {e.path}: {e.member} is a member already",
            "a new machine of a member is given as --replace NAME=CARD",
        )
    if e.why == "key":
        return Sentence(
            f"--replace: {e.path} is the card that {e.member} has already",
            f"make a new identity on the new machine ({COMMAND} init), and give its card",
        )
    return Sentence(
        f"--replace: {e.path} is the card of {e.found}, not of {e.member}",
        "a new machine has the name of its hospital: give that name to init. A hospital that takes "
        "another's place is given as --add, and the other as --remove",
    )


def _unsaid(e: UnsaidLeaving, c: Context) -> Sentence:
    names = ", ".join(e.names)
    return Sentence(
        f"it is not said how {names} {number_of(len(e.names), 'leaves', 'leave')}",
        "add --leaves-in-peace, or, where somebody is expelled or a key is suspected, --expelled "
        "with --new-key. Nothing was written",
    )


def _cannot_revoke(e: CannotRevoke, c: Context) -> Sentence:
    return Sentence(
        f"a handover does not shut out {', '.join(e.names)}: any {e.quorum} old key shares that "
        "were kept decrypt for ever whatever is encrypted under this key",
        "a new key does: add --new-key, and finish or give up what is encrypted under the old one. "
        "Nothing was written",
    )


def _other_predecessor(e: OtherPredecessor, c: Context) -> Sentence:
    if not e.expected:
        return Sentence(f"the terms in {c.file} succeed no others", "leave out --old")
    return Sentence(
        f"{e.path} holds other terms than those that {c.file} succeeds",
        f"give the terms with this fingerprint as --old: {e.expected}",
    )


ROSTER: Said = {
    NoSuchMember: _no_such_member,
    UnfitCard: _unfit_card,
    UnsaidLeaving: _unsaid,
    CannotRevoke: _cannot_revoke,
    NothingChanges: lambda e, c: Sentence(
        f"new terms that succeed {e.path} would change nothing",
        "say who joins, who leaves, or who has a new machine. New key shares for the same members "
        f"need no new terms: {COMMAND} key refresh {pasted(e.path)}",
    ),
    OtherPredecessor: _other_predecessor,
}
