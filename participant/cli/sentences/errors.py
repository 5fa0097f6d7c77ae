"""What each error says to people: what and who, what to do about it, and the exit code."""

import signal

from keyshare import errors as keyshare_errors
from participant import errors as participant_errors
from participant.cli.sentences.ceremony import CEREMONIES
from participant.cli.sentences.handover import HANDOVER
from participant.cli.sentences.key import KEY_CARE
from participant.cli.sentences.kinds import KINDS
from participant.cli.sentences.model import MODELS
from participant.cli.sentences.network import DOOR, NETWORK
from participant.cli.sentences.roster import ROSTER
from participant.cli.sentences.sealed import SEALED, of_share
from participant.cli.sentences.sentence import (
    ABORTED,
    BY_SIGNAL,
    COMMAND,
    FAILED,
    REFUSED,
    Context,
    Said,
    Sentence,
    in_a_row,
    plain,
)
from participant.cli.sentences.studies import STUDIES
from participant.cli.sentences.training import HELD_UP
from participant.cli.sentences.waiting import names_of, step_words, why_and_remedy
from participant.door import SERVE
from protocol import errors as protocol_errors
from protocol.programs.refusals import remedy_for
from protocol.words import lacking, number_of
from protocol.words.counted import counted


def describe(error: Exception, context: Context) -> Sentence:
    """The sentence of an error of ours; raises KeyError for any other."""
    return SENTENCES[type(error)](error, context)


def _unsigned(e: protocol_errors.UnsignedTerms, c: Context) -> Sentence:
    who = ", ".join([*e.missing, *e.wrong])
    remedy = f"{who}: {COMMAND} terms sign {c.pasted}"
    if e.wrong:
        blocks = number_of(len(e.wrong), "block", "blocks")
        those = f"the [[signatures]] {blocks} of {', '.join(e.wrong)}"
        remedy = f"take {those} out of {c.file}, and compare the terms. Then {remedy}"
    return Sentence(f"{c.file}: {lacking(e.missing, e.wrong)}", remedy)


def _running(e: participant_errors.AlreadyRunning, c: Context) -> Sentence:
    by = f"process {e.pid} ({e.command})" if e.pid is not None else "another process"
    remedy = "wait for it to end, or stop it, and try again"
    if e.command == SERVE:
        remedy = f"it does this hospital's work. See what it does: {COMMAND} status {c.here}. To "
        remedy += f"end it: {COMMAND} stop {c.here}"
    return Sentence(f"{e.path.parent} is in use by {by}", remedy)


def _out_of_time(e: participant_errors.OutOfTime, c: Context) -> Sentence:
    why, remedy = why_and_remedy(e.waiting, 0, c)
    said = f"not done after {round(e.seconds, 1):g} s: {step_words(e.waiting, c)}"
    names = f", waiting for {names_of(e.waiting, c)}" if e.waiting.members else ""
    return Sentence(
        f"{said}{names}. {why} {remedy}".rstrip(),
        _goes_on(f"see how things stand: {COMMAND} status {c.there}", e.is_sending),
    )


def _goes_on(remedy: str, is_sending: bool) -> str:
    """What becomes of what was begun."""
    kept = ["what this hospital was sending is kept, and the next command sends it"]
    said = [*kept * is_sending, "the same command goes on where it stopped", remedy]
    return in_a_row([one for one in said if one])


def _interrupted(e: participant_errors.Interrupted, c: Context) -> Sentence:
    name = signal.Signals(e.signal).name
    return Sentence(f"stopped by {name}", _goes_on("", e.is_sending), BY_SIGNAL + e.signal)


def _rejected(e: participant_errors.RejectedByAggregator, c: Context) -> Sentence:
    what = f"the aggregator does not accept this hospital's messages ({e.code}): {e.reason}"
    if e.code == "over-budget":
        what = f"this is more than one hospital may say: {e.reason}"
    if e.code == "missing-blob":
        what = f"the aggregator does not have what this hospital needs from it: {e.reason}"
    if e.code == "false-decline":
        what = (
            f"the aggregator declines a message that is within this hospital's budget: {e.reason}"
        )
    remedies = {
        "over-budget": "the message was dropped. Wait for what is under way, then give the command "
        "again",
        "false-decline": "the message is kept, and the same command sends it again. Ask the "
        "aggregator's operator, and compare the heads of the board (status) with the other members",
        "unknown-identity": f"ask its operator whether it serves these terms: {c.file}. A new "
        "member is let in once a handover to it has been proposed",
        "bad-signature": f"ask its operator whether it serves these terms: {c.file}",
        "identity-in-use": "stop the other process with this identity. If there should be none, "
        "somebody has a copy of your identity: tell the other members",
        "fork": "do not go on. Compare the heads of the board (status) with the other members",
    }
    remedy = remedies.get(e.code, "ask the aggregator's operator. Nothing here is lost")
    return Sentence(what, remedy, ABORTED if e.code == "fork" else FAILED)


def _refused(e: protocol_errors.Refused, c: Context) -> Sentence:
    who = f", {c.name(e.member)}" if e.member else ""
    return Sentence(
        f"refused to help decrypt {e.round_name} (rule {e.rule}{who}): {e.reason}",
        "nothing was decrypted by this hospital. The other members can see the refusal",
        REFUSED,
    )


def _unfit_record(e: protocol_errors.UnfitRecord, c: Context) -> Sentence:
    if e.member:
        return Sentence(
            f"{e.path} is no countersignature of {c.name(e.member)}: {e.reason}",
            f"ask {c.name(e.member)} for it again, or take the file away",
        )
    return Sentence(
        f"the folder does not hold a record of these terms: {e.path}: {e.reason}",
        "nothing was changed there. Give another folder as --out, or move that one away",
    )


def _bad_terms(e: protocol_errors.BadTerms, c: Context) -> Sentence:
    if option := c.option_of(e.field):
        return Sentence(f"{option} ({e.field}): {e.reason}", "give another. Nothing was written")
    remedy = f"correct it there. What is changed in {c.file} all members sign again"
    return Sentence(f"{c.file}: {e.field}: {e.reason}", remedy)


def _bad_card(e: participant_errors.BadCard, c: Context) -> Sentence:
    if not e.field:
        return Sentence(
            f"{e.path} is not the card of the identity beside it",
            "move it away. It is written again from the identity",
        )
    remedy = "ask for the card again"
    if e.path.parent == c.home:
        remedy = "move it away. The next command that opens the identity beside it writes it again"
    return Sentence(f"{e.path} is not a card: {e.field}: {e.reason}", remedy)


def _too_few_partials(e: keyshare_errors.TooFewPartials, c: Context) -> Sentence:
    here = f"{counted(e.have, 'partial decryption')} {number_of(e.have, 'is', 'are')} here"
    return Sentence(
        f"{here}, {e.need} are needed", "wait for more members, or ask them to run decrypt"
    )


def _file_exists(e: participant_errors.FileExists, c: Context) -> Sentence:
    if e.reason:
        return Sentence(
            f"{e.path} is in the way: {e.reason}",
            "nothing was replaced. Move it away if it is not needed, then type the same command "
            "again",
        )
    return Sentence(
        f"{e.path} is there already and is never overwritten",
        "use it, or move it away first if it is no longer needed",
    )


def _damaged_file(e: participant_errors.DamagedFile, c: Context) -> Sentence:
    if e.what == "journal":
        return Sentence(
            f"{e.path} is no journal of training: {e.reason}",
            "give studies/NAME/rounds.jsonl of this hospital's data folder, or leave --journal out",
        )
    if e.what == "verified":
        return Sentence(
            f"{e.path} cannot be relied on: {e.reason}",
            "give another file, or remove this one and type the same command again: the whole "
            "record is verified then",
        )
    if e.what in _REMADE:
        return Sentence(
            f"{e.path} in the data folder is damaged: {e.reason}",
            "put it back from a copy, or remove it and type the same command again. "
            + _REMADE[e.what],
        )
    remedy = _DAMAGED
    if e.what == "copy of the board":
        remedy = "type the same command again: it reads the board from the aggregator. If nobody "
        remedy += "has changed the data folder, check the disk"
    if e.what == "outbox":
        remedy = "put back the data folder from a backup. What was about to be sent is lost with it"
    return Sentence(f"{e.path} is damaged: {e.reason}", remedy)


def _identity_in_use(e: participant_errors.IdentityInUse, c: Context) -> Sentence:
    if e.certificate_of:
        return Sentence(
            f"this hospital's certificate of {e.certificate_of} is still to be sent, but the board "
            f"has gone on without it: entry {e.position} is signed as this member, and not from "
            "this folder",
            "if this hospital was restored elsewhere, use that data folder only. If not, do not go "
            "on: compare the heads of the board (status) with the other members",
            ABORTED,
        )
    return Sentence(
        f"entry {e.position} in {e.session} was signed as this member, but not from this folder",
        "another copy of this identity is at work: stop it, and use one data folder only. If there "
        "is none, this machine was set back to a snapshot while it worked: type the same command "
        "again",
        ABORTED,
    )


def _unfit_numbers(e: participant_errors.UnfitNumbers, c: Context) -> Sentence:
    remedy = "correct it. A file of numbers is CSV or JSON, as README.md shows. Nothing was sent"
    if e.remedy:
        remedy = f"{e.remedy}. No number was sent"
    return Sentence(f"{e.path} cannot be contributed: {e.reason}", remedy)


def _declined(e: participant_errors.NotAgreed, c: Context) -> Sentence:
    if e.what:
        return Sentence(f"not agreed: {e.what}", "nothing was sent")
    return Sentence(
        "stopped at a question without an answer",
        "nothing was sent. Type the same command again, with --yes where nobody can be asked",
    )


_REMADE = {
    "model": "It is then made again from the board",
    "local entries": "What stays at this hospital then begins as in initial_parameters",
    "beginning": "The study's next program then begins anew, at this hospital alone",
    "note": "What it says is then not known here",
    "release": "A handover that is under way notes it again. After it, this hospital does not say "
    "which key it took over: enough of the others have to",
}
_DAMAGED = "put back a copy of it from a backup"
_ITS_NUMBER = "check the program that made these numbers. Nothing was sent"

_KEYSHARE: Said = {
    keyshare_errors.BadParameters: plain(
        "{e.field} = {e.value} is out of range", "allowed: {e.allowed}"
    ),
    keyshare_errors.BadIndices: plain(
        "the numbers of the key shares ({e.indices}) are not distinct", "tell the other members"
    ),
    keyshare_errors.TooFewPartials: _too_few_partials,
    keyshare_errors.BadCombination: plain(
        "the partial decryptions of {who} do not fit together",
        "one of them is wrong. Decrypt again with other members",
    ),
    keyshare_errors.BadUpdate: plain(
        "the update of the model cannot be encrypted: {e}",
        "correct the app's fit. Nothing was sent",
    ),
    keyshare_errors.BadExamples: plain(
        "fit reports {e.num_examples} examples, allowed are {e.least} to {e.most}",
        "correct the app's fit. If it is right, another study needs a larger --max-examples",
    ),
    keyshare_errors.CorruptSum: plain(
        "the decrypted sum is one that honest contributions cannot give: {e}",
        "some contribution was malformed on purpose or by mistake: ask the contributors",
        ABORTED,
    ),
    keyshare_errors.FalseSum: plain(
        "{e}",
        "ask the aggregator's operator who has had access to it. No model was changed",
        ABORTED,
    ),
    keyshare_errors.InexactProduct: plain(
        "this machine's floating-point arithmetic is not what the standard says: {e}",
        "nothing was sent. Run the tests on this machine, or use another",
    ),
    keyshare_errors.BadPlaintext: plain("a number cannot be encrypted: {e}", _ITS_NUMBER),
    keyshare_errors.BadCiphertext: plain("a ciphertext cannot be used: {e}", _ITS_NUMBER),
    keyshare_errors.WrongKey: plain("a key cannot be used: {e}", _ITS_NUMBER),
    keyshare_errors.BadKeyShare: plain("{e}", _DAMAGED),
    keyshare_errors.BadHandover: plain(
        "the handover of the key gives no key: {e.reason}",
        "keep the old key share, and show this to the other members",
    ),
    keyshare_errors.BadPart: plain("{e}", "ask that member. Nothing was decrypted"),
    keyshare_errors.UnfitNumber: plain(
        "a number does not fit: {e.reason}", "round it, or ask for a study with other --decimals"
    ),
}

_PROTOCOL: Said = {
    protocol_errors.Malformed: plain(
        "what came as {e.what} does not read: {e.reason}",
        "check that all members and the aggregator run the same release",
    ),
    protocol_errors.BadTerms: _bad_terms,
    protocol_errors.UnsignedTerms: _unsigned,
    protocol_errors.UnfitRecord: _unfit_record,
    protocol_errors.BadSignature: plain(
        "a signature of {who} ({e.what}) does not fit",
        "somebody altered it on the way. Ask for it again",
    ),
    protocol_errors.BadSeal: plain(
        "what {who} sealed for this hospital ({e.what}) does not open",
        "check that this is the data folder that took part in the ceremony",
    ),
    protocol_errors.Fork: plain(
        "the board has forked at entry {e.position}: {e.reason}",
        "do not go on. Compare heads (status) with the other members: the aggregator shows "
        "different boards, or has lost data, which its operator puts back from a backup",
        ABORTED,
    ),
    protocol_errors.BadEntry: plain(
        "the board breaks its rules at entry {e.position}, by {who}: {e.reason}",
        "do not go on. The aggregator shows what it must not accept: tell the other members",
        ABORTED,
    ),
    protocol_errors.Refused: _refused,
    protocol_errors.Uncombinable: plain(
        "{e.round_name}: the partial decryptions of {who} have proofs that hold, and yet "
        "they give no sum",
        "nobody can make such parts without having factored the joint key. Use this key no more, "
        "and make another in a new ceremony",
        ABORTED,
    ),
}

_PARTICIPANT: Said = {
    participant_errors.FileExists: _file_exists,
    participant_errors.DiskError: lambda e, c: Sentence(
        f"{e.path}: {e.reason}", f"{remedy_for(e.number)}, then type the same command again"
    ),
    participant_errors.DamagedFile: of_share(_damaged_file),
    participant_errors.IdentityInUse: _identity_in_use,
    participant_errors.UnfitNumbers: _unfit_numbers,
    participant_errors.NotAgreed: _declined,
    participant_errors.AlreadyRunning: _running,
    participant_errors.SessionTaken: plain(
        "this hospital is at work in {e.session} already",
        "wait for that to end, or stop it, and try again",
    ),
    participant_errors.BadName: plain("{e.name!r} cannot be a name: {e.reason}", "choose another"),
    participant_errors.BadCard: _bad_card,
    participant_errors.DamagedBlob: lambda e, c: Sentence(
        f"the aggregator sent bytes that are not blob {e.name.hex()[:16]}…",
        "its storage is damaged: ask its operator, then type the same command again",
    ),
    participant_errors.RejectedByAggregator: _rejected,
    participant_errors.BadApp: plain(
        "the app failed in {e.function}: {e.reason}",
        "correct it and type the same command again; type train where the agent began by itself",
    ),
    participant_errors.NoAppUser: plain(
        "the app cannot run as {e.user}: {e.reason}",
        "name another --app-user, which needs root or CAP_SETUID, or leave it out",
    ),
    participant_errors.OutOfTime: _out_of_time,
    participant_errors.Interrupted: _interrupted,
    participant_errors.NotAMember: plain(
        "{e.name}, the identity in {e.home}, is not a member in {c.file}",
        "use the right --home, or new terms that hold your card",
    ),
    participant_errors.AlreadySigned: plain(
        "{e.name} has signed {c.file} already",
        f"see who is missing: {COMMAND} terms show {{c.pasted}}",
    ),
}

SENTENCES = {
    **_KEYSHARE,
    **_PROTOCOL,
    **_PARTICIPANT,
    **NETWORK,
    **CEREMONIES,
    **KINDS,
    **MODELS,
    **HELD_UP,
    **STUDIES,
    **HANDOVER,
    **KEY_CARE,
    **ROSTER,
    **SEALED,
    **DOOR,
}
