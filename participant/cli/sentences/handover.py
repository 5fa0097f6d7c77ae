"""What the errors and the steps of a handover of the key say to people."""

from collections.abc import Mapping
from typing import Any

from participant.cli.sentences.sentence import COMMAND, Context, Said, Sentence, plain
from participant.door import SERVE
from participant.handover import (
    AnotherHandover,
    BrokenRecord,
    HandoverGivenUp,
    NewShareLost,
    NoKeyToHandOver,
    NoRecord,
    NothingToHandOver,
    TooManySums,
)
from participant.words.fingerprint import fingerprint
from protocol.words import pasted, shown

STEPS = {  # what is waited for
    "propose": "a proposal of {session}",
    "consent": "agreement to {session}",
    "arrive": "the new members of {session}, who have to verify the board",
    "freeze": "a pause of all sums, in {session}",
    "commit": "the dealers of {session}, who have to commit",
    "deal": "the dealers of {session}, who have to deal",
    "show": "proofs of the new key shares, in {session}",
    "release": "the end of the old key shares, in {session}",
    "thaw": "the end of {session}, which was given up",
    "void": "the end of {session}, which is about something else than what is typed here",
    "acknowledge": "the new members of {session}, who have to acknowledge its end",
}
_REACHED = {  # what was not reached
    "consent": "too few had agreed",
    "arrive": "not all new members had come",
    "freeze": "too few had paused their sums",
    "commit": "not all dealers had committed",
    "deal": "not all dealers had dealt",
    "show": "not all new members had proven their new key shares",
}
_TOO_MANY = "more sums were opened than a new board takes over, to compare others with"
_NEW_KEY = f"make a new key: {COMMAND} terms succeed --new-key"


def command_of(facts: Mapping[str, Any], c: Context) -> str:
    """What takes part in a handover; facts: ``is_refresh``."""
    if facts.get("is_refresh"):
        return f"{COMMAND} key refresh {c.pasted}"
    if c.old is None:
        return f"{COMMAND} handover NEW.toml --old {c.pasted}"
    return f"{COMMAND} handover {c.pasted} --old {pasted(c.old)}"


def held_folder(facts: Mapping[str, Any]) -> str:
    """Which folder is waited for, and who has it; facts: of a wait of that kind."""
    who = "another process"
    if facts["pid"] is not None:
        who = f"process {facts['pid']} ({shown(facts['command'])})"
    return f"the folder {shown(facts['path'])} for its new key share, which {who} uses"


def free_folder(facts: Mapping[str, Any], c: Context) -> str:
    """What ends who has it."""
    if facts["command"] != SERVE:
        return "Wait for it to end, or stop it."
    here = "NEW.toml" if c.old is None else c.here
    return f"End it: {COMMAND} stop {here}"


def _given_up(e: HandoverGivenUp, c: Context) -> Sentence:
    said = f"{e.session} was given up, and the key and all key shares are what they were"
    if e.too_many_sums:
        return Sentence(f"{said}: {_TOO_MANY}", _NEW_KEY)
    named = zip(e.culprits, e.faults, strict=True)
    why = ". ".join(f"{culprit or 'nobody in particular'}: {fault}" for culprit, fault in named)
    if not why and e.step in _REACHED:
        why = f"{_REACHED[e.step]}. Nothing came from {', '.join(e.silent) or 'nobody'}"
    again = "type the same again"
    if any(e.culprits):
        again += ". The next attempt does without the one that is named, where enough others can"
    return Sentence(f"{said}: {why}" if why else said, again)


def _another(e: AnotherHandover, c: Context) -> Sentence:
    return Sentence(
        f"{e.session} is under way, and hands the key over to other terms than those given here. "
        f"They have the fingerprint {fingerprint(e.federation)}",
        "wait for its end, or ask the other members which terms they mean",
    )


def _no_key(e: NoKeyToHandOver, c: Context) -> Sentence:
    if e.is_gone:
        return Sentence(
            f"the key of {e.federation} was handed over to other terms",
            "use the new terms, and what their members type",
        )
    return Sentence(f"{e.federation} has no key yet", f"make it: {COMMAND} ceremony {c.pasted}")


def _share_lost(e: NewShareLost, c: Context) -> Sentence:
    return Sentence(
        f"{e.session} gave this hospital a new key share, and it is not here: this data folder is "
        "older, or was put back. The old key share is of no use any more, and was erased",
        f"restore the newest backup: {c.restores}. This hospital gets a new key share with them",
    )


def _nothing(e: NothingToHandOver, c: Context) -> Sentence:
    if e.makes_key:
        return Sentence(
            f"the members of {e.path} make a new key, and take over none",
            f"they type: {COMMAND} ceremony {pasted(e.path)}",
        )
    return Sentence(
        f"{e.path} holds terms that succeed no others",
        f"give the file that {COMMAND} terms succeed --out has written, and the terms before it "
        "as --old",
    )


HANDOVER: Said = {
    NewShareLost: _share_lost,
    NothingToHandOver: _nothing,
    NoKeyToHandOver: _no_key,
    TooManySums: plain(f"{{e.federation}}: {_TOO_MANY}", _NEW_KEY),
    NoRecord: plain(
        "{e.name} is a new member, and has to verify the record of {e.federation} first",
        "give it as --record FOLDER. Any old member makes one: "
        f"{COMMAND} export OLD.toml --out FOLDER",
    ),
    BrokenRecord: plain(
        "the record {e.path} cannot be relied on: {e.reason}",
        "do not go on with it. Ask another old member for its record",
    ),
    HandoverGivenUp: _given_up,
    AnotherHandover: _another,
}
