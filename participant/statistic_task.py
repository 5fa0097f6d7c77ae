"""Contributing numbers that unmodified ``phe`` has encrypted to a statistic round."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from keyshare.encryption import Encryptor, randomiser_base
from keyshare.randomness import Stream
from participant.agent import Task
from participant.errors import BadStatisticFile, UnfitNumbers
from protocol.board import Board, Posted
from protocol.ciphertexts import Encrypted, read_ciphertexts, write_ciphertexts
from protocol.draft import Draft, public_payload
from protocol.epoch import Epoch
from protocol.errors import Malformed
from protocol.messages import Contribution, Opening, Request
from protocol.round import RoundView, round_session
from protocol.terms import Terms


class StatisticTask(Task):
    """One hospital's contribution to one statistic round; done when it is on the board."""

    def __init__(
        self, terms: Terms, index: int, epoch: Epoch, name: str, numbers: Encrypted, path: str
    ) -> None:
        self._terms, self._index, self._epoch = terms, index, epoch
        self._numbers, self._path = numbers, path
        self._view = RoundView(round_session(name))
        self.sent = False  # whether these very numbers are the contribution

    @property
    def done(self) -> bool:
        """Whether the contribution is on the board."""
        return self._index in self._view.contributions

    @property
    def session(self) -> str:
        """The round's session on the board."""
        return self._view.session

    def begin(self, board: Board) -> None:
        """Nothing to look up."""

    def wants(self, session: str) -> bool:
        """Only this round."""
        return session == self._view.session

    def needs(self, posted: Posted) -> bool:
        """Nothing: who contributes does not read what others do."""
        return False

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises UnfitNumbers if the round does not take these numbers."""
        self._view.receive(posted)
        opening = self._view.terms_of_opening
        if self._view.closing and not self.done:
            raise UnfitNumbers(self._path, f"round {self._view.name} is closed already")
        if opening and opening.length != len(self._numbers.values):
            raise UnfitNumbers(
                self._path,
                f"{len(self._numbers.values)} numbers, round {self._view.name} has "
                f"{opening.length}",
            )

    def due(self) -> Draft | None:
        """The request that opens the round, then the contribution."""
        view = self._view
        if view.opening is None:
            asked = Request(len(self._numbers.values))
            return None if view.requests else Draft(view.session, asked)
        opening = view.terms_of_opening
        if self.done or opening is None:
            return None
        (attachment,), blobs = public_payload(self._payload(opening))
        self.sent = True
        return Draft(view.session, Contribution(view.opening.digest, attachment), tuple(blobs))

    def _payload(self, opening: Opening) -> bytes:
        """The numbers with fresh randomness, whatever the program that made them used."""
        n = self._epoch.joint_key().n
        encryptor = Encryptor(n, randomiser_base(n, self._epoch.digest))
        stream = Stream(secrets.token_bytes(32))
        fresh = tuple(
            value * encryptor.encrypt(value * 0, stream) % (n * n) for value in self._numbers.values
        )
        payload = write_ciphertexts(Encrypted(fresh, self._numbers.exponents), n)
        try:
            read_ciphertexts(payload, opening, self._terms, n)
        except Malformed as error:
            raise BadStatisticFile(self._path, error.reason) from None
        return payload
