# SPDX-License-Identifier: Apache-2.0
"""SuperNodes whose socket is not theirs are refused soon: real agents and a real aggregator."""

import threading
import time
from collections.abc import Iterator

import pytest
from flwr.app import Message
from flwr.serverapp.exception import InconsistentMessageReplies
from quorate_flower.records import record_of
from staged import Staged

from quorate_flower import QuorateFedAvg
from tests.stage.local_grid import LocalGrid
from tests.test_in_process import INITIAL, PLAN, Hospitals

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def staged() -> Iterator[Staged]:
    with Staged(4, "twice", rounds=2, seconds=5, **PLAN) as made:
        yield made


def test_a_second_supernode_that_comes_after_the_first_has_trained_is_refused_at_once(
    staged: Staged,
) -> None:
    """Both are at the first hospital's socket. Without that word the round would not end."""
    hospitals = Hospitals(staged.sockets, 15)
    first, *others = hospitals.nodes
    done = threading.Event()

    def trained(message: Message) -> Message:
        reply = first(message)
        if message.content.array_records:
            done.set()
        return reply

    def second(message: Message) -> Message:
        assert not message.content.array_records or done.wait(60)
        return first(message)

    grid = LocalGrid([trained, *others, second])
    strategy = QuorateFedAvg(fraction_evaluate=0.0)
    strategy.start(grid=grid, initial_arrays=record_of(INITIAL), num_rounds=1)
    last = [one for one in grid.received if one.metadata.src_node_id == 5][-1]
    assert "refused, by its rule 'turn'" in str(last.error.reason)
    assert [one.contributors for one in strategy.receipts.values()] == [4]


def test_an_agent_of_another_federation_is_named_by_the_server_within_seconds(
    staged: Staged,
) -> None:
    with Staged(4, "mixed", rounds=1, seconds=60, **PLAN) as others:
        mine = staged.study("mixed", rounds=1, seconds=60, **PLAN)
        hospitals = Hospitals([*mine[:2], others.sockets[2]], 16)
        started = time.monotonic()
        with pytest.raises(InconsistentMessageReplies, match=r": node 3 study mixed .*socket"):
            QuorateFedAvg().start(
                grid=LocalGrid(hospitals.nodes), initial_arrays=record_of(INITIAL), num_rounds=1
            )
        assert time.monotonic() - started < 10
    assert not any(hospitals.trained)
