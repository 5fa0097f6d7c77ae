"""Federated training: every round from the model that all hospitals hold to the next one.

Per round: state the model one stands at; when the round opens, fit and contribute the encrypted
difference; lock the closing's set, release partial decryptions under the policy, combine, apply.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from keyshare.encryption import Encryptor, randomiser_base
from keyshare.errors import BadExamples, BadUpdate, CorruptSum
from keyshare.packing import pack
from keyshare.quantisation import quantise
from keyshare.randomness import Stream
from participant.agent import Task
from participant.errors import BadApp, ModelMismatch
from participant.model import (
    Layout,
    Vector,
    checked_parameters,
    model_digest,
    read_model,
    write_model,
)
from participant.outbox import Storage
from participant.set_ledger import SetLedger
from protocol.board import Board, Posted
from protocol.ciphertexts import Encrypted, write_ciphertexts
from protocol.decryption import RoundMember
from protocol.draft import Draft, public_payload
from protocol.encoding import digest
from protocol.epoch import Epoch, EpochSecret
from protocol.errors import Refused
from protocol.messages import Contribution, Refusal, Statement
from protocol.round import RoundView, decode_training, round_session
from protocol.suite import packing_of
from protocol.terms import Terms

Config = dict[str, Any]
Report = Callable[[int, str, dict[str, Any]], None]  # round, event, facts


class App(Protocol):
    """The user's model: the functions of a Flower client, on lists of numpy arrays."""

    def initial_parameters(self, config: Config) -> list[NDArray[np.floating]]:
        """The model before round 1, the same at every hospital."""

    def fit(
        self, parameters: list[NDArray[np.floating]], config: Config
    ) -> tuple[list[NDArray[np.floating]], int, Config]:
        """Train on local data: parameters, number of examples, metrics."""

    def evaluate(
        self, parameters: list[NDArray[np.floating]], config: Config
    ) -> tuple[float, int, Config]:
        """Loss, number of examples, metrics on local data."""


def app_seed(terms: Terms) -> int:
    """A public number below 2^32 that all hospitals' apps share, for equal initial models."""
    return int.from_bytes(digest("quorate/app seed", terms.federation)[:4], "big")


class TrainingTask(Task):
    """One hospital's part in all training rounds of its federation."""

    def __init__(
        self,
        terms: Terms,
        secret: tuple[Epoch, EpochSecret],
        app: App,
        storage: Storage,
        report: Report = lambda number, event, facts: None,
    ) -> None:
        self._terms, (self._epoch, self._secret) = terms, secret
        self._app, self._storage, self._report = app, storage, report
        self._index = self._secret.index
        self._ledger = SetLedger(storage)
        self._rounds: dict[int, RoundMember] = {}
        self._encryptor: Encryptor | None = None
        self._closed_at: dict[int, float] = {}
        self._stated: dict[int, dict[int, bytes]] = {}  # by round, then by member
        self._differing: list[int] = []
        self._layout, self._vector, self.finished = self._load()

    def _load(self) -> tuple[Layout, Vector, int]:
        """The newest model stored here and its round, or the initial one and 0."""
        initial = checked_parameters(
            self._app.initial_parameters(self._config(0)), "initial_parameters"
        )
        layout = Layout.of(initial)
        for number in range(self._terms.rounds.count, 0, -1):
            if data := self._storage.read(f"models/round-{number}.npz"):
                return layout, read_model(data, layout), number
        return layout, layout.join(initial, "initial_parameters"), 0

    @property
    def done(self) -> bool:
        """Whether the last round's model is stored here and stated on the board."""
        is_last = self.finished >= self._terms.rounds.count
        return is_last and self._has_stated and not self._owes_partial

    @property
    def parameters(self) -> list[NDArray[np.floating]]:
        """The model that this hospital stands at."""
        return self._layout.split(self._vector)

    def begin(self, board: Board) -> None:
        """Take note of who has stated what already."""
        for posted in board.entries:
            kind, _, name = posted.post.session.partition("/")
            if isinstance(posted.post.body, Statement) and kind == "round":
                self._hear(int(name), posted.post.sender, posted.post.body)

    def wants(self, session: str) -> bool:
        """What is said of the model that this hospital stands at, and all later rounds."""
        kind, _, name = session.partition("/")
        return kind == "round" and self.finished <= int(name) <= self._terms.rounds.count

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises ModelMismatch if the round does not start from this hospital's model.

        Raises Refused once this hospital's refusal to help with the round is on the board.
        """
        number = int(posted.post.session.partition("/")[2])
        body = posted.post.body
        if isinstance(body, Statement):
            self._hear(number, posted.post.sender, body)
        if number < max(1, self.finished):
            return
        member = self._round(number)
        if number == self.finished:
            member.receive(posted, payloads)  # the others may still need this hospital's part
            return
        if isinstance(body, Refusal) and posted.post.sender == self._index:
            raise Refused(member.view.name, body.rule, body.member, body.reason)
        was_closed = member.view.closing is not None
        member.receive(posted, payloads)
        if member.view.closing and not was_closed:
            self._closed_at[number] = time.monotonic()
            self._report(number, "closed", {"contributors": self._contributors(member)})
        if number == self.finished + 1:
            self._apply(number, member)

    def due(self) -> Draft | None:
        """A statement, a contribution, a lock, a partial decryption or a refusal."""
        if not self._has_stated:
            body = Statement(self._digest, len(self._vector))
            return Draft(round_session(str(self.finished)), body)
        if self._owes_partial:
            return self._rounds[self.finished].due(self._ledger)
        number = self.finished + 1
        member = self._rounds.get(number)
        if member is None:
            return None
        view = member.view
        if view.opening and not view.closing and self._index not in view.contributions:
            return self._contribution(number, view)
        return member.due(self._ledger)

    @property
    def _digest(self) -> bytes:
        return model_digest(self._vector, self._layout)

    @property
    def _owes_partial(self) -> bool:
        """Whether the others may wait for this hospital's part in the round that it finished."""
        member = self._rounds.get(self.finished)
        return member is not None and member.owes_partial

    @property
    def _has_stated(self) -> bool:
        return self._stated.get(self.finished, {}).get(self._index) == self._digest

    def _hear(self, number: int, member: int, statement: Statement) -> None:
        self._stated.setdefault(number, {})[member] = statement.result
        if number == self.finished:
            self._compare()

    def _compare(self) -> None:
        """Report the members who stand at another model: no round opens until all agree."""
        stated = self._stated.get(self.finished, {})
        differing = sorted(m for m, d in stated.items() if d != self._digest and m != self._index)
        if differing and differing != self._differing:
            names = [self._terms.name_of(m) for m in differing]
            self._report(self.finished, "disagreement", {"members": names})
        self._differing = differing

    def _round(self, number: int) -> RoundMember:
        if number not in self._rounds:
            view = RoundView(round_session(str(number)))
            self._rounds[number] = RoundMember(view, self._terms, self._epoch, self._secret)
            self._rounds[number].consent = True  # the rules decide; whoever runs this agreed
        return self._rounds[number]

    def _config(self, number: int) -> Config:
        return {"round": number, "seed": app_seed(self._terms)}

    def _contribution(self, number: int, view: RoundView) -> Draft:
        opening = view.terms_of_opening
        assert opening is not None and view.opening is not None
        if (opening.kind, opening.model) != ("training", self._digest):
            raise ModelMismatch(view.name, "it starts from a model that this hospital lacks")
        if opening.length != len(self._vector):
            raise ModelMismatch(view.name, f"it is opened for {opening.length} weights")
        if opening.epoch != self._epoch.digest:
            raise ModelMismatch(view.name, "it was opened under another key")
        started = time.monotonic()
        update, examples = self._fit(number)
        trained = time.monotonic()
        payload = self._encrypt(number, update, examples)
        self._report(
            number,
            "contributed",
            {"train": trained - started, "encrypt": time.monotonic() - trained},
        )
        (attachment,), blobs = public_payload(payload)
        return Draft(view.session, Contribution(view.opening.digest, attachment), tuple(blobs))

    def _fit(self, number: int) -> tuple[Vector, int]:
        answer = self._app.fit(self.parameters, self._config(number))
        if not isinstance(answer, tuple) or len(answer) != 3:
            raise BadApp("fit", "it must return (parameters, num_examples, metrics)")
        parameters, examples, metrics = answer
        if isinstance(examples, bool) or not isinstance(examples, int):
            raise BadApp("fit", f"num_examples is {type(examples).__name__}, not int")
        fitted = self._layout.join(checked_parameters(parameters, "fit"), "fit")
        self._report(number, "fitted", {"metrics": metrics, "examples": examples})
        return fitted - self._vector, examples

    def _encrypt(self, number: int, update: Vector, examples: int) -> bytes:
        n = self._epoch.joint_key().n
        if self._encryptor is None:
            self._encryptor = Encryptor(n, randomiser_base(n, self._epoch.digest))
        try:
            quantised = quantise(update, examples, self._terms.quantisation)
        except (BadUpdate, BadExamples) as error:
            raise BadApp("fit", str(error)) from None
        if quantised.clipped:
            self._report(number, "clipped", {"values": quantised.clipped})
        plaintexts = pack(quantised.values, packing_of(self._terms))
        # Fresh randomness is safe here: the ciphertexts are durable before any of them leaves.
        stream = Stream(secrets.token_bytes(32))
        encrypted = tuple(self._encryptor.encrypt(m, stream) for m in plaintexts)
        return write_ciphertexts(Encrypted(encrypted), n)

    def _contributors(self, member: RoundMember) -> list[int]:
        return [c.member for c in member.view.closed.contributors] if member.view.closed else []

    def _apply(self, number: int, member: RoundMember) -> None:
        """Once the sum is decrypted: the next model, stored before anything else happens."""
        opening = member.view.terms_of_opening
        if member.plaintexts is None or opening is None:
            return
        if (opening.model, opening.length) != (self._digest, len(self._vector)):
            raise ModelMismatch(member.view.name, "it started from a model this hospital lacks")
        contributors = self._contributors(member)
        try:
            update = decode_training(
                member.plaintexts, opening.length, len(contributors), self._terms
            )
            self._vector = self._vector + update
        except CorruptSum as error:
            # Everyone has the same sum, and with it the same verdict: the model stays as it is.
            self._report(number, "void", {"reason": str(error), "contributors": contributors})
        self._storage.write(f"models/round-{number}.npz", write_model(self._vector, self._layout))
        self.finished = number
        self._rounds.pop(number - 1, None)
        waited = time.monotonic() - self._closed_at.pop(number, time.monotonic())
        self._report(number, "decrypted", {"decrypt": waited, "contributors": contributors})
        self._differing = []
        self._compare()
        self._evaluate(number)

    def _evaluate(self, number: int) -> None:
        answer = self._app.evaluate(self.parameters, self._config(number))
        if not isinstance(answer, tuple) or len(answer) != 3:
            raise BadApp("evaluate", "it must return (loss, num_examples, metrics)")
        loss, examples, metrics = answer
        try:
            loss = float(loss)
        except (TypeError, ValueError):
            raise BadApp("evaluate", f"loss is {type(loss).__name__}, not a number") from None
        facts = {"loss": loss, "examples": examples, "metrics": metrics}
        self._report(number, "evaluated", facts)
