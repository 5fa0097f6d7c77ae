"""What is said in a ceremony."""

from typing import Annotated

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from protocol.encoding import Message
from protocol.key import MAX_EPOCH_BYTES
from protocol.messages.attachment import Attachments
from protocol.messages.fields import MAX_SEALING_KEY_BYTES, Count, Digest, Index, Text, Word
from protocol.messages.session import StepId


class Join(Message, frozen=True, tag="join"):
    """Ceremony: I am here; payloads for me are sealed to this key, all I draw is from this seed."""

    sealing_key: Annotated[bytes, Meta(max_length=MAX_SEALING_KEY_BYTES)]
    seed_digest: Digest


class AtStep(Message, frozen=True):
    """Ceremony: about one step."""

    step: Word
    batch: Count
    candidate: Count

    @property
    def id(self) -> StepId:
        """The step."""
        return StepId(self.step, self.batch, self.candidate)


class Step(AtStep, frozen=True, tag="step"):
    """Ceremony: one step's values, for all (``to`` 0) or sealed to one member each."""

    attachments: Attachments


class Certificate(Message, frozen=True, tag="certificate"):
    """Ceremony: I saw this transcript and hold a checked share of this key (an encoded Epoch)."""

    transcript: Digest
    epoch: Annotated[bytes, Meta(max_length=MAX_EPOCH_BYTES)]


class Overdue(AtStep, frozen=True, tag="overdue"):
    """Ceremony: by my own clock this step has lasted longer than the terms allow.

    The aggregator's time of this entry shows whether it has by the board's, too.
    """


class Abort(Message, frozen=True, tag="abort"):
    """Ceremony: I stop here, because of ``culprit`` (0: nobody in particular).

    ``silent``: who had not spoken in a step that was overdue, where that is the cause; nobody is a
    culprit for it.
    """

    culprit: Index
    step: Word
    reason: Text
    silent: Annotated[tuple[Index, ...], Meta(max_length=MAX_MEMBERS)] = ()


class Disclosure(Message, frozen=True, tag="disclosure"):
    """Ceremony, after an abort: my seed, so that all can see that I did as I should."""

    seed: Annotated[bytes, Meta(min_length=32, max_length=32)]
