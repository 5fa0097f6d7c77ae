"""Every text that a message can hold is known, with where it is shown; a new one must be added."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated

import msgspec
import msgspec.inspect as inspect
import pytest

import aggregator
import participant
import protocol
from protocol.encoding import Message, decode, encode
from protocol.errors import Malformed
from protocol.wire.frames import Rejected, decode_from_aggregator
from tests.foreign.poison import POISONS

# The fields that take any text: each is fed to what shows it by the test that is named here.
SHOWN = {
    "protocol.messages.ceremony.Abort.reason": "test_records",
    "protocol.messages.rounds.Refusal.reason": "test_records",
    "protocol.board.budget.Surplus.reason": "never sent, and shown nowhere",
    "protocol.messages.plan.Plan.purpose": "test_views: a study",
    "protocol.messages.plan.Statistic.labels": "test_views: a study, a decryption",
    "participant.study.approval.KeptApproval.app": "own; test_views: errors (OtherApp)",
    "protocol.messages.rounds.ModelEntry.name": "test_views: a row of training (disagreement)",
    "protocol.wire.frames.Rejected.reason": "test_views: errors",
    "protocol.wire.frames.Declined.reason": "test_views: errors (RejectedByAggregator)",
    "protocol.terms.terms.Terms.name": "test_files: terms",
    "protocol.terms.terms.Member.name": "test_files: terms",
    "protocol.messages.inherited_sums.InheritedSums.hospitals": "checked as names in terms are",
    "protocol.terms.address_card.AddressCard.url": "test_files: terms",
    "protocol.wire.frames.Introduction.url": "never shown: it is compared",
    "protocol.sealing.SealContext.what": "never sent: it is hashed",
    "protocol.sealing.SealContext.session": "never sent: it is hashed",
    "participant.key.backup._Backup.name": "own, sealed; checked against the terms in it",
    "participant.key.backup._Backup.terms": "own, sealed; parsed as any terms",
    "participant.program.beginning._Header.local_entries": "test_views: errors (BadApp)",
    "participant.home.identity._SealedIdentity.name": "own, sealed",
    "participant.model.sample.SampledEntry.name": "own, sealed; never shown",
    "participant.home.sealed_file.SealedFor.federation": "test_views: errors (ForeignSeal)",
    "participant.home.sealed_file.SealedFor.session": "test_views: errors (ForeignSeal)",
    "participant.home.sealed_file.SealedFor.kind": "test_views: errors (ForeignSeal)",
    "participant.door.messages.CeremonyAt.step": "plain; shown as a ceremony's",
    "participant.door.messages.Greeting.conversation": "plain; never shown",
    "participant.door.messages.JudgeCeremony.session": "plain; as a command's",
    "participant.door.messages.KeyChecked.session": "plain; as a command's",
    "participant.door.messages.TaskStanding.session": "plain; shown in status",
    "participant.door.messages.TaskStanding.task": "plain; shown in status",
    "participant.door.messages.Waits.kind": "plain; one of those known",
    "participant.door.messages.JobWanted.file": "said by this user, and back in Failed",
    "participant.door.messages.JobWanted.home": "said by this user, and back in Failed",
    "participant.door.messages.ExportRecord.folder": "said by this user, and back in Failed",
    "participant.door.messages.Denied.reason": "test_views: errors (AgentDenies)",
    "participant.door.messages.Failed.what": "test_views: errors (SaidByAgent)",
    "participant.door.messages.Failed.remedy": "test_views: errors (SaidByAgent)",
    "participant.door.messages.AgentStanding.trouble": "test_views: errors (SaidByAgent)",
    "participant.door.messages.AgentStanding.remedy": "test_views: errors (SaidByAgent)",
    "participant.door.messages.KeyChecked.wrong": "as the command's own: say, and JSON",
    "participant.door.messages.JobWanted.plan": "said by this user, and back in Failed",
    "participant.door.study_messages.TrainStudy.app": "said by this user, and back in Failed",
    "participant.door.study_messages.TrainStudy.user": "said by this user; test_views: errors",
    "participant.door.study_messages.TrainStudy.variables": "said by this user, and never shown",
    "participant.door.study_messages.ApproveStudy.app": "said by this user, and back in Failed",
    "participant.door.study_messages.ContributeNumbers.file": "said by this user, back in Failed",
    "participant.door.study_messages.Asked.round_name": "as the command's own: say",
    "participant.door.study_messages.Asked.kind": "as the command's own: say",
    "participant.door.study_messages.Asked.contributors": "as the command's own: say",
    "participant.door.study_messages.Asked.warning": "as the command's own: say",
    "participant.door.study_messages.Asked.labels": "test_views: a decryption",
    "participant.door.study_messages.Asked.agreed": "as the command's own: say",
    "participant.door.study_results.SaidStanding.proposer": "test_views: a study",
    "participant.door.study_results.SaidStanding.contributors": "test_views: a study",
    "participant.door.study_results.SaidStanding.openers": "test_views: a study",
    "participant.door.study_results.SaidStanding.votes": "test_views: a study",
    "protocol.board.rest.BudgetState.due": "own, never sent; never shown",
    "protocol.board.rest.LastWord.session": "own, never sent; never shown",
    "protocol.board.rest.RestingRound.session": "own, never sent; never shown",
    "protocol.board.rest.Tries.kind": "own, never sent; never shown",
    "protocol.board.rest.Unsaid.session": "own, never sent; never shown",
    "protocol.rounds.known.RoundsState.held": "own, never sent; never shown",
    "protocol.rounds.known.RoundsState.opened": "own, never sent; never shown",
    "protocol.board.rest.Unsaid.reason": "own, never sent; that of a Surplus",
}
CHECKED = {"protocol.messages.inherited_sums.InheritedSums.hospitals"}  # beyond its schema
# Bytes that are, or may hold, text of others; all others are shown as hex or never.
NESTED = {
    "protocol.wire.frames.StatusReport.report": "test_views: the standing",
    "protocol.wire.frames.Entries.entries": "an Entry each",
    "protocol.board.post.SignedPost.post": "a Post",
    "protocol.messages.ceremony.Certificate.epoch": "an Epoch: numbers",
    "protocol.messages.inherited_sums.InheritedPart.data": "a part of InheritedSums",
    "protocol.messages.attachment.Attachment.data": "payloads: numbers, ciphertexts, sealed things",
    "protocol.wire.frames.BlobChunk.data": "payloads: numbers, ciphertexts and sealed things",
}


def load(module: str) -> None:
    """Import it. Flower may not be here: what needs it is in an app's process, and says nothing."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "flwr":
            raise


def types() -> list[type[Message]]:
    for package in (protocol, participant, aggregator):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                load(module.name)
    found: list[type[Message]] = []
    waiting = list(Message.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.split(".")[0] in ("protocol", "participant", "aggregator"):
            found.append(kind)
    return sorted(found, key=name_of)


def name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def texts(kind: inspect.Type) -> Iterator[inspect.StrType]:
    """The free texts in a field's type; structs are looked at by themselves."""
    if isinstance(kind, inspect.StrType):
        yield kind
    for name in ("item_type", "key_type", "value_type"):
        if inner := getattr(kind, name, None):
            yield from texts(inner)
    for name in ("item_types", "types"):
        for inner in getattr(kind, name, ()):
            yield from texts(inner)


def takes(text: inspect.StrType, poison: str) -> bool:
    """Whether a field's schema lets a text in, at whatever length it takes."""
    limits = msgspec.Meta(pattern=text.pattern, max_length=text.max_length)
    try:
        msgspec.convert(poison[: text.max_length or len(poison)], Annotated[str, limits])
    except msgspec.ValidationError:
        return False
    return True


def open_fields() -> set[str]:
    """Fields whose schema lets any of the poisons through."""
    return {
        f"{name_of(kind)}.{field.name}"
        for kind in types()
        for field in inspect.type_info(kind).fields
        for text in texts(field.type)
        if any(takes(text, poison) for poison in POISONS.values())
    }


def test_every_text_field_that_takes_anything_is_known_with_where_it_is_fed() -> None:
    assert open_fields() == set(SHOWN)


def test_the_nested_bytes_are_there() -> None:
    fields = {f"{name_of(k)}.{f.name}" for k in types() for f in inspect.type_info(k).fields}
    assert set(NESTED) <= fields


@pytest.mark.parametrize("poison", ["escape", "line"])
def test_no_said_text_begins_a_line_or_moves_a_cursor(poison: str) -> None:
    """At the door: what is posted holds no control characters at all."""
    for kind in types():
        if not kind.__module__.startswith(("protocol.messages.", "protocol.board.post")):
            continue
        for field in inspect.type_info(kind).fields:
            name = f"{name_of(kind)}.{field.name}"
            for text in texts(field.type) if name not in CHECKED else ():
                assert not takes(text, POISONS[poison]), name


def test_what_the_schema_refuses_is_quoted_shown_and_short() -> None:
    poison = POISONS["escape"] + POISONS["long"]
    for frame in (["rejected", poison, "x"], ["rejected", "busy", poison], [poison]):
        with pytest.raises(Malformed) as caught:
            decode_from_aggregator(encode(frame))
        assert len(caught.value.reason) <= 200
        assert "\x1b" not in caught.value.reason
    with pytest.raises(Malformed):
        decode(encode(["busy", "\n"]), Rejected, "frame", 100)
