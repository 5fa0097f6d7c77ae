"""Hospitals' tasks that train, and release something else in the place of their part."""

from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.messages.rounds import Partial
from protocol.rounds.partial_payload import LockedSum
from tests.stage.rounds.toy_round import TOY
from tests.stage.rounds.wrong_part import parts_of, posted_as, right_parts
from tests.stage.toy import seed_of


class OtherParts(TrainingTask):
    """Says something else in the place of its part of the first round."""

    def instead(self, locked: LockedSum) -> Draft:
        raise NotImplementedError

    def due(self) -> Draft | None:
        draft = super().due()
        if draft is None or not isinstance(draft.body, Partial):
            return draft
        locked = self._known._rounds[1].member._locked
        assert locked is not None
        return self.instead(locked)


class Doubling(OtherParts):
    """Sends parts that are not those of its share, of the toy's key."""

    def instead(self, locked: LockedSum) -> Draft:
        index, key = self._keys.index, seed_of("a liar's content key")
        wrong = [2 * part % TOY.key.n**2 for part in right_parts(locked.ciphertexts, index)]
        payload = locked.encrypt(parts_of(locked, index, wrong), index, key)
        return posted_as(locked, index, payload, key, {})
