# SPDX-License-Identifier: Apache-2.0
"""FedAvg for a server that learns nothing: replies have receipts, and no arrays."""

import secrets
from collections import Counter
from collections.abc import Iterable
from logging import INFO, WARNING
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid
from flwr.serverapp.exception import InconsistentMessageReplies
from flwr.serverapp.strategy import FedAvg

from quorate_flower.receipt import RECORD, WHICH_STUDY, Receipt

ANSWER_SECONDS = 60.0  # that nodes have to say which study they train


class QuorateFedAvg(FedAvg):
    """In place of FedAvg; quorate's own rules say who is in a sum.

    receipts: of each round of Flower, the receipt that its hospitals agree on. The initial model is
    sent to each hospital until its first receipt comes, and no other model to anybody. What
    ``start`` returns has no arrays: hospitals have the model.
    """

    def __init__(self, **settings: Any) -> None:
        """settings: FedAvg's. All hospitals train, so ``fraction_train`` is none of them."""
        super().__init__(fraction_train=1.0, **settings)
        self.receipts: dict[int, Receipt] = {}
        self._known: set[int] = set()  # nodes that have a model
        self._studies: dict[int, Receipt] = {}  # of each node, as it has said before it trained
        self._newest = 0  # quorate's round, that at least two nodes have had receipts of

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The initial model for who may not have one yet, and no arrays for the others.

        Raises InconsistentMessageReplies where an agent is another federation's or study's.
        """
        messages = list(super().configure_train(server_round, arrays, config, grid))
        self._require_one_study([one.metadata.dst_node_id for one in messages], grid)
        turn = secrets.token_hex(16)
        for message in messages:
            is_first = message.metadata.dst_node_id not in self._known
            message.content = RecordDict(
                {
                    self.arrayrecord_key: arrays if is_first else ArrayRecord(),
                    self.configrecord_key: config,
                    RECORD: ConfigRecord(
                        {"initial": is_first, "after": self._newest, "turn": turn}
                    ),
                }
            )
        return messages

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """No arrays: each hospital evaluates the model that it has."""
        messages = list(super().configure_evaluate(server_round, ArrayRecord(), config, grid))
        for message in messages:
            message.content[RECORD] = ConfigRecord({"initial": False, "after": self._newest})
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Metrics of those who agree on the round; arrays never.

        Raises InconsistentMessageReplies where they do not hold one model, or have no receipt.
        """
        agreed, receipt = self._agreed(server_round, replies, is_train=True)
        if receipt is None:
            return None, None
        self.receipts[server_round] = receipt
        log(INFO, "quorate: round %s, %s, model %s", receipt.round, receipt.outcome, receipt.model)
        return None, self.train_metrics_aggr_fn(agreed, self.weighted_by_key)

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Metrics of those who have evaluated one model."""
        agreed, receipt = self._agreed(server_round, replies, is_train=False)
        if receipt is None:
            return None
        return self.evaluate_metrics_aggr_fn(agreed, self.weighted_by_key)

    def _require_one_study(self, nodes: list[int], grid: Grid) -> None:
        """Ask who has not said it. One that does not answer is found out by its training.

        The question is a message to train, since any other is for apps that have a function for it.
        """
        question = RecordDict({RECORD: ConfigRecord({WHICH_STUDY: True})})
        asked = [
            Message(question, dst_node_id=node, message_type=MessageType.TRAIN)
            for node in nodes
            if node not in self._studies
        ]
        if not asked:
            return
        for reply in grid.send_and_receive(asked, timeout=ANSWER_SECONDS):
            if reply.has_content() and (said := Receipt.read(reply.content)):
                self._studies[reply.metadata.src_node_id] = said
        _require_same_study({n: self._studies[n] for n in nodes if n in self._studies})

    def _agreed(
        self, server_round: int, replies: Iterable[Message], *, is_train: bool
    ) -> tuple[list[RecordDict], Receipt | None]:
        """The replies that are of the newest round, and the receipt that they have in common."""
        valid, _ = self._check_and_log_replies(list(replies), is_train, validate=False)
        receipts = {reply.metadata.src_node_id: self._receipt(reply) for reply in valid}
        self._known |= receipts.keys()
        if not receipts:
            return [], None
        newest = self._newest_of(receipts)
        _log_others(server_round, receipts, newest)
        found = {node: one for node, one in receipts.items() if one.round == newest}
        if len({(one.study, one.model) for one in found.values()}) != 1:
            each = (f"node {n}: {one.study}, {one.model[:16]}" for n, one in found.items())
            raise InconsistentMessageReplies(
                f"round {server_round}: hospitals do not hold one model after quorate's round "
                f"{newest}: {', '.join(each)}"
            )
        contents = [reply.content for reply in valid if reply.metadata.src_node_id in found]
        return contents, next(iter(found.values()))

    def _newest_of(self, receipts: dict[int, Receipt]) -> int:
        """The newest round that two nodes answer for; of one node where no two do.

        A single node that names a round far ahead so makes nobody late, and nobody wait for it.
        """
        counted = Counter(receipt.round for receipt in receipts.values())
        shared = [number for number, nodes in counted.items() if nodes > 1]
        if shared:
            self._newest = max(self._newest, *shared)
        return max(shared or counted)

    def _receipt(self, reply: Message) -> Receipt:
        if (receipt := Receipt.read(reply.content)) is None:
            raise InconsistentMessageReplies(
                f"node {reply.metadata.src_node_id} answered without quorate's receipt: its "
                "ClientApp has no quorate_mod"
            )
        return receipt


def _require_same_study(found: dict[int, Receipt]) -> None:
    """Raise InconsistentMessageReplies, naming those who are not of the most nodes' study."""
    counted = Counter((one.study, one.model) for one in found.values())
    if len(counted) < 2:
        return
    (most, _), *_ = counted.most_common()
    others = {n: one for n, one in found.items() if (one.study, one.model) != most}
    each = (f"node {n} study {one.study} ({one.model[:16]})" for n, one in others.items())
    raise InconsistentMessageReplies(
        f"hospitals train different studies, or in different federations: {', '.join(each)}, and "
        f"the others study {most[0]} ({most[1][:16]}). Start the SuperNode of each node that is "
        "named with the quorate-socket at which its agent trains the others' study"
    )


def _log_others(server_round: int, receipts: dict[int, Receipt], newest: int) -> None:
    """A hospital that was away answers for a round that the others have left."""
    for node, receipt in receipts.items():
        if receipt.round != newest:
            log(
                WARNING,
                "quorate: node %s is %s in round %s: it answers for quorate's round %s, and the "
                "others for %s",
                node,
                "late" if receipt.round < newest else "alone",
                server_round,
                receipt.round,
                newest,
            )
