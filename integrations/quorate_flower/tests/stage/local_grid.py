# SPDX-License-Identifier: Apache-2.0
"""A Grid without a SuperLink: ClientApps are called in this process, all of a round at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

RUN = 7  # as in conftest
Node = Callable[[Message], Message]


class LocalGrid(Grid):
    """nodes: what each hospital's ClientApp makes of a message.

    sent, received: all that the ServerApp has sent, and all that came back to it.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self._answers, self._nodes = nodes, len(nodes)
        self.sent: list[Message] = []
        self.received: list[Message] = []

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Run:
        return Run.create_empty(RUN)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return range(1, self._nodes + 1)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        messages = list(messages)
        self.sent += messages
        with ThreadPoolExecutor(self._nodes) as threads:
            replies = list(threads.map(self._one, messages))
        self.received += replies
        return replies

    def _one(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        try:
            return self._answers[node - 1](message)
        except Exception as error:
            return Message(Error(2, str(error)), reply_to=message)
